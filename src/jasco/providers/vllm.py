"""A client that brings its own server: ``vllm serve MODEL``, started for it and ended with it."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from jasco.benchmark.responses import Failure, Response
from jasco.providers.chat import ChatClient, Message
from jasco.providers.folders import data_folder
from jasco.providers.server import Program, Server, check_program
from jasco.providers.specs import Option, Spec, at_least

SERVING_OPTIONS = (
    Option("timeout", "seconds for one call", at_least(0.01, float), 600.0),
    Option("start_timeout", "seconds to get ready", at_least(0.01, float), 3600.0),
)


class VllmClient(ChatClient):
    """One model on a vLLM server of our own.

    ``serve.KEY=VALUE`` of its spec is handed on as ``--KEY VALUE`` (``serve.KEY=true`` as
    ``--KEY``); ``serve.command=PATH`` names the program.
    """

    def __init__(self, spec: Spec, server: Server, doing: str) -> None:
        super().__init__(spec, (server.url,))
        self._server = server
        self._doing = doing

    @classmethod
    async def start(cls, spec: Spec, folder: Path | None, doing: str) -> Self:
        """Start the server and wait until it is ready.

        Parameters
        ----------
        spec : Spec
            Its name is the model's; its options are :data:`SERVING_OPTIONS` and those of decoding.
        folder : Path or None
            The run's; the server's words go to ``logs`` in it. None is the user's own.
        doing : str
            What it is asked for ("judging"), for messages.

        Raises
        ------
        InputError
            There is no such program.
        ServerGone
            It ended, or did not get ready in time; the message quotes its error.
        """
        server = await Server.start(
            Program(
                f"vllm serve {spec.name}",
                serve_command(spec),
                spec.options["start_timeout"],
                (folder or data_folder()) / "logs" / _log_name(spec.name),
            )
        )
        try:
            return cls(spec, server, doing)
        except BaseException:
            await server.stop()
            raise

    async def ask(
        self,
        messages: Sequence[Message],
        affinity: str = "",
        form: Mapping[str, Any] = MappingProxyType({}),
    ) -> Response | Failure:
        """Make one call; that the server has ended is noticed at once (``ServerGone``)."""
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
        # A key with a dot is a part of a setting, and takes its value as it stands.
        flag = {} if "." in key else {"true": [f"--{key}"], "false": [f"--no-{key}"]}
        command += flag.get(value.lower(), [f"--{key}", value])
    return command


def _log_name(model: str) -> str:
    name = "".join(c if c.isalnum() or c in "-." else "-" for c in model)
    return f"vllm-{name.strip('.-')[-80:]}.log"
