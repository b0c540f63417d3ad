"""Files of labelled answers."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jasco.data.labelled_rows import read_labelled_rows
from jasco.errors import InputError
from jasco.protocol.clips import Clip, ClipHash
from jasco.protocol.verdicts import Orientation, Verdict
from labelled_files import COLUMNS, write_gold

CLIPS = [Clip(str(n), "rain", "run", "a", "b", "c", "d") for n in (9, 10)]
WITHOUT_SHA = tuple(name for name in COLUMNS if name != "clip_sha")


def test_rows_are_read_as_written(tmp_path: Path) -> None:
    path = write_gold(tmp_path / "g.csv", [(CLIPS[1], 8, 'a "b",\nnan', 2), (CLIPS[0], 1, "", 0)])
    file = read_labelled_rows(path)
    [row, empty] = file.rows
    assert (row.name, row.number, row.answer) == ("0", 8, 'a "b",\nnan')
    assert row.verdict == Verdict(2, Orientation.BOTH)
    assert not row.adversarial
    assert empty.answer == ""
    assert not file.by_id


def test_rows_find_their_clips_by_hash(tmp_path: Path) -> None:
    changed = Clip("9", "wind", "run", "a", "b", "c", "d")
    path = write_gold(tmp_path / "g.csv", [(clip, 1, "x", 0) for clip in (*CLIPS, changed)])
    file = read_labelled_rows(path)
    assert file.places(CLIPS) == [0, 1, None]
    assert file.places([ClipHash(clip.id, clip.sha256) for clip in CLIPS[::-1]]) == [1, 0, None]


def test_further_digits_of_a_hash_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    right, wrong = CLIPS[0].sha256[:20], CLIPS[0].sha256[:12] + "x"
    cells = [f"1,{sha},1,a,0,Neither" for sha in (right, wrong)]
    path.write_text("\n".join(["id,clip_sha,prompt_index,allm_output,rating,orientation", *cells]))
    assert read_labelled_rows(path).places(CLIPS) == [0, None]


def test_without_hashes_rows_find_their_clips_by_id(tmp_path: Path) -> None:
    others = [*CLIPS, Clip("7", "rain", "run", "a", "b", "c", "d")]
    path = write_gold(tmp_path / "g.csv", [(clip, 1, "x", 0) for clip in others], WITHOUT_SHA)
    file = read_labelled_rows(path)
    assert file.by_id
    assert file.places(CLIPS) == [0, 1, None]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("clip_sha", "abc"), ("clip_sha", ""), ("prompt_index", "9"), ("prompt_index", "0"),
        ("prompt_index", "١"), ("rating", "3"), ("rating", "1.0"), ("rating", ""),
        ("orientation", "both"), ("orientation", ""),
    ],
)  # fmt: skip
def test_an_invalid_cell_is_named(tmp_path: Path, column: str, cell: str) -> None:
    cells = dict(zip(COLUMNS, ("1", "9", "a" * 12, "1", "x", "0", "Both"), strict=True))
    path = tmp_path / "g.csv"
    path.write_text(",".join(COLUMNS) + "\n" + ",".join((cells | {column: cell}).values()))
    with pytest.raises(InputError, match=rf"g\.csv, row 1: {column}: "):
        read_labelled_rows(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    text=st.text(alphabet="id,clip_shapromt\nBothNeither0123456789abcdef\"'\0\ufeff", max_size=200)
)
def test_any_text_is_read_or_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "g.csv"
    path.write_text(",".join(COLUMNS) + "\n" + text, "utf-8")
    try:
        file = read_labelled_rows(path)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert len(file.places(CLIPS)) == len(file.rows)
