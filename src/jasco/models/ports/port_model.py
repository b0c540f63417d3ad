"""The base class of the ports: models loaded from a converted folder."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jasco.backends.fingerprints import folder_fingerprint
from jasco.backends.optional_imports import import_optional
from jasco.backends.options import Option, one_of
from jasco.backends.specs import Spec
from jasco.models.batches import BATCH, PREFIX_CACHE, BatchedModel, Question, prefix_cache_disabled
from jasco.models.devices import DEVICE, choose_device, dtype_option
from jasco.protocol.responses import Response

if TYPE_CHECKING:
    from jasco.models.ports.inference import Inference


def options(*presets: str, prefix_cache: bool = True) -> tuple[Option, ...]:
    """Return the options of a port.

    Parameters
    ----------
    *presets : str
        The names of its presets; the first one is the default.
    prefix_cache : bool
        Whether the port can share the prefix of several prompts.
    """
    return (
        Option("preset", "decoding", one_of(*presets), presets[0], identity=True),
        dtype_option("float16 on a GPU, else float32"),
        DEVICE,
        BATCH,
        *([PREFIX_CACHE] if prefix_cache else []),
    )


class PortModel(BatchedModel):
    """A port, which runs in this process and answers several questions in one batch.

    As with every local model, the composition of a batch affects how sums are rounded. In half
    precision, this occasionally changes an answer.
    """

    NAME = "DIR"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec, spec.options["batch"])
        self._folder = Path(spec.name).expanduser()
        self._inference: Inference[Any, Any]

    @abstractmethod
    def load_folder(self, folder: Path, device: str, dtype: Any) -> "Inference[Any, Any]":
        """Load a converted folder; called once torch and transformers are known to be installed."""

    def fingerprint(self) -> str:
        """Return a hash of the converted folder."""
        return folder_fingerprint(self._folder)

    @property
    def greedy(self) -> bool:
        """Whether the preset selects the likeliest answer, without sampling."""
        return self._inference.is_greedy(self.spec.options["preset"])

    def load(self) -> None:
        """Load the folder."""
        label, settings = self.spec.label, self.spec.options
        packages = "sentencepiece", "safetensors", "torch", "transformers"
        *_, torch, transformers = (import_optional(name, label, "native") for name in packages)
        device = choose_device(label, settings["device"], torch)
        dtype = settings["dtype"]
        if dtype == "auto":
            dtype = "float32" if device == "cpu" else "float16"
        weights = import_optional("jasco.models.ports.state_dict", label, "native")
        with weights.config_checked(self._folder):
            self._inference = self.load_folder(self._folder, device, getattr(torch, dtype))
        self.max_audio_seconds = self._inference.max_audio_seconds
        self.facts = {
            "dtype": dtype,
            "device": device,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
        if "prefix_cache" in settings:
            disabled = prefix_cache_disabled(settings)
            self.facts |= {"prefix_cache": f"off: {disabled}" if disabled else "on"}

    def answer_batch(self, questions: Sequence[Question]) -> list[Response]:
        """Answer each question of a batch."""
        options = self.spec.options
        prefix_cache = options.get("prefix_cache", False)
        return self._inference.answer_all(questions, options["preset"], prefix_cache=prefix_cache)
