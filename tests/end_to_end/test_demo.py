"""``make demo`` in a fresh clone with an empty home folder, interrupted and resumed."""

import os
import resource
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
CPU_OF_FIVE_MINUTES = 450  # seconds: alone, the demo keeps one and a half cores busy


def cpu_time() -> float:
    """Return the CPU seconds of the processes that have ended.

    Unlike the time on the clock, it hardly depends on what else the machine does.
    """
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def count_answers(clone: Path) -> int:
    """Return the number of answers in the run of the demo."""
    run = clone / "runs" / "demo" / "run.db"
    if not run.is_file():
        return 0
    with closing(sqlite3.connect(run, timeout=30)) as connection:
        try:
            query = "SELECT count(*) FROM responses WHERE failure_kind IS NULL"
            return int(connection.execute(query).fetchone()[0])
        except sqlite3.OperationalError:  # the table does not exist yet
            return 0


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copy the files of the repository without ignored files."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a clone of the repository")
    command = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name in names.rstrip("\0").split("\0"):
        path = tmp_path / "clone" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, path)
    return tmp_path / "clone"


def start(clone: Path) -> "subprocess.Popen[str]":
    """Start ``make demo`` in a process group of its own."""
    home = clone.parent / "home"
    home.mkdir(exist_ok=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(
            ("XDG_", "JASCO_", "VIRTUAL_ENV", "MAKE", "PYTHON", "OMP_", "OPENBLAS_")
        )
    }
    return subprocess.Popen(
        ["make", "demo", f"PYTHON={sys.executable}"],
        cwd=clone,
        env=environment | {"HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(demo: "subprocess.Popen[str]") -> str:
    """Wait for the end of the demo and return its output."""
    output, _ = demo.communicate(timeout=600)
    assert demo.returncode == 0, output
    return output


def test_from_a_fresh_clone_to_a_table_interrupted_on_the_way(clone: Path) -> None:
    start_time = cpu_time()
    demo = start(clone)
    while count_answers(clone) < ITEMS // 3:
        assert demo.poll() is None, demo.communicate()[0]
        time.sleep(0.2)
    os.killpg(demo.pid, signal.SIGINT)  # as Ctrl-C does
    demo.communicate(timeout=60)
    assert demo.returncode != 0
    answers = count_answers(clone)
    assert ITEMS // 3 <= answers < ITEMS

    output = finish(start(clone))
    assert cpu_time() - start_time < CPU_OF_FIVE_MINUTES
    assert count_answers(clone) == ITEMS
    for text in (
        "JASCO on mini: 16 clips, 128 items, protocol v2",
        "by offline (proxy)",
        "PROXY figures",
        "Qwen2-Audio-Instruct-7B",
        "What next?",
    ):
        assert text in output
    assert "INCOMPLETE" not in output
    page = (clone / "runs" / "demo.html").read_text("utf-8")
    assert "<html" in page
    assert "runs/demo.html" in output

    start_time = cpu_time()
    assert finish(start(clone)).splitlines()[-16:] == output.splitlines()[-16:]
    assert cpu_time() - start_time < 15
