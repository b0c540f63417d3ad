"""Differences between conditions on each clip, as weights of the values under the conditions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jasco.metrics.verdict_matrix import ratio
from jasco.protocol.conditions import CUES, ORIGINAL, Cue, condition_of

EFFECTS = (
    "necessity_speech", "necessity_sound", "shapley_sound", "shapley_speech", "shapley_total",
    "synergy", "jointness", "stem_artefact", "perceptual_sound", "perceptual_speech",
    "cost_hearing_sound", "cost_hearing_speech", "cost_hearing", "cost_interaction",
    "cost_reasoning",
)  # fmt: skip
"""The differences between conditions."""


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of a clip's values under several conditions.

    Attributes
    ----------
    weights : mapping of str to float
        The weights by condition; a condition with a weight of 0 is required, but not added.
    constant : float
        A number that is added.
    less_best : tuple of str
        Conditions of which the highest value of the clip is subtracted.
    """

    weights: Mapping[str, float]
    constant: float = 0.0
    less_best: tuple[str, ...] = ()

    @property
    def conditions(self) -> tuple[str, ...]:
        """The required conditions."""
        return *self.weights, *self.less_best

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and highest possible result for values from 0 to 1."""
        weights = [self.constant, *self.weights.values(), *([-1.0] if self.less_best else [])]
        rest = weights[1:]
        return (
            self.constant + sum(weight for weight in rest if weight < 0),
            self.constant + sum(weight for weight in rest if weight > 0),
        )

    def by_clip(self, items: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Compute the result of each clip from the items with a value under all conditions.

        Parameters
        ----------
        items : mapping of str to ndarray, shape (clips, instructions)
            The values of each item by condition; NaN if undefined.

        Returns
        -------
        ndarray of float, shape (clips,)
            The results; NaN for a clip without a common item.
        """
        values = {key: items[key] for key in self.conditions}
        common = ~np.isnan(np.stack(list(values.values()))).any(axis=0)
        means = {
            key: ratio(np.where(common, value, 0).sum(axis=1), common.sum(axis=1))
            for key, value in values.items()
        }
        result: Any = self.constant + sum(
            weight * means[key] for key, weight in self.weights.items()
        )
        if self.less_best:
            result = result - np.max([means[key] for key in self.less_best], axis=0)
        return np.asarray(result)


def swap_draws(conditions: Iterable[str], cue: Cue) -> list[str]:
    """Return the conditions in which a cue comes from a donor."""
    return [key for key in conditions if condition_of(key).swapped == cue]


def contrasts(keys: Iterable[str], full: str) -> dict[str, Contrast]:
    """Return the contrasts of the available conditions, by name, in the order of ``EFFECTS``.

    Parameters
    ----------
    keys : iterable of str
        The available conditions.
    full : str
        The condition that stands for the complete input.
    """
    keys = list(keys)
    game = {full: 0.0, "sound": 0.0, "speech": 0.0, "none": 0.0}
    found = {
        "necessity_speech": Contrast({full: 1, "sound": -1}),
        "necessity_sound": Contrast({full: 1, "speech": -1}),
        "shapley_sound": Contrast({full: 0.5, "sound": 0.5, "speech": -0.5, "none": -0.5}),
        "shapley_speech": Contrast({full: 0.5, "sound": -0.5, "speech": 0.5, "none": -0.5}),
        "shapley_total": Contrast(game | {full: 1, "none": -1}),
        "synergy": Contrast({full: 1, "sound": -1, "speech": -1, "none": 1}),
        "jointness": Contrast({full: 1}, less_best=("sound", "speech")),
        "stem_artefact": Contrast({ORIGINAL: 1, "remix": -1}),
        "cost_hearing_sound": Contrast({"text": 1, "text-sound": -1}),
        "cost_hearing_speech": Contrast({"text": 1, "text-speech": -1}),
        "cost_hearing": Contrast({"text": 1, ORIGINAL: -1}),
        "cost_interaction": Contrast({"text": -1, ORIGINAL: -1, "text-sound": 1, "text-speech": 1}),
        "cost_reasoning": Contrast({"text": -1}, constant=1),
    }
    for cue in CUES:
        if draws := swap_draws(keys, cue):
            # A swapped input is a sum of stems, so its artefacts are those of the remix.
            weights = {full: 1.0} | dict.fromkeys(draws, -1 / len(draws))
            found[f"perceptual_{cue}"] = Contrast(weights)
    return {
        name: found[name]
        for name in EFFECTS
        if name in found and set(found[name].conditions) <= set(keys)
    }
