"""Decoding: presets, and searches that share the batches of one language model."""

import inspect
from collections.abc import Callable, Hashable, Sequence
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
    groups: Sequence[Hashable] | None = None,
) -> None:
    """Run several searches in one batch until all of them have ended.

    Finished hypotheses are removed from the batch. The searches are independent of each other, but
    padding and shared prefixes change how sums are rounded: where two tokens are almost equally
    likely, an answer can differ from the one that the search finds without the others.

    Parameters
    ----------
    llama : LlamaForCausalLM
    prompts : sequence of Tensor, shape (1, length, width) each
        Embeddings of the prompts, text and audio.
    searches : sequence of Search
        One for each prompt.
    select_rows : callable
        Called between two steps, if rows change, with the indices of the rows of the last step that
        the rows of the next step continue: Tensor of int, shape (rows,).
    groups : sequence of hashable, optional
        The group of each prompt, such as its clip. The longest common prefix of a group is computed
        once, and its key-value cache is copied for each of the prompts. This requires that all rows
        are computed with the same weights. By default, nothing is shared.
    """
    batch = _Batch(llama)
    running: list[tuple[Search, int]] = [(search, 1) for search in searches]
    with torch.inference_mode():
        if groups is not None and len(set(groups)) < len(prompts):
            prefixes, prompts, prefix_of = split_prefixes(prompts, groups)
            if any(prefix.shape[1] for prefix in prefixes):
                batch.append(*_pad_left(prefixes))
                batch.select(torch.tensor(prefix_of, device=prompts[0].device))
        logits = batch.append(*_pad_left(prompts))
        while running:
            rows = range(len(logits))
            running, choices = _step(running, logits)
            if running:
                selected, tokens = torch.tensor(choices, device=logits.device).T
                if [row for row, _ in choices] != [*rows]:
                    select_rows(selected)
                    batch.select(selected)
                embeddings = llama.get_input_embeddings()(tokens[:, None])
                logits = batch.append(embeddings, torch.ones_like(tokens)[:, None])


def split_prefixes(
    prompts: Sequence[torch.Tensor], groups: Sequence[Hashable]
) -> tuple[list[torch.Tensor], list[torch.Tensor], list[int]]:
    """Split prompts into the longest common prefix of their group and the rest.

    Parameters
    ----------
    prompts : sequence of Tensor, shape (1, length, width) each
    groups : sequence of hashable
        The group of each prompt.

    Returns
    -------
    prefixes : list of Tensor, shape (1, length, width) each
        One for each group, in order of appearance; empty if its prompts differ from the start.
    rests : list of Tensor, shape (1, length, width) each
        The rest of each prompt: at least one position.
    prefix_of : list of int
        For each prompt, the index of its prefix.
    """
    names = list(dict.fromkeys(groups))
    prefixes = []
    for name in names:
        members = [prompt for prompt, group in zip(prompts, groups, strict=True) if group == name]
        shortest = min(prompt.shape[1] for prompt in members) - 1
        beginnings = torch.cat([prompt[:, :shortest] for prompt in members])
        equal = (beginnings == beginnings[0]).all(dim=2).all(dim=0)
        prefixes.append(members[0][:, : int(equal.cumprod(dim=0).sum())])
    prefix_of = [names.index(group) for group in groups]
    rests = [
        prompt[:, prefixes[index].shape[1] :]
        for prompt, index in zip(prompts, prefix_of, strict=True)
    ]
    return prefixes, rests, prefix_of


class _Batch:
    """The rows of a batch: their key-value cache, and which of its positions are padding."""

    def __init__(self, llama: LlamaForCausalLM) -> None:
        self._llama, self._cache = llama, DynamicCache(config=llama.config)
        self._mask: torch.Tensor | None = None

    def append(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Append a sequence to each row, and compute the logits of the next token.

        Parameters
        ----------
        embeddings : Tensor, shape (rows, length, width)
        mask : Tensor of int, shape (rows, length)
            0 where a position is padding, else 1.

        Returns
        -------
        Tensor of float32, shape (rows, vocabulary)
        """
        self._mask = mask if self._mask is None else torch.cat([self._mask, mask], dim=1)
        positions = (self._mask.cumsum(dim=1) - 1).clamp(min=0)
        output = self._llama(
            inputs_embeds=embeddings,
            attention_mask=self._mask,
            position_ids=positions[:, -mask.shape[1] :],
            logits_to_keep=1,
            **{_CACHE: self._cache},
        )
        return output.logits[:, -1].float()

    def select(self, rows: torch.Tensor) -> None:
        """Continue with these rows, which may be repeated: Tensor of int, shape (rows,)."""
        assert self._mask is not None
        self._cache.reorder_cache(rows)
        self._mask = self._mask[rows]


def _pad_left(sequences: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return sequences of shape (1, length, width) as one batch, and its mask (0 at padding)."""
    length = max(sequence.shape[1] for sequence in sequences)
    paddings = [length - sequence.shape[1] for sequence in sequences]
    padded = [
        pad(sequence, (0, 0, padding, 0))
        for sequence, padding in zip(sequences, paddings, strict=True)
    ]
    embeddings = torch.cat(padded)
    mask = [[0] * padding + [1] * (length - padding) for padding in paddings]
    return embeddings, torch.tensor(mask, device=embeddings.device)


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
