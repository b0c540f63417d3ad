"""Tasks as jobs of a Slurm cluster, in job arrays that submitit submits.

submitit writes the job script, and pickles tasks and results. Signals, requeueing and states are
handled here: submitit ignores SIGTERM in jobs, limits how often the time limit may be reached, and
reads the states of jobs from ``sacct``, which a cluster without accounting does not have.

Slurm owns the jobs: they continue if this process is killed, and the same command attaches to them.
"""

import io
import os
import pickle
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, JobPaths

from jasco.backends.options import Option, at_least
from jasco.errors import IncompleteError, InputError, count, one_line
from jasco.evaluation.distributed.executors import (
    GRACE,
    MOST_RUNS,
    Executor,
    Lost,
    Notify,
    Result,
    Task,
    runs_again,
)

_POLL = 5.0  # seconds between two looks at the results and the queue
_LAG = 30.0  # seconds until a network file system shows the result of a job that has ended
_PATIENCE = 300.0  # seconds for which the controller may be unreachable, e.g. for a restart
_CLEAR = 90.0  # seconds that the jobs of an earlier command get to end; Slurm kills after 30
_WARNING = 60  # seconds before the time limit; Slurm may be another 60 s early
_SHORTEST = 5  # minutes
_LONGEST_ARRAY = 1000  # Slurm's default (MaxArraySize) is 1001
_PROGRAMS = ("sbatch", "srun", "squeue", "scancel", "scontrol")
_ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "REVOKED", "TIMEOUT"),
}
_UNREACHABLE = re.compile(r"slurm controller|timed out|connection refused", re.IGNORECASE)


class SlurmExecutor(Executor):
    """Runs each task as a job of a Slurm cluster.

    The nodes must have the same file system, Python and packages as this machine; the jobs get the
    environment variables and the working directory of this process.

    Before Slurm preempts a job, and about a minute before its time limit, the function gets
    SIGTERM. It should save its work and raise ``KeyboardInterrupt``. Its job is then requeued and
    calls it again, any number of times.
    """

    OPTIONS = (
        Option("partition", "partition (default: the cluster's)"),
        Option("account", "account that is charged"),
        Option("qos", "quality of service"),
        Option(
            "time",
            "time limit of a job in minutes (default: the partition's); an unfinished job is "
            "requeued and resumes",
            at_least(_SHORTEST, int),
        ),
        Option("cpus", "CPU cores per job", at_least(1, int)),
        Option("gpus", "GPUs per job", at_least(1, int)),
        Option("mem", "memory per job in GB", at_least(0.001, float)),
        Option("workers", "the most jobs that run at once", at_least(1, int)),
        Option("setup", "shell command before Python, e.g. module load cuda", repeatable=True),
        Option(
            "sbatch",
            "option of sbatch, e.g. sbatch.constraint=a100; true for a flag",
            default=MappingProxyType({}),
            family=True,
            reserved=("array", "error", "job-name", "open-mode", "output", "requeue", "signal"),
        ),
    )

    def run(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        folder: Path,
        notify: Notify,
    ) -> Generator[tuple[int, Result | Lost], None, None]:
        """Run a function for each task, and yield each result when it arrives.

        See :meth:`Executor.run`. If jobs of an earlier process, which was killed, are still in the
        queue, and these tasks are among its tasks, they are waited for. Otherwise, the jobs are
        cancelled first.
        """
        if missing := [program for program in _PROGRAMS if not shutil.which(program)]:
            raise InputError(
                f"--on slurm: {missing[0]} not found; run the command where sbatch works"
            )
        if not tasks:
            return
        folder = folder.absolute() / "slurm"
        if "%" in str(folder):
            raise InputError(f"--on slurm: {folder}: the path must not contain '%'; rename it")
        folder.mkdir(exist_ok=True)
        jobs = _Jobs(self._submitter(folder), function, tasks, notify)
        jobs.attach()
        try:
            jobs.submit([index for index, job_id in enumerate(jobs.record.ids) if not job_id])
            yield from jobs.results()
        except IncompleteError:  # the jobs continue, and the same command attaches to them
            raise
        except BaseException:
            jobs.cancel(GRACE)
            jobs.forget()
            raise
        jobs.forget()

    def _submitter(self, folder: Path) -> submitit.SlurmExecutor:
        options = self.options
        memory, cores = options["mem"], options["cpus"]
        submitter = submitit.SlurmExecutor(folder)
        submitter.update_parameters(
            job_name=f"jasco-{sha256(os.fsencode(folder)).hexdigest()[:10]}",
            partition=options["partition"],
            account=options["account"],
            qos=options["qos"],
            time=options["time"],
            cpus_per_task=cores,
            gpus_per_node=options["gpus"],
            mem=memory and f"{round(memory * 1024)}M",
            array_parallelism=options["workers"] or _LONGEST_ARRAY,
            setup=list(options["setup"]) or None,
            srun_args=[f"--cpus-per-task={cores}"] if cores else None,  # srun ignores sbatch's
            wckey=None,
            additional_parameters={
                "requeue": True,
                "signal": f"TERM@{_WARNING}",
                **{key: value == "true" or value for key, value in options["sbatch"].items()},
            },
        )
        return submitter


