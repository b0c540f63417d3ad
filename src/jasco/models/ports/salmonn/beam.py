"""The beam search with which SALMONN's published results were computed."""

from dataclasses import dataclass
from typing import NamedTuple

import torch

from jasco.models.ports.decoding import Preset, Rng, cuts_of
from jasco.models.ports.text import EOS


class Candidate(NamedTuple):
    """A hypothesis, extended by one token.

    Attributes
    ----------
    total : float
        Log probability of the extended hypothesis.
    row : int
        Index of the hypothesis.
    token : int
    """

    total: float
    row: int
    token: int


@dataclass(frozen=True)
class Hypothesis:
    """A finished hypothesis: it ended with EOS or was cut off.

    Attributes
    ----------
    score : float
        Its log probability divided by its length.
    tokens : tuple of int
        Its tokens without EOS.
    """

    score: float
    tokens: tuple[int, ...]


class BeamSearch:
    """A search for the hypothesis of the highest log probability per token (see :class:`.Search`).

    transformers 4.28, which SALMONN pins, adds a BOS token when it generates from embeddings, and
    counts it (``BeamSearchScorer.process`` and ``finalize``, ``BeamHypotheses.add`` and ``is_done``
    in ``generation/beam_search.py``). For n new tokens with total log probability s,

    - the score of a hypothesis that ended is s / n, where n includes EOS but not BOS;
    - the score of a hypothesis that is cut off is s / (n + 1);
    - the search stops once ``num_beams`` hypotheses have ended and the lowest of their scores is at
      least s / (n + 1) of the best candidate.

    Later versions divide by n throughout, which changes the answers.

    Parameters
    ----------
    preset : Preset
        With a temperature, candidates are sampled (``beam_sample`` in ``generation/utils.py``)
        from the filtered totals of all beams; at the first step all beams are equal.
    """

    def __init__(self, preset: Preset) -> None:
        self.preset, self.answer = preset, list[int]()
        self._rng = Rng(preset.seed) if preset.temperature else None
        self._cuts = cuts_of(preset, at_least=2) if preset.temperature else None
        self._length = 0
        self._finished: list[Hypothesis] = []
        self._running: list[tuple[int, ...]] = [()]
        self._totals = [0.0]

    def step(self, logits: torch.Tensor) -> list[tuple[int, int]]:
        """Extend the best hypotheses by one token each."""
        self._length += 1
        candidates = self._candidates(logits.log_softmax(-1))
        self._finished += [
            Hypothesis(candidate.total / self._length, self._running[candidate.row])
            for candidate in candidates[: self.preset.num_beams]
            if candidate.token == EOS
        ]
        self._finished.sort(key=lambda hypothesis: hypothesis.score)
        self._finished = self._finished[-self.preset.num_beams :]
        full = len(self._finished) == self.preset.num_beams
        if full and self._finished[0].score >= candidates[0].total / (self._length + 1):
            return self._finish()
        candidates = [candidate for candidate in candidates if candidate.token != EOS]
        candidates = candidates[: self.preset.num_beams]
        self._running = [(*self._running[row], token) for _, row, token in candidates]
        self._totals = [candidate.total for candidate in candidates]
        if self._length == self.preset.max_new_tokens:
            cut = [
                Hypothesis(total / (self.preset.max_new_tokens + 1), tokens)
                for total, tokens in zip(self._totals, self._running, strict=True)
            ]
            self._finished = cut + self._finished
            return self._finish()
        return [(candidate.row, candidate.token) for candidate in candidates]

    def _candidates(self, log_probabilities: torch.Tensor) -> list[Candidate]:
        """Return two candidates per beam, the best first: up to half of them may be EOS.

        Parameters
        ----------
        log_probabilities : Tensor, shape (rows, vocabulary)
            Log probability of each token after each hypothesis.
        """
        device, vocabulary = log_probabilities.device, log_probabilities.shape[1]
        totals = log_probabilities + torch.tensor(self._totals, device=device)[:, None]
        count = 2 * self.preset.num_beams
        if self._rng is None or self._cuts is None:
            best, indices = totals.flatten().topk(count)
        else:
            tokens = torch.tensor(self._running, dtype=torch.long, device=device)
            filtered = self._cuts(tokens, totals)
            copies = self.preset.num_beams // len(filtered)  # 1 except at the first step
            scores = filtered.repeat(copies, 1).flatten()
            sampled = self._rng.sample(scores, count).to(device)
            best, order = scores[sampled].sort(descending=True)
            indices = sampled[order] % filtered.numel()
        return [
            Candidate(total, *divmod(index, vocabulary))
            for total, index in zip(best.tolist(), indices.tolist(), strict=True)
        ]

    def _finish(self) -> list[tuple[int, int]]:
        self.answer = list(max(self._finished, key=lambda hypothesis: hypothesis.score).tokens)
        return []
