"""Differences between the families of audio chat models, in one place.

Most are asked alike: the chat template turns a conversation into a text with a placeholder, and
the processor replaces the placeholder by as many tokens as the audio is long. A family is a line
in :data:`FAMILIES` where it differs; :data:`OTHER` stands for every model that is not listed.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jasco.data.audio import SAMPLING_RATE
from jasco.models.batches import Question

TINY_WEIGHTS = "tiny weights"
"""Run end to end by the tests, with random weights of a tiny size."""
NOT_RUN = "not run here"
"""Written from the documentation and the source of transformers, never run."""


def fill_template(processor: Any, questions: Sequence[Question]) -> Any:
    """Build a model's inputs from questions, in the form that most families take."""
    return _fill(processor, questions, render(processor, questions))


def fill_plain(processor: Any, questions: Sequence[Question]) -> Any:
    """Build the inputs of a model whose template is the tokenizer's and has no place for audio.

    The placeholder is written into the text, as in the publishers' own examples.
    """
    return _fill(
        processor,
        questions,
        [
            _render(processor.tokenizer, f"{processor.audio_token}{prompt}")
            for _, prompt, _ in questions
        ],
    )


def _fill(processor: Any, questions: Sequence[Question], texts: list[str]) -> Any:
    """Tokenize prompts and extract features of their clips.

    The audio comes before the text, as in the models' own examples. Only the texts are padded
    here: the padding of audio is left to the feature extractor, with whose default the model
    was trained.
    """
    start = processor.tokenizer.bos_token
    return processor(
        text=texts,
        audio=[question.audio.floats for question in questions],
        text_kwargs={
            "padding": True,
            "padding_side": "left",
            # Where the template writes how a text begins, the tokenizer must not do so again.
            "add_special_tokens": not (start and texts[0].startswith(start)),
        },
        audio_kwargs={"sampling_rate": SAMPLING_RATE},
        # Not a plain keyword: some versions drop it beside the others.
        common_kwargs={"return_tensors": "pt"},
    )


def render(processor: Any, questions: Sequence[Question]) -> list[str]:
    """Render the prompts, each with a placeholder for the audio."""
    # Templates recognise audio by the type or by the key; the value is not looked at.
    audio = {"type": "audio", "audio": "clip.wav"}
    return [_render(processor, _content(audio, prompt)) for _, prompt, _ in questions]


def _render(template_owner: Any, content: str | list[dict[str, str]]) -> Any:
    return template_owner.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )


def fill_voxtral(processor: Any, questions: Sequence[Question]) -> Any:
    """Build Voxtral's inputs: its tokenizer writes the prompt and reads the audio in one step.

    The audio goes as a WAV file in base64, the samples as they are. A prompt always ends where
    the answer begins, so there is nothing to add.
    """
    contents = [
        _content({"type": "audio", "base64": base64.b64encode(audio.wav).decode()}, prompt)
        for audio, prompt, _ in questions
    ]
    return processor.apply_chat_template(
        [[{"role": "user", "content": content}] for content in contents]
    )


def _content(audio: dict[str, str], prompt: str) -> list[dict[str, str]]:
    return [audio, {"type": "text", "text": prompt}]


def of_extractor(processor: Any) -> float | None:
    """Return how many seconds the feature extractor keeps of a clip (Whisper's: 30)."""
    samples = getattr(processor.feature_extractor, "n_samples", None)
    return samples / SAMPLING_RATE if samples else None


def of_processor(processor: Any) -> float | None:
    """Return how many seconds the processor keeps, which cuts a clip into windows by itself."""
    seconds = getattr(processor, "max_audio_len", None)
    return float(seconds) if seconds else None


def half_a_minute(processor: Any) -> float:  # noqa: ARG001 (it is declared nowhere)
    """Return 30: the family's feature extractor cuts at 480,000 samples by default."""
    return 30.0


@dataclass(frozen=True)
class Family:
    """How the models of a family are loaded and asked.

    Attributes
    ----------
    tested : str
        :data:`TINY_WEIGHTS` or :data:`NOT_RUN`. No family was run with its real weights.
    inputs : callable
        Makes the model's inputs of a processor and questions.
    max_audio_seconds : callable
        Returns, for a processor, the seconds after which a clip is cut off; None: never.
    mixes : bool
        Whether clips of several lengths may share a batch: tests show that a clip's answer does
        not depend on how long the others are. Qwen3-Omni's does: its encoder pads the last piece
        of a clip to the longest piece in the batch, and encodes the padding. So do some others'.
    model_class : str or None
        The class to load, where the one that the checkpoint names is not wanted.
    adapter : str or None
        The checkpoint's folder of weights that are added to the model's for audio.
    needs : sequence of (module, package)
        Libraries that the processor needs beside transformers.
    """

    tested: str = NOT_RUN
    inputs: Callable[[Any, Sequence[Question]], Any] = fill_template
    max_audio_seconds: Callable[[Any], float | None] = lambda _: None
    mixes: bool = False
    model_class: str | None = None
    adapter: str | None = None
    needs: Sequence[tuple[str, str]] = ()


# Their processors do not load without, though no picture is ever shown.
_IMAGES = (("torchvision", "torchvision"), ("PIL", "pillow"))

FAMILIES: Mapping[str, Family] = {
    "qwen2_audio": Family(TINY_WEIGHTS, max_audio_seconds=of_extractor, mixes=True),
    "voxtral": Family(
        TINY_WEIGHTS,
        inputs=fill_voxtral,  # in windows of 30 s, as many as are needed
        mixes=True,
        needs=(("mistral_common", "'mistral-common[audio]'"),),
    ),
    "audioflamingo3": Family(TINY_WEIGHTS, max_audio_seconds=of_processor, mixes=True),
    "musicflamingo": Family(TINY_WEIGHTS, max_audio_seconds=of_processor, mixes=True),
    # The Thinker writes; the Talker, which speaks, is not loaded.
    "qwen2_5_omni": Family(
        TINY_WEIGHTS,
        max_audio_seconds=of_extractor,
        mixes=True,
        model_class="Qwen2_5OmniThinkerForConditionalGeneration",
        needs=_IMAGES,
    ),
    "qwen3_omni_moe": Family(
        TINY_WEIGHTS,
        model_class="Qwen3OmniMoeThinkerForConditionalGeneration",
        needs=_IMAGES,
    ),
    "gemma3n": Family(
        TINY_WEIGHTS,
        max_audio_seconds=half_a_minute,
        needs=(("PIL", "pillow"), ("timm", "timm")),
    ),
    "gemma4": Family(TINY_WEIGHTS, max_audio_seconds=half_a_minute, mixes=True, needs=_IMAGES),
    "phi4_multimodal": Family(
        TINY_WEIGHTS,
        inputs=fill_plain,
        adapter="speech-lora",  # without, it answers that it cannot listen to audio
        needs=(*_IMAGES, ("peft", "peft")),
    ),
    # Its adapter lies beside the weights, and is silently left out where peft is missing.
    "granite_speech": Family(
        TINY_WEIGHTS,
        inputs=fill_plain,
        needs=(("torchaudio", "torchaudio"), ("peft", "peft")),
    ),
}
"""The families that were looked at, by the ``model_type`` of their configuration."""

OTHER = Family()
"""Any other model: asked as most are, once it is checked that the audio reaches it."""
