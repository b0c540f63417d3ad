"""Servers that are started for a run, and always ended: on success, error, Ctrl-C and SIGKILL."""

import asyncio
import os
import re
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from jasco.backends.chat_client import ServerGoneError
from jasco.backends.logs import command_line, open_log
from jasco.backends.secrets import mask
from jasco.backends.supervised import clear_up, guarded, how_it_ended, last_words, tail
from jasco.errors import InputError, one_line

_HOST = "127.0.0.1"
_PORT_TAKEN = re.compile(r"address already in use|port \d+ is (?:already )?in use", re.IGNORECASE)
_TRIES = 3


@dataclass(frozen=True)
class Program:
    """A program that serves chat completions.

    Attributes
    ----------
    name : str
        What messages call it.
    command : sequence of str
        The program and its arguments, without the address.
    start_timeout : float
        Seconds that it may take to get ready.
    log : Path
        Where its words go.
    environment : mapping of str to str
        Environment variables that it gets beside ours: secrets, which a process list would show.
    secrets : sequence of str
        What messages hide of its words.
    """

    name: str
    command: Sequence[str]
    start_timeout: float
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)

    @property
    def pid_file(self) -> Path:
        """Where its process group stands while it runs."""
        return self.log.with_suffix(".pid")


class Server:
    """A server of our own, ready to be asked."""

    def __init__(
        self, program: Program, process: asyncio.subprocess.Process, port: int, beginning: int
    ) -> None:
        self._program = program
        self._process = process
        self._beginning = beginning  # where its part of the log begins
        self.url = f"http://{_HOST}:{port}/v1"
        self.ended = asyncio.ensure_future(process.wait())
        """Done when the program has ended, for whatever reason."""

    @classmethod
    async def start(cls, program: Program) -> "Server":
        """Start a program on a free port and wait until it is ready.

        Raises
        ------
        InputError
            There is no such program.
        ServerGoneError
            It ended, or did not get ready in time; the message quotes its error.
        """
        check_program(program.name, program.command[0])
        for attempt in range(_TRIES):
            server = await cls._launch(program, _free_port())
            try:
                await server._ready()  # noqa: SLF001 (a server of this class)
            except ServerGoneError:
                await server.stop()
                taken = _PORT_TAKEN.search(server._said())  # noqa: SLF001 (likewise)
                if not taken or attempt + 1 == _TRIES:  # somebody was faster: another port
                    raise
            except BaseException:
                await server.stop()
                raise
            else:
                return server
        raise AssertionError("unreachable: the last attempt returns or raises")

    @classmethod
    async def _launch(cls, program: Program, port: int) -> "Server":
        program.pid_file.unlink(missing_ok=True)
        log = open_log(program.log)
        address = ("--host", _HOST, "--port", str(port))
        command = [*program.command, *address]
        try:
            beginning = os.fstat(log).st_size
            os.write(log, command_line(command, program.secrets))
            process = await asyncio.create_subprocess_exec(
                *guarded(command, program.pid_file),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we end it in good order
                env=os.environ | program.environment,
            )
        finally:
            os.close(log)
        return cls(program, process, port, beginning)

    async def _ready(self) -> None:
        health = self.url.removesuffix("/v1") + "/health"
        loop = asyncio.get_running_loop()
        end = loop.time() + self._program.start_timeout
        with tqdm(
            total=None, disable=None, leave=False, bar_format="{desc} ({elapsed})", mininterval=0
        ) as shown:
            while not await asyncio.to_thread(_answers, health):
                if self.ended.done():
                    raise self.gone("while it was starting")
                if loop.time() > end:
                    raise ServerGoneError(
                        f"{self._program.name}: not ready within "
                        f"{self._program.start_timeout:g} s (start_timeout=SECONDS allows more); "
                        f"{self._last_words()}"
                    )
                last = self._said().strip().splitlines()[-1:]
                shown.set_description_str(
                    f"starting {self._program.name}: {one_line(''.join(last), 60)}"
                )
                await asyncio.wait([self.ended], timeout=0.25)
        if self.ended.done():  # what answered was somebody else
            raise self.gone("while it was starting")

    def gone(self, when: str) -> ServerGoneError:
        """Put its end into words."""
        return ServerGoneError(
            f"{self._program.name} ended {how_it_ended(self.ended.result())} {when}; "
            f"{self._last_words()}; the same command goes on from here"
        )

    def _last_words(self) -> str:
        return f"it said: {last_words(self._said())}; its log: {self._program.log}"

    def _said(self) -> str:
        return mask(tail(self._program.log, self._beginning), self._program.secrets)

    async def stop(self) -> None:
        """End the program and all that it has started. Takes its grace time at the longest."""
        if self._process.stdin:
            self._process.stdin.close()  # the guard takes this for our end
        # A second Ctrl-C must not leave it running.
        with suppress(asyncio.CancelledError):
            clear_up(await asyncio.shield(self.ended), self._program.pid_file)
        self._program.pid_file.unlink(missing_ok=True)


def check_program(name: str, program: str) -> None:
    """Raise ``InputError`` where there is no such program to serve a model with."""
    if shutil.which(program):
        return
    if "/" in program:
        where = f"there is no program {program}; serve.command=/path/to/vllm names another"
    else:
        where = (
            f"there is no program {program!r} on the PATH; install vLLM there, or name it with "
            "serve.command=/path/to/vllm"
        )
    raise InputError(f"{name}: {where}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((_HOST, 0))
        return int(free.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False
