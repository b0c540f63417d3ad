"""The embedded auditory LLM."""

import asyncio
import hashlib
import os
import platform
import re
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from jasco.backends.options import Option, at_least
from jasco.backends.specs import Spec
from jasco.backends.weights import SMOLLM2, WHISPER, YAMNET, find_weight
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.errors import InputError
from jasco.models.cascade.language import MAX_SERVERS, LanguageModel, make_prompt
from jasco.models.cascade.sounds import Tagger
from jasco.models.cascade.speech import Transcriber
from jasco.models.model import Model
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response

_REMEMBERED = 64  # clips; a clip's items come close together


@dataclass(frozen=True)
class Heard:
    """What the ears of the cascade make of a clip: the three likeliest sounds, and the words."""

    tags: tuple[str, ...]
    transcript: str


def item_seed(seed: int, audio: Audio, instruction: str) -> int:
    """Derive the seed of one question, so that no answer depends on which were asked before.

    Parameters
    ----------
    seed : int
        The user's.
    audio : Audio
    instruction : str

    Returns
    -------
    int
        From 0 to 2**32 - 2: to llama.cpp 2**32 - 1 means a random one.
    """
    question = b"\0".join((str(seed).encode(), _digest(audio), instruction.encode()))
    return int.from_bytes(hashlib.blake2b(question, digest_size=8).digest()) % (2**32 - 1)


def _digest(audio: Audio) -> bytes:
    return hashlib.blake2b(audio.samples.tobytes()).digest()


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Name the processor; only the kind of machine where Linux does not say more."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    named = re.search(r"^model name\s*:(.*\S)", text, re.MULTILINE)
    return named[1].strip() if named else platform.machine()


class Cascade(Model):
    """Speech to text and sound tagging, read by a small language model.

    Not a joint model but a chain of three, each of which passes on text alone: Whisper tiny.en
    (39 M parameters; Radford et al., 2023, "Robust speech recognition via large-scale weak
    supervision") writes down the words, greedily; YAMNet (3.7 M; Plakal and Ellis, 2020, trained
    on AudioSet) names the three likeliest sounds that are not speech; SmolLM2-135M-Instruct
    (Allal et al., 2025, "SmolLM2: When smol goes big") gets both, two worked examples and the
    instruction, and answers at temperature 0. All run in 4 to 8 bits on a processor, without a
    network. How something is said, and everything about a sound beyond its name, is lost: what a
    model that hears should beat, and an evaluation that runs anywhere.

    The wording of its prompt was chosen by eye on 32 clips of the published data set, so a figure
    on those flatters it a little.

    What is heard depends on the audio alone and is computed once for a clip's eight instructions.

    Answers are reproducible, byte for byte: on one machine, with the same versions of the
    libraries, an answer depends on the audio, the instruction and the identity options alone. It
    is the same in any order, after an interruption, beside other questions, and on any number of
    the machine's cores. At a temperature above 0 the same holds for each ``seed``. A processor of
    another kind, or another version of a library, may round differently, and an answer may then
    differ.
    """

    NAME: ClassVar[str | None] = None
    raw_name: ClassVar[bool] = False
    uses_audio: ClassVar[bool] = True
    remote: ClassVar[bool] = False
    OPTIONS: ClassVar[Sequence[Option]] = (
        Option("weights", "a folder with the weights, looked into before the cache", read=Path),
        Option("max_tokens", "length of an answer", at_least(1, int), 64, identity=True),
        Option("temperature", "0 is greedy", at_least(0, float), 0.0, identity=True),
        Option("seed", "seed of the sampling", at_least(0, int), 0, identity=True),
    )

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._heard: OrderedDict[bytes, Future[Heard | Failure]] = OrderedDict()
        # Pools of our own: asyncio's shared one has but six threads on two cores.
        self._listening = ThreadPoolExecutor(1, "listening")
        self._servers = min(MAX_SERVERS, len(os.sched_getaffinity(0)))
        self._speaking = ThreadPoolExecutor(self._servers, "speaking")

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002 (any data will do)
        """Load the three models, fetching their weights at first use."""
        await asyncio.get_running_loop().run_in_executor(self._listening, self._load)

    def _load(self) -> None:
        try:  # before anything is downloaded
            import ctranslate2
            import faster_whisper
            import onnxruntime
            import xllamacpp
        except ImportError as error:
            raise InputError(
                f"the cascade needs {error.name or error}: pip install 'jasco[cascade]'"
            ) from error
        libraries = (ctranslate2, faster_whisper, np, onnxruntime, xllamacpp)
        self.facts = {"processor": processor()} | {
            library.__name__: str(library.__version__) for library in libraries
        }
        whisper, yamnet, smollm2 = (
            find_weight(weight, self.spec.options["weights"])
            for weight in (WHISPER, YAMNET, SMOLLM2)
        )
        self._transcriber = Transcriber(whisper)
        self._tagger = Tagger(yamnet)
        self._language_model = LanguageModel(smollm2 / SMOLLM2.files[0].name, self._servers)

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Listen, once a clip, then answer."""
        if audio is None:
            raise ValueError("a model that hears is handed audio")
        # Shielded: an item that is given up takes nothing from the others of its clip.
        heard = await asyncio.shield(asyncio.wrap_future(self._hearing(audio)))
        if isinstance(heard, Failure):
            return heard
        options = self.spec.options
        return await asyncio.get_running_loop().run_in_executor(
            self._speaking,
            self._language_model.reply,
            make_prompt(heard.tags, heard.transcript, item.instruction),
            options["max_tokens"],
            options["temperature"],
            item_seed(options["seed"], audio, item.instruction),
        )

    def _hearing(self, audio: Audio) -> "Future[Heard | Failure]":
        """Begin to listen to this audio, or join who has begun."""
        key = _digest(audio)
        known = self._heard.get(key)
        if known and not (known.done() and isinstance(known.result(), Failure)):  # else once more
            self._heard.move_to_end(key)
            return known
        hearing = self._heard[key] = self._listening.submit(self._hear, audio.floats)
        if len(self._heard) > _REMEMBERED:
            self._heard.popitem(last=False)
        return hearing

    def _hear(self, samples: NDArray[np.float32]) -> Heard | Failure:
        try:
            return Heard(tuple(self._tagger.tags(samples)), self._transcriber.transcript(samples))
        except Exception as error:  # of libraries with kinds of their own: this clip's, no other's
            return Failure("error", f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        """Let running calls end (they are short), drop waiting ones, and free the models."""
        for pool in (self._listening, self._speaking):
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)
        self._heard.clear()
        for name in ("_transcriber", "_tagger", "_language_model"):
            self.__dict__.pop(name, None)
