"""Differences between the families of audio chat models.

Most families are prompted in the same way: the chat template turns a conversation into a text with
a placeholder, and the processor replaces the placeholder with a number of tokens that depends on
the length of the audio. :data:`FAMILIES` lists the differences; :data:`OTHER` stands for every
model that is not listed.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jasco.data.audio import SAMPLING_RATE, Audio
from jasco.models.batches import Question

TINY_WEIGHTS = "tiny weights"
"""Tested end to end, with a tiny model with random weights."""
NOT_RUN = "not tested"
"""Implemented from the documentation and the source of transformers, never run."""


def fill_template(processor: Any, questions: Sequence[Question]) -> Any:
    """Return a model's inputs for questions, as used by most families."""
    return _fill(processor, questions, render(processor, questions))


def template_tokens(
    processor: Any, questions: Sequence[Question], known: Sequence[int]
) -> list[list[int]] | None:
    """Return the tokens of prompts about one clip, without extracting its features.

    Parameters
    ----------
    processor : object
        A processor of transformers.
    questions : sequence of Question
        Questions about one clip.
    known : sequence of int
        The tokens of the first question, from the family's inputs.

    Returns
    -------
    list of list of int or None
        The tokens that the family's inputs would have for each question; None if they cannot be
        derived, for example because a prompt contains the placeholder.
    """
    return _expanded(processor, render(processor, questions), known)


def fill_plain(processor: Any, questions: Sequence[Question]) -> Any:
    """Return the inputs of a model whose template belongs to the tokenizer and lacks audio.

    The placeholder is written into the text, as in the publishers' examples.
    """
    return _fill(processor, questions, _render_plain(processor, questions))


def plain_tokens(
    processor: Any, questions: Sequence[Question], known: Sequence[int]
) -> list[list[int]] | None:
    """Return the tokens of :func:`fill_plain`, as :func:`template_tokens`."""
    return _expanded(processor, _render_plain(processor, questions), known)


def _render_plain(processor: Any, questions: Sequence[Question]) -> list[str]:
    return [
        _render(processor.tokenizer, prompt if audio is None else processor.audio_token + prompt)
        for audio, prompt, _ in questions
    ]


def _fill(processor: Any, questions: Sequence[Question], texts: list[str]) -> Any:
    """Tokenize prompts and extract features of their clips.

    The audio precedes the text, as in the models' examples. Only the texts are padded here: audio
    is padded by the feature extractor, with the default with which the model was trained.
    """
    audios = [audio.floats for audio, *_ in questions if audio is not None]
    return processor(
        text=texts,
        audio=audios or None,
        text_kwargs={
            "padding": True,
            "padding_side": "left",
            "add_special_tokens": _lacks_start(processor, texts),
        },
        audio_kwargs={"sampling_rate": SAMPLING_RATE},
        # Not a plain keyword argument, which some versions ignore here.
        common_kwargs={"return_tensors": "pt"},
    )


def _lacks_start(processor: Any, texts: Sequence[str]) -> bool:
    """Return whether the tokenizer must add the BOS token, if any: the template does not."""
    start = processor.tokenizer.bos_token
    return not (start and texts[0].startswith(start))


def _expanded(processor: Any, texts: Sequence[str], known: Sequence[int]) -> list[list[int]] | None:
    """Return the tokens of prompts about one clip, given those of the first prompt.

    The processor replaces the placeholder with a text that depends only on the clip. This text is
    read from the known tokens, and inserted into the other prompts.
    """
    tokenizer, token = processor.tokenizer, audio_token(processor, None)
    if token is None:
        return None
    placeholder = tokenizer.convert_ids_to_tokens(token)
    if any(text.count(placeholder) != 1 for text in texts):
        return None
    before, _, after = texts[0].partition(placeholder)
    whole = tokenizer.decode(known, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    start, end = whole.find(before) + len(before), len(whole) - len(after)
    rows: list[list[int]] = tokenizer(
        [text.replace(placeholder, whole[start:end]) for text in texts],
        add_special_tokens=_lacks_start(processor, texts),
    )["input_ids"]
    return rows if rows[0] == list(known) else None


def audio_token(processor: Any, config: Any) -> int | None:
    """Return the token that stands for a piece of audio; None if it is not declared."""
    for holder in (processor, getattr(processor, "tokenizer", None), config):
        for name in ("audio_token_id", "audio_token_index"):
            token = getattr(holder, name, None)
            if isinstance(token, int):
                return token
    text = getattr(processor, "audio_token", None)
    return processor.tokenizer.convert_tokens_to_ids(text) if isinstance(text, str) else None


def render(processor: Any, questions: Sequence[Question]) -> list[str]:
    """Return the prompts, each with a placeholder for the audio, if there is any."""
    # Templates recognise audio by the type or by the key; the value is ignored.
    part = {"type": "audio", "audio": "clip.wav"}
    return [
        _render(processor, _content(None if audio is None else part, prompt))
        for audio, prompt, _ in questions
    ]


def _render(template_owner: Any, content: str | list[dict[str, str]]) -> Any:
    return template_owner.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )


def fill_voxtral(processor: Any, questions: Sequence[Question]) -> Any:
    """Return Voxtral's inputs: its tokenizer creates the prompt and reads the audio in one step.

    The audio is passed as a WAV file in base64, with unchanged samples. The prompt always ends
    where the answer begins, so no generation prompt is added.
    """
    return processor.apply_chat_template(_voxtral_conversations(questions))


