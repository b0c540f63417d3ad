"""Audio chat models that run here, through Hugging Face transformers."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from jasco.backends.fingerprints import folder_fingerprint
from jasco.backends.options import Option, at_least, one_of
from jasco.backends.specs import Spec
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.models.batches import Batches, Question
from jasco.models.devices import DEVICE
from jasco.models.model import REASONING, Model
from jasco.models.transformers.generation import Generator
from jasco.models.transformers.loading import load
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response


class HuggingFace(Model):
    """A model from the hub or from a folder, asked with its own chat template.

    The weights are loaded in one piece, on one device. Code that a checkpoint brings is not run.
    Answers of a batch share matrix products, whose rounding depends on the company: in half
    precision an answer may differ now and then with another batch size.
    """

    NAME: ClassVar[str | None] = "MODEL"
    raw_name: ClassVar[bool] = False
    uses_audio: ClassVar[bool] = True
    remote: ClassVar[bool] = False
    OPTIONS: ClassVar[Sequence[Option]] = (
        Option("revision", "commit, tag or branch on the hub", identity=True),
        Option(
            "dtype",
            "precision: auto (as published), float32, bfloat16, float16",
            one_of("auto", "float32", "bfloat16", "float16"),
            "auto",
            identity=True,
        ),
        Option("attn", "attention: eager, sdpa, flash_attention_2, ...", identity=True),
        Option("max_tokens", "longest answer", at_least(1, int), 256, identity=True),
        Option("temperature", "0 is greedy", at_least(0, float), 0.0, identity=True),
        REASONING,
        DEVICE,
        Option("batch", "questions answered at once", at_least(1, int), 8),
    )

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._batches = Batches(spec.options["batch"], self._together)
        self._generator: Generator | None = None

    def fingerprint(self) -> str:
        """Hash the checkpoint, where it is a folder."""
        return folder_fingerprint(Path(self.spec.name).expanduser())

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002 (any data will do)
        """Load the model, downloading it at first use, and check that audio reaches it."""
        await self._batches.in_thread(self._load)

    def _load(self) -> None:
        options = self.spec.options
        loaded = load(self.spec.name, options)
        self._generator = Generator(loaded, options["max_tokens"], options["temperature"])
        self.max_audio_seconds = loaded.family.window_seconds(loaded.processor)
        settings = {"generation": self._generator.settings} if self._generator.settings else {}
        self.facts = {**loaded.facts, **settings}

    def _together(self, question: Question) -> int:
        assert self._generator is not None
        return self._generator.together(question)

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Queue the question; the model's thread takes a batch at a time."""
        assert audio is not None
        assert self._generator is not None
        return await self._batches.answer((audio, item.instruction), self._generator.answer_all)

    async def close(self) -> None:
        """End the thread once its call is over, and let go of the model."""
        self._batches.close()
        self._generator = None
