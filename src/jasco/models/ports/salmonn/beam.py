"""Beam search as SALMONN's published results were made with it."""

from dataclasses import dataclass
from typing import NamedTuple

import torch

from jasco.models.ports.decoding import Preset, Rng, cuts_of
from jasco.models.ports.text import EOS


class Candidate(NamedTuple):
    """A token that may come next.

    Attributes
    ----------
    total : float
        Log probability of the text with it.
    row : int
        The text that it goes on from.
    token : int
    """

    total: float
    row: int
    token: int


@dataclass(frozen=True)
class Hypothesis:
    """A text that has ended, or was cut off.

    Attributes
    ----------
    score : float
        Its log probability over its length.
    tokens : tuple of int
        Without the one that ends it.
    """

    score: float
    tokens: tuple[int, ...]


class BeamSearch:
    """Looks for the likeliest text, by log probability over length (see :class:`.Search`).

    transformers 4.28, which SALMONN pins, starts a text from embeddings with one token BOS of its
    own, and counts it (``BeamSearchScorer.process`` and ``finalize``, ``BeamHypotheses.add`` and
    ``is_done`` in ``generation/beam_search.py``). Of n new tokens with the total log probability s,

    - a text that ends counts s / n, n with its EOS but without BOS;
    - a text that is cut off counts s / (n + 1);
    - the search is over once as many texts as beams have ended and the worst of them is no worse
      than s / (n + 1) of the best way to go on.

    Later versions divide by n throughout, and so find other texts.

    Parameters
    ----------
    preset : Preset
        With a temperature, ways are drawn (``beam_sample`` in ``generation/utils.py``): from what
        is left of all beams' totals, which are all the same beam at first.
    """

    def __init__(self, preset: Preset) -> None:
        self.preset, self.answer = preset, list[int]()
        self._rng = Rng(preset.seed) if preset.temperature else None
        self._cuts = cuts_of(preset, at_least=2) if preset.temperature else None
        self._length = 0
        self._ended: list[Hypothesis] = []
        self._going: list[tuple[int, ...]] = [()]
        self._totals = [0.0]

    def step(self, logits: torch.Tensor) -> list[tuple[int, int]]:
        """Follow the best beams by one token each."""
        self._length += 1
        ways = self._best(logits.log_softmax(-1))
        ends = [way for way in ways[: self.preset.num_beams] if way.token == EOS]
        self._ended += [Hypothesis(way.total / self._length, self._going[way.row]) for way in ends]
        self._ended = sorted(self._ended, key=lambda each: each.score)[-self.preset.num_beams :]
        enough = len(self._ended) == self.preset.num_beams
        if enough and self._ended[0].score >= ways[0].total / (self._length + 1):
            return self._end()
        ways = [way for way in ways if way.token != EOS][: self.preset.num_beams]
        self._going = [(*self._going[way.row], way.token) for way in ways]
        self._totals = [way.total for way in ways]
        if self._length == self.preset.max_new_tokens:
            cut = [
                Hypothesis(total / (self.preset.max_new_tokens + 1), text)
                for total, text in zip(self._totals, self._going, strict=True)
            ]
            self._ended = cut + self._ended
            return self._end()
        return [(way.row, way.token) for way in ways]

    def _best(self, likely: torch.Tensor) -> list[Candidate]:
        """Give the ways on, the best first: twice as many as beams, for every text may end.

        Parameters
        ----------
        likely : Tensor, shape (rows, vocabulary)
            Log probability of each token after each beam.
        """
        totals = likely + torch.tensor(self._totals, device=likely.device)[:, None]
        count = 2 * self.preset.num_beams
        if self._rng is None or self._cuts is None:
            best, at = totals.flatten().topk(count)
        else:
            texts = torch.tensor(self._going, dtype=torch.long, device=likely.device)
            left = self._cuts(texts, totals)
            copies = self.preset.num_beams // len(left)  # 1, but for the first step
            every = left.repeat(copies, 1).flatten()
            drawn = self._rng.sample(every, count).to(every.device)
            best, order = every[drawn].sort(descending=True)
            at = drawn[order] % left.numel()
        return [
            Candidate(total, *divmod(index, likely.shape[1]))
            for total, index in zip(best.tolist(), at.tolist(), strict=True)
        ]

    def _end(self) -> list[tuple[int, int]]:
        self.answer = list(max(self._ended, key=lambda each: each.score).tokens)
        return []
