"""The classifier: from features to a rating and an orientation."""

import math
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jasco.data.sources import find_data
from jasco.judges.offline.classifier import CLASSES, Classifier
from jasco.protocol.verdicts import Orientation, Verdict
from places import ROOT


def with_shares(**shares: float) -> Classifier:
    """Return a classifier whose classes have these shares whatever the features."""
    indices = {"audio": 0, "speech": 1, "neither": 2, "both0": 3, "both1": 4, "both2": 5}
    logits = np.full(len(CLASSES), -30.0, np.float32)
    for name, share in shares.items():
        logits[indices[name]] = np.log(share)
    return with_weights(np.zeros((len(CLASSES), 1)), logits)


def with_weights(
    weights: Any, offsets: Any, examples: Any = None, example_weights: Any = None
) -> Classifier:
    """Return a classifier of features x, y, ... with a centre of 1 and a scale of 2."""
    number = weights.shape[1]
    return Classifier(
        names=tuple("xyz"[:number]),
        centre=np.ones(number, np.float32),
        scale=np.full(number, 2, np.float32),
        weights=weights,
        offsets=offsets,
        examples=np.zeros((0, number)) if examples is None else examples,
        width=0.5,
        example_weights=np.zeros((len(CLASSES), 0)) if example_weights is None else example_weights,
    )


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ({"audio": 0.9, "both2": 0.1}, Verdict(0, Orientation.AUDIO)),
        ({"speech": 0.6, "neither": 0.4}, Verdict(0, Orientation.SPEECH)),
        ({"neither": 1.0}, Verdict(0, Orientation.NEITHER)),
        ({"both2": 0.8, "both1": 0.2}, Verdict(2, Orientation.BOTH)),
        ({"both1": 0.9, "both2": 0.1}, Verdict(1, Orientation.BOTH)),
        # Together both classes are likelier than audio, and their mean is 1.
        ({"audio": 0.4, "both0": 0.3, "both2": 0.3}, Verdict(1, Orientation.BOTH)),
    ],
)
def test_the_likeliest_orientation_is_rated_by_its_mean(
    shares: dict[str, float], verdict: Verdict
) -> None:
    likeliest, share = with_shares(**shares).verdict({"x": 1.0})
    assert likeliest == verdict
    probabilities = [
        probability
        for probability, class_ in zip(
            with_shares(**shares).probabilities({"x": 1.0}), CLASSES, strict=True
        )
        if class_.orientation is verdict.orientation
    ]
    assert share == pytest.approx(sum(probabilities))


def test_shares_are_those_of_a_softmax_over_features_and_similarity_to_examples() -> None:
    rng = np.random.default_rng(3)
    weights, offsets = rng.normal(size=(6, 2)), rng.normal(size=6)
    examples, example_weights = rng.normal(size=(4, 2)), rng.normal(size=(6, 4))
    classifier = with_weights(weights, offsets, examples, example_weights)
    scaled = np.array([(0.5 - 1) / 2, (-2.0 - 1) / 2])
    logits = [
        weights[class_] @ scaled
        + offsets[class_]
        + sum(
            example_weights[class_, example]
            * math.exp(-0.5 * math.dist(examples[example], scaled) ** 2)
            for example in range(4)
        )
        for class_ in range(6)
    ]
    expected = np.exp(logits) / np.exp(logits).sum()
    probabilities = classifier.probabilities({"y": -2.0, "x": 0.5, "unused": 9.0})
    assert probabilities == pytest.approx(expected, rel=1e-5)


def test_what_is_saved_is_what_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = Classifier.load()
    path = ROOT / "recipes" / "offline" / "train.py"
    pytest.importorskip("sklearn", reason="training needs scikit-learn")
    runpy.run_path(str(path))["save"](shipped, tmp_path / "classifier.npz")
    monkeypatch.setattr("jasco.judges.offline.classifier.files", lambda _: tmp_path)
    loaded = Classifier.load()
    assert loaded.names == shipped.names
    for name in ("centre", "scale", "weights", "offsets", "examples", "example_weights"):
        assert np.array_equal(getattr(loaded, name), getattr(shipped, name))
    assert loaded.width == shipped.width
    assert loaded.trained_on == shipped.trained_on


def test_only_both_has_a_rating() -> None:
    assert all(
        class_.rating == 0 for class_ in CLASSES if class_.orientation is not Orientation.BOTH
    )


def test_what_ships_fits_the_features() -> None:
    from jasco.judges.offline.features import Target, compare
    from jasco.judges.offline.vectors import Vectors
    from jasco.protocol.clips import Clip

    vectors, shipped = Vectors.load(), Classifier.load()
    target = Target.of(Clip("1", "rain", "run", "a", "b", "c", "d"), vectors)
    assert tuple(compare("They flee.", target, vectors)) == shipped.names
    assert shipped.weights.shape == (len(CLASSES), len(shipped.names))
    assert np.isfinite(shipped.weights).all()
    assert np.isfinite(shipped.examples).all()


def test_what_ships_says_what_it_was_trained_on() -> None:
    shipped = Classifier.load()
    assert len(shipped.trained_on) > 200
    assert all(len(sha256) == 12 for sha256 in shipped.trained_on)
    assert not shipped.trained_on & {clip.sha256[:12] for clip in find_data("mini", print).clips}
