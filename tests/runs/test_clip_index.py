"""Large data sets are stored and hashed in one pass, like small ones that are read into memory."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.data.dataset import DataSet, read_data_set
from jasco.errors import InputError, RunConflictError
from jasco.protocol.responses import Response
from jasco.runs.clip_index import index_clips
from jasco.runs.schema import response_row
from jasco.runs.writer import RunWriter
from rows_of_runs import DATA, spec
from synthetic import COLUMNS, make_data


def write_annotations(folder: Path, ids: list[str]) -> Path:
    path = folder / "dataset" / "v0" / "v0.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(COLUMNS), *(f"{id_},a,b,c,d,e,{id_}" for id_ in ids)]
    path.write_text("\n".join(lines) + "\n")
    return folder


ids = st.text("abc019_", min_size=1, max_size=4) | st.integers(0, 999).map(str)


@given(st.lists(ids, min_size=1, max_size=12, unique=True))
def test_the_hash_is_that_of_the_data_set(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str]
) -> None:
    folder = write_annotations(tmp_path_factory.mktemp("data"), ids)
    connection = sqlite3.connect(":memory:")
    assert index_clips(connection, folder) == read_data_set(folder).annotations_sha256
    assert [id_ for (id_,) in connection.execute("SELECT id FROM indexed ORDER BY clip")] == ids


def test_a_duplicate_id_is_refused_with_both_rows(tmp_path: Path) -> None:
    folder = write_annotations(tmp_path, ["1", "2", "3", "2"])
    with pytest.raises(InputError, match=r"duplicate id 2 \(rows 2 and 4\)"):
        index_clips(sqlite3.connect(":memory:"), folder)
    with pytest.raises(InputError, match=r"duplicate id 2 \(rows 2 and 4\)"):
        read_data_set(folder)


def test_an_indexed_run_holds_the_data_set_and_does_not_read_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_data(tmp_path / "data", 7)
    with RunWriter.open(tmp_path / "run") as run:
        assert run.index_data(folder) == 7
        assert run.data() == DataSet("data", read_data_set(folder).clips)
        assert run.data_root == folder
        monkeypatch.setattr("jasco.runs.writer.index_clips", None)
        assert run.index_data(folder) == 7


def test_a_data_set_that_was_replaced_meanwhile_is_read_again(tmp_path: Path) -> None:
    folder = make_data(tmp_path / "data", 7)
    with RunWriter.open(tmp_path / "run") as run:
        run.index_data(folder)
        run.set_data(DATA)
        assert run.index_data(folder) == 7
        assert run.data() == DataSet("data", read_data_set(folder).clips)


def test_changed_annotations_are_refused_once_there_is_an_answer(tmp_path: Path) -> None:
    folder = write_annotations(tmp_path / "data", ["1", "2"])
    with RunWriter.open(tmp_path / "run") as run:
        run.index_data(folder)
        write_annotations(folder, ["1", "2", "3"])
        assert run.index_data(folder) == 3
        run.widen(3)
        run.commit([response_row(run.set_model(spec("m")), 0, 1, Response("Yes."), 1.0)])
        write_annotations(folder, ["1", "2", "4"])
        with pytest.raises(RunConflictError, match="the run holds the data set data"):
            run.index_data(folder)
        assert [clip.id for clip in run.data().clips] == ["1", "2", "3"]
