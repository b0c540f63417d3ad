"""A language model as judge, behind a vLLM server that is started for it and ended after it."""

from jasco.backends.chat_provider import VllmProvider
from jasco.backends.vllm_server import SERVING_OPTIONS
from jasco.judges.chat_judge import JUDGING_OPTIONS, ChatJudge


class VllmJudge(VllmProvider, ChatJudge):
    """As ``openai``, and ``vllm serve MODEL`` is started first and ended afterwards.

    ``serve.KEY=VALUE`` is handed on as ``--KEY VALUE`` (``serve.KEY=true`` as ``--KEY``), such as
    ``serve.tensor-parallel-size=4``; ``serve.command=PATH`` names the program.
    """

    activity = "judging"
    exclusive = True
    OPTIONS = (*JUDGING_OPTIONS, *SERVING_OPTIONS)
