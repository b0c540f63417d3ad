"""A model in a separate environment: a program that answers through standard input and output.

``worker/COMMAND`` is for models that need a different Python or different libraries. The protocol
and an example program are described in ``docs/workers.md``.
"""

import asyncio
import itertools
import os
import shlex
import shutil
import time
from collections import deque
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Never

from jasco.backends.fingerprints import file_fingerprint
from jasco.backends.options import Option
from jasco.backends.secrets import mask_spec, secrets_of
from jasco.backends.specs import Spec
from jasco.backends.supervised_program import check_platform
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.errors import IncompleteError, InputError, invalid_value
from jasco.models.model import Model
from jasco.models.worker.environment import environment_for, is_secret, variable
from jasco.models.worker.files import ClipFiles
from jasco.models.worker.messages import (
    Handshake,
    read_answer,
    read_handshake,
    read_message,
    request_number,
    write_request,
)
from jasco.models.worker.process import BrokenWorkerError, WorkerProcess
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response, served_name

_STARTS = 3
"""Maximum number of consecutive failed starts."""
_SILENT_WORKERS = 20
"""Maximum number of consecutive workers without an answer; one bad clip can cause 16 (8 x 2)."""
_GRACE = 5.0
"""Seconds for an idle worker to exit."""


@dataclass(eq=False)
class _Question:
    """A question for which a call of ``answer`` waits."""

    prompt: str
    audio: Path | None
    answer: asyncio.Future[Response | Failure]
    deadline: float = 0.0
    is_suspect: bool = False
    """Whether it was outstanding when a worker failed."""

    def end(self, answer: Response | Failure) -> None:
        """Set the answer, unless the question was cancelled."""
        if not self.answer.done():
            self.answer.set_result(answer)


@dataclass
class _Session:
    """A worker, from its handshake until it ends."""

    process: WorkerProcess
    handshake: Handshake
    outstanding: dict[int, _Question] = field(default_factory=dict)
    answers: int = 0
    is_open: bool = False
    """Whether it accepts questions."""


