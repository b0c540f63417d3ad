"""Inputs of a model for a batch of questions, and generation from them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from jasco.models.batches import Question
from jasco.models.transformers.loading import Loaded

CACHE_NAMES = ("cache", "past_key_values")
"""The name of the cache of keys and values since transformers 5.24, and before."""


def whole_inputs(loaded: Loaded, questions: Sequence[Question]) -> dict[str, Any]:
    """Return the inputs for complete prompts, padded on the left, on the model's device."""
    inputs = {
        name: _on_device(value, loaded.model)
        for name, value in loaded.family.inputs(loaded.processor, questions).items()
    }
    inputs["input_ids"] = replace_padding(inputs["input_ids"], inputs["attention_mask"])
    return inputs


def replace_padding(tokens: Any, mask: Any) -> Any:
    """Replace padding, which is masked, with the last token of each row.

    A repetition penalty applies to all tokens of the input, masked or not: it would apply to the
    padding token only in prompts that are shorter than others in the batch. Published settings
    that ban repeated n-grams would still see the repeated token.
    """
    return tokens.where(mask == 1, tokens[:, -1:])


def _on_device(value: Any, model: Any) -> Any:
    """Move an input to the model's device; floats also to its precision."""
    if not hasattr(value, "is_floating_point"):
        return value
    return value.to(model.device, model.dtype if value.is_floating_point() else None)


def token_rows(inputs: Mapping[str, Any]) -> list[list[int]]:
    """Return the tokens of each prompt, without padding."""
    return [
        tokens[mask == 1].tolist()
        for tokens, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
    ]


def call_generate(loaded: Loaded, inputs: Mapping[str, Any], **settings: Any) -> Any:
    """Return what the model generates from inputs, with settings that replace the model's."""
    import torch
    import transformers

    is_cached = not inputs.keys().isdisjoint(CACHE_NAMES)
    generate = loaded.model.generate
    if is_cached and loaded.family.common_generate:
        generate = partial(transformers.GenerationMixin.generate, loaded.model)
    with torch.inference_mode():
        return generate(**inputs, **settings)
