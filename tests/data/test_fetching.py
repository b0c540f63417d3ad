"""Where data sets come from."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from command import Jasco
from jasco.data import fetching as datasets
from jasco.data.dataset import read_data_set
from jasco.data.fetching import DownloadError, fetch, find_data, published_files, verify
from jasco.errors import InputError
from synthetic import make_data, tone


class Mirror:
    """A web server with a folder of files; ``asked`` lists the paths it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.hold = threading.Event()
        self.hold.set()
        mirror = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                if self.path.endswith(".wav"):
                    mirror.hold.wait(30)
                super().do_GET()

            def log_message(self, *arguments: object) -> None:
                pass

        handler = partial(Handler, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """Serve a small data set and expect just its files; nothing waits between attempts."""
    source = make_data(tmp_path / "source", clips=3)
    names = sorted(str(path.relative_to(source)) for path in source.rglob("*") if path.is_file())
    hashes = {name: hashlib.sha256((source / name).read_bytes()).hexdigest() for name in names}
    monkeypatch.setattr(datasets, "published_files", lambda: hashes)
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    mirror = Mirror(source)
    monkeypatch.setenv("JASCO_WATD_URL", mirror.url)
    monkeypatch.setenv("JASCO_CACHE", str(tmp_path / "cache"))
    yield mirror
    mirror.close()


@pytest.fixture
def said() -> list[str]:
    return []


def same(one: Path, other: Path) -> bool:
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    return len(files) == 4 and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in files
    )


def test_every_file_is_fetched_and_the_licence_said(
    mirror: Mirror, tmp_path: Path, said: list[str]
) -> None:
    assert fetch(tmp_path / "to", said.append) == tmp_path / "to"
    assert same(mirror.folder, tmp_path / "to")
    assert any("CC BY-NC 4.0" in line for line in said)


def test_without_a_folder_it_goes_to_the_cache(
    mirror: Mirror, tmp_path: Path, said: list[str]
) -> None:
    assert fetch(None, said.append) == tmp_path / "cache" / "watd"
    assert same(mirror.folder, tmp_path / "cache" / "watd")


def test_what_is_there_and_whole_is_not_fetched_again(
    mirror: Mirror, tmp_path: Path, said: list[str]
) -> None:
    shutil.copytree(mirror.folder, tmp_path / "to")
    (tmp_path / "to" / "dataset" / "v0" / "1.wav").unlink()
    (tmp_path / "to" / "dataset" / "v0" / "2.wav").write_bytes(b"half")
    fetch(tmp_path / "to", said.append)
    assert sorted(mirror.asked) == ["/dataset/v0/1.wav", "/dataset/v0/2.wav"]
    assert same(mirror.folder, tmp_path / "to")
    fetch(tmp_path / "to", said.append)
    assert len(mirror.asked) == 2


def test_the_name_fetches_once(mirror: Mirror, said: list[str]) -> None:
    assert len(find_data("watd", said.append).clips) == 3
    asked = len(mirror.asked)
    assert asked == 4
    assert len(find_data("watd", said.append).clips) == 3
    assert len(mirror.asked) == asked


def test_a_folder_is_not_fetched(mirror: Mirror, said: list[str]) -> None:
    data = find_data(str(mirror.folder), said.append)
    assert (data.name, data.folder) == ("source", mirror.folder)
    assert mirror.asked == said == []


def complaint(call: Callable[[], object]) -> str:
    with pytest.raises(DownloadError) as trouble:
        call()
    assert "\n" not in str(trouble.value)
    return str(trouble.value)


def test_a_wrong_file_is_refused_by_name_and_not_kept(
    mirror: Mirror, tmp_path: Path, said: list[str]
) -> None:
    (mirror.folder / "dataset" / "v0" / "1.wav").write_bytes(b"something else")
    line = complaint(lambda: fetch(tmp_path / "to", said.append))
    assert f"{mirror.url}dataset/v0/1.wav" in line
    assert "the same command goes on from there" in line
    assert not (tmp_path / "to" / "dataset" / "v0" / "1.wav").exists()
    assert said == []


def test_a_missing_file_is_told_and_the_next_attempt_goes_on(
    mirror: Mirror, tmp_path: Path, said: list[str]
) -> None:
    (mirror.folder / "dataset" / "v0" / "2.wav").rename(tmp_path / "away")
    line = complaint(lambda: fetch(tmp_path / "to", said.append))
    assert f"{mirror.url}dataset/v0/2.wav" in line
    assert "404" in line
    assert f"(2 of 4 files are in {tmp_path / 'to'}" in line
    (tmp_path / "away").rename(mirror.folder / "dataset" / "v0" / "2.wav")
    mirror.asked.clear()
    fetch(tmp_path / "to", said.append)
    assert mirror.asked == ["/dataset/v0/2.wav", "/dataset/v0/v0.csv"]
    assert same(mirror.folder, tmp_path / "to")