class Worker(Model):
    """A program of the user, which is started and stopped with the run.

    It receives one question at a time, or as many as its handshake allows, and questions without
    audio only if its handshake allows them. If it crashes, or a
    question takes too long, another worker is started and unanswered questions are sent again, one
    at a time, so that a question that crashes workers does not affect others.
    """

    NAME = "COMMAND"
    raw_name = True
    OPTIONS = (
        Option(
            "env",
            "name of a further environment variable to pass: worker,env=NAME/COMMAND; repeatable",
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
        self._numbers = itertools.count(1)
        self._waiting: deque[_Question] = deque()
        self._wake = asyncio.Event()
        self._files: ClipFiles | None = None
        self._session: _Session | None = None
        self._leading: asyncio.Task[Never] | None = None

    def fingerprint(self) -> str:
        """Return a hash of the program, if it is a script, and of the first file in the command.

        Further files in the command are ignored, because the program may write to them.
        """
        program = Path(shutil.which(self._command[0]) or "")
        words = [Path(word).expanduser() for word in self._command[1:]]
        first_file = [path for path in words if path.is_file()][:1]
        return file_fingerprint([program, *first_file] if _is_script(program) else first_file)

    def check(self) -> None:
        """Raise ``InputError`` if the worker's program is missing."""
        check_platform(self.spec.label, "use python/module:function, or a server with openai/MODEL")
        program = self._command[0]
        if not shutil.which(program):
            where = "" if "/" in program else " on the PATH"
            raise InputError(
                f"{self.spec.label}: program {program!r} not found{where}; write worker/ and a "
                "command as in a shell, with the path of the program"
            )

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002 (the data makes no difference)
        """Start the worker and wait for its handshake."""
        self.check()
        wanted = self.spec.options["env"]
        self._environment = environment_for(os.environ, wanted)
        secret = [self._environment[name] for name in wanted if is_secret(name)]
        self._secrets = tuple(form for value in secret for form in secrets_of(value))
        self._files = ClipFiles()
        self._session = await self._start()
        self._leading = asyncio.create_task(self._lead())

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Queue the question and wait for its answer."""
        assert audio is not None or self.accepts_no_audio
        assert self._files
        assert self._leading
        async with nullcontext() if audio is None else self._files.file(audio) as path:
            answer: asyncio.Future[Response | Failure] = asyncio.get_running_loop().create_future()
            self._waiting.append(_Question(item.instruction, path, answer))
            self._wake.set()
            if self._session:
                self._hand_out(self._session)
            try:
                futures: list[asyncio.Future[Any]] = [answer, self._leading]
                await asyncio.wait(futures, return_when="FIRST_COMPLETED")
                if not answer.done():
                    await self._leading  # raises the reason why there will be no answer
                return await answer
            finally:
                answer.cancel()  # if this call was cancelled

    async def close(self) -> None:
        """Stop the worker and remove the files."""
        try:
            if self._leading:
                self._leading.cancel()
                with suppress(asyncio.CancelledError, InputError, IncompleteError):
                    await self._leading
            if self._session:
                idle = not self._session.outstanding
                await self._session.process.end(_GRACE if idle else 0.0)
        finally:
            if self._files:
                self._files.remove()

    # --- starting and stopping workers ---

    async def _start(self) -> _Session:
        """Start a worker and wait for its handshake; retry if it fails to start."""
        assert self._files
        for _ in range(_STARTS):
            process = WorkerProcess(self._files.folder, self._log, self._secrets)
            await process.start(self._command, self._environment)
            try:
                handshake = await self._shake_hands(process)
            except BaseException as error:
                ending = await process.end()
                if not isinstance(error, BrokenWorkerError):
                    raise
            else:
                self.facts = {"name": served_name(handshake.name), **handshake.versions}
                self.accepts_no_audio = handshake.accepts_no_audio
                return _Session(process, handshake)
        raise IncompleteError(
            f"{self.spec.label} ended {ending} while it was starting, {_STARTS} times in a row; "
            f"{process.last_words()}{self._log_hint}"
        )

    @property
    def _log(self) -> Path | None:
        return self.folder / "logs" / "worker.log" if self.folder else None

    @property
    def _log_hint(self) -> str:
        return f"; log: {self._log}" if self._log else ""

    async def _shake_hands(self, process: WorkerProcess) -> Handshake:
        """Wait for the first message; output of libraries before it is ignored."""
        label = self.spec.label
        try:
            async with asyncio.timeout(self._start_timeout):
                while True:
                    line = await process.read()
                    if line is None:
                        continue
                    if message := read_message(line, self._secrets):
                        return read_handshake(message)
                    process.ignore(line)
        except BrokenWorkerError as error:
            kind, reason = error.args
            if kind == "crash":
                raise
            raise InputError(
                f"{label}: {reason} instead of a handshake; see docs/workers.md"
            ) from None
        except TimeoutError:
            raise InputError(
                f"{label}: no handshake within {self._start_timeout:g} s "
                f"(JASCO_WORKER_START sets the limit); {process.last_words()}; check that it "
                f"flushes its output (conda run needs --no-capture-output){self._log_hint}"
            ) from None
        except InputError as error:
            raise InputError(f"{label}: {error}; see docs/workers.md") from None

    # --- questions and answers ---

    async def _lead(self) -> Never:
        """Pass the questions to a worker, and replace workers that fail, until cancelled."""
        silent = 0
        while True:
            while not self._waiting:  # a worker that ends while it is idle is not replaced
                self._wake.clear()
                await self._wake.wait()
            session = self._session = self._session or await self._start()
            try:
                await self._talk(session)
            except BrokenWorkerError as error:
                session.is_open = False
                failure = Failure(*error.args)
                ending = await session.process.end()
                self._session = None
                if failure.kind == "crash":
                    last_words = session.process.last_words()
                    failure = Failure("crash", f"the worker ended {ending}; {last_words}")
                silent = 0 if session.answers else silent + 1
                self._give_back(session, failure)
                if silent == _SILENT_WORKERS:
                    raise IncompleteError(
                        f"{self.spec.label}: {silent} consecutive workers ended without an answer; "
                        f"the last: {failure.message}{self._log_hint}; fix the worker, then run "
                        "the same command again to resume"
                    ) from None

    def _give_back(self, session: _Session, failure: Failure) -> None:
        """Requeue the questions that a worker did not answer, or end them with the failure."""
        # A crash after good answers may have other causes, such as exhausted memory: a question
        # that was already sent alone is sent first to a new worker, which decides.
        is_clear = failure.kind != "crash" or not session.answers
        again = []
        for question in session.outstanding.values():
            if question.is_suspect and is_clear:
                question.end(failure)
            else:
                question.is_suspect = True
                again.append(question)
        self._waiting.extendleft(reversed(again))

    async def _talk(self, session: _Session) -> Never:
        """Send questions and receive answers, until the worker fails or hangs."""
        session.is_open = True
        while True:
            self._hand_out(session)
            line = await session.process.read()
            if line is not None:
                self._take(session, line)
            now = time.monotonic()
            if any(now > question.deadline for question in session.outstanding.values()):
                raise BrokenWorkerError(
                    "timeout",
                    f"no answer within {self._timeout:g} s (JASCO_WORKER_TIMEOUT sets the limit)",
                )

    def _hand_out(self, session: _Session) -> None:
        """Send as many questions as the worker accepts; repeated questions are sent alone."""
        while self._waiting and session.is_open:
            question = self._waiting[0]
            if question.answer.done():  # it was cancelled
                self._waiting.popleft()
                continue
            outstanding = session.outstanding.values()
            alone = any(other.is_suspect for other in (question, *outstanding))
            if len(outstanding) >= (1 if alone else session.handshake.batch):
                return
            self._waiting.popleft()
            number = next(self._numbers)
            question.deadline = time.monotonic() + self._timeout
            session.outstanding[number] = question
            session.process.send(write_request(number, question.prompt, question.audio))

    def _take(self, session: _Session, line: bytes) -> None:
        message = read_message(line, self._secrets)
        number = request_number(message) if message else None
        if message is None or number not in session.outstanding:
            session.process.ignore(line)
            return
        session.answers += 1
        question = session.outstanding.pop(number)
        question.end(read_answer(message, session.handshake.name))


def _split(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(f"worker/{mask_spec(command)}: invalid command ({error})") from None
    if not words:
        raise InputError("worker/: missing command; write worker/COMMAND, e.g. worker/python w.py")
    return words


def _is_script(program: Path) -> bool:
    """Return whether a program is a script; updates of interpreters do not affect answers."""
    with suppress(OSError), program.open("rb") as file:
        return file.read(2) == b"#!"
    return False


def _seconds(name: str) -> float:
    text = os.environ.get(name) or "600"
    with suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise InputError(invalid_value(name, text, "expected a number of seconds > 0"))
