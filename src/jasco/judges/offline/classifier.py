"""The classifier: from features to a rating and an orientation."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Self

import numpy as np
from numpy.typing import NDArray

from jasco.judges.offline.vectors import Array
from jasco.protocol.verdicts import Orientation, Verdict

ARRAYS = ("centre", "scale", "weights", "offsets", "examples", "example_weights")

CLASSES = (
    Verdict(0, Orientation.AUDIO),
    Verdict(0, Orientation.SPEECH),
    Verdict(0, Orientation.NEITHER),
    Verdict(0, Orientation.BOTH),
    Verdict(1, Orientation.BOTH),
    Verdict(2, Orientation.BOTH),
)
"""The possible verdicts. The rating of an answer that is based on at most one cue is 0."""
_RATINGS = np.array([verdict.rating for verdict in CLASSES])
_HAVE_ORIENTATION = {
    orientation: np.array([verdict.orientation is orientation for verdict in CLASSES])
    for orientation in Orientation
}


@dataclass(frozen=True)
class Classifier:
    """Multinomial logistic regression on features and on their similarity to known examples.

    Attributes
    ----------
    names : tuple of str
        The features, in order.
    centre, scale : ndarray, shape (features,)
        A feature is reduced by the centre and then divided by the scale.
    weights : ndarray, shape (classes, features)
    offsets : ndarray, shape (classes,)
    examples : ndarray, shape (examples, features)
        Scaled features of selected training examples.
    width : float
        An example at the distance d has the similarity exp(-width * d ** 2).
    example_weights : ndarray, shape (classes, examples)
    trained_on : frozenset of str
        The clips that it was trained on, as the first digits of their hashes.
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
        """Read the classifier that ships with the package."""
        with (files("jasco.judges.offline") / "classifier.npz").open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            names, trained_on = (
                stored[name].tobytes().decode().split("\n") for name in ("names", "trained_on")
            )
            return cls(
                names=tuple(names),
                trained_on=frozenset(trained_on),
                width=float(stored["width"]),
                **{name: stored[name].astype(np.float32) for name in ARRAYS},
            )

    def probabilities(self, features: Mapping[str, float]) -> NDArray[np.float64]:
        """Compute the probability of each of :data:`CLASSES`, shape (classes,)."""
        values = np.array([features[name] for name in self.names], np.float32)
        scaled = (values - self.centre) / self.scale
        similarities = np.exp(-self.width * ((self.examples - scaled) ** 2).sum(axis=1))
        logits = self.weights @ scaled + self.example_weights @ similarities + self.offsets
        powers = np.exp((logits - logits.max()).astype(np.float64))
        return np.asarray(powers / powers.sum(), np.float64)

    def verdict(self, features: Mapping[str, float]) -> tuple[Verdict, float]:
        """Return the verdict, and the probability of its orientation.

        The most likely orientation is determined first. The rating of Both is the mean of its three
        ratings, rounded: among ordered classes, the most likely one is seldom the closest.
        """
        probabilities = self.probabilities(features)
        shares = {
            orientation: float(probabilities[classes].sum())
            for orientation, classes in _HAVE_ORIENTATION.items()
        }
        likeliest = max(shares, key=lambda orientation: shares[orientation])
        rating = (probabilities * _RATINGS)[_HAVE_ORIENTATION[likeliest]].sum() / shares[likeliest]
        return Verdict(round(rating), likeliest), shares[likeliest]
