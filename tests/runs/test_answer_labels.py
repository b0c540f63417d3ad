"""Labels of a model's answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from jasco.data.labelled_rows import read_labelled_rows
from jasco.protocol.clips import Clip
from jasco.runs.answer_labels import labels_of_answers
from jasco.runs.results import AnswerLabels, JudgedItems
from labelled_files import Label, write_gold

CLIPS = tuple(Clip(str(n), "rain", "run", "a", "b", "c", "d") for n in range(3))
ANSWERS = {(clip.id, number): f"{clip.id}-{number}" for clip in CLIPS for number in range(1, 9)}
ITEMS = JudgedItems(CLIPS, ANSWERS, {})


def labels(folder: Path, rows: list[Label], items: JudgedItems = ITEMS) -> AnswerLabels:
    return labels_of_answers(read_labelled_rows(write_gold(folder / "g.csv", rows)), CLIPS, items)


def test_only_rows_with_the_models_answer_count(tmp_path: Path) -> None:
    other = Clip("0", "wind", "run", "a", "b", "c", "d")
    found = labels(
        tmp_path,
        [
            (CLIPS[0], 1, "0-1", 2),
            (CLIPS[0], 2, "0-1", 2),  # the answer to another instruction
            (CLIPS[1], 3, "1-3 ", 2),  # another text
            (other, 4, "0-4", 2),  # another clip with the same id
        ],
    )
    assert (found.rows, found.used, found.items, found.clips) == (4, 1, 1, 1)
    assert found.scores.shape == (1, 3, 8)
    assert found.scores[0, 0, 0] == 2
    assert np.isnan(found.scores).sum() == 23


def test_scores_of_several_annotators_are_averaged(tmp_path: Path) -> None:
    found = labels(tmp_path, [(CLIPS[2], 8, "2-8", score) for score in (2, 1, 1, 0)])
    assert (found.used, found.items) == (4, 1)
    assert found.scores[0, 2, 7] == 1


def test_line_ends_are_not_compared(tmp_path: Path) -> None:
    items = replace(ITEMS, answers={("0", 1): "two\nlines"})
    assert labels(tmp_path, [(CLIPS[0], 1, "two\r\nlines", 1)], items).used == 1


def test_an_empty_answer_is_labelled_and_a_missing_one_is_not(tmp_path: Path) -> None:
    items = replace(ITEMS, answers={("0", 1): ""})
    found = labels(tmp_path, [(CLIPS[0], 1, "", 1), (CLIPS[1], 1, "", 1)], items)
    assert (found.used, found.items) == (1, 1)


def test_a_label_belongs_to_every_sample_with_its_answer(tmp_path: Path) -> None:
    again = replace(ITEMS, answers=ANSWERS | {("0", 1): "another"})
    third = replace(ITEMS, answers=ANSWERS | {("0", 1): "third"})
    items = replace(ITEMS, further=(again, third, ITEMS))
    rows = [(CLIPS[0], 1, "0-1", 2), (CLIPS[0], 1, "another", 1), (CLIPS[1], 1, "1-1", 0)]
    found = labels(tmp_path, rows, items)
    assert (found.used, found.items, found.clips) == (3, 2, 2)
    assert found.scores[:, 0, 0].tolist()[:2] == [2, 1]
    assert np.isnan(found.scores[2, 0, 0])
    assert found.scores[:, 1, 0].tolist() == [0, 0, 0, 0]
