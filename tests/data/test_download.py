"""Downloads of files whose hashes are known."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from file_server import FileServer, serve_folder
from folder_contents import folder_contents
from jasco.data.download import DownloadError, download

FILES = {"1.wav": b"one" * 1000, "2.wav": b"two" * 1000, "sub/notes.csv": b"id\n1\n"}
HASHES = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
SIZE = sum(map(len, FILES.values()))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serve the files, without pauses between attempts."""
    for name, content in FILES.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    with serve_folder(tmp_path / "source") as server:
        yield server


def download_all(
    server: FileServer, folder: Path, size: int = SIZE, retries: int = 2
) -> dict[str, bytes]:
    """Download the files; return the contents of the folder."""
    download(server.url, HASHES, folder, title="files", size=size, retries=retries)
    return folder_contents(folder)


def error_of(server: FileServer, folder: Path, size: int = SIZE) -> str:
    with pytest.raises(DownloadError) as error:
        download_all(server, folder, size)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_file_is_downloaded(server: FileServer, tmp_path: Path) -> None:
    assert download_all(server, tmp_path / "to") == FILES


def test_only_missing_and_damaged_files_are_downloaded(server: FileServer, tmp_path: Path) -> None:
    download_all(server, tmp_path / "to")
    (tmp_path / "to" / "1.wav").unlink()
    (tmp_path / "to" / "2.wav").write_bytes(b"half")
    server.requested.clear()
    assert download_all(server, tmp_path / "to") == FILES
    assert server.requested == ["/1.wav", "/2.wav"]
    download_all(server, tmp_path / "to")
    assert len(server.requested) == 2


def test_a_wrong_file_is_tried_again_refused_by_name_and_not_kept(
    server: FileServer, tmp_path: Path
) -> None:
    (server.folder / "2.wav").write_bytes(b"something else")
    line = error_of(server, tmp_path / "to")
    assert f"{server.url}2.wav" in line
    assert server.requested == ["/1.wav", "/2.wav", "/2.wav", "/2.wav"]
    assert folder_contents(tmp_path / "to") == {"1.wav": FILES["1.wav"]}
    server.requested.clear()
    with pytest.raises(DownloadError):
        download_all(server, tmp_path / "to", retries=0)
    assert server.requested == ["/2.wav"]


def test_after_a_missing_file_the_next_attempt_goes_on(server: FileServer, tmp_path: Path) -> None:
    (server.folder / "2.wav").rename(tmp_path / "away")
    line = error_of(server, tmp_path / "to")
    assert f"{server.url}2.wav" in line
    assert "404" in line
    assert f"1 of 3 files are in {tmp_path / 'to'}" in line
    (tmp_path / "away").rename(server.folder / "2.wav")
    server.requested.clear()
    assert download_all(server, tmp_path / "to") == FILES
    assert server.requested == ["/2.wav", "/sub/notes.csv"]


def test_a_server_that_cannot_be_reached_is_one_line(server: FileServer, tmp_path: Path) -> None:
    server.close()
    line = error_of(server, tmp_path / "to")
    assert "cannot be reached" in line
    assert "0 of 3 files" in line


def test_a_folder_that_cannot_be_written_is_an_error_of_the_system(
    server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "to").write_text("a file")
    with pytest.raises(OSError, match="to"):
        download_all(server, tmp_path / "to")


def test_a_file_that_is_larger_than_all_should_be_is_refused_at_once(
    server: FileServer, tmp_path: Path
) -> None:
    assert "larger than" in error_of(server, tmp_path / "to", size=2_000)
    assert server.requested == ["/1.wav"]
    assert not folder_contents(tmp_path / "to")


def test_nothing_is_printed(
    server: FileServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    download_all(server, tmp_path / "to")
    assert capfd.readouterr() == ("", "")


def test_progress_is_for_terminals(
    server: FileServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    download_all(server, tmp_path / "to")
    out, err = capsys.readouterr()
    assert not out
    assert "files" in err
    assert "6.0 kB" in err


_DOWNLOAD = """
import sys
from pathlib import Path
from jasco.data.download import download
download(sys.argv[1], {"1.wav": "0" * 64}, Path(sys.argv[2]), title="", size=10_000)
"""


def test_what_a_killed_download_leaves_is_removed_after_a_day(
    server: FileServer, tmp_path: Path
) -> None:
    folder = tmp_path / "to"
    server.ready.clear()
    with subprocess.Popen([sys.executable, "-c", _DOWNLOAD, server.url, folder]) as process:
        for _ in range(400):
            if list(folder.glob("tmp*")):
                break
            threading.Event().wait(0.05)  # time.sleep is patched
        process.kill()
    server.ready.set()
    [recent] = folder.glob("tmp*")
    old = [folder / "tmpfile", folder / "tmpfolder"]
    old[0].touch()
    old[1].mkdir()
    for path in old:
        os.utime(path, (time.time() - 90_000,) * 2)
    assert download_all(server, folder).keys() == {
        *FILES,
        recent.name,
    }  # another process may still be writing the recent one
    assert not any(path.exists() for path in old)
