"""Generation of answers, a batch at a time."""

from collections.abc import Sequence

from jasco.errors import whole_text
from jasco.models.batches import Question
from jasco.models.transformers.inputs import call_generate, whole_inputs
from jasco.models.transformers.loading import Loaded
from jasco.models.transformers.prefix_cache import cached_inputs
from jasco.protocol.responses import Response

_SET_HERE = {
    "do_sample", "temperature", "max_length", "max_new_tokens",
    "eos_token_id", "pad_token_id", "bos_token_id", "transformers_version",
}  # fmt: skip


def set_decoding(loaded: Loaded, max_tokens: int, temperature: float) -> str:
    """Set the decoding of a model.

    Parameters
    ----------
    loaded : Loaded
        The model, whose generation settings are changed.
    max_tokens : int
        Maximum number of tokens of an answer.
    temperature : float
        0: greedy decoding; otherwise tokens are sampled, with the publisher's
        top_k and top_p.

    Returns
    -------
    str
        The publisher's settings that still apply, such as ``repetition_penalty=1.1``.
    """
    settings, tokenizer = loaded.model.generation_config, loaded.processor.tokenizer
    if temperature:
        settings.do_sample, settings.temperature = True, temperature
    else:
        settings.do_sample = False
        for name in ("temperature", "top_p", "top_k", "min_p", "typical_p"):
            setattr(settings, name, None)  # otherwise transformers warns that they are not used
    settings.max_length = None  # includes the prompt; max_new_tokens does not
    settings.max_new_tokens = max_tokens
    settings.cache_implementation = None  # others have a fixed size; the answers are the same
    if settings.eos_token_id is None:
        settings.eos_token_id = tokenizer.eos_token_id
    if settings.pad_token_id is None:
        settings.pad_token_id = tokenizer.pad_token_id
    return ", ".join(
        f"{name}={value}"
        for name, value in sorted(settings.to_diff_dict().items())
        if not name.startswith("_") and name not in _SET_HERE
    )


def generate(
    loaded: Loaded, questions: Sequence[Question], *, prefix_cache: bool
) -> list[Response]:
    """Generate the answers of a batch, whose questions all have audio, or all have none.

    Prefix caching changes only how the prompts are processed.
    """
    model = loaded.model
    has_audio = questions[0].audio is not None
    if loaded.family.adapter:  # the publisher does not use an adapter for audio without audio
        (model.enable_adapters if has_audio else model.disable_adapters)()
    inputs = cached_inputs(loaded, questions) if prefix_cache and has_audio else None
    inputs = inputs or whole_inputs(loaded, questions)
    generated = call_generate(loaded, inputs)
    prompt_tokens = inputs["attention_mask"].sum(dim=1).tolist()
    rows = generated[:, inputs["input_ids"].shape[1] :].tolist()
    return [_response(loaded, *row) for row in zip(rows, prompt_tokens, strict=True)]


def _response(loaded: Loaded, row: list[int], prompt_tokens: int) -> Response:
    """Return the response in one row of a batch, which is padded after the EOS token."""
    ends = loaded.model.generation_config.eos_token_id
    ends = [ends] if isinstance(ends, int) else ends or ()
    end = next((place for place, token in enumerate(row) if token in ends), None)
    tokens = row[:end]
    return Response(
        text=whole_text(loaded.processor.tokenizer.decode(tokens, skip_special_tokens=True)),
        finish_reason="length" if end is None else "stop",
        usage={
            "prompt_tokens": prompt_tokens,
            "completion_tokens": len(tokens) + (end is not None),
        },
    )
