"""Data sets in the published layout."""

import shutil
from pathlib import Path

import pytest

from jasco.data.dataset import published_files, read_clips, read_data_set
from jasco.errors import InputError
from jasco.protocol.clips import Clip, annotations_sha256
from synthetic import COLUMNS, make_data, read_annotations

HEADER = ",".join(COLUMNS)


def write_annotations(folder: Path, content: str | bytes) -> Path:
    path = folder / "dataset" / "v0" / "v0.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def test_clips_are_read_in_the_order_of_the_file(data: Path) -> None:
    clips = read_data_set(data).clips
    assert [clip.cells for clip in clips] == [tuple(row.values()) for row in read_annotations(data)]


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    header = ",".join(["more", *reversed(COLUMNS)])
    [clip] = read_data_set(write_annotations(tmp_path, f"{header}\nx,g,f,e,d,c,b,a\n")).clips
    assert clip == Clip("a", "b", "c", "d", "e", "f", "g")


def test_the_name_is_the_folders(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_data_set(data).name == data.name
    monkeypatch.chdir(data)
    assert read_data_set(Path()).name == data.name


def test_the_published_data_is_known_by_what_it_holds(published: Path, tmp_path: Path) -> None:
    copy = tmp_path / "any name"
    shutil.copytree(published / "dataset", copy / "dataset", ignore=lambda *_: ["1.wav"])
    assert read_data_set(copy).name == "watd"


def test_audio_is_beside_the_annotations(data: Path) -> None:
    data_set = read_data_set(data)
    paths = [data_set.audio_path(clip) for clip in data_set.clips]
    assert paths == [data / "dataset" / "v0" / f"{number}.wav" for number in range(4)]


def test_the_published_annotations_have_the_published_hash(published: Path) -> None:
    clips = read_data_set(published).clips
    assert len(clips) == 80
    assert annotations_sha256(clips).startswith("3fd0912f1bd7d7a3")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    content = f"\ufeff{HEADER}\n1,a,b,c,d,e,f\n"
    assert read_data_set(write_annotations(tmp_path, content)).clips[0].id == "1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER, "no clips, only a header"),
        ("", "v0.csv: the file is empty"),
        (HEADER.replace("Speech,", "speech,") + "\n", "column 'Speech' is missing"),
        (f"{HEADER},Audio\n1,a,b,c,d,e,f,g\n", "duplicate column 'Audio'"),
        (
            f"{HEADER}\n1,a,b,c,d,e,f\n2,a,b,c,d,e,f\n1,a,b,c,d,e,f\n",
            r"duplicate id 1 \(rows 1 and 3\)",
        ),
        (f"{HEADER}\n1,a,b,c,d,e,f\n../2,a,b,c,d,e,f\n", r"row 2: clip id '\.\./2' cannot name"),
        (f"{HEADER}\n1,a,b\n", "line 2: 3 cells for 7 columns"),
        (f'{HEADER}\n1,"a,b\n', "line 2: not a CSV file"),
        (HEADER.encode() + b"\n1,a,b\xff,c,d,e,f\n", "line 2: not UTF-8"),
        (HEADER.encode("utf-16"), "UTF-16, not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_data_set(write_annotations(tmp_path, content))
    assert "v0.csv" in str(error.value)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_data_set(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"v0\.csv not found"):
        read_data_set(tmp_path)


def test_the_published_files_are_audio_and_annotations() -> None:
    files = published_files()
    assert {f"dataset/v0/{number}.wav" for number in range(1, 81)} <= files.keys()
    assert "dataset/v0/v0.csv" in files
    assert all(len(sha256) == 64 for sha256 in files.values())


def test_a_data_set_that_is_too_large_for_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_data(tmp_path / "data", 4)
    monkeypatch.setattr("jasco.data.csv_files._MOST_CELLS", 27)
    with pytest.raises(InputError, match="more than 27 cells"):
        read_data_set(folder)
    assert len(list(read_clips(folder, any_size=True))) == 4
    monkeypatch.setattr("jasco.data.csv_files._LARGEST", 100)
    with pytest.raises(InputError, match="larger than 0 MiB"):
        read_data_set(folder)
    assert len(list(read_clips(folder, any_size=True))) == 4
