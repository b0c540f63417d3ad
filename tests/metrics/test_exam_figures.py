"""The figures of an exam."""

from jasco.metrics.exam_figures import KNOWN, ExamQuestion, grade, unreadable_rate
from jasco.protocol.clips import Clip, Item
from jasco.protocol.verdicts import Orientation, Verdict

CLIP = Clip("1", "rain", "run", "a", "s", "r", "k")


def test_the_unreadable_rate_is_that_of_all_verdicts_given() -> None:
    right = Verdict(2, Orientation.BOTH)
    questions = [ExamQuestion(KNOWN, "reference", Item(CLIP, 1), "r", right)] * 3
    one = grade(questions, [right, Verdict(None, None), None])
    other = grade(questions, [right, right, None])
    assert unreadable_rate([one, other]) == 1 / 4
    assert unreadable_rate([grade(questions, [None] * 3)]) is None
