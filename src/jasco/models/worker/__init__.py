"""A model in an environment of its own: a program that answers over its standard input and output.

``worker/COMMAND``, for models that need another Python or other libraries than we. What the two
sides say is described, with a program to begin with, in ``docs/workers.md``.
"""

import asyncio
import itertools
import os
import shlex
import shutil
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from jasco.backends.fingerprints import file_fingerprint
from jasco.backends.options import Option
from jasco.backends.secrets import mask, mask_spec, secrets_of
from jasco.backends.specs import Spec
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.errors import IncompleteError, InputError, one_line
from jasco.models.model import Model
from jasco.models.worker.environment import environment_for, is_secret, variable
from jasco.models.worker.files import ClipFiles
from jasco.models.worker.lines import (
    Handshake,
    answered_number,
    read_answer,
    read_handshake,
    read_object,
    write_request,
)
from jasco.models.worker.process import Broken, Process
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response, served_name

_STARTS = 3
"""Starts in a row that may fail."""
_SILENT_LIVES = 20
"""Lives in a row without a single answer: more than one hopeless clip can cause, 8 x 2."""
_GRACE = 5.0
"""Seconds for a worker with nothing to do to end by itself."""
_LOOK = 0.25
"""Seconds between two looks at a worker that says nothing."""


@dataclass(eq=False)
class _Question:
    """What one call of ``answer`` waits for."""

    prompt: str
    audio: Path
    answer: asyncio.Future[Response | Failure]
    suspect: bool = False
    """Whether a worker has come to grief over it, or beside it."""

    def end(self, answer: Response | Failure) -> None:
        """Answer it, unless nobody waits any more."""
        if not self.answer.done():
            self.answer.set_result(answer)


@dataclass
class _Life:
    """A worker, from its handshake to its end."""

    process: Process
    handshake: Handshake
    outstanding: dict[int, tuple[_Question, float]] = field(default_factory=dict)
    """By number: the question, and when its time is over."""
    answers: int = 0


