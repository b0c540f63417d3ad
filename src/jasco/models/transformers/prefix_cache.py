"""Prefix caching: what the prompts about a clip have in common is processed once per batch.

A prompt consists of the start of the template, the clip, the question and the end of the template.
For each clip of a batch, the features, the audio encoder and the language model up to the question
are computed once. The resulting cache of keys and values is repeated for the clip's questions.
"""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from jasco.data.audio import SAMPLING_RATE, Audio
from jasco.errors import one_line
from jasco.models.batches import Question
from jasco.models.clip_cache import audio_digest
from jasco.models.transformers.families import audio_token
from jasco.models.transformers.inputs import (
    CACHE_NAMES,
    call_generate,
    replace_padding,
    token_rows,
    whole_inputs,
)
from jasco.models.transformers.loading import Loaded


def cached_inputs(loaded: Loaded, questions: Sequence[Question]) -> dict[str, Any] | None:
    """Process complete prompts up to their last token, what they share only once.

    Parameters
    ----------
    loaded : Loaded
        The model.
    questions : sequence of Question
        Questions with audio.

    Returns
    -------
    dict or None
        ``input_ids`` and ``attention_mask`` of the complete prompts, padded on the left, and the
        cache, under the name that the model uses. None if the prompts cannot be processed in parts:
        each clip has one question, the tokens of the prompts cannot be derived from each other, the
        audio is not in the shared part, or the prompts are too long for the model's kind of
        attention.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    firsts, clip_of = group_by_clip(questions)
    if len(firsts) == len(questions):
        return None
    inputs = whole_inputs(loaded, firsts)
    split = _split(loaded, questions, clip_of, token_rows(inputs))
    if split is None or _is_too_long(loaded.model, split):
        return None
    inputs = _starts(inputs, split.lengths)
    rows = torch.tensor(clip_of, device=loaded.model.device)
    name, cache = _prefill(loaded, inputs)
    _select_rows(loaded.model, cache, rows)
    rests = [torch.tensor(rest, device=loaded.model.device) for rest in split.rests]
    tokens, mask = (
        torch.cat([start[rows], pad_sequence(parts, True, padding_side="left")], dim=1)
        for start, parts in (
            (inputs["input_ids"], rests),
            (inputs["attention_mask"], [torch.ones_like(rest) for rest in rests]),
        )
    )
    tokens = replace_padding(tokens, mask)
    if len(tokens[0]) > len(inputs["input_ids"][0]) + 1:
        _prefill(loaded, {"input_ids": tokens[:, :-1], "attention_mask": mask[:, :-1], name: cache})
    if split.is_ragged:
        columns = mask.argsort(dim=1, stable=True)  # padding within prompts is moved to the left
        _select_columns(cache, columns[:, :-1])
        tokens, mask = tokens.gather(1, columns), mask.gather(1, columns)
    return {"input_ids": tokens, "attention_mask": mask, name: cache}


def group_by_clip(questions: Sequence[Question]) -> tuple[list[Question], list[int]]:
    """Return the first question about each clip, and the number of the clip of each question."""
    firsts: list[Question] = []
    numbers: dict[bytes, int] = {}
    clip_of = []
    for question in questions:
        assert question.audio is not None
        number = numbers.setdefault(audio_digest(question.audio), len(firsts))
        if number == len(firsts):
            firsts.append(question)
        clip_of.append(number)
    return firsts, clip_of


class _Split(NamedTuple):
    """How many tokens the prompts about each clip share, and the rest of each prompt."""

    lengths: list[int]
    rests: list[list[int]]

    @property
    def is_ragged(self) -> bool:
        """Whether the rests differ in length, and some are padded."""
        return len({len(rest) for rest in self.rests}) > 1


def _split(
    loaded: Loaded,
    questions: Sequence[Question],
    clip_of: Sequence[int],
    firsts: Sequence[list[int]],
) -> _Split | None:
    """Split prompts, given the tokens of the first prompt about each clip."""
    lengths: list[int] = []
    rests: dict[int, list[int]] = {}
    for clip, known in enumerate(firsts):
        positions = [position for position, other in enumerate(clip_of) if other == clip]
        of_clip = [questions[position] for position in positions]
        prompts = loaded.family.tokens(loaded.processor, of_clip, known)
        if prompts is None:
            return None
        lengths.append(_shared_length(prompts))
        rests |= {
            position: prompt[lengths[-1] :]
            for position, prompt in zip(positions, prompts, strict=True)
        }
    token = audio_token(loaded.processor, loaded.model.config)
    if token is None or any(token in rest for rest in rests.values()):
        return None
    return _Split(lengths, [rests[position] for position in range(len(questions))])


def _shared_length(prompts: Sequence[list[int]]) -> int:
    """Return how many tokens prompts share; at least one is left, which predicts the answer."""
    columns = zip(*(prompt[:-1] for prompt in prompts), strict=False)
    return sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, columns))


def _is_too_long(model: Any, split: _Split) -> bool:
    """Return whether the cache of a batch could differ from that of complete prompts.

    Layers with a sliding window drop the first columns; but where the rests differ in length, all
    columns are needed. Phi-4 computes the positions differently above a length.
    """
    config = model.config.get_text_config()
    columns = max(split.lengths) + max(map(len, split.rests))
    window = getattr(config, "sliding_window", None) if split.is_ragged else None
    length = getattr(config, "original_max_position_embeddings", None)
    return (window is not None and columns > window) or (
        length is not None and columns + model.generation_config.max_new_tokens > length
    )


def _starts(inputs: Mapping[str, Any], lengths: Sequence[int]) -> dict[str, Any]:
    """Return the inputs with only the first tokens of each row, padded on the left."""
    import torch

    mask = inputs["attention_mask"]
    width = max(lengths)
    shift = mask.shape[1] - mask.sum(dim=1) + torch.tensor(lengths, device=mask.device) - width
    columns = shift[:, None] + torch.arange(width, device=mask.device)
    cut = {
        name: value.gather(1, columns.clamp(min=0))
        for name, value in inputs.items()
        if name in ("input_ids", "attention_mask") or name.endswith("token_type_ids")
    }
    cut["attention_mask"] *= columns >= 0
    # Not the last token of the shared part, which may stand for audio.
    cut["input_ids"] = cut["input_ids"].where(
        cut["attention_mask"] == 1, inputs["input_ids"][:, -1:]
    )
    return {**inputs, **cut}


def _prefill(loaded: Loaded, inputs: Mapping[str, Any]) -> tuple[str, Any]:
    """Process inputs, and return the name of the cache and the cache."""
    output = call_generate(
        loaded, inputs, max_new_tokens=1, do_sample=False, return_dict_in_generate=True
    )
    return next((name, output[name]) for name in CACHE_NAMES if name in output)


def _select_rows(model: Any, cache: Any, rows: Any) -> None:
    """Select rows of a cache, and of what the model stores for each row."""
    cache.reorder_cache(rows)
    for module in model.modules():  # Omni models store an offset of the positions
        if (offsets := getattr(module, "rope_deltas", None)) is not None:
            module.rope_deltas = offsets[rows]


def _select_columns(cache: Any, columns: Any) -> None:
    """Select columns of a cache, which differ from row to row."""
    import torch

    rows = torch.arange(len(columns), device=columns.device)[:, None]
    for layer in cache.layers:
        if getattr(layer, "keys", None) is not None:  # layers may share those of other layers
            # Indexing puts the columns before the attention heads.
            layer.keys = layer.keys[rows, :, columns].transpose(1, 2).contiguous()
            layer.values = layer.values[rows, :, columns].transpose(1, 2).contiguous()


_PROMPTS = ("What?", "\n Which sounds do you hear, and what do they mean?")


def find_problem(loaded: Loaded) -> str:
    """Return why prefix caching is not used with a model; empty if it is.

    Two questions about a short clip, and one about another clip if the family mixes them, must have
    the same tokens and logits as without prefix caching. Therefore an unknown model, or a version
    of transformers that behaves differently, is answered with complete prompts.
    """
    clips = [_noise(seconds) for seconds in ((0.5, 0.9) if loaded.family.mixes else (0.5,))]
    questions = [Question(clip, prompt) for clip in clips for prompt in _PROMPTS][:3]
    try:
        whole, cached = whole_inputs(loaded, questions), cached_inputs(loaded, questions)
        if cached is None:
            return "the tokens of its prompts cannot be derived from each other"
        if token_rows(whole) != token_rows(cached):
            return "its prompts have other tokens"
        deviation = _deviation(_logits(loaded, whole), _logits(loaded, cached))
    except Exception as error:  # from any library
        return f"{type(error).__name__}: {one_line(error, 120)}"
    # The effect of rounding is 1e-6 in single precision, and up to 0.01 in half precision.
    if deviation <= (1e-3 if loaded.facts["dtype"] == "float32" else 0.05):
        return ""
    return f"its logits deviate by {deviation:.2g} standard deviations"


def _noise(seconds: float) -> Audio:
    size = int(seconds * SAMPLING_RATE)
    return Audio(np.random.default_rng(0).integers(-8_000, 8_000, size, dtype=np.int16))


def _logits(loaded: Loaded, inputs: Mapping[str, Any]) -> Any:
    """Return the logits of the first two tokens, shape (tokens, rows, vocabulary)."""
    import torch

    settings = {"return_dict_in_generate": True, "output_logits": True}
    output = call_generate(loaded, inputs, max_new_tokens=2, do_sample=False, **settings)
    return torch.stack(output.logits)


def _deviation(expected: Any, found: Any) -> float:
    """Return the root mean square difference, divided by the standard deviation of the logits.

    The second token is compared if the first is the same in all rows.
    """
    same = expected[0].argmax(dim=-1) == found[0].argmax(dim=-1)
    if not same.all():
        expected, found = (logits[:1] for logits in (expected, found))
    return float((expected - found).square().mean().sqrt() / expected.std())