def test_a_place_that_cannot_be_written_is_told(
    mirror: Mirror, tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "to").write_text("a file")
    line = complaint(lambda: fetch(tmp_path / "to", said.append))
    assert str(tmp_path / "to") in line


def test_offline_is_one_line_and_incomplete(
    mirror: Mirror, tmp_path: Path, said: list[str]
) -> None:
    mirror.close()
    line = complaint(lambda: fetch(tmp_path / "to", said.append))
    assert "cannot be reached; is this machine offline?" in line
    assert "(0 of 4 files" in line


def test_offline_the_command_says_so(jasco: Jasco, tmp_path: Path) -> None:
    result = jasco("data", "fetch", tmp_path / "to", env={"JASCO_WATD_URL": "http://127.0.0.1:9/"})
    assert result.status == 4
    assert result.stdout == ""
    [line] = [line for line in result.stderr.splitlines() if line.startswith("jasco: ")]
    assert "is this machine offline?" in line


def test_the_published_files_are_audio_and_annotations() -> None:
    files = published_files()
    assert {f"dataset/v0/{number}.wav" for number in range(1, 81)} <= files.keys()
    assert "dataset/v0/v0.csv" in files
    assert all(len(sha256) == 64 for sha256 in files.values())


def test_the_published_files_are_fetched_from_a_mirror(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    mirror = Mirror(published)
    monkeypatch.setenv("JASCO_WATD_URL", mirror.url)
    fetch(tmp_path / "to", said.append)
    mirror.close()
    assert len(mirror.asked) == len(published_files())
    assert "annotations and audio are the published ones" in list(
        verify(read_data_set(tmp_path / "to"))
    )


# --- verify ---


def test_verify_looks_at_every_clip(data: Path) -> None:
    place = data / "dataset" / "v0"
    soundfile.write(place / "1.wav", np.stack([tone(1), tone(2)], axis=1), 48_000)
    lines = list(verify(read_data_set(data)))
    assert lines[0].startswith("4 clips, annotations ")
    assert "clip 1: will be resampled, mixed down (to 16 kHz mono PCM16)" in lines
    assert "every file readable" in lines[-1]
    assert "published" not in "".join(lines)
    (place / "3.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"3\.wav: corrupt"):
        list(verify(read_data_set(data)))


def test_verify_knows_the_published_files(published: Path, tmp_path: Path) -> None:
    assert "annotations and audio are the published ones" in list(verify(read_data_set(published)))
    copy = tmp_path / "copy"
    shutil.copytree(published, copy)
    for path in copy.rglob("*"):
        path.chmod(0o755)
    shutil.copy(copy / "dataset/v0/2.wav", copy / "dataset/v0/1.wav")
    with pytest.raises(InputError, match=r"1\.wav: not the published file; fetch it again"):
        list(verify(read_data_set(copy)))


# --- sizes, and kills ---


def test_a_file_that_never_ends_is_not_fetched(
    mirror: Mirror, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "_LARGEST_FILE", 5_000)
    with pytest.raises(DownloadError, match="larger than"):
        fetch(tmp_path / "to", said.append)
    assert not list((tmp_path / "to").rglob("*.wav"))
    assert not list((tmp_path / "to").rglob("tmp*"))


_FETCH = """
import hashlib, json, sys
from pathlib import Path
from jasco.data import fetching as datasets
datasets.published_files = lambda: json.loads(sys.argv[2])
print("begins", flush=True)
datasets.fetch(Path(sys.argv[1]), print)
"""


def test_after_a_kill_the_same_command_goes_on(
    mirror: Mirror, tmp_path: Path, said: list[str]
) -> None:
    to, hashes = tmp_path / "to", json.dumps(datasets.published_files())
    mirror.hold = threading.Event()
    with subprocess.Popen([sys.executable, "-c", _FETCH, to, hashes]) as fetching:
        for _ in range(400):
            if list(to.rglob("tmp*")):
                break
            threading.Event().wait(0.05)  # time.sleep does not wait here
        fetching.kill()
    mirror.hold.set()
    [left] = to.rglob("tmp*")
    other = left.with_name("tmpold")
    other.touch()
    os.utime(other, (time.time() - 7200,) * 2)
    fetch(to, said.append)
    left.unlink()  # of the last hour: somebody may be writing to it
    assert same(mirror.folder, to)
