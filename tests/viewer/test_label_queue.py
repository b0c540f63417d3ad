"""Which answers an annotator labels, and in which order."""

from dataclasses import replace

from jasco.protocol.clips import Clip
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.results import JudgedItems
from jasco.viewer.label_queue import SAMPLE, Selection

CLIPS = tuple(Clip(str(n), "rain", f"run {n}", "a", "b", "c", "k") for n in range(20))
ANSWERS = {(clip.id, number): "they flee" for clip in CLIPS for number in range(1, 9)}


def test_all_answers_are_in_the_order_of_the_run() -> None:
    assert Selection.ALL.of(JudgedItems(CLIPS, ANSWERS, {})) == list(ANSWERS)


def test_a_sample_is_random_but_the_same_for_everyone() -> None:
    sample = Selection.SAMPLE.of(JudgedItems(CLIPS, ANSWERS, {}))
    assert len(sample) == len(set(sample)) == SAMPLE
    assert set(sample) < set(ANSWERS)
    assert sample != [key for key in ANSWERS if key in sample]
    assert sample == Selection.SAMPLE.of(JudgedItems(CLIPS, ANSWERS, {}))
    assert {number for _, number in sample} == set(range(1, 9))


def test_clips_are_random_and_complete_but_the_same_for_everyone() -> None:
    order = Selection.CLIPS.of(JudgedItems(CLIPS, ANSWERS, {}))
    clips = [order[start][0] for start in range(0, len(order), 8)]
    assert order == [(clip, number) for clip in clips for number in range(1, 9)]
    assert len(set(clips)) == len(CLIPS)
    assert clips != [clip.id for clip in CLIPS]
    begun = replace(JudgedItems(CLIPS, ANSWERS, {}), clips=CLIPS[:9])
    assert Selection.CLIPS.of(begun) == [key for key in order if int(key[0]) < 9]


def test_the_order_of_a_sample_is_kept_while_a_run_grows() -> None:
    whole = JudgedItems(CLIPS, ANSWERS, {})
    begun = replace(whole, answers={key: text for key, text in ANSWERS.items() if int(key[0]) < 9})
    sample, earlier = Selection.SAMPLE.of(whole), Selection.SAMPLE.of(begun)
    assert set(earlier) == set(begun.answers)  # fewer than a sample
    assert [key for key in sample if key in begun.answers] == [k for k in earlier if k in sample]


def test_differing_answers_are_those_on_which_judges_differ() -> None:
    good, bad = Verdict(2, Orientation.BOTH), Verdict(0, Orientation.BOTH)
    judges = {
        "kind": {key: ([], good) for key in ANSWERS},
        "stern": {key: ([], bad if key == ("3", 4) else good) for key in ANSWERS},
    }
    assert Selection.DIFFERING.of(JudgedItems(CLIPS, ANSWERS, judges)) == [("3", 4)]
