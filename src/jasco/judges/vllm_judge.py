"""A language model as judge, behind a vLLM server that is started for it and ended after it."""

from pathlib import Path

from jasco.backends.chat_client import ChatClient
from jasco.backends.fingerprints import folder_fingerprint
from jasco.backends.vllm_server import SERVING_OPTIONS, VllmClient, check_vllm
from jasco.data.dataset import DataSet
from jasco.judges.chat_judge import JUDGING_OPTIONS, ChatJudge


class VllmJudge(ChatJudge):
    """As ``openai``, and ``vllm serve MODEL`` is started first and ended afterwards.

    ``serve.KEY=VALUE`` is handed on as ``--KEY VALUE`` (``serve.KEY=true`` as ``--KEY``), such as
    ``serve.tensor-parallel-size=4``; ``serve.command=PATH`` names the program.
    """

    NAME = "MODEL"
    launches_server = True
    exclusive = True
    OPTIONS = (*JUDGING_OPTIONS, *SERVING_OPTIONS)

    def _connect(self) -> ChatClient | None:
        return None  # there is nobody to connect to yet

    def fingerprint(self) -> str:
        """Hash the checkpoint, where it is a folder."""
        return folder_fingerprint(Path(self.spec.name).expanduser())

    def check(self) -> None:
        """See that vLLM, or what ``serve.command`` names, is there."""
        check_vllm(self.spec)

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002 (any data will do)
        """Start the server and wait until it is ready."""
        self._client = await VllmClient.start(self.spec, self, self.folder, "judging")
