"""A client with its own server, ``vllm serve MODEL``, which is started and stopped with it."""

import asyncio
import os
import re
import shutil
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp

from jasco.backends.chat_client import ChatClient, ServerGoneError
from jasco.backends.chat_requests import TIMEOUT, Message
from jasco.backends.options import Option, at_least
from jasco.backends.secrets import is_secret_name, read_key, secrets_of
from jasco.backends.specs import Provider, Spec
from jasco.backends.supervised_program import SupervisedProgram, check_platform, how_it_ended
from jasco.data.folders import data_folder
from jasco.errors import InputError, one_line
from jasco.protocol.responses import Failure, Response
from jasco.terminal import progress_bar

SERVING_OPTIONS = (
    TIMEOUT,
    Option("start_timeout", "seconds until the server is ready", at_least(0.01, float), 3600.0),
)
_HOST = "127.0.0.1"
_PORT_TAKEN = re.compile(r"address already in use|port \d+ is (?:already )?in use", re.IGNORECASE)
_API_KEY = "VLLM_API_KEY"
_SECRET_VARIABLES = {"api-key": _API_KEY, "hf-token": "HF_TOKEN"}


class VllmServer:
    """A vLLM server for one model, which is always stopped: on success, error, Ctrl-C and SIGKILL.

    Parameters
    ----------
    spec : Spec
        Its name is the model's; its options are :data:`SERVING_OPTIONS` and ``serve``:
        ``KEY=VALUE`` is passed as ``--KEY VALUE`` (``KEY=true`` as ``--KEY``), ``command=PATH`` is
        the path of the program, and ``api-key`` and ``hf-token`` are passed in its environment,
        where process listings do not show them.
    folder : Path or None
        The run's folder; the server's output goes to its folder ``logs``. None: the user's data
        folder.

    Attributes
    ----------
    url : str
        The base URL, once the server is started.
    key : str
        The API key that it expects, which is never that of another service.
    ended : Future of int
        Done when the program has ended for any reason; the supervisor's exit status.
    """

    def __init__(self, spec: Spec, folder: Path | None) -> None:
        self._spec = spec
        self._name = f"vllm serve {spec.name}"
        self._command, self._environment = serve_command(spec)
        self._start_timeout = spec.options["start_timeout"]
        self.key = self._environment.get(_API_KEY) or read_key(_API_KEY)
        secrets = [
            self.key,
            *(value for key, value in spec.options["serve"].items() if is_secret_name(key)),
        ]
        model = re.sub(r"[^\w.-]|_", "-", spec.name).strip(".-")[-80:]
        log = (folder or data_folder()) / "logs" / f"vllm-{model}.log"
        masked = [form for secret in secrets for form in secrets_of(secret)]
        self._program = SupervisedProgram(log.with_suffix(".pid"), log, masked)

    async def start(self) -> None:
        """Start the program on a free port and wait until it is ready.

        Raises
        ------
        InputError
            The program is missing.
        ServerGoneError
            It ended, or was not ready in time; the message quotes its error.
        """
        check_vllm(self._spec)
        for is_last in (False, False, True):
            await self._launch()
            try:
                await self._wait_until_ready()
                return
            except BaseException as error:
                await self.stop()
                output = self._program.output()
                # Another program may have taken the port in the meantime.
                is_taken = isinstance(error, ServerGoneError) and _PORT_TAKEN.search(output)
                if is_last or not is_taken:
                    raise

    async def _launch(self) -> None:
        with socket.socket() as free:
            free.bind((_HOST, 0))
            port = str(free.getsockname()[1])
        command = [*self._command, "--host", _HOST, "--port", port]
        self._process = await self._program.start(command, env=os.environ | self._environment)
        self.url = f"http://{_HOST}:{port}/v1"
        self.ended = asyncio.ensure_future(self._process.wait())

    async def _wait_until_ready(self) -> None:
        health = self.url.removesuffix("/v1") + "/health"
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._start_timeout
        with progress_bar(f"starting {self._name}") as bar:
            while not await _is_healthy(health):
                if self.ended.done():
                    break
                if loop.time() > deadline:
                    raise ServerGoneError(
                        f"{self._name}: not ready within {self._start_timeout:g} s "
                        f"(start_timeout=SECONDS sets the limit); {self._last_words()}"
                    )
                last_line = "".join(self._program.output().strip().splitlines()[-1:])
                bar.update(0, title=f"starting {self._name}: {one_line(last_line, 60)}")
                await asyncio.wait([self.ended], timeout=0.25)
        if self.ended.done():  # even if another program responded
            raise self.gone("while it was starting")

    def gone(self, when: str) -> ServerGoneError:
        """Return an error that the program has ended."""
        return ServerGoneError(
            f"{self._name} ended {how_it_ended(self.ended.result())} {when}; "
            f"{self._last_words()}; run the same command again to resume"
        )

    def _last_words(self) -> str:
        return f"{self._program.last_words()}; log: {self._program.log}"

    async def stop(self) -> None:
        """Stop the program and all its children, within its grace time at most."""
        if self._process.stdin:
            self._process.stdin.close()  # tells the supervisor to stop the program
        # A second Ctrl-C must not leave the program running.
        with suppress(asyncio.CancelledError):
            self._program.clear_up(await asyncio.shield(self.ended))


