"""Decoding: presets, and searches that share the batches of one language model."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch.nn.functional import pad
from transformers import (
    DynamicCache,
    LlamaForCausalLM,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from jasco.models.ports.text import EOS

# transformers renames the argument; the old name will be removed in 5.40.
_FORWARD = inspect.signature(LlamaForCausalLM.forward).parameters
_CACHE = "cache" if "cache" in _FORWARD else "past_key_values"

Rule = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Maps tokens, shape (rows, step), and scores of the next token, shape (rows, vocabulary), to
scores of the same shape."""


@dataclass(frozen=True)
class Preset:
    """Decoding settings, as in a published script.

    Attributes
    ----------
    max_new_tokens : int
        Maximum number of tokens of an answer.
    temperature : float
        0: the most likely token at each step.
    top_p, top_k : float, int or None
        Limits on the tokens that may be sampled; None: no limit.
    repetition_penalty : float
        1: no penalty.
    num_beams : int
        Above 1: beam search.
    seed : int or None
        Seed of the sampler. It is set again for each answer, so that no answer depends on earlier
        ones.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float = 1.0
    num_beams: int = 1
    seed: int | None = None

    def of_sample(self, sample: int) -> "Preset":
        """Return the settings for one of several answers, counted from 0: the seed is shifted."""
        return self if self.seed is None else replace(self, seed=self.seed + sample)


def cuts_of(preset: Preset, at_least: int = 1) -> LogitsProcessorList:
    """Return the logits processors of temperature, top_k and top_p, in this order.

    Parameters
    ----------
    preset : Preset
        A preset that samples.
    at_least : int
        Number of tokens that always remain.
    """
    cuts = LogitsProcessorList()
    if preset.temperature != 1:
        cuts.append(TemperatureLogitsWarper(preset.temperature))
    if preset.top_k is not None:
        cuts.append(TopKLogitsWarper(preset.top_k, min_tokens_to_keep=at_least))
    if preset.top_p is not None:
        cuts.append(TopPLogitsWarper(preset.top_p, min_tokens_to_keep=at_least))
    return cuts


class Rng:
    """A random number generator that returns the same samples on every device.

    Parameters
    ----------
    seed : int or None
        None: a random seed.
    """

    def __init__(self, seed: int | None) -> None:
        self._generator = torch.Generator()
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed)

    def sample(self, scores: torch.Tensor, count: int = 1) -> torch.Tensor:
        """Return distinct indices, shape (count,), sampled by scores of shape (choices,)."""
        probabilities = scores.softmax(-1).cpu()
        return torch.multinomial(probabilities, count, generator=self._generator)


class Search(Protocol):
    """The search for one answer.

    Attributes
    ----------
    preset : Preset
        The decoding settings.
    answer : list of int
        Tokens of the answer so far, without EOS; complete once no hypothesis continues.
    """

    preset: Preset
    answer: list[int]

    def step(self, logits: torch.Tensor) -> list[tuple[int, int]]:
        """Choose the next tokens.

        Parameters
        ----------
        logits : Tensor of float32, shape (rows, vocabulary)
            Logits after each of the hypotheses chosen last; one row at the first step.

        Returns
        -------
        list of (int, int)
            The row and the next token of each hypothesis that continues; empty at the end.
        """
        ...


class Sampler:
    """A search with a single hypothesis: greedy, or by sampling if there is a temperature.

    Parameters
    ----------
    preset : Preset
        A preset with one beam.
    penalised : sequence of int
        Tokens of the prompt to which the repetition penalty applies, as in some originals.
    rules : sequence of Rule
        Further rules that ban or force tokens; they are given the answer's tokens alone.
    """

    def __init__(
        self, preset: Preset, penalised: Sequence[int] = (), rules: Sequence[Rule] = ()
    ) -> None:
        self.answer: list[int] = []
        self.preset, self._rules, self._rng = preset, rules, Rng(preset.seed)
        self._penalised = list(penalised)
        self._penalty = RepetitionPenaltyLogitsProcessor(preset.repetition_penalty)
        self._cuts = cuts_of(preset) if preset.temperature else LogitsProcessorList()

    def scores(self, logits: torch.Tensor) -> torch.Tensor:
        """Compute the scores of the next token, shape (1, vocabulary)."""
        answer = torch.tensor([self.answer], dtype=torch.long, device=logits.device)
        prompt = torch.tensor([self._penalised], dtype=torch.long, device=logits.device)
        scores: torch.Tensor = self._penalty(torch.cat([prompt, answer], dim=1), logits)
        for rule in self._rules:
            scores = rule(answer, scores)
        processed: torch.Tensor = self._cuts(answer, scores)
        return processed

    def step(self, logits: torch.Tensor) -> list[tuple[int, int]]:
        """Choose the next token; see :class:`Search`."""
        scores = self.scores(logits)[0]
        token = int(self._rng.sample(scores) if self.preset.temperature else scores.argmax())
        if token == EOS:
            return []
        self.answer.append(token)
        return [(0, token)] if len(self.answer) < self.preset.max_new_tokens else []


def decode(
    llama: LlamaForCausalLM,
    prompts: Sequence[torch.Tensor],
    searches: Sequence[Search],
    select_rows: Callable[[torch.Tensor], object] = lambda _: None,
) -> None:
    """Run several searches in one batch until all of them have ended.

    Finished hypotheses are removed from the batch. The searches are independent of each other, but
    padding changes how sums are rounded: where two tokens are almost equally likely, an answer can
    differ from the one that the search finds without the others.

    Parameters
    ----------
    llama : LlamaForCausalLM
    prompts : sequence of Tensor, shape (1, length, width) each
        Embeddings of the prompts, text and audio.
    searches : sequence of Search
        One for each prompt.
    select_rows : callable
        Called between two steps with the indices of the rows of the last step that the rows of the
        next step continue: Tensor of int, shape (rows,).
    """
    length = max(prompt.shape[1] for prompt in prompts)
    paddings = [length - prompt.shape[1] for prompt in prompts]
    embeddings = torch.cat(
        [pad(prompt, (0, 0, padding, 0)) for prompt, padding in zip(prompts, paddings, strict=True)]
    )
    # 0 where a position is padding; without padding, no mask is passed to the model.
    mask = torch.tensor(
        [[0] * padding + [1] * (length - padding) for padding in paddings], device=embeddings.device
    )
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    inputs, cache = {"inputs_embeds": embeddings}, DynamicCache(config=llama.config)
    running: list[tuple[Search, int]] = [(search, 1) for search in searches]
    with torch.inference_mode():
        while running:
            masked = {"attention_mask": mask, "position_ids": positions} if any(paddings) else {}
            output = llama(**inputs, **masked, **{_CACHE: cache}, logits_to_keep=1)
            running, choices = _step(running, output.logits[:, -1].float())
            if running:
                rows, tokens = torch.tensor(choices, device=mask.device).T
                select_rows(rows)
                cache.reorder_cache(rows)
                mask = pad(mask[rows], (0, 1), value=1)
                positions = mask.sum(dim=1, keepdim=True) - 1
                inputs = {"input_ids": tokens[:, None]}


def _step(
    running: Sequence[tuple[Search, int]], logits: torch.Tensor
) -> tuple[list[tuple[Search, int]], list[tuple[int, int]]]:
    """Run one step of each search on its rows of the logits.

    Parameters
    ----------
    running : sequence of (Search, int)
        The searches, each with its number of rows.
    logits : Tensor of float32, shape (rows, vocabulary)
        Those of all searches, in their order.

    Returns
    -------
    continuing : list of (Search, int)
        The searches that continue, each with its number of rows.
    choices : list of (int, int)
        The choices (:meth:`Search.step`) of all searches, with rows counted over the batch.
    """
    continuing, choices, first = [], [], 0
    for search, rows in running:
        chosen = search.step(logits[first : first + rows])
        choices += [(first + row, token) for row, token in chosen]
        continuing += [(search, len(chosen))] if chosen else []
        first += rows
    return continuing, choices
