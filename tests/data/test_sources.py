"""Data sets by name and by folder: fetched, found and verified."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from command import Jasco
from file_server import FileServer, serve_folder
from jasco.data import sources
from jasco.data.dataset import published_files, read_data_set
from jasco.data.download import DownloadError
from jasco.data.sources import fetch, find_data, verify
from jasco.errors import InputError
from synthetic import make_data, tone


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serve a small data set as the published one, without pauses between attempts."""
    source = make_data(tmp_path / "source", clips=3)
    names = sorted(str(path.relative_to(source)) for path in source.rglob("*") if path.is_file())
    hashes = {name: hashlib.sha256((source / name).read_bytes()).hexdigest() for name in names}
    monkeypatch.setattr(sources, "published_files", lambda: hashes)
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    monkeypatch.setenv("JASCO_CACHE", str(tmp_path / "cache"))
    with serve_folder(source) as server:
        monkeypatch.setenv("JASCO_WATD_URL", server.url)
        yield server


@pytest.fixture
def messages() -> list[str]:
    return []


def holds_copy_of(folder: Path, copy: Path) -> bool:
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return len(files) == 4 and all(
        (folder / name).read_bytes() == (copy / name).read_bytes() for name in files
    )


def test_every_file_is_fetched_and_the_licence_is_shown(
    mirror: FileServer, tmp_path: Path, messages: list[str]
) -> None:
    assert fetch(tmp_path / "to", messages.append) == tmp_path / "to"
    assert holds_copy_of(mirror.folder, tmp_path / "to")
    assert any("CC BY-NC 4.0" in line for line in messages)


def test_without_a_folder_it_goes_to_the_cache(
    mirror: FileServer, tmp_path: Path, messages: list[str]
) -> None:
    assert fetch(None, messages.append) == tmp_path / "cache" / "watd"
    assert holds_copy_of(mirror.folder, tmp_path / "cache" / "watd")


def test_the_name_fetches_once(mirror: FileServer, messages: list[str]) -> None:
    assert len(find_data("watd", messages.append).clips) == 3
    assert len(mirror.requested) == 4
    assert len(find_data("watd", messages.append).clips) == 3
    assert len(mirror.requested) == 4


def test_a_folder_is_not_fetched(mirror: FileServer, messages: list[str]) -> None:
    data = find_data(str(mirror.folder), messages.append)
    assert (data.name, data.folder) == ("source", mirror.folder)
    assert mirror.requested == messages == []


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(DownloadError) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_wrong_file_is_refused_by_name_and_not_kept(
    mirror: FileServer, tmp_path: Path, messages: list[str]
) -> None:
    (mirror.folder / "dataset" / "v0" / "1.wav").write_bytes(b"something else")
    line = error_of(lambda: fetch(tmp_path / "to", messages.append))
    assert f"{mirror.url}dataset/v0/1.wav" in line
    assert "same command" in line
    assert not (tmp_path / "to" / "dataset" / "v0" / "1.wav").exists()
    assert messages == []


def test_a_folder_that_cannot_be_written_is_named(
    mirror: FileServer, tmp_path: Path, messages: list[str]
) -> None:
    (tmp_path / "to").write_text("a file")
    line = error_of(lambda: fetch(tmp_path / "to", messages.append))
    assert str(tmp_path / "to") in line


def test_offline_the_command_is_incomplete(jasco: Jasco, tmp_path: Path) -> None:
    result = jasco("data", "fetch", tmp_path / "to", env={"JASCO_WATD_URL": "http://127.0.0.1:9/"})
    assert result.status == 4
    assert result.stdout == ""
    [line] = [line for line in result.stderr.splitlines() if line.startswith("jasco: ")]
    assert "offline" in line


def test_the_published_files_are_fetched_from_a_mirror(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    with serve_folder(published) as mirror:
        monkeypatch.setenv("JASCO_WATD_URL", mirror.url)
        fetch(tmp_path / "to", messages.append)
    assert len(mirror.requested) == len(published_files())
    assert "annotations and audio match the published data set" in list(
        verify(read_data_set(tmp_path / "to"))
    )


# --- verify ---


def test_verify_looks_at_every_clip(data: Path) -> None:
    folder = data / "dataset" / "v0"
    soundfile.write(folder / "1.wav", np.stack([tone(1), tone(2)], axis=1), 48_000)
    lines = list(verify(read_data_set(data)))
    assert lines[0].startswith("4 clips, annotations ")
    [line] = [line for line in lines if line.startswith("clip 1: ")]
    assert "resampled, mixed down" in line
    assert "all files readable" in lines[-1]
    assert "published" not in "".join(lines)
    (folder / "3.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"3\.wav: corrupt"):
        list(verify(read_data_set(data)))


def test_verify_knows_the_published_files(published: Path, tmp_path: Path) -> None:
    assert "annotations and audio match the published data set" in list(
        verify(read_data_set(published))
    )
    copy = tmp_path / "copy"
    shutil.copytree(published, copy)
    for path in copy.rglob("*"):
        path.chmod(0o755)
    shutil.copy(copy / "dataset/v0/2.wav", copy / "dataset/v0/1.wav")
    with pytest.raises(InputError, match=r"1\.wav: differs from the published file"):
        list(verify(read_data_set(copy)))
