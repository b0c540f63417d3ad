"""Decoding of answers: the presets, and the rules of fairseq's search."""

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
"""The presets by name; ``official`` is that of the original script.

``max_new_tokens`` includes the prompt's tokens after the audio, except for the first one, and
excludes EOS.
"""

NEVER = 0
"""The token that is never generated: fairseq's padding."""


def restrict(scores: torch.Tensor, step: int, last: int) -> torch.Tensor:
    """Return scores with those of banned tokens set to -inf.

    Parameters
    ----------
    scores : Tensor, shape (..., vocabulary)
        Logits or log-probabilities.
    step : int
        Number of the answer's tokens so far.
    last : int
        The step at which EOS is forced.

    Returns
    -------
    Tensor, shape (..., vocabulary)
        -inf for ``NEVER``, for EOS at the first step, and for all tokens but EOS at the last step.
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
    """:func:`restrict` as a rule of :class:`.Sampler`.

    Attributes
    ----------
    last : int
        The step at which EOS is forced.
    """

    last: int

    def __call__(self, tokens: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return restricted scores of shape (1, vocabulary) after tokens of shape (1, step)."""
        return restrict(scores, tokens.shape[1], self.last)


def room(preset: Preset, right: Sequence[int]) -> int:
    """Return the maximum number of an answer's tokens.

    Parameters
    ----------
    preset : Preset
    right : sequence of int
        The prompt's tokens after the audio.

    Raises
    ------
    InputError
        It is less than one.
    """
    longest = preset.max_new_tokens - (len(right) - 1)
    if longest < 1:
        raise InputError(
            f"the question has {len(right)} tokens, but question and answer together may have only "
            f"{preset.max_new_tokens}; use a shorter question"
        )
    return longest


def search_of(preset: Preset, longest: int) -> Sampler:
    """Return the sampler of an answer.

    Parameters
    ----------
    preset : Preset
    longest : int
        The maximum number of tokens (:func:`room`), without EOS.
    """
    return Sampler(replace(preset, max_new_tokens=longest + 1), rules=[Rules(longest)])
