"""Prefix caching: answers do not change, and each clip is processed once per batch."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jasco.data.audio import Audio
from jasco.models.batches import Question
from jasco.models.transformers import HuggingFace, families, generation, loading, prefix_cache
from jasco.models.transformers.inputs import token_rows, whole_inputs
from jasco.protocol.responses import Failure
from local_models import Questions, ask
from outcomes import texts
from synthetic import tone

torch = pytest.importorskip("torch", reason="needs the extra transformers")
pytest.importorskip("transformers", reason="needs the extra transformers")

import tiny_models  # noqa: E402

pytestmark = pytest.mark.slow
CLIPS = [Audio(tone(clip, seconds)) for clip, seconds in enumerate((0.5, 3.1, 1.7, 2.3))]
PLAIN = "prefix_cache=false"


def questions_about(*numbers: int) -> list[tuple[str, Audio]]:
    """Return so many questions of different lengths about each clip, in turn."""
    return [
        (f"{number} What?{' And why?' * ((3 * number + clip) % 5)}", CLIPS[clip])
        for number in range(max(numbers))
        for clip, most in enumerate(numbers)
        if number < most
    ]


def network_of(model: HuggingFace) -> Any:
    return model._loaded.model  # type: ignore[union-attr]


def clips_passed_to(patch: pytest.MonkeyPatch, owner: Any, method: str, position: int) -> list[int]:
    """Record the number of clips in each call of a method, in the argument at a position."""
    clips, original = list[int](), getattr(owner, method)

    def record(*args: Any, **kwargs: Any) -> Any:
        clips.append(len(args[position]))
        return original(*args, **kwargs)

    patch.setattr(owner, method, record)
    return clips


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_answers_are_those_of_complete_prompts(
    load: Any, checkpoint: Callable[[str], Path], family: str
) -> None:
    folder, questions = checkpoint(family), questions_about(4, 2, 1)
    options = ("dtype=float32", "max_tokens=8", "batch=7")
    cached, whole = (load(folder, *options, option) for option in ("prefix_cache=true", PLAIN))
    assert cached.facts["prefix_cache"] == "on"
    assert whole.facts["prefix_cache"] == "off: prefix_cache=false"
    for model in (cached, whole):
        network_of(model).generation_config.repetition_penalty = 1.5
    expected = ask(whole, questions)
    assert ask(cached, questions) == expected
    assert len(set(texts(expected))) > 3


def test_answers_do_not_depend_on_the_size_of_a_batch(load: Any, checkpoint: Any) -> None:
    questions = questions_about(8, 3, 1, 12)
    options = ("dtype=float32", "max_tokens=8", "batch=24")
    model = load(checkpoint("qwen2_audio"), *options)
    expected = ask(load(checkpoint("qwen2_audio"), *options, PLAIN), questions)
    for size in (1, 8, 24):
        model.batch_size = size
        assert ask(model, questions) == expected
    assert len(set(texts(expected))) > 12


def test_the_inputs_are_those_of_complete_prompts(load: Any, checkpoint: Any) -> None:
    loaded = load(checkpoint("qwen2_audio"))._loaded
    questions = [Question(audio, prompt) for prompt, audio in questions_about(3, 2)]
    whole = whole_inputs(loaded, questions)
    cached = prefix_cache.cached_inputs(loaded, questions)
    assert cached is not None
    assert token_rows(cached) == token_rows(whole)
    columns = cached["attention_mask"].diff(dim=1)
    assert (columns >= 0).all()  # all padding is on the left


def test_a_clip_is_processed_once_per_batch(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(checkpoint("qwen2_audio"), "max_tokens=4", "batch=16")
    extractor = type(model._loaded.processor.feature_extractor)
    extracted = clips_passed_to(monkeypatch, extractor, "__call__", 1)
    encoded = clips_passed_to(monkeypatch, network_of(model).model.audio_tower, "forward", 0)
    texts(ask(model, questions_about(8, 8)))
    assert extracted == encoded == [2]


def test_questions_about_equal_audio_are_about_one_clip() -> None:
    equal = [Audio(CLIPS[0].samples.copy()) for _ in range(2)]
    questions = [Question(audio, "?") for audio in (equal[0], CLIPS[1], equal[1])]
    firsts, clip_of = prefix_cache.group_by_clip(questions)
    assert clip_of == [0, 1, 0]
    assert [len(one.audio.samples) for one in firsts if one.audio] == [8_000, 49_600]


def test_repeated_questions_and_prompts_without_audio_are_answered(
    load: Any, checkpoint: Any
) -> None:
    questions: Questions = [
        *questions_about(1) * 3,
        ("What?", None),
        ("What is it?", CLIPS[1]),
        ("Hm?", None),
    ]
    cached, whole = (
        load(checkpoint("qwen2_audio"), "dtype=float32", "max_tokens=8", option)
        for option in ("batch=8", PLAIN)
    )
    assert ask(cached, questions) == ask(whole, questions)


def test_samples_with_one_seed_are_those_of_complete_prompts(load: Any, checkpoint: Any) -> None:
    async def answers_of(model: HuggingFace) -> list[Any]:
        torch.manual_seed(0)
        items: Any = [
            SimpleNamespace(instruction=prompt, sample=sample)
            for prompt in ("What?", "What is it?")
            for sample in range(3)
        ]
        return await asyncio.gather(*(model.answer(item, CLIPS[1]) for item in items))

    cached, whole = (
        asyncio.run(
            answers_of(load(checkpoint("qwen2_audio"), "temperature=1.5", "max_tokens=8", option))
        )
        for option in ("batch=6", f"batch=6,{PLAIN}")
    )
    assert cached == whole
    assert len(set(texts(cached))) == 6


def test_a_batch_that_is_too_large_is_halved(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(checkpoint("qwen2_audio"), "max_tokens=8")
    questions = questions_about(4, 4)
    expected, generate = ask(model, questions), network_of(model).generate

    def generate_small_batches(**inputs: Any) -> Any:
        if len(inputs["input_ids"]) > 3:
            raise torch.OutOfMemoryError
        return generate(**inputs)

    monkeypatch.setattr(network_of(model), "generate", generate_small_batches)
    assert ask(model, questions) == expected
    assert model.batch_size == 2


def test_a_prompt_with_a_placeholder_fails_alone(load: Any, checkpoint: Any) -> None:
    model = load(checkpoint("qwen2_audio"), "max_tokens=4")
    questions = questions_about(4, 4)
    expected = ask(model, questions)
    questions[2] = ("What is <|AUDIO|>?", questions[2][1])
    outcomes = ask(model, questions)
    assert isinstance(outcomes.pop(2), Failure)
    assert outcomes == expected[:2] + expected[3:]


def test_a_cache_of_fixed_size_is_replaced(load: Any, checkpoint: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint("qwen2_audio"), tmp_path / "static")
    settings = json.loads((folder / "generation_config.json").read_text("utf-8"))
    settings["cache_implementation"] = "static"
    (folder / "generation_config.json").write_text(json.dumps(settings), "utf-8")
    model = load(folder, "max_tokens=8")
    assert model.facts["prefix_cache"] == "on"
    expected = ask(load(checkpoint("qwen2_audio"), "max_tokens=8"), questions_about(2, 2))
    assert ask(model, questions_about(2, 2)) == expected


def copy_with_window(folder: Path, copy: Path, window: int) -> Path:
    """Copy a checkpoint of Qwen2-Audio whose second layer has a sliding window."""
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text("utf-8"))
    config["text_config"] |= {
        "use_sliding_window": True, "sliding_window": window, "max_window_layers": 1,
        "layer_types": ["full_attention", "sliding_attention"],
    }  # fmt: skip
    (copy / "config.json").write_text(json.dumps(config), "utf-8")
    return copy


@pytest.mark.parametrize(("window", "uses"), [(200, [False, True]), (400, [True, True])])
def test_a_sliding_window_is_that_of_complete_prompts(
    load: Any,
    checkpoint: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    window: int,
    uses: Any,
) -> None:
    folder = copy_with_window(checkpoint("qwen2_audio"), tmp_path / "sliding", window)
    options = ("dtype=float32", "max_tokens=16")
    cached, whole = (load(folder, *options, option) for option in ("batch=8", PLAIN))
    assert network_of(cached).config.get_text_config().sliding_window == window
    found, original = list[bool](), prefix_cache.cached_inputs

    def record(*args: Any) -> Any:
        found.append((inputs := original(*args)) is not None)
        return inputs

    monkeypatch.setattr(generation, "cached_inputs", record)
    of_equal_length = [(f"{number} {'What?' * 20}", CLIPS[1]) for number in range(4)]
    of_other_lengths = [(prompt * 3, clip) for prompt, clip in questions_about(3, 2)]
    for questions in (of_other_lengths, of_equal_length):
        assert ask(cached, questions) == ask(whole, questions)
    assert found == uses


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_with_other_logits_is_answered_with_complete_prompts(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    options = f"dtype={dtype}", "max_tokens=8"
    assert load(checkpoint("qwen2_audio"), *options).facts["prefix_cache"] == "on"
    expected = ask(load(checkpoint("qwen2_audio"), *options, PLAIN), questions_about(4))
    select = prefix_cache._select_columns
    monkeypatch.setattr(
        prefix_cache,
        "_select_columns",
        lambda cache, columns: select(cache, columns.flip(dims=(1,))),
    )
    model = load(checkpoint("qwen2_audio"), *options)
    assert model.facts["prefix_cache"].startswith("off: its logits deviate by")
    assert ask(model, questions_about(4)) == expected


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        (lambda *_: None, "the tokens of its prompts cannot be derived from each other"),
        (lambda _, questions, known: [known] * len(questions), "its prompts have other tokens"),
        (lambda *_: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_model_whose_tokens_are_not_derived_is_answered_with_complete_prompts(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch, tokens: Any, reason: str
) -> None:
    monkeypatch.setattr(loading, "FAMILIES", {"qwen2_audio": families.Family(tokens=tokens)})
    model = load(checkpoint("qwen2_audio"), "max_tokens=2")
    assert model.facts["prefix_cache"] == f"off: {reason}"
    assert len(texts(ask(model, questions_about(2)))) == 2


def test_an_unlisted_model_uses_it_if_the_logits_are_equal(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "FAMILIES", {})
    assert load(checkpoint("qwen2_audio")).facts["prefix_cache"] == "on"
    assert load(checkpoint("qwen2_audio"), "batch=1").facts["prefix_cache"] == "off: batch=1"


def test_it_is_not_part_of_the_identity() -> None:
    from jasco.backends.specs import parse_spec

    spec = parse_spec("hf/some/model,prefix_cache=false,batch=2", HuggingFace)
    assert not {"prefix_cache", "batch"} & set(spec.identity)
