"""The common base class of models and judges that use a chat client."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from jasco.backends.chat_client import ChatClient
from jasco.backends.chat_requests import Message, request_format
from jasco.backends.fingerprints import folder_fingerprint
from jasco.backends.specs import Provider, Spec
from jasco.backends.vllm_server import VllmClient, VllmServer, check_vllm
from jasco.data.dataset import DataSet


class ChatProvider(Provider):
    """A provider on a server that speaks OpenAI's chat completions."""

    NAME = "MODEL"
    METERED = True

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        # A launched server does not exist before prepare.
        self._client = None if self.launches_server else ChatClient(self)

    def check(self) -> None:
        """Raise ``InputError`` if no server is named and the default cannot serve the model."""
        if self._client:
            self._client.check()

    def _request_body(
        self, messages: Sequence[Message], form: Mapping[str, Any] = MappingProxyType({})
    ) -> Mapping[str, Any]:
        return request_format(self.spec, self.adaptations).body(messages, form)

    async def close(self) -> None:
        """Close the connections, and stop the server if jasco started it."""
        if self._client:
            await self._client.close()


class VllmProvider(ChatProvider):
    """A provider whose server, ``vllm serve MODEL``, is started before use and stopped afterwards.

    ``serve.KEY=VALUE`` is passed to the server as ``--KEY VALUE`` (``serve.KEY=true`` as
    ``--KEY``), for example ``serve.tensor-parallel-size=4``; ``serve.command=PATH`` is the path of
    the program.
    """

    launches_server = True
    activity: ClassVar[str]
    """The server's task, such as "judging", for messages."""

    def fingerprint(self) -> str:
        """Return a hash of the checkpoint if it is a folder; otherwise an empty text."""
        return folder_fingerprint(Path(self.spec.name).expanduser())

    def check(self) -> None:
        """Raise ``InputError`` if vLLM, or the program of ``serve.command``, is missing."""
        check_vllm(self.spec)

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002 (the data makes no difference)
        """Start the server and wait until it is ready."""
        server = VllmServer(self.spec, self.folder)
        await server.start()
        self._client = VllmClient(self, server, self.activity)
