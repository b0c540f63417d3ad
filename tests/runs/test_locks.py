"""The lock of a run, also on file systems without locks."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jasco.errors import RunConflictError
from jasco.runs.locks import MARKER
from jasco.runs.writer import RunWriter
from single_rows import count_first_clip_rows, first_clip_row

_KILLED_WHILE_IT_HELD_THE_LOCK = """
import errno, fcntl, os, signal, sys
from pathlib import Path
def refuse(*_): raise OSError(errno.ENOLCK, "no locks")
fcntl.flock = refuse
from jasco.runs.writer import RunWriter
store = RunWriter.open(Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(params=[errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_file_keeps_a_second_writer_out(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with RunWriter.open(run) as store:
        store.commit([first_clip_row(1)])
        with pytest.raises(RunConflictError, match=f"process {os.getpid()} on .*{MARKER}"):
            RunWriter.open(run)
    assert not (run / MARKER).exists()
    with RunWriter.open(run) as store:
        store.commit([first_clip_row(2)])
    assert count_first_clip_rows(run) == 2


@pytest.mark.usefixtures("no_locks")
def test_a_lock_of_a_killed_process_of_this_machine_does_not_count(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = subprocess.run([sys.executable, "-c", _KILLED_WHILE_IT_HELD_THE_LOCK, run])
    assert process.returncode == -signal.SIGKILL
    assert (run / MARKER).exists()
    with RunWriter.open(run, patience=2) as store:
        store.commit([first_clip_row(1)])


@pytest.mark.usefixtures("no_locks")
def test_the_holder_on_another_machine_is_named(run: Path) -> None:
    marker = run / MARKER
    marker.write_text("4321\nnode17\n")
    with pytest.raises(RunConflictError, match=f"process 4321 on node17.*{MARKER}"):
        RunWriter.open(run)
    marker.unlink()
    RunWriter.open(run).close()
