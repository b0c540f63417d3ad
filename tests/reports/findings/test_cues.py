"""What the answers rest on, measured or according to the judges."""

import random
from dataclasses import replace

import pytest

from jasco.metrics.bootstrap import Estimate
from jasco.metrics.reliance import Attribution
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.reports.findings import FindingKind
from made_findings import found, one
from made_reliance import reliance_report
from made_results import JUDGE, judged


def shares(audio: int, both: int, speech: int) -> VerdictMatrix:
    """Return 40 clips with as many answers of each orientation in every 16."""
    names = [Orientation.AUDIO] * audio + [Orientation.BOTH] * both + [Orientation.SPEECH] * speech
    order = random.Random(1).sample(range(320), 320)
    matrix = VerdictMatrix.none_yet(40)
    for place, index in enumerate(order):
        matrix.enter(index // 8, index % 8 + 1, Verdict(1, names[place % 16]))
    return matrix


@pytest.mark.parametrize(
    ("matrix", "expected", "doubtful"),
    [
        (shares(2, 4, 10), "a answers mostly from the speech alone: 62.5% [", False),
        (shares(7, 4, 5), "a answers most often from the sound alone: 43.8% [", False),
        (shares(6, 5, 5), "a: no cue clearly dominates", True),
        (judged(0, Orientation.NEITHER, clips=40), "a: no answer names an action", False),
    ],
)
def test_the_dominating_cue_is_named(matrix: VerdictMatrix, expected: str, doubtful: bool) -> None:
    [cues] = found(one(matrix), FindingKind.CUES)
    assert cues.text.startswith(expected)
    assert cues.doubtful == doubtful


def test_labels_of_a_judge_that_names_missing_cues_are_doubtful() -> None:
    often = Attribution(Estimate(0.1), Estimate(0.38, 0.25, 0.5), 210, 200, 384, 368)
    seldom = replace(often, speech=Estimate(0.1))
    report, rarely = (one(shares(2, 4, 10), attribution={JUDGE: each}) for each in (often, seldom))
    [cues] = found(report, FindingKind.CUES)
    assert cues.doubtful
    text = "of the answers that a gave without a cue, up to 38.0% were labelled as resting on it."
    assert any(text in doubt.text for doubt in found(report, FindingKind.DOUBT))
    assert not any("without a cue" in doubt.text for doubt in found(rarely, FindingKind.DOUBT))


def test_measured_reliance_replaces_the_opinion_of_the_judges() -> None:
    measured = reliance_report()
    [cues] = found(one(shares(2, 4, 10)), FindingKind.CUES, reliance={"a": measured})
    assert cues.text.startswith("The answers of a depend on both cues: without the sound")
    assert "changes by -0.15 [-0.22, -0.08]" in cues.text
    unmeasured = reliance_report("original")
    [cues] = found(one(shares(2, 4, 10)), FindingKind.CUES, reliance={"a": unmeasured})
    assert "the answers that rest on a cue" in cues.text
