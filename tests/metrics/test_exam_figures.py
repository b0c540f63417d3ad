"""The figures of an exam, against maintained libraries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix

from gated_scores import gated_score
from jasco.judge_exam.questions import known_answers
from jasco.metrics.exam_figures import (
    KNOWN,
    LABELLED,
    ExamQuestion,
    grade,
    unreadable_rate,
    wilson,
)
from jasco.protocol.clips import Clip, Item
from jasco.protocol.verdicts import Orientation, Verdict

CLIPS = [Clip(str(n), "rain", "run", f"a{n}", f"s{n}", f"r{n}", "k") for n in range(10)]
READABLE = st.builds(Verdict, st.integers(0, 2), st.sampled_from(list(Orientation)))
VERDICTS = st.one_of(READABLE, st.just(Verdict(None, None)), st.none())


def test_the_unreadable_rate_is_that_of_all_verdicts_given() -> None:
    right = Verdict(2, Orientation.BOTH)
    questions = [ExamQuestion(KNOWN, "reference", Item(CLIPS[0], 1), "r", right)] * 3
    one = grade(questions, [right, Verdict(None, None), None])
    other = grade(questions, [right, right, None])
    assert unreadable_rate([one, other]) == 1 / 4
    assert unreadable_rate([grade(questions, [None] * 3)]) is None


@given(st.lists(st.tuples(st.integers(0, 9), READABLE, VERDICTS, st.booleans()), max_size=30))
def test_an_exam_is_graded_as_by_libraries(
    rows: list[tuple[int, Verdict, Verdict | None, bool]],
) -> None:
    questions = [
        ExamQuestion(LABELLED, "q", Item(CLIPS[clip], 1), "x", expected, adversarial)
        for clip, expected, _, adversarial in rows
    ]
    part = grade(questions, [verdict for *_, verdict, _ in rows])
    read = [
        (expected, verdict, adversarial)
        for _, expected, verdict, adversarial in rows
        if verdict and verdict.readable
    ]
    assert (part.asked, part.read) == (len(rows), len(read))
    assert part.judged == sum(verdict is not None for *_, verdict, _ in rows)
    if not read:
        assert part.accuracy.value is None
        assert part.kappa.value is None
        return
    *paired_verdicts, _ = zip(*read, strict=True)
    assert part.rating_accuracy.value == pytest.approx(
        accuracy_score(*[[verdict.rating for verdict in verdicts] for verdicts in paired_verdicts])
    )
    names = list(Orientation)
    labels = [
        [names.index(verdict.orientation) for verdict in verdicts] for verdicts in paired_verdicts
    ]
    assert part.orientation_accuracy.value == pytest.approx(accuracy_score(*labels))
    assert (part.orientations == confusion_matrix(*labels, labels=range(4))).all()
    scores = [list(map(gated_score, verdicts)) for verdicts in paired_verdicts]
    assert (part.ratings == confusion_matrix(*scores, labels=[0, 1, 2])).all()
    if len(set(scores[0]) | set(scores[1])) > 1:
        kappa = cohen_kappa_score(*scores, weights="quadratic", labels=[0, 1, 2])
        assert part.kappa.value == pytest.approx(kappa)
    else:
        assert part.kappa.value is None
    tempted = [gated_score(b) > gated_score(a) for a, b, adversarial in read if adversarial]
    assert (part.tempted, part.credited) == (len(tempted), sum(tempted))


@given(st.integers(1, 200), st.data())
def test_wilsons_interval_is_scipys(tries: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, tries))
    expected = stats.binomtest(hits, tries).proportion_ci(method="wilson")
    assert wilson(hits, tries).interval == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_none_of_five_still_allows_43_percent() -> None:
    interval = wilson(0, 5).interval
    assert interval is not None
    assert interval[1] == pytest.approx(0.43, abs=0.005)
    assert wilson(0, 0).value is None


def test_all_right_is_not_certain() -> None:
    questions = list(known_answers(CLIPS))
    part = grade(questions, [question.expected for question in questions])
    assert part.accuracy.value == 1
    assert part.accuracy.interval is not None
    assert 0.6 < part.accuracy.interval[0] < 0.8  # ten clips
    assert part.orientations.sum() == np.trace(part.orientations) == 40
