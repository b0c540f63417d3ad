"""The language model: SmolLM2-135M-Instruct (Allal et al., 2025) with 4 bits in llama.cpp.

Answers are reproducible. In floating point, the order of a sum affects its last bits, and in
llama.cpp the order depends on the number of threads, on what else is computed in the same batch,
and on how much of a prompt is cached from the previous one. Therefore a server has one thread and
one question at a time, and every prompt is computed in the same three steps: the part that all
questions share, then the description of the clip, then the instruction. The first two are cached.
"""

import queue
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jasco.errors import InputError, whole_text
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure, Response

MAX_SERVERS = 8
"""Maximum number of servers; each uses one core and 60 MB, in addition to shared weights."""

_CONTEXT = 1_024  # tokens of one prompt and answer; the examples and a question take about 240
_SILENT = -1  # llama.cpp's log level below errors: failures are returned as values

# Without examples, such a small model explains the words of the instruction ("The speaker uses
# audio and spoken text"). Their scenes are not from the benchmark. More examples did not help.
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


@dataclass(frozen=True)
class Prompt:
    """A question in SmolLM2's chat format, in the two parts in which it is computed.

    Attributes
    ----------
    clip : str
        The part that all questions share, and the description of the clip, if there is one.
    instruction : str
        The rest, up to the beginning of the answer.
    """

    clip: str
    instruction: str


def make_prompt(tags: Sequence[str], transcript: str, instruction: str) -> Prompt:
    """Format the description of a clip and an instruction for the language model."""
    return _prompt(_described(tags, transcript), instruction)


def make_bare_prompt(instruction: str) -> Prompt:
    """Format an instruction without a clip for the language model."""
    return _prompt("", instruction)


def _prompt(description: str, instruction: str) -> Prompt:
    return Prompt(
        whole_text(_SHARED + description),
        whole_text(f"{_instructed(instruction)}<|im_end|>\n<|im_start|>assistant\n"),
    )


def _described(tags: Sequence[str], transcript: str) -> str:
    speech = f'"{transcript}"' if transcript else "none"
    return f"Sounds: {', '.join(tags) or 'none'}\nSpeech: {speech}\n"


def _instructed(instruction: str) -> str:
    return f"{instruction} Answer in one sentence."


def _turn(role: str, content: str) -> str:
    return f"<|im_start|>{role}\n{content}<|im_end|>\n"


_SHARED = "".join(
    [
        _turn("system", "You infer from sounds and speech what people are doing."),
        *(
            _turn("user", _described(tags, transcript) + _instructed(instruction))
            + _turn("assistant", answer)
            for tags, transcript, instruction, answer in _EXAMPLES
        ),
        "<|im_start|>user\n",
    ]
)
# llama.cpp caches the tokens that a prompt shares with the previous one. After a part and this
# token, with which no description or instruction begins, these are the tokens of the part.
_OTHER = "-"


class LanguageModel:
    """SmolLM2, loaded; calls from several threads are distributed over the servers.

    Parameters
    ----------
    path : Path
        The GGUF file.
    servers : int
        The number of questions that are answered at the same time, each by a server with one
        thread. Answers do not depend on it.
    """

    def __init__(self, path: Path, servers: int) -> None:
        # Each server with the clip's part of the prompt that it computed last.
        self._idle: queue.SimpleQueue[tuple[Any, str]] = queue.SimpleQueue()
        for _ in range(servers):
            self._idle.put((_server(path), ""))

    def reply(
        self, prompt: Prompt, max_tokens: int, temperature: float, seed: int
    ) -> Response | Failure:
        """Answer a question. This blocks; problems are returned as failures."""
        options = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
        computed = ""  # after a failure, the state of the cache is unknown
        server, kept = self._idle.get()
        try:
            response = _answer(server, kept, prompt, options)
            if isinstance(response, Response):
                computed = prompt.clip
            return response
        finally:
            self._idle.put((server, computed))


def _answer(
    server: Any, kept: str, prompt: Prompt, options: Mapping[str, float]
) -> Response | Failure:
    """Reset a server to the description of the clip, and answer from there."""
    parts = (prompt.clip,) if kept == prompt.clip else (_SHARED, prompt.clip)
    for part in parts:
        computed = _complete(server, part + _OTHER, {"max_tokens": 0})
        if isinstance(computed, Failure):
            return computed
    return _complete(server, prompt.clip + prompt.instruction, options)


def _complete(server: Any, text: str, options: Mapping[str, float]) -> Response | Failure:
    try:
        reply = server.handle_completions({"prompt": text, **options})
        if "error" in reply:
            return Failure("rejected", str(reply["error"].get("message", reply["error"])))
        choice, usage = reply["choices"][0], reply["usage"]
        return Response(
            text=whole_text(choice["text"] or ""),
            finish_reason=choice["finish_reason"],
            usage={key: usage[key] for key in ("prompt_tokens", "completion_tokens")},
        )
    except (RuntimeError, ValueError, LookupError, TypeError) as error:
        return Failure("error", f"{type(error).__name__}: {error}")


def _server(path: Path) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_gpu_layers = 0
    params.n_ctx = _CONTEXT
    params.n_parallel = params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cache_ram_mib = 0  # no second cache for earlier prompts
    # Half of the time to load: a trial run, and a trial load that fits free parameters to memory.
    params.warmup = params.fit_params = False
    params.verbosity = _SILENT
    # The server always listens on a free port of this machine.
    params.api_keys = [secrets.token_hex()]
    params.ui = params.endpoint_slots = False
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise InputError(
            f"{path}: cannot be loaded by xllamacpp {xllamacpp.__version__}: {error}"
        ) from error
    # Deleting a server before its thread runs blocks forever; this request waits for the thread.
    _complete(server, _OTHER, {"max_tokens": 0})
    return server