def voxtral_tokens(
    processor: Any,
    questions: Sequence[Question],
    known: Sequence[int],  # noqa: ARG001 (the tokenizer reads the clip)
) -> list[list[int]]:
    """Return the tokens of :func:`fill_voxtral`, as :func:`template_tokens`."""
    rows: list[list[int]] = processor.tokenizer.apply_chat_template(
        _voxtral_conversations(questions), tokenize=True, return_dict=False
    )
    return rows


def _voxtral_conversations(questions: Sequence[Question]) -> list[list[dict[str, Any]]]:
    contents = [
        _content(None if audio is None else _wav_part(audio), prompt)
        for audio, prompt, _ in questions
    ]
    return [[{"role": "user", "content": content}] for content in contents]


def _wav_part(audio: Audio) -> dict[str, str]:
    return {"type": "audio", "base64": base64.b64encode(audio.wav).decode()}


def _content(audio: dict[str, str] | None, prompt: str) -> list[dict[str, str]]:
    text = {"type": "text", "text": prompt}
    return [text] if audio is None else [audio, text]


def of_extractor(processor: Any) -> float | None:
    """Return how many seconds of a clip the feature extractor uses (Whisper: 30)."""
    samples = getattr(processor.feature_extractor, "n_samples", None)
    return samples / SAMPLING_RATE if samples else None


def of_processor(processor: Any) -> float | None:
    """Return how many seconds of a clip the processor uses, which splits it into windows."""
    seconds = getattr(processor, "max_audio_len", None)
    return float(seconds) if seconds else None


def half_a_minute(processor: Any) -> float:  # noqa: ARG001 (not declared in the processor)
    """Return 30: the family's feature extractor cuts at 480,000 samples by default."""
    return 30.0


@dataclass(frozen=True)
class Family:
    """How the models of a family are loaded and prompted.

    Attributes
    ----------
    tested : str
        :data:`TINY_WEIGHTS` or :data:`NOT_RUN`. No family was run with its real weights.
    inputs : callable
        Returns the model's inputs, given a processor and questions, all of them with audio or all
        without.
    tokens : callable
        Returns the tokens of prompts about one clip, as :func:`template_tokens`.
    max_audio_seconds : callable
        Returns, given a processor, the seconds after which clips are truncated; None: never.
    mixes : bool
        Whether clips of different lengths may share a batch: tests show that a clip's answer does
        not depend on the length of the others. For Qwen3-Omni it does: the encoder pads the last
        piece of a clip to the longest piece in the batch, and encodes the padding. Some other
        families do the same.
    model_class : str or None
        The class to load, if it is not the one that the checkpoint names.
    adapter : str or None
        The checkpoint's folder with an adapter for audio.
    common_generate : bool
        Whether prompts whose audio is cached are continued with the ``generate`` method that all
        models share instead of the model's own: Granite Speech's disables its adapter if its inputs
        contain no audio.
    needs : sequence of (module, package)
        Libraries that the processor requires in addition to transformers.
    """

    tested: str = NOT_RUN
    inputs: Callable[[Any, Sequence[Question]], Any] = fill_template
    tokens: Callable[[Any, Sequence[Question], Sequence[int]], list[list[int]] | None] = (
        template_tokens
    )
    max_audio_seconds: Callable[[Any], float | None] = lambda _: None
    mixes: bool = False
    model_class: str | None = None
    adapter: str | None = None
    common_generate: bool = False
    needs: Sequence[tuple[str, str]] = ()

    @property
    def accepts_no_audio(self) -> bool:
        """Whether it answers prompts without audio: shown for each family that is tested."""
        return self.tested != NOT_RUN


# Their processors cannot be loaded without these, although no image is used.
_IMAGES = (("torchvision", "torchvision"), ("PIL", "pillow"))

FAMILIES: Mapping[str, Family] = {
    "qwen2_audio": Family(TINY_WEIGHTS, max_audio_seconds=of_extractor, mixes=True),
    "voxtral": Family(
        TINY_WEIGHTS,
        inputs=fill_voxtral,  # as many windows of 30 s as needed
        tokens=voxtral_tokens,
        mixes=True,
        needs=(("mistral_common", "'mistral-common[audio]'"),),
    ),
    "audioflamingo3": Family(TINY_WEIGHTS, max_audio_seconds=of_processor, mixes=True),
    "musicflamingo": Family(TINY_WEIGHTS, max_audio_seconds=of_processor, mixes=True),
    # Only the Thinker, which generates text, is loaded; the Talker, which generates speech, is not.
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
        tokens=plain_tokens,
        adapter="speech-lora",  # without it, the model answers that it cannot listen to audio
        needs=(*_IMAGES, ("peft", "peft")),
    ),
    # Its adapter is stored with the weights, and silently ignored if peft is missing.
    "granite_speech": Family(
        TINY_WEIGHTS,
        inputs=fill_plain,
        tokens=plain_tokens,
        common_generate=True,
        needs=(("torchaudio", "torchaudio"), ("peft", "peft")),
    ),
}
"""The supported families, by the ``model_type`` of their configuration."""

OTHER = Family()
"""Any other model: prompted like most, after a check that it receives audio."""