@dataclass(frozen=True)
class _Requeue:
    """Calls a function in a job; requeues the job if it was interrupted but not cancelled.

    An interrupted call must not leave a result: submitit writes none after ``SystemExit``.
    """

    function: Callable[[Any], Any]

    def __call__(self, task: Any) -> Any:
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            return self.function(task)
        except KeyboardInterrupt:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the function may have changed it
            job_id = submitit.JobEnvironment().job_id
            # Slurm requeues a preempted job itself, unless it ends during a grace time. During that
            # time and before the time limit, a job is running; when cancelled, it is not.
            with suppress(IncompleteError):
                state = _call("squeue", "--noheader", f"--jobs={job_id}", "--Format=State")
                if state.strip() == "RUNNING":
                    _call("scontrol", "requeue", job_id)
            raise SystemExit("interrupted") from None


def _interrupt(*_: object) -> None:
    # Slurm sends SIGTERM twice, through slurmd and srun: the second must not interrupt the saving.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


@dataclass
class _Record:
    """The jobs of the tasks; a later process attaches to them."""

    tasks: list[Any]
    ids: list[str] = field(init=False)
    runs: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = [""] * len(self.tasks)
        self.runs = [0] * len(self.tasks)

    def of(self, tasks: Sequence[Any]) -> "_Record | None":
        """Return the jobs of some of the tasks; None if there are others among these."""
        by_name = {str(task): place for place, task in enumerate(self.tasks)}
        places = [by_name.get(str(task), -1) for task in tasks]
        if any(
            place < 0 or self.tasks[place] != task
            for place, task in zip(places, tasks, strict=True)
        ):
            return None
        record = _Record(list(tasks))
        record.ids = [self.ids[place] for place in places]
        record.runs = [self.runs[place] for place in places]
        return record


@dataclass(frozen=True)
class _Job:
    state: str
    restarts: int

    @property
    def is_active(self) -> bool:
        return self.state not in _ENDED


