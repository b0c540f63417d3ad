"""The built-in auditory LLM."""

import asyncio
import hashlib
import platform
import re
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jasco.backends.optional_imports import import_optional
from jasco.backends.options import Option, at_least
from jasco.backends.specs import Spec
from jasco.backends.weights import SMOLLM2, WHISPER, YAMNET, find_weight
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.models.cascade.language import (
    MAX_SERVERS,
    LanguageModel,
    make_bare_prompt,
    make_prompt,
)
from jasco.models.cascade.sounds import Tagger
from jasco.models.cascade.speech import Transcriber
from jasco.models.clip_cache import ClipCache, audio_digest
from jasco.models.devices import available_cores
from jasco.models.model import Model
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response

Description = tuple[list[str], str]
"""The description of a clip for the language model: its three most likely sounds, its speech."""


def item_seed(seed: int, audio: Audio | None, instruction: str) -> int:
    """Return the seed of a question, so that answers do not depend on earlier questions.

    Parameters
    ----------
    seed : int
        The user's seed.
    audio : Audio or None
    instruction : str

    Returns
    -------
    int
        From 0 to 2**32 - 2; for llama.cpp, 2**32 - 1 means a random seed.
    """
    digest = b"" if audio is None else audio_digest(audio)
    question = b"\0".join((str(seed).encode(), digest, instruction.encode()))
    return int.from_bytes(hashlib.blake2b(question, digest_size=8).digest()) % (2**32 - 1)


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name, or the machine type if Linux does not report a name."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    named = re.search(r"^model name\s*:(.*\S)", text, re.MULTILINE)
    return named[1].strip() if named else platform.machine()


class Cascade(Model):
    """Speech recognition and sound tagging, followed by a small language model.

    Not a joint model but a chain of three models that exchange only text: Whisper tiny.en (39 M
    parameters; Radford et al., 2023, "Robust speech recognition via large-scale weak supervision")
    transcribes the words with greedy decoding; YAMNet (3.7 M; Plakal and Ellis, 2020, trained on
    AudioSet) names the three most likely sounds other than speech; SmolLM2-135M-Instruct (Allal et
    al., 2025, "SmolLM2: When smol goes big") receives both, two examples and the instruction, and
    answers at temperature 0. All of them run with 4 to 8 bits on a CPU, without a network. The tone
    of speech, and everything about a sound except its name, is lost: this is a baseline for models
    that process the audio itself, and a model that runs anywhere.

    The wording of its prompt was chosen manually on 32 clips of the published data set, so results
    on that data set are slightly optimistic.

    Sounds and words depend only on the audio and are computed once for a clip's eight instructions.
    Without audio, the question to the language model is the instruction alone, without lines for
    sounds and speech.

    Answers are reproducible byte for byte: on one machine, with the same versions of the libraries,
    an answer depends only on the audio, the instruction and the identity options. It does not
    depend on the order of questions, on interruptions, on other questions, or on the number of
    cores. At a temperature above 0, the same holds for each ``seed``; sample ``s`` of an answer,
    counted from 0, uses ``seed + s``. Another processor type or another library version may round
    differently, which can change an answer.
    """

    accepts_no_audio = True
    OPTIONS = (
        Option("weights", "folder with the weights, searched before the cache", read=Path),
        Option("max_tokens", "maximum tokens of an answer", at_least(1, int), 64, identity=True),
        Option(
            "temperature", "sampling temperature; 0: greedy", at_least(0, float), 0.0, identity=True
        ),
        Option("seed", "sampling seed", at_least(0, int), 0, identity=True),
    )

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._descriptions: ClipCache[Future[Description | Failure]] = ClipCache()
        # Separate pools: asyncio's default pool has only six threads on two cores.
        self._describing = ThreadPoolExecutor(1, "describing")
        self._servers = min(MAX_SERVERS, available_cores())
        self._replying = ThreadPoolExecutor(self._servers, "replying")

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002 (the data makes no difference)
        """Load the three models, and download their weights on first use."""
        await asyncio.get_running_loop().run_in_executor(self._describing, self._load)

    def _load(self) -> None:
        self.facts = {"processor": processor()} | {  # before anything is downloaded
            name: str(import_optional(name, "the cascade", "cascade").__version__)
            for name in ("ctranslate2", "faster_whisper", "numpy", "onnxruntime", "xllamacpp")
        }
        folder = self.spec.options["weights"]
        self._transcriber = Transcriber(find_weight(WHISPER, folder))
        self._tagger = Tagger(find_weight(YAMNET, folder))
        smollm2 = find_weight(SMOLLM2, folder) / next(iter(SMOLLM2.files))
        self._language_model = LanguageModel(smollm2, self._servers)

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Describe the clip, once for all its items, then answer."""
        if audio is None:
            prompt = make_bare_prompt(item.instruction)
        else:
            # Shielded: a cancelled item must not cancel the description for other items.
            description = await asyncio.shield(asyncio.wrap_future(self._described(audio)))
            if isinstance(description, Failure):
                return description
            prompt = make_prompt(*description, item.instruction)
        options = self.spec.options
        return await asyncio.get_running_loop().run_in_executor(
            self._replying,
            self._language_model.reply,
            prompt,
            options["max_tokens"],
            options["temperature"],
            item_seed(options["seed"] + item.sample, audio, item.instruction),
        )

    def _described(self, audio: Audio) -> "Future[Description | Failure]":
        """Return the description of a clip from the cache, finished or pending, or a new one."""
        description = self._descriptions.get(audio)
        if not description or (description.done() and isinstance(description.result(), Failure)):
            description = self._describing.submit(self._describe, audio.floats)
            self._descriptions.put(audio, description)
        return description

    def _describe(self, samples: NDArray[np.float32]) -> Description | Failure:
        try:
            return self._tagger.tags(samples), self._transcriber.transcript(samples)
        except Exception as error:  # library-specific classes; concerns this clip
            return Failure("error", f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        """Wait for running calls (they are short), cancel waiting ones, and release the models."""
        for pool in (self._describing, self._replying):
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)
        self._descriptions = ClipCache()
        for name in ("_transcriber", "_tagger", "_language_model"):
            self.__dict__.pop(name, None)