class Worker(Model):
    """A program of the user's, started for the run and ended with it.

    It gets one question at a time, or as many as it says that it takes. If it dies, or a
    question takes too long, another one is started, and what was not answered is put once more:
    alone this time, so that a question that kills workers takes no other with it.
    """

    NAME: ClassVar[str | None] = "COMMAND"
    raw_name: ClassVar[bool] = True
    uses_audio: ClassVar[bool] = True
    remote: ClassVar[bool] = False  # it computes on this machine: judges wait until it is done
    OPTIONS: ClassVar[Sequence[Option]] = (
        Option(
            "env",
            "environment variable that it gets as well: worker,env=NAME/COMMAND; may be repeated",
            variable,
            repeatable=True,
        ),
    )

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._command = _split(spec.name)
        self._environment: dict[str, str] = {}
        self._secrets: tuple[str, ...] = ()
        self._start_timeout = _seconds("JASCO_WORKER_START")
        self._timeout = _seconds("JASCO_WORKER_TIMEOUT")
        self.ignored = 0
        """Lines that workers wrote to their standard output and that were no messages."""
        self._numbers = itertools.count(1)
        self._waiting: deque[_Question] = deque()
        self._wake = asyncio.Event()
        self._files: ClipFiles | None = None
        self._life: _Life | None = None
        self._leading: asyncio.Task[None] | None = None

    def fingerprint(self) -> str:
        """Hash the program, if it is a script, and the first file that it is given.

        Further files that the command names are not looked at: it may write to them.
        """
        program = Path(shutil.which(self._command[0]) or "")
        named = [Path(word).expanduser() for word in self._command[1:]]
        given = [path for path in named if path.is_file()][:1]
        return file_fingerprint([program, *given] if _is_script(program) else given)

    def check(self) -> None:
        """See that the worker's program is there."""
        program = self._command[0]
        if not shutil.which(program):
            where = "" if "/" in program else " on the PATH"
            raise InputError(
                f"{self.spec.label}: there is no program {program!r}{where}; write worker/ and the "
                "command as in a shell, with the path of its program"
            )

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002 (any data will do)
        """Start the worker and wait for its handshake."""
        self.check()
        wanted = self.spec.options["env"]
        self._environment = environment_for(os.environ, wanted)
        secret = [self._environment[name] for name in wanted if is_secret(name)]
        self._secrets = tuple(form for value in secret for form in secrets_of(value))
        self._files = ClipFiles()
        self._life = await self._start()
        self._leading = asyncio.create_task(self._lead())

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Queue the question and wait for its answer."""
        assert audio is not None
        assert self._files
        assert self._leading
        async with self._files.file(audio) as path:
            answer: asyncio.Future[Response | Failure] = asyncio.get_running_loop().create_future()
            self._waiting.append(_Question(item.instruction, path, answer))
            self._wake.set()
            try:
                await _first(answer, self._leading)
                if not answer.done():
                    await self._leading  # raises why nobody will answer
                return await answer
            finally:
                answer.cancel()  # where we are given up

    async def close(self) -> None:
        """End the worker; give the files back."""
        try:
            if self._leading:
                self._leading.cancel()
                with suppress(asyncio.CancelledError, InputError, IncompleteError):
                    await self._leading
            if self._life:
                idle = not self._life.outstanding
                await self._end(self._life, _GRACE if idle else 0.0)
        finally:
            if self._files:
                self._files.remove()

    # --- a worker's life ---

    async def _start(self) -> _Life:
        """Start a worker that gets as far as its handshake."""
        for start in range(1, _STARTS + 1):
            assert self._files
            process = await Process.start(
                self._command, self._files.folder, self._log, self._environment, self._secrets
            )
            try:
                handshake = await self._shake_hands(process)
                self.facts = {"name": served_name(handshake.name)} | _told(handshake.versions)
                return _Life(process, handshake)
            except Broken as trouble:
                how = await process.end()
                self.ignored += process.ignored
                if trouble.kind != "crash":
                    raise InputError(
                        f"{self.spec.label}: {trouble.message} instead of a handshake; "
                        "see docs/workers.md"
                    ) from None
                if start == _STARTS:
                    raise IncompleteError(
                        f"{self.spec.label} ended {how} while it was starting, {start} times in a "
                        f"row; {process.last_words()}{self._log_hint}"
                    ) from None
            except BaseException:
                await process.end()
                raise
        raise AssertionError("unreachable: the last start returns or raises")

    @property
    def _log(self) -> Path | None:
        return self.folder / "logs" / "worker.log" if self.folder else None

    @property
    def _log_hint(self) -> str:
        return f"; its log: {self._log}" if self._log else ""

    async def _shake_hands(self, process: Process) -> Handshake:
        """Wait for the first message; what libraries print before it is let pass."""
        try:
            async with asyncio.timeout(self._start_timeout):
                while True:
                    lines = await process.read()
                    for place, line in enumerate(lines):
                        if told := self._read(line):
                            for other in lines[place + 1 :]:
                                process.ignore(other)
                            return read_handshake(told)
                        process.ignore(line)
        except TimeoutError:
            raise InputError(
                f"{self.spec.label}: no handshake within {self._start_timeout:g} s "
                f"(JASCO_WORKER_START allows more); {process.last_words()}; does it flush its "
                f"output (conda run needs --no-capture-output)?{self._log_hint}"
            ) from None
        except InputError as error:
            raise InputError(f"{self.spec.label}: {error}; see docs/workers.md") from None

    def _read(self, line: bytes) -> dict[str, Any] | None:
        """Read a message; a secret that the worker was given and that it repeats is hidden."""
        told = read_object(line)
        if not told or not self._secrets:
            return told
        try:
            return {key: _masked(value, self._secrets) for key, value in told.items()}
        except RecursionError:
            return None  # no message of ours is nested so deep

    async def _end(self, life: _Life, grace: float = 0.0) -> str:
        how = await life.process.end(grace)
        if self._life is life:
            self._life = None
            self.ignored += life.process.ignored
        return how

    # --- questions and answers ---

    async def _lead(self) -> None:
        """Lead the questions to one worker after the other, for ever."""
        silent = 0
        while True:
            while (
                not self._waiting
            ):  # a worker that ends while there is nothing to do is not missed
                self._wake.clear()
                await self._wake.wait()
            life = self._life = self._life or await self._start()
            try:
                await self._talk(life)
            except Broken as trouble:
                how = await self._end(life)
                failure = self._explained(trouble, how, life.process)
                silent = 0 if life.answers else silent + 1
                self._give_back(life, failure)
                if silent == _SILENT_LIVES:
                    raise IncompleteError(
                        f"{self.spec.label}: {silent} workers in a row ended before they had "
                        f"answered anything; the last: {failure.message}{self._log_hint}; mend it, "
                        "and the same command goes on from here"
                    ) from None

    def _explained(self, trouble: Broken, how: str, process: Process) -> Failure:
        if trouble.kind != "crash":
            return Failure(trouble.kind, trouble.message)
        return Failure("crash", f"the worker ended {how}; {process.last_words()}")

    def _give_back(self, life: _Life, failure: Failure) -> None:
        """Put what a worker did not answer first in the queue again, or give it up."""
        # A crash after good answers may have other reasons, such as memory that has run out: what
        # was put alone already is now the first that a fresh worker gets, and then it is clear.
        is_clear = failure.kind != "crash" or not life.answers
        again = []
        for question, _ in life.outstanding.values():
            if question.suspect and is_clear:
                question.end(failure)
            else:
                question.suspect = True
                again.append(question)
        self._waiting.extendleft(reversed(again))
        life.outstanding.clear()

    async def _talk(self, life: _Life) -> None:
        """Hand out questions and take answers; ends with ``Broken``."""
        reading = asyncio.ensure_future(life.process.read())
        try:
            while True:
                self._wake.clear()
                self._hand_out(life)
                waking = asyncio.ensure_future(self._wake.wait())
                await _first(reading, waking, timeout=_LOOK)
                waking.cancel()
                if life.process.has_ended and not reading.done():
                    await asyncio.wait([reading], timeout=_LOOK)  # what it had said before
                    if not reading.done():  # somebody else holds its output open
                        raise Broken("crash", "it has ended")
                if reading.done():
                    for line in reading.result():
                        self._take(life, line)
                    reading = asyncio.ensure_future(life.process.read())
                now = time.monotonic()
                if any(now > end for _, end in life.outstanding.values()):
                    raise Broken(
                        "timeout",
                        f"no answer within {self._timeout:g} s (JASCO_WORKER_TIMEOUT allows more)",
                    )
        finally:
            reading.cancel()
            await asyncio.wait([reading])  # two cannot read at once
            if not reading.cancelled():
                reading.exception()  # seen, if not acted upon

    def _hand_out(self, life: _Life) -> None:
        """Put as many questions as the worker takes; one that is put again is put alone."""
        while self._waiting:
            question = self._waiting[0]
            if question.answer.done():  # nobody waits any more
                self._waiting.popleft()
                continue
            asked = [each for each, _ in life.outstanding.values()]
            alone = any(each.suspect for each in (question, *asked))
            if len(asked) >= (1 if alone else life.handshake.batch):
                return
            self._waiting.popleft()
            number = next(self._numbers)
            life.outstanding[number] = question, time.monotonic() + self._timeout
            life.process.send(write_request(number, question.prompt, question.audio))

    def _take(self, life: _Life, line: bytes) -> None:
        told = self._read(line)
        number = answered_number(told) if told else None
        if told is None or number not in life.outstanding:
            life.process.ignore(line)
            return
        question, _ = life.outstanding.pop(number)
        life.answers += 1
        question.end(read_answer(told, life.handshake.name))


async def _first(*futures: asyncio.Future[Any], timeout: float | None = None) -> None:  # noqa: ASYNC109
    """Wait until one of them is done, or for some seconds."""
    await asyncio.wait(futures, timeout=timeout, return_when="FIRST_COMPLETED")


def _told(versions: Mapping[str, Any]) -> dict[str, str]:
    """Make facts of what a worker says about itself, which may be anything."""
    return {one_line(key, 40): one_line(value, 100) for key, value in list(versions.items())[:20]}


def _masked(value: Any, secrets: Sequence[str]) -> Any:
    """Hide secrets anywhere in what JSON held."""
    if isinstance(value, str):
        return mask(value, secrets)
    if isinstance(value, list):
        return [_masked(each, secrets) for each in value]
    if isinstance(value, dict):
        return {mask(key, secrets): _masked(each, secrets) for key, each in value.items()}
    return value


def _split(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(f"worker/{mask_spec(command)}: no command line ({error})") from None
    if not words:
        raise InputError("worker/: write worker/COMMAND, such as worker/python my_worker.py")
    return words


def _is_script(program: Path) -> bool:
    """Tell a script from an interpreter, which an update may change without changing an answer."""
    with suppress(OSError), program.open("rb") as file:
        return file.read(2) == b"#!"
    return False


def _seconds(variable: str) -> float:
    told = os.environ.get(variable) or "600"
    with suppress(ValueError):
        if 0 < float(told) < float("inf"):
            return float(told)
    raise InputError(f"{variable}={told}: a number of seconds above 0 is needed")