class _Jobs:
    """The jobs of all tasks of one call."""

    def __init__(
        self,
        submitter: submitit.SlurmExecutor,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        notify: Notify,
    ) -> None:
        self.record = _Record(list(tasks))
        self._submitter = submitter
        self._function = function
        self._notify = notify
        self._folder = submitter.folder
        self._name: str = submitter.parameters["job_name"]
        self._file = self._folder / "jobs.pickle"
        self._queue: dict[str, _Job] = {}
        self._asked = 0.0

    def attach(self) -> None:
        """Adopt the jobs of an earlier process with equal tasks; cancel all others."""
        self._queue, self._asked = _read_queue(self._name), time.monotonic()
        active = {job_id for job_id, job in self._queue.items() if job.is_active}
        record = _read_record(self._file)
        adopted = record and record.of(self.record.tasks)
        is_attached = bool(record and adopted and active.intersection(adopted.ids))
        if record and adopted and is_attached:
            self.record = adopted
            active.difference_update(record.ids)  # those of other tasks may end by themselves
            self._notify(f"Slurm: attached to {_shown(adopted.ids)} of an earlier command")
        if active:
            self._notify(f"Slurm: cancelling {_shown(active)} of an earlier command")
            if not self.cancel(_CLEAR, but=self.record.ids):
                raise IncompleteError(
                    f"--on slurm: {_shown(active)} of an earlier command did not end; "
                    "run the same command again later"
                )
        if not is_attached:
            for path in self._folder.glob("*.pkl"):  # a cluster may use job ids again
                path.unlink()

    def submit(self, indices: Sequence[int]) -> None:
        """Submit the jobs of some tasks, and record them."""
        previous = None
        for start in range(0, len(indices), _LONGEST_ARRAY):
            part = indices[start : start + _LONGEST_ARRAY]
            # One array after the other: the limit of running jobs applies to each.
            self._submitter.update_parameters(dependency=previous and f"afterany:{previous}")
            ids = self._submit_array([self.record.tasks[index] for index in part])
            for index, job_id in zip(part, ids, strict=True):
                self.record.ids[index] = job_id
                self.record.runs[index] += 1
            previous = _array_of(ids[0])
            new = self._file.with_suffix(".new")
            new.write_bytes(pickle.dumps(self.record))
            new.replace(self._file)
            self._notify(
                f"Slurm: submitted {count(len(ids), 'job')} ({previous}); logs: {self._folder}"
            )

    def _submit_array(self, tasks: Sequence[Any]) -> list[str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name == "SLURM_CONF" or name.startswith("SBATCH_")
        }
        try:
            with (
                submitit.helpers.clean_env(),  # this process may be part of a job
                redirect_stderr(io.StringIO()),  # submitit prints errors that it raises
            ):
                os.environ.update(kept)
                jobs = self._submitter.map_array(_Requeue(self._function), tasks)
        except FailedJobError as error:
            problem = _slurm_message(str(error))
            if _UNREACHABLE.search(problem):
                raise _unreachable(problem) from None
            raise InputError(f"--on slurm: sbatch failed: {problem}") from None
        return [job.job_id for job in jobs]

    def results(self) -> Iterator[tuple[int, Any]]:
        """Yield the result of each task; submit tasks again whose jobs end without one."""
        waiting = set(range(len(self.record.ids)))
        ended: dict[str, float] = {}  # when a job was first seen to have ended without a result
        while True:
            files = set(self._folder.iterdir())
            for index in sorted(waiting):
                path = self._paths(index).result_pickle
                if path in files:
                    waiting.remove(index)
                    yield index, _read_result(path)
            if not waiting:
                return
            self._update_queue()
            lost = []
            for index in sorted(waiting):
                job_id, now = self.record.ids[index], time.monotonic()
                if self._is_active(job_id):
                    ended.pop(job_id, None)
                elif now - ended.setdefault(job_id, now) >= _LAG:
                    lost.append(index)
            final = [index for index in lost if not self._may_run_again(index)]
            self._submit_again([index for index in lost if index not in final])
            for index in final:
                waiting.remove(index)
                yield index, Lost(self._describe(index))
            time.sleep(_POLL)

    def _may_run_again(self, index: int) -> bool:
        if self._state(index) == "PREEMPTED":  # cancelled, where preemption does not requeue
            self.record.runs[index] -= 1
        return self.record.runs[index] < MOST_RUNS

    def _submit_again(self, indices: Sequence[int]) -> None:
        for index in indices:
            task, runs = self.record.tasks[index], self.record.runs[index]
            self._notify(runs_again(task, self._describe(index), runs))
        self.submit(indices)

    def cancel(self, seconds: float, but: Collection[str] = ()) -> bool:
        """Cancel jobs, which get SIGTERM; return whether all have ended after some seconds."""
        cancelled: set[str] = set()
        deadline = time.monotonic() + seconds
        while True:
            try:
                queue = _read_queue(self._name)
            except IncompleteError:
                return False
            active = {id_: job for id_, job in queue.items() if job.is_active and id_ not in but}
            if not active:
                return True
            # A job that requeued itself in the meantime is pending again.
            pending = {_array_of(id_) for id_, job in active.items() if job.state == "PENDING"}
            new = pending | {_array_of(id_) for id_ in active} - cancelled
            if new:
                with suppress(IncompleteError):  # a job has just ended
                    _call("scancel", *sorted(new))
            cancelled |= new
            if time.monotonic() > deadline:
                return False
            time.sleep(1)

    def forget(self) -> None:
        """Delete the record of the jobs."""
        self._file.unlink(missing_ok=True)

    def _paths(self, index: int) -> JobPaths:
        return JobPaths(self._folder, self.record.ids[index])

    def _is_active(self, job_id: str) -> bool:
        return job_id in self._queue and self._queue[job_id].is_active

    def _state(self, index: int) -> str:
        job = self._queue.get(self.record.ids[index])
        return job.state if job else "state unknown"

    def _describe(self, index: int) -> str:
        return (
            f"Slurm job {self.record.ids[index]} ended without a result: {self._state(index)} "
            f"(log: {self._paths(index).stderr})"
        )

    def _update_queue(self) -> None:
        try:
            queue = _read_queue(self._name)
        except IncompleteError:
            if time.monotonic() - self._asked > _PATIENCE:
                raise
            return
        self._asked = time.monotonic()
        requeued = [
            job_id
            for job_id, job in queue.items()
            if job.restarts > (self._queue[job_id].restarts if job_id in self._queue else 0)
        ]
        if requeued:
            self._notify(
                f"Slurm: requeued {_shown(requeued)} (preempted, at the time limit, or node lost)"
            )
        # Slurm forgets ended jobs after some minutes.
        ended = {job_id: job for job_id, job in self._queue.items() if not job.is_active}
        self._queue = ended | queue


