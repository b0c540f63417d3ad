"""The language model: SmolLM2-135M-Instruct (Allal et al., 2025) in 4 bits through llama.cpp.

Answers are reproducible. In floating point the order of a sum decides its last bits, and llama.cpp
chooses the order by how many threads there are, how many conversations and tokens are computed
together, and how much of a prompt is still in its cache. So each server has one thread and one
conversation at a time, and is taken back to the same state before each question.
"""

import queue
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jasco.benchmark.errors import InputError, whole_text
from jasco.benchmark.instructions import INSTRUCTIONS
from jasco.benchmark.responses import Failure, Response

MAX_SERVERS = 8
"""Most servers: each takes a core and 60 MB, beside the weights, which they share."""

_CONTEXT = 1_024  # tokens of one conversation; the examples and a question take about 240
_SILENT = -1  # llama.cpp's log level below errors: what fails comes back as a value


_SYSTEM = "You infer from sounds and speech what people are doing."
_USER = """\
Sounds: {sounds}
Speech: {speech}
{instruction} Answer in one sentence."""
# Without examples so small a model explains the words of the instruction ("The speaker uses audio
# and spoken text"). Their scenes are none of the benchmark's. More of them helped no further.
_EXAMPLES = (
    (
        ("Sewing machine", "Mechanisms", "Inside, small room"),
        "It is still too long at the knees.",
        INSTRUCTIONS[0],
        "They are likely shortening a dress with a sewing machine.",
    ),
    (
        ("Sheep", "Bleat", "Animal"),
        "Close the gate behind you.",
        INSTRUCTIONS[4],
        "They are likely bringing the sheep into a field on a farm.",
    ),
)


def conversation(tags: Sequence[str], transcript: str, instruction: str) -> list[dict[str, str]]:
    """Put what was heard, and the instruction, into words for the language model.

    The part that all questions share comes first, so that llama.cpp can keep what it computed for
    it.
    """
    return [*_SHARED, {"role": "user", "content": _user(tags, transcript, instruction)}]


def _user(tags: Sequence[str], transcript: str, instruction: str) -> str:
    return _USER.format(
        sounds=", ".join(tags) or "none",
        speech=f'"{transcript}"' if transcript else "none",
        instruction=instruction,
    )


_SHARED = [{"role": "system", "content": _SYSTEM}]
for _sounds, _speech, _instruction, _answer in _EXAMPLES:
    _SHARED += [
        {"role": "user", "content": _user(_sounds, _speech, _instruction)},
        {"role": "assistant", "content": _answer},
    ]
# A question that begins like none (they begin with "Sounds:"), and is not answered. llama.cpp
# keeps what a prompt has in common with the one before. After this one that is the shared part
# alone, to the token; after another question about the clip it would be more.
_REWIND = {"messages": [*_SHARED, {"role": "user", "content": "-"}], "max_tokens": 0}


class LanguageModel:
    """SmolLM2, ready to answer; calls from several threads are spread over the servers.

    Parameters
    ----------
    path : Path
        The GGUF file.
    servers : int
        How many questions are answered at once, each by a server with a thread of its own. The
        answers do not depend on it.
    """

    def __init__(self, path: Path, servers: int) -> None:
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(servers):
            self._idle.put(_server(path))

    def reply(
        self, messages: list[dict[str, str]], max_tokens: int, temperature: float, seed: int
    ) -> Response | Failure:
        """Continue a conversation by one turn. Blocks; what goes wrong comes back as a failure."""
        question = {
            # llama.cpp takes no lone surrogates, nor does the run's file.
            "messages": [
                message | {"content": whole_text(message["content"])} for message in messages
            ],
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
        }
        server = self._idle.get()
        try:
            rewound = server.handle_chat_completions(_REWIND)
            if "error" in rewound:
                return Failure("error", f"llama.cpp: {rewound['error']}")
            return _response(server.handle_chat_completions(question))
        except (RuntimeError, ValueError, LookupError, TypeError) as error:
            return Failure("error", f"{type(error).__name__}: {error}")
        finally:
            self._idle.put(server)


def _server(path: Path) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_gpu_layers = 0
    params.n_ctx = _CONTEXT
    params.n_parallel = params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cache_ram_mib = 0  # no second cache, of earlier prompts
    params.verbosity = _SILENT
    # The server listens on a free port of this machine whether we want it or not.
    params.api_keys = [secrets.token_hex()]
    params.ui = params.endpoint_slots = False
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise InputError(
            f"{path}: xllamacpp {xllamacpp.__version__} cannot load it: {error}"
        ) from error


def _response(reply: dict[str, Any]) -> Response | Failure:
    if "error" in reply:
        return Failure("rejected", str(reply["error"].get("message", reply["error"])))
    choice, usage = reply["choices"][0], reply["usage"]
    return Response(
        text=whole_text(choice["message"]["content"] or ""),
        finish_reason=choice["finish_reason"],
        usage={key: usage[key] for key in ("prompt_tokens", "completion_tokens")},
    )
