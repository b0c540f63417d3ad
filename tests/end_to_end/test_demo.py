"""``make demo`` as a newcomer runs it: a fresh clone, an empty home, interrupted on the way."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from places import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ITEMS = 16 * 8


def answered(clone: Path) -> int:
    run = clone / "runs" / "demo" / "run.db"
    if not run.is_file():
        return 0
    with closing(sqlite3.connect(run, timeout=30)) as connection:
        try:
            query = "SELECT count(*) FROM responses WHERE failure_kind IS NULL"
            return int(connection.execute(query).fetchone()[0])
        except sqlite3.OperationalError:  # it is only being made
            return 0


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copy what belongs to the project, and nothing that was made in its folder."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a clone of the repository")
    command = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name in listed.rstrip("\0").split("\0"):
        place = tmp_path / "clone" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place)
    return tmp_path / "clone"


def start(clone: Path) -> "subprocess.Popen[str]":
    home = clone.parent / "home"
    home.mkdir(exist_ok=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_", "JASCO_", "VIRTUAL_ENV", "MAKE", "PYTHON"))
    }
    return subprocess.Popen(
        ["make", "demo", f"PYTHON={sys.executable}"],
        cwd=clone,
        env=kept | {"HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(demo: "subprocess.Popen[str]") -> str:
    output, _ = demo.communicate(timeout=600)
    assert demo.returncode == 0, output
    return output


def test_from_a_fresh_clone_to_a_table_interrupted_on_the_way(clone: Path) -> None:
    began = time.monotonic()
    demo = start(clone)
    while answered(clone) < ITEMS // 3:
        assert demo.poll() is None, demo.communicate()[0]
        time.sleep(0.2)
    os.killpg(demo.pid, signal.SIGINT)  # what Ctrl-C does
    demo.communicate(timeout=60)
    assert demo.returncode != 0
    kept = answered(clone)
    assert ITEMS // 3 <= kept < ITEMS

    output = finish(start(clone))
    assert time.monotonic() - began < 300
    assert answered(clone) == ITEMS
    for said in (
        "JASCO on mini: 16 clips, 128 items, protocol v2",
        "by offline (proxy)",
        "PROXY figures",
        "Qwen2-Audio-Instruct-7B",
        "What next?",
    ):
        assert said in output
    assert "INCOMPLETE" not in output

    began = time.monotonic()
    assert finish(start(clone)).splitlines()[-12:] == output.splitlines()[-12:]
    assert time.monotonic() - began < 15
