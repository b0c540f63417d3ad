"""An auditory LLM behind a vLLM server that is started for it and ended after it."""

from jasco.backends.chat_provider import VllmProvider
from jasco.backends.vllm_server import SERVING_OPTIONS
from jasco.models.chat_model import ANSWERING_OPTIONS, ChatModel


class VllmModel(VllmProvider, ChatModel):
    """As ``openai``, and ``vllm serve MODEL`` is started first and ended afterwards.

    ``serve.KEY=VALUE`` is handed on as ``--KEY VALUE`` (``serve.KEY=true`` as ``--KEY``), such as
    ``serve.max-model-len=8192``; ``serve.command=PATH`` names the program. Judges on other servers
    judge its answers meanwhile; those that start a server of their own follow it.
    """

    activity = "answering"
    OPTIONS = (*ANSWERING_OPTIONS, *SERVING_OPTIONS)
