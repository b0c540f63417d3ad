"""A client that brings its own server: ``vllm serve MODEL``, started for it and ended with it."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from jasco.backends.chat_client import ChatClient
from jasco.backends.options import Option, at_least
from jasco.backends.requests import Message
from jasco.backends.secrets import is_secret_name, read_key, secrets_of
from jasco.backends.server import Program, Server, check_program
from jasco.backends.specs import Provider, Spec
from jasco.data.folders import data_folder
from jasco.errors import InputError
from jasco.protocol.responses import Failure, Response

SERVING_OPTIONS = (
    Option("timeout", "seconds for one call", at_least(0.01, float), 600.0),
    Option("start_timeout", "seconds to get ready", at_least(0.01, float), 3600.0),
)


class VllmClient(ChatClient):
    """One model on a vLLM server of our own.

    ``serve.KEY=VALUE`` of its spec is handed on as ``--KEY VALUE`` (``serve.KEY=true`` as
    ``--KEY``); ``serve.command=PATH`` names the program. ``serve.api-key`` and ``serve.hf-token``
    go to it in its environment, where no list of processes shows them.
    """

    def __init__(self, spec: Spec, owner: Provider, server: Server, doing: str) -> None:
        super().__init__(spec, owner, server.url, serve_key(spec))
        self._server = server
        self._doing = doing

    @classmethod
    async def start(cls, spec: Spec, owner: Provider, folder: Path | None, doing: str) -> Self:
        """Start the server and wait until it is ready.

        Parameters
        ----------
        spec : Spec
            Its name is the model's; its options are :data:`SERVING_OPTIONS` and those of decoding.
        owner : Provider
            Whose client it is.
        folder : Path or None
            The run's; the server's words go to ``logs`` in it. None is the user's own.
        doing : str
            What it is asked for ("judging"), for messages.

        Raises
        ------
        InputError
            There is no such program.
        ServerGoneError
            It ended, or did not get ready in time; the message quotes its error.
        """
        secret = [value for key, value in spec.options["serve"].items() if is_secret_name(key)]
        server = await Server.start(
            Program(
                f"vllm serve {spec.name}",
                serve_command(spec),
                spec.options["start_timeout"],
                (folder or data_folder()) / "logs" / _log_name(spec.name),
                serve_environment(spec),
                tuple(form for each in (serve_key(spec), *secret) for form in secrets_of(each)),
            )
        )
        try:
            return cls(spec, owner, server, doing)
        except BaseException:
            await server.stop()
            raise

    async def ask(
        self,
        messages: Sequence[Message],
        affinity: str = "",
        form: Mapping[str, Any] = MappingProxyType({}),
    ) -> Response | Failure:
        """Make one call; that the server has ended is noticed at once (``ServerGoneError``)."""
        asking = asyncio.ensure_future(super().ask(messages, affinity, form))
        try:
            await asyncio.wait([asking, self._server.ended], return_when="FIRST_COMPLETED")
            if self._server.ended.done() and not asking.done():
                raise self._server.gone(f"while it was {self._doing}")
            return await asking
        finally:
            asking.cancel()

    async def close(self) -> None:
        """Close the connections and end the server."""
        try:
            await super().close()
        finally:
            await self._server.stop()


def check_vllm(spec: Spec) -> None:
    """Raise ``InputError`` where the program that serves a spec's model is missing."""
    check_program(f"vllm serve {spec.name}", serve_command(spec)[0])


def serve_command(spec: Spec) -> list[str]:
    """Put the command together that serves a spec's model."""
    serve = dict(spec.options["serve"])
    command = [serve.pop("command", "vllm"), "serve", spec.name]
    for key, value in serve.items():
        if _variable_for(key, value):
            continue
        # A key with a dot is a part of a setting, and takes its value as it stands.
        flag = {} if "." in key else {"true": [f"--{key}"], "false": [f"--no-{key}"]}
        command += flag.get(value.lower(), [f"--{key}", value])
    return command


def serve_environment(spec: Spec) -> dict[str, str]:
    """Return the environment variables in which a spec's secrets go to the server.

    Raises
    ------
    InputError
        A secret holds what no header can carry; the message does not quote it.
    """
    found: dict[str, str] = {}
    for key, value in spec.options["serve"].items():
        if variable := _variable_for(key, value):
            if not re.fullmatch("[!-~]+", value):
                raise InputError(
                    f"serve.{key} holds spaces, control characters or characters beyond ASCII; "
                    "give nothing but the key"
                )
            found[variable] = value
    return found


def serve_key(spec: Spec) -> str:
    """Return the key that the server is asked with: its own, and never that of another service."""
    return serve_environment(spec).get(_API_KEY) or read_key(_API_KEY)


_API_KEY = "VLLM_API_KEY"
_VARIABLES = {"api-key": _API_KEY, "hf-token": "HF_TOKEN"}


def _variable_for(key: str, value: str) -> str | None:
    """Name the environment variable that takes the place of a flag."""
    is_switch = value.lower() in ("true", "false")  # of a token that is stored elsewhere
    return None if is_switch else _VARIABLES.get(key.lower().replace("_", "-"))


def _log_name(model: str) -> str:
    name = "".join(c if c.isalnum() or c in "-." else "-" for c in model)
    return f"vllm-{name.strip('.-')[-80:]}.log"
