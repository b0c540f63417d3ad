"""How an answer is drawn: as the published script sets it, by the rules of fairseq's search."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from jasco.errors import InputError
from jasco.models.ports.decoding import Preset, Sampler
from jasco.models.ports.text import EOS

PRESETS = {
    "official": Preset(max_new_tokens=512, temperature=0.5, seed=1),
    "greedy": Preset(max_new_tokens=512),
}
"""By name; ``max_new_tokens`` counts the words behind the sounds, too, but for their first token,
and not the EOS."""

NEVER = 0
"""The token that is never drawn: fairseq's padding."""


def restrict(scores: torch.Tensor, step: int, last: int) -> torch.Tensor:
    """Ban what the search does not allow.

    Parameters
    ----------
    scores : Tensor, shape (..., vocabulary)
        Logits or log-probabilities.
    step : int
        How many tokens of the answer there are.
    last : int
        The step at which there must be an end.

    Returns
    -------
    Tensor, shape (..., vocabulary)
        With -inf for ``NEVER``, for EOS at first, and for all but EOS at last.
    """
    banned = torch.zeros(scores.shape[-1], dtype=torch.bool, device=scores.device)
    banned[NEVER] = True
    if step == 0:
        banned[EOS] = True
    if step >= last:
        banned[:] = True
        banned[EOS] = False
    return scores.masked_fill(banned, -math.inf)


@dataclass(frozen=True)
class Rules:
    """:func:`restrict` as a rule of :class:`.Sampler`."""

    last: int

    def __call__(self, tokens: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Restrict scores of shape (1, vocabulary) after tokens of shape (1, step)."""
        return restrict(scores, tokens.shape[1], self.last)


def room(preset: Preset, right: Sequence[int]) -> int:
    """Count the tokens that an answer may have behind the words that follow the sounds.

    Raises
    ------
    InputError
        There is no room for any.
    """
    left = preset.max_new_tokens - (len(right) - 1)
    if left < 1:
        raise InputError(
            f"the question has {len(right)} tokens, and question and answer may have "
            f"{preset.max_new_tokens}; ask a shorter one"
        )
    return left


def search_of(preset: Preset, longest: int) -> Sampler:
    """Give the search for an answer.

    Parameters
    ----------
    preset : Preset
    longest : int
        The most tokens an answer may have (:func:`room`); the end comes on top.
    """
    return Sampler(replace(preset, max_new_tokens=longest + 1), rules=[Rules(longest)])
