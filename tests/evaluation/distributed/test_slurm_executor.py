import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("submitit", reason="submitit is not installed")

from jasco.errors import IncompleteError, InputError
from jasco.evaluation.distributed import slurm_executor
from jasco.evaluation.distributed.executors import Lost, open_executor
from places import HELPERS
from slurm_cluster import slurm_cluster
from slurm_tasks import Work, work

PROGRAMS = ("sbatch", "srun", "squeue", "scancel", "scontrol")


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as path:
        yield path


@pytest.fixture
def cluster(configuration: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SLURM_CONF", str(configuration))
    monkeypatch.setenv("PYTHONPATH", str(HELPERS), prepend=os.pathsep)
    monkeypatch.setattr(slurm_executor, "_POLL", 0.5)
    monkeypatch.setattr(slurm_executor, "_LAG", 2.0)
    yield
    slurm("scancel", "--user=root")
    wait_until(lambda: not slurm("squeue", "-h"))


def slurm(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def wait_until(is_true: Callable[[], Any], within: float = 40) -> None:
    deadline = time.monotonic() + within
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def started(task: Work, times: int = 1) -> bool:
    return task.log.exists() and task.steps().count("start") == times


def running() -> list[str]:
    return slurm("squeue", "-h", "-r", "--states=running", "--Format=JobArrayID:40").split()


def run(
    tasks: list[Work], folder: Path, options: str = "", meanwhile: Callable[[], None] = lambda: None
) -> tuple[dict[int, Any], list[str]]:
    """Return the results by task and the lines for the user."""
    lines: list[str] = []
    with ThreadPoolExecutor(1) as threads:
        action = threads.submit(meanwhile)
        results = dict(open_executor(f"slurm{options}").run(work, tasks, folder, lines.append))
        action.result()
    return results, lines


@pytest.mark.slow
def test_each_task_is_a_job_and_at_most_workers_run_at_once(cluster: None, tmp_path: Path) -> None:
    tasks = [Work(tmp_path / f"task{number}", 1.5) for number in range(5)]

    results, lines = run(tasks, tmp_path, ",workers=2,cpus=1,time=10,setup=true,sbatch.comment=a b")

    assert results == {number: (f"task{number}", 1) for number in range(5)}
    starts = sorted(time for task in tasks for time in task.times("start"))
    ends = sorted(time for task in tasks for time in task.times("end"))
    assert all(starts[number + 2] > ends[number] for number in range(3))
    assert len(lines) == 1
    assert not (tmp_path / "slurm" / "jobs.pickle").exists()


@pytest.mark.slow
def test_many_tasks_are_several_arrays(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_executor, "_LONGEST_ARRAY", 2)

    results, lines = run([Work(tmp_path / f"{number}") for number in range(5)], tmp_path)

    assert results == {number: (f"{number}", 1) for number in range(5)}
    assert len(lines) == 3


@pytest.mark.slow
def test_an_exception_is_final_and_a_crash_is_not(cluster: None, tmp_path: Path) -> None:
    tasks = [
        Work(tmp_path / "error", error="no such clip"),
        Work(tmp_path / "twice", crashes=2),
        Work(tmp_path / "always", crashes=9),
    ]

    results, lines = run(tasks, tmp_path)

    assert results[0] == Lost("ValueError: no such clip")
    assert results[1] == ("twice", 3)
    assert "FAILED" in results[2].reason
    assert [task.steps().count("start") for task in tasks] == [1, 3, 3]
    assert sum("(3 of 3)" in line for line in lines) == 2


@pytest.mark.slow
@pytest.mark.parametrize("partition", ["low", "grace"])
def test_a_preempted_job_resumes(cluster: None, tmp_path: Path, partition: str) -> None:
    task = Work(tmp_path / "task", 100)

    def preempt() -> None:
        wait_until(lambda: started(task))
        (job_id,) = running()
        slurm("sbatch", "-p", "high", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 1")
        wait_until(lambda: "interrupted" in task.steps())
        start_now(job_id)

    results, lines = run([task], tmp_path, f",partition={partition}", preempt)

    assert results == {0: ("task", 2)}
    assert task.steps() == ["start", "interrupted", "start", "end"]
    assert len(lines) == 2
    assert "requeued" in lines[1]


@pytest.mark.slow
def test_a_job_that_preemption_cancels_is_submitted_again(cluster: None, tmp_path: Path) -> None:
    task = Work(tmp_path / "task", 100)

    def preempt() -> None:
        wait_until(lambda: started(task))
        slurm("sbatch", "-p", "high", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 1")

    results, lines = run([task], tmp_path, ",partition=cancel", preempt)

    assert results == {0: ("task", 2)}
    assert task.steps() == ["start", "interrupted", "start", "end"]
    assert any("PREEMPTED" in line and "(1 of 3)" in line for line in lines)


@pytest.mark.slow
def test_a_job_is_requeued_before_its_time_limit(cluster: None, tmp_path: Path) -> None:
    task = Work(tmp_path / "task", 100)

    def shorten() -> None:
        wait_until(lambda: started(task))
        (job_id,) = running()
        slurm("scontrol", "update", f"JobId={job_id}", "TimeLimit=1")
        wait_until(lambda: "interrupted" in task.steps(), 90)
        start_now(job_id)

    results, _ = run([task], tmp_path, ",time=5", shorten)

    assert results == {0: ("task", 2)}
    assert task.steps() == ["start", "interrupted", "start", "end"]


def start_now(job_id: str) -> None:
    """Start a requeued job, which Slurm otherwise delays by two minutes."""
    delayed = f"{job_id} PENDING BeginTime"
    wait_until(lambda: delayed in slurm("squeue", "-h", "-r", "-o", "%i %T %r").splitlines())
    slurm("scontrol", "update", f"JobId={job_id}", "StartTime=now")


@pytest.mark.slow
def test_a_job_cancelled_by_hand_runs_again(cluster: None, tmp_path: Path) -> None:
    tasks = [Work(tmp_path / "cancelled", 100), Work(tmp_path / "other", 1)]

    def cancel() -> None:
        wait_until(lambda: started(tasks[0]))
        slurm("scancel", next(job_id for job_id in running() if job_id.endswith("_0")))

    results, lines = run(tasks, tmp_path, "", cancel)

    assert results == {0: ("cancelled", 2), 1: ("other", 1)}
    assert tasks[0].steps() == ["start", "interrupted", "start", "end"]
    assert any("CANCELLED" in line and "(2 of 3)" in line for line in lines)


def start_driver(folder: Path, seconds: float, *names: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, HELPERS / "slurm_tasks.py", folder, str(seconds), *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_ctrl_c_interrupts_the_jobs(cluster: None, tmp_path: Path) -> None:
    names = [f"task{number}" for number in range(6)]  # four CPUs
    driver = start_driver(tmp_path, 100, *names)
    tasks = [Work(tmp_path / name) for name in names]
    wait_until(lambda: sum(map(started, tasks)) == 4)

    interrupted = time.monotonic()
    driver.send_signal(signal.SIGINT)
    assert driver.wait(30) == 130

    assert time.monotonic() - interrupted < 10
    assert not slurm("squeue", "-h")
    assert [task.steps() for task in tasks if task.log.exists()] == [["start", "interrupted"]] * 4
    assert not (tmp_path / "slurm" / "jobs.pickle").exists()


@pytest.mark.slow
def test_the_same_command_attaches_to_the_jobs_of_a_killed_one(
    cluster: None, tmp_path: Path
) -> None:
    names = ["first", "second", "third", "fourth", "fifth"]
    tasks = [Work(tmp_path / name, 6) for name in names]
    driver = start_driver(tmp_path, 6, *names)
    wait_until(lambda: started(tasks[3]))
    driver.kill()
    driver.wait()

    again = start_driver(tmp_path, 6, *names)
    output, errors = again.communicate(timeout=60)

    assert sorted(output.splitlines()) == [f"{i} ('{name}', 1)" for i, name in enumerate(names)]
    assert "attached" in errors
    assert "submitted" not in errors


@pytest.mark.slow
def test_jobs_of_a_killed_command_with_other_tasks_are_cancelled(
    cluster: None, tmp_path: Path
) -> None:
    driver = start_driver(tmp_path, 100, "old")
    old = Work(tmp_path / "old")
    wait_until(lambda: started(old))
    driver.kill()
    driver.wait()

    results, lines = run([Work(tmp_path / "new")], tmp_path)

    assert results == {0: ("new", 1)}
    assert old.steps() == ["start", "interrupted"]
    assert "cancelling" in lines[0]


@pytest.mark.slow
def test_an_invalid_partition_is_an_error_of_the_user(cluster: None, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="invalid partition specified: nowhere") as error:
        run([Work(tmp_path / "task")], tmp_path, ",partition=nowhere")
    assert "\n" not in str(error.value)


def test_missing_programs_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="--on slurm: sbatch not found"):
        run([Work(tmp_path / "task")], tmp_path)


def fake(folder: Path, **scripts: str) -> None:
    """Write programs with the names of Slurm's to a folder."""
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\n{scripts.get(name, 'exit 0')}\n")
        (folder / name).chmod(0o755)


UNREACHABLE = "Unable to contact slurm controller (connect failure)"


@pytest.mark.parametrize("program", ["squeue", "sbatch"])
def test_an_unreachable_controller_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    script = f'echo "{program}: error: {UNREACHABLE}" >&2; exit 1'
    fake(tmp_path / "bin", **{program: script})
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)

    with pytest.raises(IncompleteError) as error:
        run([Work(tmp_path / "task")], tmp_path)

    assert UNREACHABLE in str(error.value)
    assert "\n" not in str(error.value)


def test_the_controller_may_be_unreachable_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    squeue = f'[ -e {tmp_path}/broken ] || exit 0; echo "{UNREACHABLE}" >&2; exit 1'
    sbatch = f"touch {tmp_path}/broken; echo Submitted batch job 7"
    fake(tmp_path / "bin", squeue=squeue, sbatch=sbatch)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setattr(slurm_executor, "_POLL", 0.05)
    monkeypatch.setattr(slurm_executor, "_PATIENCE", 0.5)
    begin = time.monotonic()

    with pytest.raises(IncompleteError):
        run([Work(tmp_path / "task")], tmp_path)

    assert time.monotonic() - begin > 0.5
    assert (tmp_path / "slurm" / "jobs.pickle").exists()  # to attach later


def test_a_result_of_an_old_job_with_the_same_id_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The job is seen to run, and forgotten by Slurm before its end is seen.
    squeue = f"[ -e {tmp_path}/runs ] && rm {tmp_path}/runs && echo 7 RUNNING 0; exit 0"
    sbatch = f"touch {tmp_path}/runs; echo Submitted batch job 7"
    fake(tmp_path / "bin", squeue=squeue, sbatch=sbatch)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setattr(slurm_executor, "_POLL", 0.01)
    monkeypatch.setattr(slurm_executor, "_LAG", 0.05)
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm" / "7_0_result.pkl").write_bytes(pickle.dumps(("success", "old")))

    results, lines = run([Work(tmp_path / "task")], tmp_path)

    assert results[0].reason.startswith("Slurm job 7 ended without a result: state unknown")
    assert sum("submitted 1 job" in line for line in lines) == 3


def test_options_of_sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")  # as if in a job
    monkeypatch.setenv("SBATCH_ACCOUNT", "physics")
    fake(
        tmp_path / "bin",
        sbatch=f'cp "$1" {tmp_path}/job.sh; env > {tmp_path}/env; echo job refused >&2; exit 1',
    )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)

    with pytest.raises(InputError, match="job refused"):
        run(
            [Work(tmp_path / "a"), Work(tmp_path / "b")],
            tmp_path,
            ",partition=p,time=60,cpus=8,gpus=2,mem=1.5,workers=1,setup=module load x,setup=true"
            ",sbatch.constraint=a100,sbatch.exclusive=true",
        )

    lines = (tmp_path / "job.sh").read_text().splitlines()
    options = {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")}
    assert options >= {
        *("partition=p", "time=60", "cpus-per-task=8", "gpus-per-node=2", "mem=1536M"),
        *("array=0-1%1", "constraint=a100", "exclusive", "requeue", "signal=TERM@60"),
    }
    assert not any(option.startswith(("account", "qos", "wckey")) for option in options)
    assert lines.index("module load x") + 1 == lines.index("true")
    environment = (tmp_path / "env").read_text()
    assert "SBATCH_ACCOUNT=physics" in environment
    assert "SLURM_JOB_ID" not in environment
    assert os.environ["SLURM_JOB_ID"] == "1"


@pytest.mark.parametrize("option", ["time=4", "workers=0", "mem=much", "sbatch.array=0-3"])
def test_invalid_options_are_refused(option: str) -> None:
    with pytest.raises(InputError, match=option.partition("=")[0]):
        open_executor(f"slurm,{option}")


def test_nothing_to_do_needs_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path / "bin", squeue="exit 1", sbatch="exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert run([], tmp_path) == ({}, [])


def test_jobs_are_adopted_if_no_task_is_new() -> None:
    record = slurm_executor._Record(["a", "b", "c"])
    record.ids, record.runs = ["7_0", "7_1", "7_2"], [1, 2, 1]
    adopted = record.of(["c", "b"])  # the first one has ended meanwhile
    assert adopted is not None
    assert (adopted.tasks, adopted.ids, adopted.runs) == (["c", "b"], ["7_2", "7_1"], [1, 2])
    assert record.of(["a", "d"]) is None
