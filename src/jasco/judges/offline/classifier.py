"""The classifier: from features to a rating and an orientation."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Self

import numpy as np
from numpy.typing import NDArray

from jasco.benchmark.verdicts import Orientation, Verdict

CLASSES = (
    Verdict(0, Orientation.AUDIO),
    Verdict(0, Orientation.SPEECH),
    Verdict(0, Orientation.NEITHER),
    Verdict(0, Orientation.BOTH),
    Verdict(1, Orientation.BOTH),
    Verdict(2, Orientation.BOTH),
)
"""What an answer can be. The rating of an answer that rests on one cue or none is 0."""


@dataclass(frozen=True)
class Classifier:
    """Multinomial logistic regression.

    Attributes
    ----------
    names : tuple of str
        The features, in order.
    weights : ndarray, shape (classes, features)
    offsets : ndarray, shape (classes,)
    """

    names: tuple[str, ...]
    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]

    @classmethod
    def load(cls) -> Self:
        """Read the weights that ship with the package."""
        stored = json.loads((files("jasco.judges.offline") / "classifier.json").read_text("utf-8"))
        return cls(
            tuple(stored["weights"]),
            np.array(list(stored["weights"].values()), np.float32).T,
            np.array(stored["offsets"], np.float32),
        )

    def probabilities(self, features: Mapping[str, float]) -> NDArray[np.float64]:
        """How likely each of :data:`CLASSES` is, shape (classes,)."""
        values = np.array([features[name] for name in self.names], np.float64)
        logits = self.weights @ values + self.offsets
        raised = np.exp(logits - logits.max())
        return np.asarray(raised / raised.sum(), np.float64)

    def verdict(self, features: Mapping[str, float]) -> tuple[Verdict, float]:
        """Give the verdict, and how likely its orientation is.

        The likeliest orientation comes first. A Both is then rated by the mean over its three
        ratings, rounded: of ordered classes the likeliest one is seldom the closest.
        """
        probabilities = self.probabilities(features)
        orientations = {
            orientation: sum(
                p for p, each in zip(probabilities, CLASSES, strict=True)
                if each.orientation is orientation
            )
            for orientation in Orientation
        }  # fmt: skip
        likeliest = max(orientations, key=lambda each: orientations[each])
        share = orientations[likeliest]
        expected = sum(
            p * each.rating for p, each in zip(probabilities, CLASSES, strict=True)
            if each.orientation is likeliest and each.rating
        ) / share  # fmt: skip
        return Verdict(round(expected), likeliest), share
