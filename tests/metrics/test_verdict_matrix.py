"""Verdict matrices from plain rows, and their figures."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.data.dataset import DataSet
from jasco.errors import InputError
from jasco.metrics import verdict_matrix as verdict_matrix_module
from jasco.metrics.scoring import score_matrix, score_panel
from jasco.metrics.verdict_matrix import ORIENTATIONS, VerdictMatrix, verdict_matrix
from jasco.protocol.clips import Clip
from jasco.protocol.verdicts import Orientation, Verdict
from matrices import random_matrix

CLIPS = ["7", "11", "x"]
ROW = {"clip": "7", "instruction": 1, "rating": 2, "orientation": "Both"}


def test_rows_become_cells_and_missing_rows_are_missing() -> None:
    rows = [
        ROW,
        {"clip": "11", "instruction": np.int64(8), "rating": 1.0, "orientation": Orientation.AUDIO},
        {"clip": "x", "instruction": 2, "rating": None, "orientation": "Both", "note": "ignored"},
        {"clip": "x", "instruction": 3, "rating": 1, "orientation": float("nan")},
    ]
    matrix = verdict_matrix(rows, CLIPS)
    assert matrix.gated()[0, 0] == 2
    assert matrix.gated()[1, 7] == 0
    assert matrix.readable.sum() == 2
    assert np.argwhere(matrix.unreadable).tolist() == [[2, 1], [2, 2]]


def test_the_clips_of_a_data_set_are_expected() -> None:
    clips = tuple(Clip(id_, *"abcdef") for id_ in CLIPS)
    matrix = verdict_matrix([ROW], DataSet("x", clips).clips)
    assert score_matrix(matrix).panel.coverage == pytest.approx(1 / 24)


def test_instructions_may_be_other_ones() -> None:
    matrix = verdict_matrix([ROW], CLIPS, instructions=["What?", "Why?"])
    assert matrix.ratings.shape == (3, 2)
    assert not matrix.published
    with pytest.raises(InputError, match="instruction 3"):
        verdict_matrix([{**ROW, "instruction": 3}], CLIPS, instructions=["What?", "Why?"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip": "8"}, "row 2: unexpected clip '8'"),
        ({"instruction": 9}, "instruction 9"),
        ({"instruction": 0}, "instruction 0"),
        ({"instruction": "1"}, "row 2: invalid"),
        ({"rating": 3}, "row 2: invalid"),
        ({"rating": "2"}, "row 2: invalid"),
        ({"orientation": "Good"}, "row 2: invalid"),
        ({}, r"duplicate clip 7, instruction 1 \(rows 1 and 2\)"),
    ],
)
def test_wrong_rows_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        verdict_matrix([ROW, {**ROW, **changes}], CLIPS)


@pytest.mark.parametrize("name", ROW)
def test_a_missing_entry_is_named(name: str) -> None:
    row = {key: value for key, value in ROW.items() if key != name}
    with pytest.raises(InputError, match=f"row 1: missing '{name}'"):
        verdict_matrix([row], CLIPS)


def test_a_clip_is_expected_once() -> None:
    with pytest.raises(InputError, match="duplicate id '7'"):
        verdict_matrix([], ["7", "7"])


VERDICTS = st.none() | st.tuples(
    st.sampled_from([0, 1, 2, None]), st.sampled_from([*Orientation, None])
)


@given(st.lists(VERDICTS, min_size=24, max_size=24))
def test_the_order_of_rows_does_not_matter(
    verdicts: list[tuple[int | None, Orientation | None] | None],
) -> None:
    keys = itertools.product(CLIPS, range(1, 9))
    rows = [
        {"clip": clip, "instruction": number, "rating": verdict[0], "orientation": verdict[1]}
        for (clip, number), verdict in zip(keys, verdicts, strict=True)
        if verdict
    ]
    one, other = verdict_matrix(rows, CLIPS), verdict_matrix(reversed(rows), CLIPS)
    for name in ("ratings", "orientations", "unreadable"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "ratings")
    assert one.readable.sum() + one.unreadable.sum() == len(rows)


def test_figures_of_matrices_are_those_of_a_panel() -> None:
    panel = {"a": random_matrix(1), "b": random_matrix(2)}
    assert score_matrix(panel).panel == score_panel(panel).panel
    single = score_matrix(panel["a"], resamples=100)
    assert single.panel == score_panel({"judge": panel["a"]}, 100).panel
    assert single.agreement is None


@pytest.mark.parametrize(
    "matrices",
    [{}, VerdictMatrix.none_yet(0), {"a": random_matrix(1), "b": random_matrix(1, clips=3)}],
)
def test_without_common_clips_there_are_no_figures(matrices: Any) -> None:
    with pytest.raises(InputError, match="matrices"):
        score_matrix(matrices)


def test_packed_verdicts_replace_those_of_their_items_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict_matrix_module, "_CHUNK", 2)
    texts = [str(number) for number in range(17)]
    matrix = VerdictMatrix.none_yet(5, instructions=texts)
    matrix.enter(4, 1, Verdict(0, Orientation.NEITHER))
    matrix.enter(4, 2, Verdict(None, None))
    both, unreadable = 1 + 4 * 2 + 2, 15
    matrix.enter_packed(
        np.array([[4, both << 4, 0], [2, 0, unreadable << 4], [0, unreadable, both]])
    )
    readable = {(clip, place) for clip, place in np.argwhere(matrix.readable).tolist()}
    assert readable == {(4, 0), (4, 1), (0, 15)}
    assert matrix.ratings[4, :2].tolist() == [0, 2]
    assert ORIENTATIONS[matrix.orientations[4, 1]] is Orientation.BOTH
    assert np.argwhere(matrix.unreadable).tolist() == [[0, 0], [2, 16]]


def test_chunks_hold_all_clips_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict_matrix_module, "_CHUNK", 7)
    matrix = random_matrix(1, clips=20)
    chunks = list(matrix.chunks())
    assert [len(chunk.ratings) for chunk in chunks] == [7, 7, 6]
    assert (np.concatenate([chunk.ratings for chunk in chunks]) == matrix.ratings).all()


@pytest.mark.parametrize("clips", [0, 2, 5, 9])
def test_a_resized_matrix_has_no_verdicts_on_added_clips(clips: int) -> None:
    matrix = VerdictMatrix.of_samples([random_matrix(seed, 5) for seed in (1, 2)])
    resized = matrix.resized(clips)
    for before, after in zip(matrix.samples, resized.samples, strict=True):
        common = min(clips, 5)
        assert after.ratings.shape == after.orientations.shape == after.unreadable.shape
        assert after.ratings.shape[0] == clips
        np.testing.assert_array_equal(after.ratings[:common], before.ratings[:common])
        np.testing.assert_array_equal(after.orientations[:common], before.orientations[:common])
        assert np.isnan(after.ratings[common:]).all()
        assert not after.unreadable[common:].any()
