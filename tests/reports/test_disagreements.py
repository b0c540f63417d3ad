"""Items on which judges differ, by the size of the difference."""

from jasco.protocol.clips import Clip
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.reports.disagreements import disagreements
from jasco.runs.results import JudgedItems

AUDIO, SPEECH, BOTH, NEITHER = Orientation
CLIPS = tuple(Clip(id_, "rain", "run", "a", "b", "c", "k") for id_ in ("b", "a"))


def judged_items(*judges: dict[tuple[str, int], Verdict]) -> JudgedItems:
    by_judge = {
        f"judge {n}": {key: (["text"], verdict) for key, verdict in verdicts.items()}
        for n, verdicts in enumerate(judges)
    }
    return JudgedItems(CLIPS, {}, by_judge)


def test_scores_ratings_and_orientations_add_up() -> None:
    one = {("b", 1): Verdict(2, BOTH), ("b", 2): Verdict(2, BOTH), ("a", 8): Verdict(1, AUDIO)}
    other = {("b", 1): Verdict(1, BOTH), ("b", 2): Verdict(0, NEITHER), ("a", 8): Verdict(1, BOTH)}
    third = {("b", 1): Verdict(1, BOTH), ("b", 2): Verdict(0, SPEECH)}
    assert list(disagreements(judged_items(one, other, third)).items()) == [
        (("b", 2), 6),  # 2 scored, 2 rated, 2 further orientations
        (("b", 1), 2),
        (("a", 8), 2),
    ]


def test_judges_that_agree_or_are_unreadable_do_not_differ() -> None:
    one = {("b", 1): Verdict(2, BOTH), ("b", 2): Verdict(2, BOTH), ("b", 3): Verdict(2, BOTH)}
    other = {("b", 1): Verdict(2, BOTH), ("b", 2): Verdict(None, NEITHER)}
    assert disagreements(judged_items(one, other)) == {}
    assert disagreements(judged_items(one)) == disagreements(judged_items()) == {}


def test_items_with_the_same_difference_are_in_the_runs_order() -> None:
    keys = [("b", 2), ("b", 7), ("a", 1), ("a", 3)]
    one, other = (
        dict.fromkeys(reversed(keys), verdict) for verdict in (Verdict(1, BOTH), Verdict(0, BOTH))
    )
    assert list(disagreements(judged_items(one, other))) == keys
