"""From features to a rating and an orientation."""

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


def giving(**shares: float) -> Classifier:
    """Make a classifier whose classes have these shares, whatever it sees."""
    places = {"audio": 0, "speech": 1, "neither": 2, "both0": 3, "both1": 4, "both2": 5}
    logits = np.full(len(CLASSES), -30.0, np.float32)
    for name, share in shares.items():
        logits[places[name]] = np.log(share)
    return classifier_of(np.zeros((len(CLASSES), 1)), logits)


def classifier_of(
    weights: Any, offsets: Any, examples: Any = None, example_weights: Any = None
) -> Classifier:
    """Make a classifier of features x, y, ... that takes 1 from each and halves it."""
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
        # Together they are likelier than the likeliest class, and their mean is in the middle.
        ({"audio": 0.4, "both0": 0.3, "both2": 0.3}, Verdict(1, Orientation.BOTH)),
    ],
)
def test_the_likeliest_orientation_is_rated_by_its_mean(
    shares: dict[str, float], verdict: Verdict
) -> None:
    given, share = giving(**shares).verdict({"x": 1.0})
    assert given == verdict
    of_it = [
        p
        for p, each in zip(giving(**shares).probabilities({"x": 1.0}), CLASSES, strict=True)
        if each.orientation is verdict.orientation
    ]
    assert share == pytest.approx(sum(of_it))


def test_shares_are_those_of_a_softmax_over_features_and_likeness_to_examples() -> None:
    random = np.random.default_rng(3)
    weights, offsets = random.normal(size=(6, 2)), random.normal(size=6)
    examples, example_weights = random.normal(size=(4, 2)), random.normal(size=(6, 4))
    classifier = classifier_of(weights, offsets, examples, example_weights)
    scaled = np.array([(0.5 - 1) / 2, (-2.0 - 1) / 2])
    logits = [
        weights[c] @ scaled
        + offsets[c]
        + sum(
            example_weights[c, e] * math.exp(-0.5 * math.dist(examples[e], scaled) ** 2)
            for e in range(4)
        )
        for c in range(6)
    ]
    expected = np.exp(logits) / np.exp(logits).sum()
    found = classifier.probabilities({"y": -2.0, "x": 0.5, "unused": 9.0})
    assert found == pytest.approx(expected, rel=1e-5)


def test_what_is_saved_is_what_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = Classifier.load()
    path = ROOT / "recipes" / "offline" / "train.py"
    pytest.importorskip("sklearn", reason="training needs scikit-learn")
    runpy.run_path(str(path))["save"](shipped, tmp_path / "classifier.npz")
    monkeypatch.setattr("jasco.judges.offline.classifier.files", lambda _: tmp_path)
    again = Classifier.load()
    assert again.names == shipped.names
    for name in ("centre", "scale", "weights", "offsets", "examples", "example_weights"):
        assert np.array_equal(getattr(again, name), getattr(shipped, name))
    assert again.width == shipped.width
    assert again.trained_on == shipped.trained_on


def test_only_both_has_a_rating() -> None:
    assert all(each.rating == 0 for each in CLASSES if each.orientation is not Orientation.BOTH)


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
