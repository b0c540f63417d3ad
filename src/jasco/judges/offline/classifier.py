"""The classifier: from features to a rating and an orientation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from jasco.protocol.verdicts import Orientation, Verdict

Array = NDArray[np.float32]
_ARRAYS = ("centre", "scale", "weights", "offsets", "examples", "example_weights")

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
    """Multinomial logistic regression on features, and on how much like known examples they are.

    Attributes
    ----------
    names : tuple of str
        The features, in order.
    centre, scale : ndarray, shape (features,)
        What is taken from a feature, and what it is divided by then.
    weights : ndarray, shape (classes, features)
    offsets : ndarray, shape (classes,)
    examples : ndarray, shape (examples, features)
        Scaled features of some of the training data.
    width : float
        An example at the distance d counts with exp(-width * d ** 2).
    example_weights : ndarray, shape (classes, examples)
    trained_on : frozenset of str
        The clips that it was trained on: first digits of their hashes.
    """

    names: tuple[str, ...]
    centre: Array
    scale: Array
    weights: Array
    offsets: Array
    examples: Array
    width: float
    example_weights: Array
    trained_on: frozenset[str] = frozenset()

    @classmethod
    def load(cls) -> Self:
        """Read what ships with the package."""
        with (files("jasco.judges.offline") / "classifier.npz").open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            return cls(
                names=_lines(stored["names"]),
                trained_on=frozenset(_lines(stored["trained_on"])),
                width=float(stored["width"]),
                **{name: stored[name].astype(np.float32) for name in _ARRAYS},
            )

    def save(self, path: Path) -> None:
        """Write a file as :meth:`load` reads it."""
        np.savez_compressed(
            path,
            names=_as_bytes(self.names),
            trained_on=_as_bytes(sorted(self.trained_on)),
            width=np.float32(self.width),
            **{name: getattr(self, name) for name in _ARRAYS},
        )

    def probabilities(self, features: Mapping[str, float]) -> NDArray[np.float64]:
        """How likely each of :data:`CLASSES` is, shape (classes,)."""
        values = np.array([features[name] for name in self.names], np.float32)
        scaled = (values - self.centre) / self.scale
        likeness = np.exp(-self.width * ((self.examples - scaled) ** 2).sum(axis=1))
        logits = self.weights @ scaled + self.example_weights @ likeness + self.offsets
        raised = np.exp((logits - logits.max()).astype(np.float64))
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


def _as_bytes(lines: Iterable[str]) -> NDArray[np.uint8]:
    return np.frombuffer("\n".join(lines).encode(), np.uint8)


def _lines(stored: NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(stored.tobytes().decode().split("\n"))