def _read_record(path: Path) -> _Record | None:
    try:
        record = pickle.loads(path.read_bytes())  # noqa: S301 - own file
    except Exception:  # none, or of a different version of the package
        return None
    return record if isinstance(record, _Record) else None


def _read_result(path: Path) -> Any:
    outcome, value = pickle.loads(path.read_bytes())  # noqa: S301 - own file
    return value if outcome == "success" else Lost(one_line(value.strip().rpartition("\n")[2]))


def _read_queue(name: str) -> dict[str, _Job]:
    """Return the jobs with a name that have not ended, or ended a few minutes ago."""
    output = _call(
        "squeue",
        "--noheader",
        "--array",
        "--states=all",
        f"--user={os.getuid()}",  # filtered by the controller
        f"--name={name}",
        "--Format=JobArrayID:60,State:40,RestartCnt:20",
    )
    rows = [line.split() for line in output.splitlines()]
    return {job_id: _Job(state, int(restarts)) for job_id, state, restarts in rows}


def _call(*command: str) -> str:
    """Return the output of a program of Slurm.

    Raises
    ------
    IncompleteError
        It failed.
    """
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            command, capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        raise _unreachable(f"{command[0]} timed out") from None
    if done.returncode:
        raise _unreachable(_slurm_message(done.stderr))
    return done.stdout


def _unreachable(problem: str) -> IncompleteError:
    return IncompleteError(f"Slurm is not available: {problem}; run the same command again later")


def _slurm_message(text: str) -> str:
    """Return what a program of Slurm wrote about an error, in one line."""
    lines = re.sub(r"^\w+: (?:error|fatal): ", "", text.strip(), flags=re.MULTILINE).splitlines()
    return one_line("; ".join(lines))


def _array_of(job_id: str) -> str:
    return job_id.partition("_")[0]


def _shown(ids: Collection[str]) -> str:
    arrays = sorted({_array_of(job_id) for job_id in ids if job_id})
    return f"{count(len(ids), 'job')} ({', '.join(arrays)})"
