"""Audio chat models that run locally with Hugging Face transformers."""

from collections.abc import Sequence
from pathlib import Path

from jasco.backends.fingerprints import folder_fingerprint
from jasco.backends.options import Option, at_least
from jasco.backends.specs import Spec
from jasco.models.batches import BATCH, PREFIX_CACHE, BatchedModel, Question, prefix_cache_disabled
from jasco.models.devices import DEVICE, dtype_option
from jasco.models.model import REASONING
from jasco.models.transformers.generation import generate, set_decoding
from jasco.models.transformers.loading import Loaded, load
from jasco.models.transformers.prefix_cache import find_problem
from jasco.protocol.responses import Response


class HuggingFace(BatchedModel):
    """A model from the hub or from a folder, prompted with its own chat template.

    The weights are loaded on one device. Code in a checkpoint is not run. Each clip of a batch is
    processed once (:mod:`~jasco.models.transformers.prefix_cache`). Answers of a batch share
    matrix products, whose rounding depends on the composition of the batch: in half precision, an
    answer may occasionally differ with another batch size. Questions without audio are accepted
    by the families that are tested, and not by others.
    """

    NAME = "MODEL"
    OPTIONS = (
        Option("revision", "commit, tag or branch on the hub", identity=True),
        dtype_option("as published"),
        Option("attn", "attention: eager, sdpa, flash_attention_2, ...", identity=True),
        Option("max_tokens", "maximum tokens of an answer", at_least(1, int), 256, identity=True),
        Option(
            "temperature", "sampling temperature; 0: greedy", at_least(0, float), 0.0, identity=True
        ),
        REASONING,
        DEVICE,
        BATCH,
        PREFIX_CACHE,
    )

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec, spec.options["batch"])
        self._loaded: Loaded | None = None
        self._prefix_cache = False

    def fingerprint(self) -> str:
        """Return a hash of the checkpoint if it is a folder; otherwise an empty text."""
        return folder_fingerprint(Path(self.spec.name).expanduser())

    def load(self) -> None:
        """Load the model, download it on first use, and check that it receives audio."""
        options = self.spec.options
        loaded = self.load_network()
        settings = set_decoding(loaded, options["max_tokens"], options["temperature"])
        self._loaded = loaded
        self.max_audio_seconds = loaded.family.max_audio_seconds(loaded.processor)
        self.accepts_no_audio = loaded.family.accepts_no_audio
        problem = prefix_cache_disabled(options) or find_problem(loaded)
        self._prefix_cache = not problem
        self.facts = {
            **loaded.facts,
            **({"generation": settings} if settings else {}),
            "prefix_cache": f"off: {problem}" if problem else "on",
        }

    def load_network(self) -> Loaded:
        """Return the processor and the network, on their device and in evaluation mode."""
        return load(self.spec.name, self.spec.options)

    def group_of(self, question: Question) -> int:
        """Return the clip's length if clips of other lengths in the batch affect its answer."""
        assert self._loaded
        if question.audio is None or self._loaded.family.mixes:
            return 0
        return len(question.audio.samples)

    def answer_batch(self, questions: Sequence[Question]) -> list[Response]:
        """Generate the answers."""
        assert self._loaded
        return generate(self._loaded, questions, prefix_cache=self._prefix_cache)

    async def close(self) -> None:
        """Stop the thread after its current call, and release the model."""
        await super().close()
        self._loaded = None
