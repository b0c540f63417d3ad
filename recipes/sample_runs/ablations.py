"""Ablations of the cascade: its language model is given only the transcript, or only the sounds.

    jasco eval python/recipes/sample_runs/ablations.py:speech_only --name speech-only ...

The other cue is described as ``none``, as the cascade does for a clip without it.
"""

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from jasco.backends.weights import SMOLLM2, WHISPER, YAMNET, find_weight
from jasco.models.cascade.language import LanguageModel, Prompt, make_bare_prompt, make_prompt
from jasco.models.cascade.sounds import Tagger
from jasco.models.cascade.speech import Transcriber
from jasco.protocol.responses import Failure

Samples = NDArray[np.float32]
_MAX_TOKENS = 64  # the default of the cascade
_CLIPS = 64  # whose descriptions are kept: the eight questions on a clip are asked in succession

_transcriber = cache(lambda: Transcriber(find_weight(WHISPER)))
_tagger = cache(lambda: Tagger(find_weight(YAMNET)))


@cache
def _language_model() -> LanguageModel:
    return LanguageModel(find_weight(SMOLLM2) / next(iter(SMOLLM2.files)), servers=1)


@lru_cache(_CLIPS)
def _transcript(samples: bytes) -> str:
    return _transcriber().transcript(np.frombuffer(samples, np.float32))


@lru_cache(_CLIPS)
def _tags(samples: bytes) -> list[str]:
    return _tagger().tags(np.frombuffer(samples, np.float32))


def _reply(prompt: Prompt) -> str:
    reply = _language_model().reply(prompt, _MAX_TOKENS, temperature=0.0, seed=0)
    if isinstance(reply, Failure):
        raise RuntimeError(reply.message)
    return reply.text


def speech_only(audio: Samples | None, sampling_rate: int, prompt: str) -> str:  # noqa: ARG001
    """Answer from the transcript, without the sounds."""
    if audio is None:
        return _reply(make_bare_prompt(prompt))
    return _reply(make_prompt([], _transcript(audio.tobytes()), prompt))


def sound_only(audio: Samples | None, sampling_rate: int, prompt: str) -> str:  # noqa: ARG001
    """Answer from the sounds, without the transcript."""
    if audio is None:
        return _reply(make_bare_prompt(prompt))
    return _reply(make_prompt(_tags(audio.tobytes()), "", prompt))
