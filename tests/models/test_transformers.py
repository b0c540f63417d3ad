"""Audio chat models of transformers, with tiny random weights."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jasco.backends.specs import open_spec
from jasco.data.audio import Audio
from jasco.errors import InputError
from jasco.models.batches import Question
from jasco.models.transformers import HuggingFace, families, loading
from jasco.protocol.clips import Clip, items_of
from jasco.protocol.responses import Failure, Response
from local_models import Questions, ask
from oracle import ORACLE
from outcomes import texts
from synthetic import tone

torch = pytest.importorskip("torch", reason="needs the extra transformers")
transformers = pytest.importorskip("transformers", reason="needs the extra transformers")

from tokenizers.processors import TemplateProcessing  # noqa: E402

import tiny_models  # noqa: E402

pytestmark = pytest.mark.slow
CLIP = Clip("7", "rain", "run", "a", "b", "they flee", "flee")
PROMPTS = [item.instruction for item in items_of(CLIP)]
GOLDEN = ORACLE / "qwen2_audio" / "golden.json"
# Not a multiple of each other, so that every row of a batch is padded differently.
CLIPS = [Audio(tone(clip, seconds)) for clip, seconds in enumerate((0.5, 3.1, 1.7, 2.3))]


def mixed_questions() -> list[tuple[str, Audio]]:
    """Return eight questions, of which both prompts and clips differ in length."""
    return [
        (prompt + " Say more." * number, CLIPS[number % len(CLIPS)])
        for number, prompt in enumerate(PROMPTS)
    ]


def qwen(load: Any, checkpoint: Any, *options: str) -> HuggingFace:
    model: HuggingFace = load(checkpoint("qwen2_audio"), *(options or ("max_tokens=8",)))
    return model


def network_of(model: HuggingFace) -> Any:
    """Return the transformers model inside, to observe it or to replace its methods."""
    return model._loaded.model  # type: ignore[union-attr]


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_answers_of_a_batch_are_those_of_each_question_alone(
    load: Any, checkpoint: Any, family: str
) -> None:
    folder = checkpoint(family)
    together = ask(load(folder, "dtype=float32", "max_tokens=16"), mixed_questions())
    alone = ask(load(folder, "dtype=float32", "max_tokens=16", "batch=1"), mixed_questions())
    assert together == alone
    assert len(set(texts(together))) > 4


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_the_answer_depends_on_the_audio_and_on_the_prompt(
    load: Any, checkpoint: Any, family: str
) -> None:
    model = load(checkpoint(family), "max_tokens=16")
    one, other, again = texts(ask(model, [(PROMPTS[0], clip) for clip in (*CLIPS[:2], CLIPS[0])]))
    assert one == again != other
    assert len(set(texts(ask(model, [(prompt, CLIPS[0]) for prompt in PROMPTS])))) > 1


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_a_prompt_without_audio_is_answered(load: Any, checkpoint: Any, family: str) -> None:
    model = load(checkpoint(family), "dtype=float32", "max_tokens=8")
    assert model.accepts_no_audio
    loaded: Any = model._loaded
    inputs = loaded.family.inputs(loaded.processor, [Question(None, prompt) for prompt in PROMPTS])
    assert not any(inputs[key].is_floating_point() for key in inputs)  # no features of audio
    assert not (inputs["input_ids"] == families.audio_token(loaded.processor, None)).any()
    heard = [(prompt, CLIPS[0]) for prompt in PROMPTS[:2]]
    together = texts(ask(model, [(prompt, None) for prompt in PROMPTS]))
    assert len(set(together)) > 1
    # An answer depends neither on the others in its batch nor on earlier questions with audio.
    with_audio = texts(ask(model, heard))
    assert [texts(ask(model, [(prompt, None)]))[0] for prompt in PROMPTS] == together
    assert texts(ask(model, [*heard, (PROMPTS[0], None)])) == [*with_audio, together[0]]
    assert with_audio != together[:2]


def test_the_adapter_for_audio_is_used_with_audio_only(load: Any, checkpoint: Any) -> None:
    model = load(checkpoint("phi4_multimodal"), "dtype=float32", "max_tokens=8")
    [answer] = texts(ask(model, [(PROMPTS[0], None)]))
    assert answer == texts(ask(model, [(PROMPTS[0], None)]))[0]
    network_of(model).delete_adapter("default")
    inputs = model._loaded.family.inputs(model._loaded.processor, [Question(None, PROMPTS[0])])
    with torch.inference_mode():
        generated = network_of(model).generate(**inputs)[0, inputs["input_ids"].shape[1] :]
    tokenizer = model._loaded.processor.tokenizer
    assert tokenizer.decode(generated, skip_special_tokens=True) == answer


def test_a_family_that_is_not_tested_needs_audio(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "FAMILIES", {})
    assert not qwen(load, checkpoint).accepts_no_audio


def test_every_family_marked_as_tested_is_tested() -> None:
    tested = {
        name for name, family in families.FAMILIES.items() if family.tested != families.NOT_RUN
    }
    assert tested == set(tiny_models.FAMILIES)


def test_usage_counts_no_padding_and_a_cut_answer_is_reported(load: Any, checkpoint: Any) -> None:
    model = qwen(load, checkpoint, "max_tokens=5")
    long, short = ask(model, [(PROMPTS[0], CLIPS[1]), (PROMPTS[0], CLIPS[0])])
    assert isinstance(long, Response)
    assert isinstance(short, Response)
    # 3.1 s are 77 tokens and 0.5 s are 12; the rest of the prompt is the same.
    assert long.usage["prompt_tokens"] - short.usage["prompt_tokens"] == 77 - 12
    assert [response.usage["completion_tokens"] for response in (long, short)] == [5, 5]
    assert [response.finish_reason for response in (long, short)] == ["length", "length"]


def test_only_new_tokens_up_to_the_end_token_are_decoded(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = qwen(load, checkpoint)
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint("qwen2_audio"))
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    yes, hmm = tokenizer.encode("yes"), tokenizer.encode(" hmm?")
    marker = tokenizer.convert_tokens_to_ids("<|AUDIO|>")
    rows = [[*yes, end, pad, pad], [*hmm, end], [marker, *yes, marker, *yes][:6]]

    def generate(**inputs: Any) -> Any:
        width = max(map(len, rows))
        new = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
        return torch.cat([inputs["input_ids"], new], dim=1)

    monkeypatch.setattr(network_of(model), "generate", generate)
    # In the order of the batch: clips of similar lengths are neighbours.
    outcomes = ask(model, [(PROMPTS[0], CLIPS[clip]) for clip in (0, 2, 1)])
    responses = [outcome for outcome in outcomes if isinstance(outcome, Response)]
    assert [response.text for response in responses] == ["yes", " hmm?", "yesy"]
    assert [response.finish_reason for response in responses] == ["stop", "stop", "length"]
    assert [response.usage["completion_tokens"] for response in responses] == [4, 6, 6]


def test_decoding_is_greedy_whatever_the_publisher_sets(
    load: Any, checkpoint: Any, caplog: Any
) -> None:
    model = qwen(load, checkpoint)
    settings = network_of(model).generation_config
    assert (settings.do_sample, settings.temperature, settings.top_k) == (False, None, None)
    assert len({tuple(texts(ask(model, mixed_questions()))) for _ in range(3)}) == 1
    assert not caplog.records


def test_a_temperature_samples(load: Any, checkpoint: Any) -> None:
    model = qwen(load, checkpoint, "temperature=2.0", "max_tokens=12")
    settings = network_of(model).generation_config
    assert (settings.do_sample, settings.temperature, settings.top_k) == (True, 2.0, 20)
    assert "top_k=20" in model.facts["generation"]
    assert len({tuple(texts(ask(model, [(PROMPTS[0], CLIPS[1])]))) for _ in range(5)}) > 1


def test_half_precision_reaches_the_weights_and_the_inputs(load: Any, checkpoint: Any) -> None:
    model = qwen(load, checkpoint, "dtype=bfloat16", "max_tokens=4")
    assert model.facts["dtype"] == "bfloat16"
    assert len(texts(ask(model, mixed_questions()))) == 8


def test_the_chosen_settings_are_reported(load: Any, checkpoint: Any) -> None:
    model = qwen(load, checkpoint, "max_tokens=3", "device=cpu")
    assert model.facts == {
        "dtype": "float32",
        "device": "cpu",
        "attn": "sdpa",
        "class": "Qwen2AudioForConditionalGeneration",
        "family": "qwen2_audio (tiny weights)",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "prefix_cache": "on",
    }


@pytest.mark.parametrize(
    ("family", "seconds"),
    [
        ("qwen2_audio", 30.0),
        ("voxtral", None),
        ("audioflamingo3", 600.0),
        ("musicflamingo", 1200.0),
        ("qwen2_5_omni", 300.0),
        ("qwen3_omni_moe", None),
        ("gemma3n", 30.0),
        ("gemma4", 30.0),
        ("phi4_multimodal", None),
        ("granite_speech", None),
    ],
)
def test_the_longest_audio_is_reported(
    load: Any, checkpoint: Any, family: str, seconds: float | None
) -> None:
    assert load(checkpoint(family)).max_audio_seconds == seconds


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_a_clip_is_truncated_at_the_longest_audio_and_not_before(
    checkpoint: Any, family: str
) -> None:
    processor = transformers.AutoProcessor.from_pretrained(checkpoint(family))
    adapter = families.FAMILIES[family]
    max_seconds = adapter.max_audio_seconds(processor)
    long = tone(1, (max_seconds or 330) + 5)

    def features(silent_from: float) -> dict[str, Any]:
        clip = long.copy()
        clip[int(silent_from * 16_000) :] = 0
        inputs = adapter.inputs(processor, [Question(Audio(clip), "What?")])
        return {key: inputs[key] for key in inputs if inputs[key].is_floating_point()}

    def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
        return all(torch.equal(one[key], other[key]) for key in one)

    original, end = features(len(long)), max_seconds or len(long) / 16_000
    assert not equal(features(end - 0.5), original)
    assert equal(features(end + 0.5), original)


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_the_end_of_a_clip_of_half_a_minute_and_more_reaches_the_model(
    load: Any, checkpoint: Any, family: str
) -> None:
    model = load(checkpoint(family), "max_tokens=1")
    seconds = min(model.max_audio_seconds or 40, 40)
    long = tone(1, seconds)
    changed = long.copy()
    changed[int((seconds - 1) * 16_000) :] = 0
    one, other = (logits(model, [(PROMPTS[0], Audio(clip))]) for clip in (long, changed))
    assert (one - other).abs().max() > 1e-3


def logits(model: HuggingFace, questions: Questions) -> Any:
    """Return the logits of the first token of each answer, a row each."""
    loaded: Any = model._loaded
    inputs = loaded.family.inputs(
        loaded.processor, [Question(audio, prompt) for prompt, audio in questions]
    )
    with torch.inference_mode():
        return loaded.model(**inputs).logits[:, -1]


def out_of_memory() -> Exception:
    error: Exception = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    return error


@pytest.mark.parametrize(
    "error", [out_of_memory(), RuntimeError("[enforce fail] DefaultCPUAllocator: out of memory")]
)
def test_a_batch_too_large_is_halved_from_then_on(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    model = qwen(load, checkpoint, "max_tokens=8", "prefix_cache=false")
    expected, sizes = ask(model, mixed_questions()), list[int]()
    generate = network_of(model).generate

    def generate_small_batches(**inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise error
        return generate(**inputs)

    monkeypatch.setattr(network_of(model), "generate", generate_small_batches)
    assert ask(model, mixed_questions()) == expected
    assert sizes == [8, 4, 2, 2, 4, 2, 2]
    sizes.clear()
    assert ask(model, mixed_questions()) == expected
    assert sizes == [2, 2, 2, 2]


def test_a_question_too_large_for_memory_fails_and_keeps_the_batch_size(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = qwen(load, checkpoint)
    generate = network_of(model).generate

    def run_out_of_memory(**inputs: Any) -> Any:
        raise out_of_memory()

    monkeypatch.setattr(network_of(model), "generate", run_out_of_memory)
    outcomes = ask(model, mixed_questions())
    assert {outcome.kind for outcome in outcomes if isinstance(outcome, Failure)} == {"memory"}
    assert len(outcomes) == 8
    monkeypatch.setattr(network_of(model), "generate", generate)
    assert len(texts(ask(model, mixed_questions()))) == 8
    assert model.batch_size == 8


def test_one_bad_question_fails_alone(load: Any, checkpoint: Any) -> None:
    model = qwen(load, checkpoint)
    questions = mixed_questions()
    expected = ask(model, questions)
    # A prompt that holds the placeholder asks for a second clip.
    questions[3] = ("What is <|AUDIO|>?", questions[3][1])
    outcomes = ask(model, questions)
    failure = outcomes.pop(3)
    assert isinstance(failure, Failure)
    assert failure.kind == "error"
    assert failure.message.startswith("ValueError: ")
    assert "\n" not in failure.message
    assert outcomes == expected[:3] + expected[4:]


def test_clips_of_several_lengths_share_a_batch_only_where_that_was_tested(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "FAMILIES", {"qwen2_audio": families.Family()})
    model = qwen(load, checkpoint, "max_tokens=8", "prefix_cache=false")
    sizes, generate = list[int](), network_of(model).generate

    def record_size(**inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        return generate(**inputs)

    monkeypatch.setattr(network_of(model), "generate", record_size)
    questions = [(prompt, CLIPS[number // 3]) for number, prompt in enumerate(PROMPTS)]
    assert len(texts(ask(model, questions))) == 8
    assert sizes == [3, 3, 2]


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_a_family_mixes_clips_where_the_logits_do_not_depend_on_the_batch(
    load: Any, checkpoint: Any, family: str
) -> None:
    model = load(checkpoint(family), "dtype=float32")
    questions = [(PROMPTS[0], CLIPS[0]), (PROMPTS[2], CLIPS[1])]
    alone = torch.cat([logits(model, [question]) for question in questions])
    is_equal = (logits(model, questions) - alone).abs().max() < 1e-3
    assert is_equal == families.FAMILIES[family].mixes


def test_a_prompt_has_one_bos_token_whoever_writes_it(checkpoint: Any) -> None:
    processor = transformers.AutoProcessor.from_pretrained(checkpoint("qwen2_audio"))
    begin = processor.tokenizer.bos_token = "<|endoftext|>"
    token = processor.tokenizer.bos_token_id
    processor.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, token)]
    )
    for template in (processor.chat_template, "{{ bos_token }}" + processor.chat_template):
        processor.chat_template = template
        inputs = families.fill_template(processor, [Question(CLIPS[0], "Hm?")])
        assert (inputs["input_ids"][0] == token).nonzero().tolist() == [[0]]


@pytest.mark.parametrize("family", ["phi4_multimodal", "granite_speech"])
def test_an_adapter_for_audio_is_applied(load: Any, checkpoint: Any, family: str) -> None:
    model = load(checkpoint(family))
    adapted = logits(model, [(PROMPTS[0], CLIPS[0])])
    network_of(model).disable_adapters()
    assert (logits(model, [(PROMPTS[0], CLIPS[0])]) - adapted).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("family", "file"),
    [
        ("phi4_multimodal", "speech-lora/adapter_model.safetensors"),
        ("phi4_multimodal", "speech-lora/adapter_config.json"),
        ("granite_speech", "adapter_model.safetensors"),
        ("granite_speech", "adapter_config.json"),
    ],
)
def test_an_adapter_for_audio_that_is_missing_is_reported(
    load: Any, checkpoint: Any, tmp_path: Path, family: str, file: str
) -> None:
    with pytest.raises(InputError, match="download is complete") as error:
        load(copy_without(checkpoint(family), tmp_path / "bare", file))
    assert "\n" not in str(error.value)


def read_golden() -> dict[str, Any]:
    if not GOLDEN.is_file():
        pytest.skip(f"the golden prompts are not in {GOLDEN.parent}")
    read: dict[str, Any] = json.loads(GOLDEN.read_text("utf-8"))
    return read


def prompts_like_ours(templates: dict[str, Any]) -> dict[str, str]:
    """Return the golden prompts of one clip before one question, by question."""
    prompts = {}
    for template in templates.values():
        match template["conversation"]:
            case [{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": text}]}]:
                prompts[text] = template["rendered_with_generation_prompt"]
    return prompts or pytest.skip("none of the golden prompts is of one clip and one question")


@pytest.mark.oracle
def test_the_prompts_of_qwen2_audio_are_the_golden_ones(checkpoint: Any) -> None:
    processor = transformers.AutoProcessor.from_pretrained(checkpoint("qwen2_audio"))
    prompts = prompts_like_ours(read_golden()["templates"])
    questions = [Question(CLIPS[0], question) for question in prompts]
    assert families.render(processor, questions) == list(prompts.values())


@pytest.mark.oracle
def test_the_template_of_qwen2_audio_is_the_golden_one(checkpoint: Any) -> None:
    processor = transformers.AutoProcessor.from_pretrained(checkpoint("qwen2_audio"))
    for name, template in read_golden()["templates"].items():
        for generation in (True, False):
            ours = processor.apply_chat_template(
                template["conversation"], add_generation_prompt=generation, tokenize=False
            )
            key = f"rendered_{'with' if generation else 'without'}_generation_prompt"
            assert template.get(key, ours) == ours, (name, key)


@pytest.mark.oracle
def test_the_audio_tokens_of_qwen2_audio_are_the_golden_ones(checkpoint: Any) -> None:
    processor = transformers.AutoProcessor.from_pretrained(checkpoint("qwen2_audio"))
    expected = read_golden()
    question = next(iter(prompts_like_ours(expected["templates"])))
    token = processor.tokenizer.convert_tokens_to_ids("<|AUDIO|>")

    def inputs_of(*samples: int) -> Any:
        questions = [Question(Audio(np.ones(count, np.int16)), question) for count in samples]
        return families.FAMILIES["qwen2_audio"].inputs(processor, questions)

    assert processor.feature_extractor.feature_size == expected["mel_bins"]
    for case in expected["audio_token_counts"]:
        inputs = inputs_of(case["samples"])
        assert int((inputs["input_ids"] == token).sum()) == case["audio_tokens"]
        assert list(inputs["input_features"].shape) == case["input_features_shape"]
        assert int(inputs["feature_attention_mask"].sum()) == case["valid_mel_frames"]
    for name in expected:
        if name.endswith("_total_audio_tokens"):  # two_clips_2s_5s_total_audio_tokens
            seconds = re.findall(r"_([\d.]+)s(?=_)", name)
            inputs = inputs_of(*(round(16_000 * float(length)) for length in seconds))
            assert int((inputs["input_ids"] == token).sum()) == expected[name], name


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_the_audio_precedes_the_text(checkpoint: Any, family: str) -> None:
    processor = transformers.AutoProcessor.from_pretrained(checkpoint(family))
    inputs = families.FAMILIES[family].inputs(processor, [Question(CLIPS[0], "Hm?")])
    config = transformers.AutoConfig.from_pretrained(checkpoint(family))
    tokens = inputs["input_ids"][0].tolist()
    token = families.audio_token(processor, config)
    last = len(tokens) - tokens[::-1].index(token)
    text = processor.tokenizer.decode(tokens[last:])
    assert "Hm?" in text
    assert "Hm?" not in processor.tokenizer.decode(tokens[:last])


class AudioIgnoringProcessor:
    """A processor that ignores unknown arguments, or drops the audio."""

    chat_template = "x"
    audio_token_id = 5
    feature_extractor = None

    def __init__(self, **inputs: Any) -> None:
        self.inputs = inputs

    def apply_chat_template(self, conversation: Any, **kwargs: Any) -> str:
        return "x"

    def __call__(self, text: Any, **kwargs: Any) -> dict[str, Any]:
        ids = {"input_ids": torch.tensor([[1, 5, 2]])}
        if "audio" in kwargs:
            ids |= {"features": torch.tensor(np.stack(kwargs["audio"]))}
        return ids | self.inputs


def with_keyword(keyword: str) -> families.Family:
    """Return a family that hands the audio to its processor by a keyword."""

    def inputs(processor: Any, questions: Any) -> Any:
        texts = families.render(processor, questions)
        return processor(text=texts, **{keyword: [question.audio.floats for question in questions]})

    return families.Family(inputs=inputs)


@pytest.mark.parametrize(
    ("keyword", "inputs", "message"),
    [
        ("audios", {}, "extracts no features from it"),
        ("audio", {"features": torch.zeros(3)}, "extracts no features from it"),
        ("audio", {"features": torch.zeros(3, dtype=torch.int64)}, "extracts no features from it"),
        ("audio", {"input_ids": torch.tensor([[1, 2]])}, "no audio tokens"),
    ],
)
def test_audio_that_does_not_reach_the_model_is_reported(
    keyword: str, inputs: Any, message: str
) -> None:
    loading.check_audio_is_used("hf/x", AudioIgnoringProcessor(), with_keyword("audio"), None)
    with pytest.raises(InputError, match=f"the audio does not reach the model.*{message}"):
        loading.check_audio_is_used(
            "hf/x", AudioIgnoringProcessor(**inputs), with_keyword(keyword), None
        )


def test_a_wrong_keyword_for_the_audio_is_refused(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"qwen2_audio": with_keyword("audios")}
    monkeypatch.setattr(loading, "FAMILIES", wrong)
    with pytest.raises(InputError, match="the audio does not reach the model") as error:
        qwen(load, checkpoint)
    assert "\n" not in str(error.value)


def test_an_unlisted_model_is_asked_as_most_are(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = texts(ask(qwen(load, checkpoint), mixed_questions()))
    monkeypatch.setattr(loading, "FAMILIES", {})
    model = qwen(load, checkpoint)
    assert model.facts["family"] == "qwen2_audio (not tested)"
    assert texts(ask(model, mixed_questions())) == expected


def test_a_checkpoint_without_a_class_is_loaded_by_its_model_type(
    load: Any, checkpoint: Any, tmp_path: Path
) -> None:
    for family in ("qwen2_audio", "audioflamingo3"):  # one in each of the mappings of transformers
        folder = copy_with(checkpoint(family), tmp_path / family, architectures=None)
        assert load(folder).facts["class"].endswith("ForConditionalGeneration")


def copy_with(folder: Path, copy: Path, **entries: Any) -> Path:
    """Copy a checkpoint with another configuration."""
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text("utf-8"))
    (copy / "config.json").write_text(json.dumps(config | entries), "utf-8")
    return copy


def copy_without(folder: Path, copy: Path, *names: str) -> Path:
    """Copy a checkpoint without some files."""
    shutil.copytree(folder, copy)
    for name in names:
        (copy / name).unlink()
    return copy


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda source, copy: copy, "folder .* not found"),
        (lambda source, copy: copy_without(source, copy, "config.json"), "no config.json"),
        (
            lambda source, copy: copy_without(source, copy, "model.safetensors"),
            "weights cannot be loaded",
        ),
        (
            lambda source, copy: copy_without(source, copy, "processor_config.json"),
            "processor cannot be loaded",
        ),
        (
            lambda source, copy: copy_with(source, copy, model_type="nonesuch"),
            "update transformers",
        ),
        (
            lambda source, copy: copy_with(
                source, copy, model_type="x", auto_map={"AutoConfig": "x.Y"}
            ),
            "its own code",
        ),
    ],
)
def test_a_checkpoint_that_cannot_be_loaded_is_reported(
    load: Any, checkpoint: Any, tmp_path: Path, spoil: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        load(spoil(checkpoint("qwen2_audio"), tmp_path / "spoilt"))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"hf/{tmp_path}")


def test_missing_weights_are_not_initialised(load: Any, checkpoint: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(checkpoint("qwen2_audio"), tmp_path / "incomplete")
    weights = load_file(folder / "model.safetensors")
    del weights[min(weights)]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="lacks 1 weight"):
        load(folder)


def test_an_unreachable_model_of_the_hub_is_reported(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="downloaded copy") as error:
        load("nobody/no-such-model", "revision=v1")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("option", [[], ["revision=v1"]])
def test_the_commit_of_a_model_of_the_hub_is_reported(
    load: Any, checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str]
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    cached = tmp_path / "models--some--model"
    shutil.copytree(checkpoint("qwen2_audio"), cached / "snapshots" / ("c0ffee" * 7)[:40])
    (cached / "refs").mkdir()
    for name in ("main", "v1"):
        (cached / "refs" / name).write_text(("c0ffee" * 7)[:40])
    assert load(Path("some/model"), *option).facts["revision"] == ("c0ffee" * 7)[:40]


def test_a_missing_chat_template_is_reported(load: Any, checkpoint: Any, tmp_path: Path) -> None:
    folder = copy_without(checkpoint("audioflamingo3"), tmp_path / "base", "chat_template.jinja")
    with pytest.raises(InputError, match=r"the audio does not reach the model.*chat template"):
        load(folder)


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_a_library_that_is_missing_is_reported(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(InputError, match=r"pip install 'jasco\[transformers\]'"):
        qwen(load, checkpoint)


def test_a_missing_requirement_of_a_family_is_reported(
    load: Any, checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = families.Family(needs=(("no_such_module", "some-package"),))
    monkeypatch.setattr(loading, "FAMILIES", {"qwen2_audio": family})
    with pytest.raises(InputError, match="pip install some-package"):
        qwen(load, checkpoint)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("device=cuda:99", "torch finds . CUDA device"),
        ("device=tpu", "auto, cpu, cuda, cuda:N, mps"),
        ("dtype=int4", "auto, float32, bfloat16, float16"),
        ("batch=0", "integer >= 1"),
        ("attn=nonesuch", "check attn="),
    ],
)
def test_an_invalid_option_is_reported(
    load: Any, checkpoint: Any, option: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        qwen(load, checkpoint, option)
    assert "\n" not in str(error.value)


def test_the_identity_is_what_may_change_an_answer() -> None:
    model: HuggingFace = open_spec(
        "model", "hf/some/model,dtype=float16,device=cpu,batch=2,max_tokens=9,revision=v1"
    )
    assert model.spec.label == "hf/some/model,revision=v1,dtype=float16,max_tokens=9"
    assert not {"device", "batch"} & set(model.spec.identity)
