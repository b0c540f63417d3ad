"""The ``jasco`` command in a process of its own.

The processes are forked off one that has imported everything already: a command starts in a
tenth of the time, and is a process like any other once it runs.
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
"""Gives a server up after a second of trouble: for ``patch``."""
FEW_ATTEMPTS = {"ATTEMPTS": 3, "PATIENCE": 4.0}
"""Gives a call up after few attempts: for ``patch``."""

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
    """How a command ended."""

    status: int
    stdout: str
    stderr: str


def figures_in(result: Result) -> dict[str, Any]:
    """Read a result's JSON, but for the calls that it took: a server that fails takes more."""
    summary: dict[str, Any] = json.loads(result.stdout)
    for model in summary["models"].values():
        del model["spent"]
    return summary


class Command:
    """A command that is running."""

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
        """Send it a signal."""
        os.kill(self.pid, number)

    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.is_alive()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.join()

    def finish(self, timeout: float = 60) -> Result:
        """Wait for its end; a traceback fails the test."""
        self._process.join(timeout)
        hangs = self.is_running()
        if hangs:
            self.kill()
        assert self._process.exitcode is not None
        stdout, stderr = (
            self._output.with_suffix(suffix).read_bytes().decode() for suffix in (".out", ".err")
        )
        if hangs or "Traceback" in stderr:
            pytest.fail(f"hangs: {hangs}\n{stdout}\n{stderr}", pytrace=False)
        return Result(self._process.exitcode, stdout, stderr)


class Jasco:
    """Runs commands: ``jasco("score", run).status``. What is still running ends with the test."""

    def __init__(self, home: Path) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "JASCO_"))}
        self._environment = clean | {
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
        """Run a command to its end."""
        return self.start(*arguments, env=env, patch=patch).finish(timeout)

    def start(
        self,
        *arguments: object,
        env: Mapping[str, str] | None = None,
        patch: Mapping[str, float] = MappingProxyType({}),
    ) -> Command:
        """Start a command; ``patch`` changes constants of the chat client."""
        output = self._home / f"command-{len(self._started)}"
        environment = self._environment | dict(env or {})
        command = Command([str(each) for each in arguments], output, environment, dict(patch))
        self._started.append(command)
        return command

    def close(self) -> None:
        """End what still runs."""
        for command in self._started:
            if command.is_running():
                command.kill()


def _run(
    arguments: list[str], output: Path, environment: dict[str, str], patches: Mapping[str, float]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, output.with_suffix(".out")), (2, output.with_suffix(".err"))):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    import jasco.backends.chat_client
    from jasco.cli.main import main

    for name, value in patches.items():
        assert hasattr(jasco.backends.chat_client, name)
        setattr(jasco.backends.chat_client, name, value)
    sys.argv = ["jasco", *arguments]
    sys.exit(main())
