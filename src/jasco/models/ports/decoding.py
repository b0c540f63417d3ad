"""Decoding: presets, and searches that share batches of one language model."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

# transformers renames the argument; the former name goes with 5.40.
_FORWARD = inspect.signature(LlamaForCausalLM.forward).parameters
_CACHE = "cache" if "cache" in _FORWARD else "past_key_values"

Rule = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Maps tokens, shape (rows, step), and scores of the next, shape (rows, vocabulary), to scores."""


@dataclass(frozen=True)
class Preset:
    """Settings of decoding, as in a published script.

    Attributes
    ----------
    max_new_tokens : int
        The longest answer.
    temperature : float
        0 takes the likeliest token each time.
    top_p, top_k : float, int or None
        Which tokens may be sampled; None: all.
    repetition_penalty : float
        1 is none.
    num_beams : int
        Above 1: beam search.
    seed : int or None
        Seed of the sampling, set for each answer, so that no answer depends on earlier ones.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float = 1.0
    num_beams: int = 1
    seed: int | None = None


def cuts_of(preset: Preset, at_least: int = 1) -> LogitsProcessorList:
    """Return the processors of temperature, top_k and top_p, in this order.

    Parameters
    ----------
    preset : Preset
        A preset that samples.
    at_least : int
        Number of tokens that are always kept.
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
    """A random number generator with the same samples on every device.

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

    def draw(self, scores: torch.Tensor, count: int = 1) -> torch.Tensor:
        """Sample distinct indices, shape (count,), by scores of shape (choices,)."""
        probabilities = scores.softmax(-1).cpu()
        return torch.multinomial(probabilities, count, generator=self._generator)


class Search(Protocol):
    """The search for one answer.

    Attributes
    ----------
    preset : Preset
        Its settings.
    answer : list of int
        Its tokens so far, without the end; complete once no row continues.
    """

    preset: Preset
    answer: list[int]

    def step(self, logits: torch.Tensor) -> list[tuple[int, int]]:
        """Choose the next tokens.

        Parameters
        ----------
        logits : Tensor of float32, shape (rows, vocabulary)
            Those after each of the texts chosen last; one row at first.

        Returns
        -------
        list of (int, int)
            The row and the next token of each text that continues; empty at the end.
        """
        ...


class Sampler:
    """A search that takes a token at a time: the likeliest, or a sampled one.

    Parameters
    ----------
    preset : Preset
        A preset with one beam.
    penalised : sequence of int
        Tokens of the prompt that the repetition penalty includes, as in some originals.
    rules : sequence of Rule
        Further rules that ban or force tokens; applied to the answer's tokens alone.
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
        """Compute the scores, shape (1, vocabulary), by which the next token is chosen."""
        answer = torch.tensor([self.answer], dtype=torch.long, device=logits.device)
        prompt = torch.tensor([self._penalised], dtype=torch.long, device=logits.device)
        scores: torch.Tensor = self._penalty(torch.cat([prompt, answer], dim=1), logits)
        for rule in self._rules:
            scores = rule(answer, scores)
        cut: torch.Tensor = self._cuts(answer, scores)
        return cut

    def step(self, logits: torch.Tensor) -> list[tuple[int, int]]:
        """Choose one token; see :class:`Search`."""
        scores = self.scores(logits)[0]
        token = int(self._rng.draw(scores) if self.preset.temperature else scores.argmax())
        if token == EOS:
            return []
        self.answer.append(token)
        return [(0, token)] if len(self.answer) < self.preset.max_new_tokens else []


def decode(
    llama: LlamaForCausalLM,
    prompts: Sequence[torch.Tensor],
    searches: Sequence[Search],
    keep: Callable[[torch.Tensor], object] = lambda _: None,
) -> None:
    """Run searches to their ends, together in one batch.

    Texts that have ended leave the batch. Searches are independent; but sums of longer rows are
    rounded otherwise, so that where two tokens are almost equally likely, an answer can differ
    from the one that is found without the others.

    Parameters
    ----------
    llama : LlamaForCausalLM
    prompts : sequence of Tensor, shape (1, length, width) each
        Embeddings of the prompts, text and audio.
    searches : sequence of Search
        One a prompt.
    keep : callable
        Called at every step, before the model computes the next, with the rows of the last step
        that the rows of the next come from: Tensor of int, shape (rows,).
    """
    longest = max(prompt.shape[1] for prompt in prompts)
    missing = [longest - prompt.shape[1] for prompt in prompts]
    embeddings = torch.cat(
        [pad(prompt, (0, 0, short, 0)) for prompt, short in zip(prompts, missing, strict=True)]
    )
    # 0 where a position is padding; without any, the model takes no mask.
    mask = torch.tensor(
        [[0] * short + [1] * (longest - short) for short in missing], device=embeddings.device
    )
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    inputs, cache = {"inputs_embeds": embeddings}, DynamicCache(config=llama.config)
    running: list[tuple[Search, int]] = [(search, 1) for search in searches]
    with torch.inference_mode():
        while running:
            padding = {"attention_mask": mask, "position_ids": positions} if any(missing) else {}
            output = llama(**inputs, **padding, **{_CACHE: cache}, logits_to_keep=1)
            running, choices = _step(running, output.logits[:, -1].float())
            if running:
                rows, tokens = torch.tensor(choices, device=mask.device).T
                keep(rows)
                cache.reorder_cache(rows)
                mask = pad(mask[rows], (0, 1), value=1)
                positions = mask.sum(dim=1, keepdim=True) - 1
                inputs = {"input_ids": tokens[:, None]}


def _step(
    running: Sequence[tuple[Search, int]], logits: torch.Tensor
) -> tuple[list[tuple[Search, int]], list[tuple[int, int]]]:
    """Run one step of each search, which comes with its number of rows, on its part of the logits.

    Returns
    -------
    still : list of (Search, int)
        Those that continue, with their number of rows.
    choices : list of (int, int)
        As of :meth:`Search.step`, of all of them.
    """
    still, choices, first = [], [], 0
    for search, rows in running:
        chosen = search.step(logits[first : first + rows])
        choices += [(first + row, token) for row, token in chosen]
        still += [(search, len(chosen))] if chosen else []
        first += rows
    return still, choices
