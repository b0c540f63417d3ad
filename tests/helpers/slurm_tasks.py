"""Tasks for the tests of the Slurm executor, which jobs import by name, and a driver process.

slurm_tasks.py FOLDER SECONDS NAME... runs tasks on Slurm and prints their results.
"""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from jasco.evaluation.distributed import slurm_executor
from jasco.evaluation.distributed.executors import open_executor


@dataclass(frozen=True)
class Work:
    """A task that sleeps, unless an earlier run of it was interrupted, and logs its steps."""

    log: Path
    seconds: float = 0.0
    crashes: int = 0
    error: str = ""

    def note(self, step: str) -> None:
        with self.log.open("a") as file:
            file.write(f"{step} {time.time():.2f}\n")

    def steps(self) -> list[str]:
        return [line.split()[0] for line in self.log.read_text().splitlines()]

    def times(self, step: str) -> list[float]:
        rows = [line.split() for line in self.log.read_text().splitlines()]
        return [float(row[1]) for row in rows if row[0] == step]


def work(task: Work) -> tuple[str, int]:
    """Perform a task; return its name and the number of its starts."""
    resumes = task.log.exists() and "interrupted" in task.steps()
    try:  # it may be interrupted as soon as it is known to have started
        task.note("start")
        starts = task.steps().count("start")
        if task.error:
            raise ValueError(task.error)
        if starts <= task.crashes:
            os.kill(os.getpid(), signal.SIGKILL)
        end = time.monotonic() + (0 if resumes else task.seconds)
        # In short steps: a signal that another thread receives does not end a sleep.
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
    except KeyboardInterrupt:
        time.sleep(0.5)  # work is saved
        task.note("interrupted")
        raise
    task.note("end")
    return task.log.name, starts


def be_quick() -> None:
    """Reduce the waiting times of the executor."""
    slurm_executor._POLL = 0.5
    slurm_executor._LAG = 2.0


def main() -> None:
    be_quick()
    folder, seconds, *names = sys.argv[1:]
    tasks = [Work(Path(folder) / name, float(seconds)) for name in names]
    results = open_executor("slurm").run(work, tasks, Path(folder), notify)
    try:
        for index, result in results:
            sys.stdout.write(f"{index} {result}\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)


def notify(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
