"""A language model as judge, behind a vLLM server that is started for it and ended after it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jasco.benchmark.dataset import DataSet
from jasco.benchmark.responses import Failure, Response
from jasco.judges.chat import DECODING, JUDGING_OPTIONS, ChatJudge
from jasco.providers.chat import ChatClient, Message
from jasco.providers.folders import data_folder
from jasco.providers.server import Program, Server
from jasco.providers.specs import Option, Spec, at_least


class VllmJudge(ChatJudge):
    """As ``openai``, and ``vllm serve MODEL`` is started first and ended afterwards.

    ``serve.KEY=VALUE`` is handed on as ``--KEY VALUE`` (``serve.KEY=true`` as ``--KEY``), such as
    ``serve.tensor-parallel-size=4``; ``serve.command=PATH`` names the program.
    """

    NAME = "MODEL"
    SERVES = True
    ALONE = True
    OPTIONS = (
        *DECODING,
        *JUDGING_OPTIONS,
        Option("timeout", "seconds for one call", at_least(0.01, float), 600.0),
        Option("start_timeout", "seconds to get ready", at_least(0.01, float), 3600.0),
    )

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._server: Server | None = None

    def _connect(self) -> ChatClient | None:
        return None  # there is nobody to connect to yet

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002 (any data will do)
        """Start the server and wait until it is ready."""
        self._server = await Server.start(
            Program(
                f"vllm serve {self.spec.name}",
                serve_command(self.spec),
                self.spec.options["start_timeout"],
                self.log,
            )
        )
        self._client = ChatClient(self.spec, (self._server.url,))

    @property
    def log(self) -> Path:
        """Where the server's words go."""
        name = "".join(c if c.isalnum() or c in "-." else "-" for c in self.spec.name)
        return (self.folder or data_folder()) / "logs" / f"vllm-{name.strip('.-')[-80:]}.log"

    async def close(self) -> None:
        """End the server."""
        await super().close()
        if self._server:
            server, self._server = self._server, None
            await server.stop()

    async def _call(
        self, messages: list[Message], affinity: str, form: Mapping[str, Any]
    ) -> Response | Failure:
        assert self._server
        asking = asyncio.ensure_future(super()._call(messages, affinity, form))
        try:
            await asyncio.wait([asking, self._server.ended], return_when="FIRST_COMPLETED")
            if self._server.ended.done() and not asking.done():
                raise self._server.gone("while it was judging")
            return await asking
        finally:
            asking.cancel()


def serve_command(spec: Spec) -> list[str]:
    """Put the command together that serves a spec's model."""
    serve = dict(spec.options["serve"])
    command = [serve.pop("command", "vllm"), "serve", spec.name]
    for key, value in serve.items():
        # A key with a dot is a part of a setting, and takes its value as it stands.
        flag = {} if "." in key else {"true": [f"--{key}"], "false": [f"--no-{key}"]}
        command += flag.get(value.lower(), [f"--{key}", value])
    return command