class VllmClient(ChatClient):
    """One model on a vLLM server that was started for it, and is stopped with the client.

    Parameters
    ----------
    owner : Provider
        The model or judge.
    server : VllmServer
        Its server, which is ready.
    activity : str
        The server's task ("judging"), for messages.
    """

    def __init__(self, owner: Provider, server: VllmServer, activity: str) -> None:
        super().__init__(owner, server.url, server.key)
        self._server = server
        self._activity = activity

    async def ask(
        self,
        messages: Sequence[Message],
        affinity: str = "",
        form: Mapping[str, Any] = MappingProxyType({}),
    ) -> Response | Failure:
        """Make one call; raise ``ServerGoneError`` as soon as the server has ended."""
        call = asyncio.ensure_future(super().ask(messages, affinity, form))
        try:
            await asyncio.wait([call, self._server.ended], return_when="FIRST_COMPLETED")
            if self._server.ended.done() and not call.done():
                raise self._server.gone(f"while it was {self._activity}")
            return await call
        finally:
            call.cancel()

    async def close(self) -> None:
        """Close the connections and stop the server."""
        try:
            await super().close()
        finally:
            await self._server.stop()


def check_vllm(spec: Spec) -> None:
    """Raise ``InputError`` if the program that serves a spec's model is missing."""
    (program, *_), _ = serve_command(spec)
    check_platform(
        f"vllm serve {spec.name}", "start the server yourself, and use openai/MODEL,base_url=URL"
    )
    if shutil.which(program):
        return
    if "/" in program:
        problem = f"program {program} not found; set serve.command=/path/to/vllm"
    else:
        problem = (
            f"program {program!r} not found on the PATH; install vLLM, or set "
            "serve.command=/path/to/vllm"
        )
    raise InputError(f"vllm serve {spec.name}: {problem}")


def serve_command(spec: Spec) -> tuple[list[str], dict[str, str]]:
    """Return the command that serves a spec's model, and environment variables with its secrets.

    Raises
    ------
    InputError
        A secret contains characters that a header cannot contain; the message does not quote it.
    """
    serve = dict(spec.options["serve"])
    command = [serve.pop("command", "vllm"), "serve", spec.name]
    environment: dict[str, str] = {}
    for key, value in serve.items():
        variable = _SECRET_VARIABLES.get(key.lower().replace("_", "-"))
        switch = {"true": f"--{key}", "false": f"--no-{key}"}.get(value.lower())
        if variable and not switch:  # a switch refers to a token that is stored elsewhere
            if not re.fullmatch("[!-~]+", value):
                raise InputError(
                    f"serve.{key}: the key contains spaces, control characters or non-ASCII "
                    "characters; give the key alone"
                )
            environment[variable] = value
        elif switch and "." not in key:
            command.append(switch)
        else:  # a key with a dot is part of a setting, and its value is passed unchanged
            command += [f"--{key}", value]
    return command, environment


async def _is_healthy(url: str) -> bool:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session,
            session.get(url) as response,
        ):
            return response.status == 200
    except (aiohttp.ClientError, OSError):
        return False
