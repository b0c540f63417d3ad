"""An auditory LLM on a vLLM server that is started before and stopped after use."""

from jasco.backends.chat_provider import VllmProvider
from jasco.backends.vllm_server import SERVING_OPTIONS
from jasco.models.chat_model import ANSWERING_OPTIONS, ChatModel


class VllmModel(VllmProvider, ChatModel):
    """Like ``openai``, but ``vllm serve MODEL`` is started before use and stopped afterwards.

    ``serve.KEY=VALUE`` is passed to the server as ``--KEY VALUE`` (``serve.KEY=true`` as
    ``--KEY``), for example ``serve.max-model-len=8192``; ``serve.command=PATH`` is the path of the
    program. Judges on other servers judge its answers at the same time; judges that start a server
    run afterwards.
    """

    activity = "answering"
    OPTIONS = (*ANSWERING_OPTIONS, *SERVING_OPTIONS)
