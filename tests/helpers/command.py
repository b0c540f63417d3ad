"""The ``jasco`` command in a process of its own.

Each process is forked from one that has already imported the package, so that a command starts
ten times as fast.
"""

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

HASTY = {"PATIENCE": 1.0}
"""A ``patch`` with which a server is given up after a second without success."""
FEW_ATTEMPTS = {"ATTEMPTS": 3, "PATIENCE": 4.0}
"""A ``patch`` with which a call is given up after few attempts."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    [
        "command",
        "jasco.api.evaluation",
        "jasco.cli.answering",
        "jasco.cli.main",
        "jasco.cli.scoring",
        "jasco.evaluation.run_job",
        "jasco.models.chat_model",
        "jasco.judges.chat_judge",
    ]
)


@dataclass(frozen=True)
class Result:
    """The exit status and the output of a command."""

    status: int
    stdout: str
    stderr: str


def figures_in(result: Result) -> dict[str, Any]:
    """Parse a result's JSON and drop the spending, which depends on how often calls failed."""
    summary: dict[str, Any] = json.loads(result.stdout)
    for model in summary["models"].values():
        del model["spent"]
    return summary


def error_line(result: Result) -> str:
    """Return the only line on standard error, which is an error message."""
    [line] = result.stderr.splitlines()
    assert line.startswith("jasco: ")
    return line


class Command:
    """A running command."""

    def __init__(
        self,
        arguments: list[str],
        output: Path,
        environment: dict[str, str],
        patch: Mapping[str, float],
    ) -> None:
        self._output = output
        self._process = _processes.Process(
            target=_run, args=(arguments, output, environment, patch), daemon=True
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        os.kill(self.pid, number)

    def is_running(self) -> bool:
        """Return whether the process has not ended yet."""
        return self._process.is_alive()

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self._process.kill()
        self._process.join()

    def finish(self, timeout: float = 60) -> Result:
        """Wait for the end of the process; fail the test on a timeout or a traceback."""
        self._process.join(timeout)
        timed_out = self.is_running()
        if timed_out:
            self.kill()
        assert self._process.exitcode is not None
        stdout, stderr = (
            self._output.with_suffix(suffix).read_bytes().decode() for suffix in (".out", ".err")
        )
        if timed_out or "Traceback" in stderr:
            pytest.fail(f"timed_out: {timed_out}\n{stdout}\n{stderr}", pytrace=False)
        return Result(self._process.exitcode, stdout, stderr)


class Jasco:
    """Runs commands: ``jasco("score", run).status``."""

    def __init__(self, home: Path) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "JASCO_"))}
        self._environment = inherited | {
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_DATA_HOME": str(home / "share"),
            "NO_PROXY": "127.0.0.1",
        }
        self._home = home
        self._started: list[Command] = []

    def __call__(
        self,
        *arguments: object,
        env: Mapping[str, str] | None = None,
        patch: Mapping[str, float] = MappingProxyType({}),
        timeout: float = 60,
    ) -> Result:
        """Run a command and wait for its end."""
        return self.start(*arguments, env=env, patch=patch).finish(timeout)

    def start(
        self,
        *arguments: object,
        env: Mapping[str, str] | None = None,
        patch: Mapping[str, float] = MappingProxyType({}),
    ) -> Command:
        """Start a command; ``patch`` replaces constants of the chat client."""
        output = self._home / f"command-{len(self._started)}"
        environment = self._environment | dict(env or {})
        command = Command(
            [str(argument) for argument in arguments], output, environment, dict(patch)
        )
        self._started.append(command)
        return command

    def close(self) -> None:
        """Kill all commands that are still running."""
        for command in self._started:
            if command.is_running():
                command.kill()


def _run(
    arguments: list[str], output: Path, environment: dict[str, str], patches: Mapping[str, float]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path in ((1, output.with_suffix(".out")), (2, output.with_suffix(".err"))):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
        os.close(file)
    import jasco.backends.chat_client
    from jasco.cli.main import main

    for name, value in patches.items():
        assert hasattr(jasco.backends.chat_client, name)
        setattr(jasco.backends.chat_client, name, value)
    sys.argv = ["jasco", *arguments]
    sys.exit(main())
