"""A language model as judge, on a vLLM server that is started before and stopped after use."""

from jasco.backends.chat_provider import VllmProvider
from jasco.backends.vllm_server import SERVING_OPTIONS
from jasco.judges.chat_judge import JUDGING_OPTIONS, ChatJudge


class VllmJudge(VllmProvider, ChatJudge):
    """Like ``openai``, but ``vllm serve MODEL`` is started before use and stopped afterwards.

    ``serve.KEY=VALUE`` is passed to the server as ``--KEY VALUE`` (``serve.KEY=true`` as
    ``--KEY``), for example ``serve.tensor-parallel-size=4``; ``serve.command=PATH`` is the path of
    the program.
    """

    activity = "judging"
    exclusive = True
    OPTIONS = (*JUDGING_OPTIONS, *SERVING_OPTIONS)
