"""Agreement of annotators with each other and with the judges of a run."""

import pytest

from jasco.human.annotations import Annotation
from jasco.human.annotator_agreement import MOST_ANNOTATORS, annotator_agreement
from jasco.protocol.clips import Clip
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.results import JudgedItems

CLIPS = tuple(Clip(str(n), "rain", "run", "a", "b", "c", "k") for n in range(6))
KEYS = [(clip.id, number) for clip in CLIPS for number in (1, 2)]
ANSWERS = {key: f"answer {key}" for key in KEYS}


def verdict_on(key: tuple[str, int], shift: int = 0) -> Verdict:
    return Verdict((int(key[0]) + key[1] + shift) % 3, list(Orientation)[int(key[0]) % 4])


def label(name: str, key: tuple[str, int], verdict: Verdict, answer: str = "") -> Annotation:
    assert verdict.rating is not None
    return Annotation(
        name, key[0], "", key[1], answer or ANSWERS[key], verdict.rating,
        str(verdict.orientation), "", "",
    )  # fmt: skip


def items(**judges: int) -> JudgedItems:
    """Return items whose judges give the verdicts of :func:`verdict_on`, shifted."""
    verdicts = {
        name: {key: (["text"], verdict_on(key, shift)) for key in KEYS}
        for name, shift in judges.items()
    }
    return JudgedItems(CLIPS, ANSWERS, verdicts)


def test_equal_labels_agree_perfectly_and_shifted_ones_do_not() -> None:
    labels = [label(name, key, verdict_on(key)) for name in ("Ada", "Ben") for key in KEYS]
    found = annotator_agreement(items(same=0, other=1), labels, KEYS)
    assert found.labels == {"Ada": 12, "Ben": 12}
    assert (found.shared, found.left_out) == (12, 0)
    assert found.among is not None
    assert found.among.rating_alpha.value == found.among.orientation_alpha.value == 1
    [pair] = found.among.pairs
    assert (pair.judges, pair.items, pair.rating_kappa.value) == (("Ada", "Ben"), 12, 1)
    kappas = {each.judges: each.rating_kappa.value for each in found.with_judges}
    assert set(kappas) == {(name, judge) for name in ("Ada", "Ben") for judge in ("same", "other")}
    assert kappas["Ada", "same"] == 1
    assert kappas["Ada", "other"] == pytest.approx(-0.5)  # chance would be 0


def test_one_annotator_is_compared_with_judges_only() -> None:
    found = annotator_agreement(items(judge=0), [label("Ada", KEYS[0], verdict_on(KEYS[0]))], KEYS)
    assert (found.among, found.shared) == (None, 0)
    assert [(each.judges, each.items) for each in found.with_judges] == [(("Ada", "judge"), 1)]


def test_only_labels_of_the_selected_current_answers_count() -> None:
    labels = [
        label("Ada", KEYS[0], verdict_on(KEYS[0])),
        label("Ada", KEYS[1], verdict_on(KEYS[1]), answer="another answer"),
        label("Ada", KEYS[2], verdict_on(KEYS[2])),
    ]
    assert annotator_agreement(items(), labels, KEYS[:2]).labels == {"Ada": 1}


def test_annotators_of_different_answers_are_no_pair() -> None:
    labels = [
        label("Ada", KEYS[0], verdict_on(KEYS[0])),
        label("Ben", KEYS[1], Verdict(0, Orientation.BOTH)),
    ]
    found = annotator_agreement(items(), labels, KEYS)
    assert found.among is not None
    assert (found.among.pairs, found.shared) == ((), 0)


def test_an_annotator_may_have_the_name_of_a_judge() -> None:
    labels = [label("judge", key, verdict_on(key)) for key in KEYS]
    [pair] = annotator_agreement(items(judge=0), labels, KEYS).with_judges
    assert (pair.judges, pair.rating_kappa.value) == (("judge", "judge"), 1)


def test_of_many_annotators_those_with_the_most_labels_are_compared() -> None:
    labels = [
        label(f"annotator {n}", key, verdict_on(key))
        for n in range(MOST_ANNOTATORS + 2)
        for key in (KEYS if n else KEYS[:1])
    ]
    found = annotator_agreement(items(), labels, KEYS)
    assert (len(found.labels), found.left_out) == (MOST_ANNOTATORS + 2, 2)
    assert found.among is not None
    assert not any("annotator 0" in pair.judges for pair in found.among.pairs)


def test_without_labels_there_is_no_agreement() -> None:
    found = annotator_agreement(items(judge=0), [], KEYS)
    assert (found.labels, found.among, found.with_judges) == ({}, None, ())
