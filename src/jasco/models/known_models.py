"""Known models: requirements, maximum length of audio, and how they were tested.

Sizes and licences are those stated by the publishers in November 2026.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jasco.models.transformers.families import FAMILIES, NOT_RUN, TINY_WEIGHTS

_RUN_BY_VLLM = frozenset({"qwen2_audio"})
"""Families that are tested with a real vLLM."""


@dataclass(frozen=True)
class KnownModel:
    """A known model.

    Attributes
    ----------
    name : str
        Its name on the model hub.
    family : str
        Its key in :data:`~jasco.models.transformers.families.FAMILIES`.
    billions : float
        Number of parameters in billions, rounded.
    licence : str
        Licence of its weights.
    max_audio_seconds : float or None
        Maximum length of audio that it processes; None: limited only by its context.
    vllm : bool
        Whether vLLM can serve it.
    """

    name: str
    family: str
    billions: float
    licence: str
    max_audio_seconds: float | None
    vllm: bool = True

    @property
    def gigabytes(self) -> float:
        """Size of its weights in gigabytes, with 16 bits per parameter."""
        return 2 * self.billions

    @property
    def tested(self) -> str:
        """How its family was tested, by provider."""
        tested = f"hf: {FAMILIES[self.family].tested}"
        by_vllm = TINY_WEIGHTS if self.family in _RUN_BY_VLLM else NOT_RUN
        return f"{tested}; vllm: {by_vllm}" if self.vllm else tested


CATALOGUE: Sequence[KnownModel] = (
    KnownModel("Qwen/Qwen2-Audio-7B-Instruct", "qwen2_audio", 8.4, "Apache-2.0", 30.0),
    KnownModel("mistralai/Voxtral-Mini-3B-2507", "voxtral", 4.7, "Apache-2.0", None),
    KnownModel("mistralai/Voxtral-Small-24B-2507", "voxtral", 24.3, "Apache-2.0", None),
    KnownModel(
        "nvidia/audio-flamingo-3-hf", "audioflamingo3", 8.3, "NVIDIA, non-commercial", 600.0
    ),
    KnownModel(
        "nvidia/music-flamingo-2601-hf", "musicflamingo", 8.3, "NVIDIA, non-commercial", 1200.0,
        vllm=False,
    ),
    KnownModel("Qwen/Qwen2.5-Omni-3B", "qwen2_5_omni", 5.5, "Qwen Research", 300.0),
    KnownModel("Qwen/Qwen2.5-Omni-7B", "qwen2_5_omni", 10.7, "Apache-2.0", 300.0),
    KnownModel("Qwen/Qwen3-Omni-30B-A3B-Instruct", "qwen3_omni_moe", 35.3, "Apache-2.0", None),
    KnownModel("google/gemma-3n-E4B-it", "gemma3n", 7.8, "Gemma", 30.0),
    KnownModel("google/gemma-4-E2B-it", "gemma4", 5.1, "Apache-2.0", 30.0),
    KnownModel("google/gemma-4-E4B-it", "gemma4", 7.9, "Apache-2.0", 30.0),
    KnownModel("microsoft/Phi-4-multimodal-instruct", "phi4_multimodal", 5.6, "MIT", None),
    KnownModel("ibm-granite/granite-speech-3.3-2b", "granite_speech", 3.0, "Apache-2.0", None),
)  # fmt: skip


def known_max_audio_seconds(name: str) -> float | None:
    """Return the maximum number of seconds that a model processes; None: no limit, or unknown."""
    return next((known.max_audio_seconds for known in CATALOGUE if known.name == name), None)
