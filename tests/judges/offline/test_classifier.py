"""From features to a rating and an orientation."""

import numpy as np
import pytest

from jasco.benchmark.verdicts import Orientation, Verdict
from jasco.judges.offline.classifier import CLASSES, Classifier


def giving(**shares: float) -> Classifier:
    """Make a classifier whose classes have these shares, whatever it sees."""
    places = {"audio": 0, "speech": 1, "neither": 2, "both0": 3, "both1": 4, "both2": 5}
    logits = np.full(len(CLASSES), -30.0, np.float32)
    for name, share in shares.items():
        logits[places[name]] = np.log(share)
    return Classifier(("x",), np.zeros((len(CLASSES), 1), np.float32), logits)


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


def test_shares_are_those_of_a_softmax() -> None:
    classifier = Classifier(
        ("x", "y"),
        np.arange(12, dtype=np.float32).reshape(6, 2) / 7,
        np.linspace(-1, 1, 6, dtype=np.float32),
    )
    values = np.array([0.5, -2.0])
    raised = np.exp(classifier.weights @ values + classifier.offsets)
    found = classifier.probabilities({"y": -2.0, "x": 0.5, "unused": 9.0})
    assert found == pytest.approx(raised / raised.sum())


def test_only_both_has_a_rating() -> None:
    assert all(each.rating == 0 for each in CLASSES if each.orientation is not Orientation.BOTH)


def test_what_ships_fits_the_features() -> None:
    from jasco.benchmark.clips import Clip
    from jasco.judges.offline.features import compare, target
    from jasco.judges.offline.vectors import Vectors

    vectors, shipped = Vectors.load(), Classifier.load()
    clip = target(Clip("1", "rain", "run", "a", "b", "c", "d"), vectors)
    assert tuple(compare("They flee.", clip, vectors)) == shipped.names
    assert shipped.weights.shape == (len(CLASSES), len(shipped.names))
    assert np.isfinite(shipped.weights).all()
