"""What the ports are to the rest of the house: models of ``eval``, from a converted folder."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from jasco.backends.extras import import_optional
from jasco.backends.fingerprints import folder_fingerprint
from jasco.backends.options import Option, at_least, one_of
from jasco.backends.specs import Spec
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.models.batches import Batches, Question
from jasco.models.devices import DEVICE, choose_device
from jasco.models.model import Model
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response

if TYPE_CHECKING:
    from jasco.models.ports.inference import Inference


def options(*presets: str) -> tuple[Option, ...]:
    """Give the options of a port that knows these presets; the first is its default."""
    return (
        Option("preset", "decoding", one_of(*presets), presets[0], identity=True),
        Option(
            "dtype",
            "precision: auto (float16 on a GPU, else float32), float32, float16, bfloat16",
            one_of("auto", "float32", "float16", "bfloat16"),
            "auto",
            identity=True,
        ),
        DEVICE,
        Option("batch", "questions answered at once", at_least(1, int), 8),
    )


class PortModel(Model):
    """A port, which computes here, several questions at once.

    As with any model here, a question's company changes how sums are rounded, and in half
    precision an answer now and then.
    """

    NAME: ClassVar[str | None] = "DIR"
    raw_name: ClassVar[bool] = False
    uses_audio: ClassVar[bool] = True
    remote: ClassVar[bool] = False

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._batches = Batches(spec.options["batch"])
        self._folder = Path(spec.name).expanduser()
        self._system: Inference[Any, Any]

    @abstractmethod
    def load(self, folder: Path, device: str, dtype: Any) -> "Inference[Any, Any]":
        """Load a converted folder; torch and transformers are there."""

    def fingerprint(self) -> str:
        """Hash the converted folder."""
        return folder_fingerprint(self._folder)

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002 (any data will do)
        """Load the folder."""
        await self._batches.in_thread(self._load)

    def _load(self) -> None:
        label, wanted = self.spec.label, self.spec.options
        needed = "sentencepiece", "safetensors", "torch", "transformers"
        *_, torch, transformers = (import_optional(name, label, "native") for name in needed)
        device = choose_device(label, wanted["device"], torch)
        name = wanted["dtype"]
        if name == "auto":
            name = "float32" if device == "cpu" else "float16"
        weights = import_optional("jasco.models.ports.state_dict", label, "native")
        with weights.config_checked(self._folder):
            self._system = self.load(self._folder, device, getattr(torch, name))
        self.max_audio_seconds = self._system.max_audio_seconds
        self.facts = {
            "dtype": name,
            "device": device,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Queue the question; the model's thread takes a batch at a time."""
        assert audio is not None
        return await self._batches.answer((audio, item.instruction), self._answer_all)

    def _answer_all(self, questions: Sequence[Question]) -> list[Response]:
        return self._system.answer_all(questions, self.spec.options["preset"])

    async def close(self) -> None:
        """End the thread once its call is over."""
        self._batches.close()
