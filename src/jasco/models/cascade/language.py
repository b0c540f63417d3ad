"""The language model: SmolLM2-135M-Instruct (Allal et al., 2025) in 4 bits through llama.cpp."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jasco.benchmark.errors import InputError, whole_text
from jasco.benchmark.instructions import INSTRUCTIONS
from jasco.benchmark.responses import Failure, Response

PARALLEL = 8
"""Conversations generated at once: a clip's instructions."""

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

    The part that all clips share comes first, and the instruction last, so that llama.cpp can
    keep what it computed for the beginning.
    """
    messages = [{"role": "system", "content": _SYSTEM}]
    for sounds, speech, instructed, answer in _EXAMPLES:
        messages.append({"role": "user", "content": _user(sounds, speech, instructed)})
        messages.append({"role": "assistant", "content": answer})
    messages.append({"role": "user", "content": _user(tags, transcript, instruction)})
    return messages


def _user(tags: Sequence[str], transcript: str, instruction: str) -> str:
    return _USER.format(
        sounds=", ".join(tags) or "none",
        speech=f'"{transcript}"' if transcript else "none",
        instruction=instruction,
    )


class LanguageModel:
    """SmolLM2, ready to answer; calls from several threads are generated together.

    Parameters
    ----------
    path : Path
        The GGUF file.
    threads : int
        Processor threads for all conversations.
    """

    def __init__(self, path: Path, threads: int) -> None:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_parallel = PARALLEL
        params.n_ctx = PARALLEL * _CONTEXT
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.verbosity = _SILENT
        # The server listens on a free port of this machine whether we want it or not.
        params.api_keys = [secrets.token_hex()]
        params.ui = params.endpoint_slots = False
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            raise InputError(
                f"{path}: xllamacpp {xllamacpp.__version__} cannot load it: {error}"
            ) from error

    def reply(
        self, messages: list[dict[str, str]], max_tokens: int, temperature: float
    ) -> Response | Failure:
        """Continue a conversation by one turn. Blocks; what goes wrong comes back as a failure."""
        question = {
            # llama.cpp takes no lone surrogates, nor does the run's file.
            "messages": [
                message | {"content": whole_text(message["content"])} for message in messages
            ],
            "max_tokens": max_tokens,
            "temperature": temperature,
        }
        try:
            return _response(self._server.handle_chat_completions(question))
        except (RuntimeError, ValueError, LookupError, TypeError) as error:
            return Failure("error", f"{type(error).__name__}: {error}")


def _response(reply: dict[str, Any]) -> Response | Failure:
    if "error" in reply:
        return Failure("rejected", str(reply["error"].get("message", reply["error"])))
    choice, usage = reply["choices"][0], reply["usage"]
    return Response(
        text=whole_text(choice["message"]["content"] or ""),
        finish_reason=choice["finish_reason"],
        usage={key: usage[key] for key in ("prompt_tokens", "completion_tokens")},
    )
