"""Folders that exist complete or not at all."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jasco.data.folders import cache_folder, data_folder, whole_folder

_KILLED = """
import os, signal, sys
from pathlib import Path
from jasco.data.folders import whole_folder
with whole_folder(Path(sys.argv[1])) as draft:
    (draft / "model.safetensors").write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_was_killed_does_not_block_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "converted"
    for _ in range(2):
        process = subprocess.run([sys.executable, "-c", _KILLED, folder])
        assert process.returncode == -signal.SIGKILL
        assert not folder.exists()
    [draft_left] = tmp_path.iterdir()  # the second process removed the draft of the first
    assert re.match(r"\.converted\.draft-", draft_left.name)
    other = tmp_path / f".converted.draft-{os.getpid()}-elsewhere"
    other.mkdir()
    with whole_folder(folder) as draft:
        assert not draft_left.exists()
        (draft / "file").touch()
        assert not folder.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, "converted"]
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), whole_folder(tmp_path / "converted") as draft:
        (draft / "file").touch()
        raise ValueError("no")
    assert not list(tmp_path.iterdir())


def test_the_folders_follow_their_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("JASCO_CACHE", "~/cache")
    monkeypatch.setenv("JASCO_DATA", str(tmp_path / "data"))
    assert cache_folder() == tmp_path / "cache"
    assert data_folder() == tmp_path / "data"
