"""LTU-AS: against what the original computed, and what surrounds the numbers."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import Oracle, found
from synthetic import tone

from jasco.benchmark.errors import InputError
from jasco.benchmark.responses import Response
from jasco.providers.audio import Audio

torch = pytest.importorskip("torch", reason="needs the extra native")
pytest.importorskip("transformers", reason="needs the extra native")
pytest.importorskip("safetensors", reason="needs the extra native")
pytestmark = pytest.mark.slow  # torch is there in the second tier only

from torch.nn.functional import pad  # noqa: E402

from jasco.models.ltu_as import conversion  # noqa: E402
from jasco.models.ltu_as.features import every_layer, log_mel, pool_time  # noqa: E402
from jasco.models.ltu_as.model import LtuAs, assemble, make_empty, shapes_of  # noqa: E402
from jasco.models.ltu_as.presets import PRESETS  # noqa: E402
from jasco.models.ltu_as.prompt import (  # noqa: E402
    clean_transcript,
    prompt_ids,
    prompt_text,
    remove_thanks_for_watching,
)
from jasco.models.ltu_as.sizes import HOP, Sizes, llama_sizes  # noqa: E402
from jasco.models.ltu_as.system import System, load  # noqa: E402
from jasco.models.native.decoding import Draw, Preset  # noqa: E402
from jasco.models.native.text import BOS, EOS  # noqa: E402

Released = dict[str, tuple[Path, dict[str, Any]]]

A_STAGE, ALL_STAGES = 1e-5, 5e-5  # what the fixtures' own text suggests
STACKS = ("all_layers_nopool",)  # whole stacks of layers, whose rounding adds up
ORACLE = pytest.mark.oracle


class Port:
    """The port with a fixture's weights, and the fixture."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle, config = oracle, oracle.config
        tltr, features = config["tltr"], config["features"]
        self.sizes = Sizes(
            llama_sizes(config["llama"]),
            config["whisper_feature"],
            tltr["time_heads"],
            tltr["layer_heads"],
            tltr["mlp_ratio"],
            features["max_frames"],
            features["pool_block"],
            config["lora"]["r"],
            config["lora"]["alpha"],
        )
        self.released = _released(oracle)
        weights = conversion.convert(self.sizes, self.released)
        self.model = assemble(self.sizes, weights, torch.float32)
        self.clips = [key.removeprefix("wav_") for key in oracle.inputs if key.startswith("wav_")]
        self.asked = [key.split(".")[:2] for key in oracle.inputs if key.endswith(".input_ids")]

    def wave(self, clip: str) -> np.ndarray:
        return Audio(self.oracle.wave(clip)).floats

    def ids(self, clip: str, question: str) -> list[int]:
        return self.oracle.inputs[f"{clip}.{question}.input_ids"].tolist()

    def generated(self, clip: str, question: str, kind: str) -> list[int]:
        (ids,) = (
            ids
            for name, ids in self.oracle.config["generated"][f"{clip}.{question}"].items()
            if name.startswith(kind)
        )
        return ids

    def embeddings(self, clip: str, question: str) -> Any:
        return self.model.sequence(
            self.model.audio_embeddings(self.wave(clip)), self.ids(clip, question)
        )

    def logits(self, embeddings: Any, last: int) -> Any:
        return self.model.llama(inputs_embeds=embeddings).logits[:, -last:]

    def preset(self, **changes: Any) -> Preset:
        longest = self.oracle.config["generation"]["official"]["max_new_tokens"]
        return replace(PRESETS["official"], max_new_tokens=longest, **changes)


def _released(oracle: Oracle) -> Released:
    """Give a fixture's weights as they are in the released files."""
    layout = oracle.json("released_layout")
    base, trained, _ = (layout[key] for key in layout)
    whisper = oracle.tensors("weights_whisper_feature")
    files = {
        "base": {new: oracle.weights[old] for new, old in base.items()},
        "trained": {new: oracle.weights[old] for new, old in trained.items()},
        "whisper": whisper,
    }
    assert list(layout)[2].startswith("large-v1")
    return {file: (Path(file), weights) for file, weights in files.items()}


@pytest.fixture(scope="module")
def port() -> Port:
    return Port(Oracle("ltu_as"))


def compute(port: Port, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Compute all that a fixture holds but drawn answers, each stage from what is stored."""
    model, sizes = port.model, port.sizes
    computed: dict[str, Any] = {}

    def known(name: str) -> Any:
        return stored.get(name, computed[name])

    with torch.inference_mode():
        for clip in port.clips:
            wave = port.wave(clip)
            mel = log_mel(wave, sizes.whisper["n_mels"], sizes.frames)
            valid = min(len(wave) // HOP, sizes.frames)
            assert not mel[:, valid:].any()
            computed[f"{clip}.mel_valid"] = mel[:, :valid]
            computed[f"{clip}.mel_every_5"] = mel[:, ::5]
            computed[f"{clip}.mel_max"] = mel.max()[None]
            mel = pad(known(f"{clip}.mel_valid"), (0, sizes.frames - valid))
            computed[f"{clip}.all_layers_nopool"] = every_layer(model.whisper, mel)
            states = known(f"{clip}.all_layers_nopool")
            computed[f"{clip}.pooled_features"] = pool_time(states, sizes.pool)
            features = known(f"{clip}.pooled_features")[None]
            computed[f"{clip}.tltr.time_tr"] = model.tltr.over_time(features)[0]
            by_layer = model.tltr.over_layers(known(f"{clip}.tltr.time_tr")[None])[0]
            computed[f"{clip}.tltr.layer_tr"] = by_layer.transpose(0, 1)
            connect(model, features, f"{clip}.tltr.out", clip, computed, stored)
        connect(
            model,
            torch.from_numpy(port.oracle.inputs["tltr_batch_input"]),
            "tltr_batch.out",
            "tltr_batch",
            computed,
            stored,
        )
        for clip, question in port.asked:
            name, ids = f"{clip}.{question}", port.ids(clip, question)
            audio = known(f"{clip}.audio_embeds")[0]
            computed[f"{name}.inputs_embeds"] = model.sequence(audio, ids)
            embeddings = known(f"{name}.inputs_embeds")
            computed[f"{name}.logits"] = port.logits(embeddings, len(ids))
            text = model.sequence(audio[:0], ids)
            computed[f"text_only.{question}.logits"] = port.logits(text, len(ids))
            for kind in ("greedy_rep", "official"):
                new = port.generated(clip, question, kind)
                told = model.sequence(audio, ids + new[:-1])
                key = f"{name}.{kind.removesuffix('_rep')}_raw_step_logits"
                computed[key] = port.logits(told, len(new))[0]
    return computed


def connect(
    model: LtuAs,
    features: Any,
    summed: str,
    name: str,
    computed: dict[str, Any],
    stored: Mapping[str, Any],
) -> None:
    """Compute what leads from features to embeddings."""
    inputs = []
    hook = model.projection.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    computed[summed] = model.tltr(features)
    computed[f"{name}.audio_embeds"] = model.project(stored.get(summed, computed[summed]))
    (computed[f"{name}.audio_proj_layernorm"],) = inputs
    hook.remove()


def differences(computed: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, float]:
    """Give the largest difference of each tensor of a fixture; -inf must be where it is."""
    apart = {}
    for key, value in expected.items():
        if key in computed:
            assert computed[key].shape == value.shape, key
            finite = torch.isfinite(value)
            assert torch.equal(torch.isfinite(computed[key]), finite), key
            apart[key] = (computed[key] - value)[finite].abs().max().item()
    return apart


def draw(port: Port, clip: str, question: str, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let the official answer be drawn, with the original's luck; give each step's numbers."""
    luck = iter(port.generated(clip, question, "official"))
    patch.setattr(torch, "multinomial", lambda *_, **__: torch.tensor([next(luck)]))
    drawn = Draw(port.preset(), penalised=port.ids(clip, question))
    steps, scores = [], drawn.scores
    patch.setattr(drawn, "scores", lambda raw: steps.append((raw, scores(raw))) or steps[-1][1])
    found(port.model.llama, port.embeddings(clip, question), drawn)
    patch.undo()
    assert next(luck, None) is None
    raw, processed = (torch.cat(each) for each in zip(*steps, strict=True))
    return {"raw_step_logits": raw, "processed_scores": processed}


@ORACLE
def test_each_stage_is_the_originals(port: Port) -> None:
    expected = port.oracle.expected
    apart = differences(compute(port, expected), expected)
    allowed = {key: ALL_STAGES if key.endswith(STACKS) else A_STAGE for key in apart}
    assert {key: value for key, value in apart.items() if value > allowed[key]} == {}
    # All that is stored is compared: what is drawn, below.
    drawn = {key for key in expected if key.endswith("official_processed_scores")}
    assert expected.keys() - apart.keys() == drawn


@ORACLE
def test_from_waveform_to_logits_it_is_the_original(port: Port) -> None:
    apart = differences(compute(port, {}), port.oracle.expected)
    assert {key: value for key, value in apart.items() if value > ALL_STAGES} == {}


@ORACLE
def test_tokens_are_drawn_from_the_originals_scores(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, compared = port.oracle.expected, set()
    for clip, question in port.asked:
        drawn = draw(port, clip, question, monkeypatch)
        computed = {f"{clip}.{question}.official_{key}": value for key, value in drawn.items()}
        apart = differences(computed, expected)
        # Drawing divides by the temperature, and multiplies differences by it.
        scale = {"scores": 1 / PRESETS["official"].temperature, "logits": 1}
        assert all(
            value <= ALL_STAGES * scale[key.rpartition("_")[2]] for key, value in apart.items()
        ), apart
        compared |= apart.keys()
    assert compared == {key for key in expected if ".official_" in key}


@ORACLE
@pytest.mark.parametrize("penalised", [True, False])
def test_greedy_answers_are_the_originals(port: Port, penalised: bool) -> None:
    kind, changes = ("greedy_rep", {}) if penalised else ("greedy_no", {"repetition_penalty": 1.0})
    preset = port.preset(temperature=0.0, top_p=None, top_k=None, **changes)
    for clip, question in port.asked:
        search = Draw(preset, penalised=port.ids(clip, question))
        new = found(port.model.llama, port.embeddings(clip, question), search)
        told = port.generated(clip, question, kind)
        assert new == told[: told.index(EOS) if EOS in told else None], (clip, question)


@ORACLE
def test_the_mistakes_that_wrong_ports_make_would_show(port: Port) -> None:
    """The range hangs on the whole clip, and nothing is filled up with silence."""
    bins, frames = port.sizes.whisper["n_mels"], port.sizes.frames
    cut, apart = frames * HOP, dict[bool, list[float]]()
    for clip in port.clips:
        wave = port.wave(clip)
        long = len(wave) > cut
        wrong = wave[:cut] if long else np.pad(wave, (0, 3 * cut - len(wave)))
        off = (log_mel(wrong, bins, frames) - log_mel(wave, bins, frames)).abs().max()
        apart.setdefault(long, []).append(float(off))
    assert min(apart[False]) > 0.1  # every clip that is filled up
    assert max(apart.get(True, [1.0])) > 0.1  # a long one whose loudest part is cut off


@ORACLE
def test_prompts_are_the_originals(port: Port) -> None:
    for asked in port.oracle.config["questions"]:
        assert prompt_text(asked["question"], asked["transcript"]) == asked["prompt"]
    for case in port.oracle.config["clean_transcript_cases"]:
        assert remove_thanks_for_watching(case["input"]) == case["output"]


@ORACLE
def test_settings_are_the_originals(port: Port) -> None:
    told = port.oracle.config["generation"]["official"]
    official = PRESETS["official"]
    for name in ("temperature", "top_p", "top_k", "repetition_penalty"):
        assert getattr(official, name) == told[name]


@ORACLE
def test_every_key_of_a_released_file_must_be_there(port: Port) -> None:
    for file, (path, weights) in port.released.items():
        shapes = conversion.expected_of(file, port.sizes)
        for key in weights:
            new = conversion.NAMES[file](key)
            lacking = {other: value for other, value in weights.items() if other != key}
            if new is None:
                conversion.rename(lacking, conversion.NAMES[file], shapes, path)
                continue
            with pytest.raises(InputError, match=re.escape(f"'{new}'")):
                conversion.rename(lacking, conversion.NAMES[file], shapes, path)
            bent = weights | {key: weights[key][None]}
            with pytest.raises(InputError, match=re.escape(f"'{key}' has the shape")):
                conversion.rename(bent, conversion.NAMES[file], shapes, path)
            for wrong in (f"{key}.x", f"x.{key}", key.replace(".", "_", 1)):
                with pytest.raises(InputError, match=re.escape(f"'{wrong}'")):
                    conversion.rename(
                        lacking | {wrong: weights[key]}, conversion.NAMES[file], shapes, path
                    )


# What follows needs no fixtures.

TINY = Sizes(
    llama={
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 300,
        "rms_norm_eps": 1e-6, "max_position_embeddings": 2048,
    },
    whisper={
        "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 16, "n_audio_head": 2,
        "n_audio_layer": 3, "n_vocab": 60, "n_text_ctx": 16, "n_text_state": 16, "n_text_head": 2,
        "n_text_layer": 1,
    },
)  # fmt: skip
REAL = Sizes(
    llama={
        "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32_000,
    },
    whisper={
        "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 1280, "n_audio_head": 20,
        "n_audio_layer": 32,
    },
)  # fmt: skip
CLIP = Audio(tone(0, 1.5))


def _block(prefix: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """List a block's weights in OpenAI's layout."""
    for name, out, into in (
        *((f"attn.{part}", width, width) for part in ("query", "key", "value", "out")),
        ("mlp.0", 4 * width, width),
        ("mlp.2", width, 4 * width),
    ):
        yield f"{prefix}.{name}.weight", (out, into)
        if name != "attn.key":
            yield f"{prefix}.{name}.bias", (out,)
    for name in ("attn_ln", "mlp_ln"):
        yield f"{prefix}.{name}.weight", (width,)
        yield f"{prefix}.{name}.bias", (width,)


def layouts(sizes: Sizes) -> dict[str, dict[str, tuple[int, ...]]]:
    """List the weights of the released files by their names there."""
    llama, width = sizes.llama, sizes.width
    hidden, inner, words = (llama[k] for k in ("hidden_size", "intermediate_size", "vocab_size"))
    base = {
        "model.embed_tokens.weight": (words, hidden),
        "model.norm.weight": (hidden,),
        "lm_head.weight": (words, hidden),
    }
    top = "base_model.model.model"
    trained = {
        **dict(_block(f"{top}.audio_encoder.time_tr", width)),
        **dict(_block(f"{top}.audio_encoder.layer_tr", width)),
        f"{top}.audio_proj.1.weight": (hidden, width),
        f"{top}.audio_proj.1.bias": (hidden,),
    }
    for layer in (f"layers.{n}" for n in range(llama["num_hidden_layers"])):
        for part in "qkvo":
            base[f"model.{layer}.self_attn.{part}_proj.weight"] = (hidden, hidden)
        base[f"model.{layer}.self_attn.rotary_emb.inv_freq"] = (4,)
        base[f"model.{layer}.mlp.gate_proj.weight"] = (inner, hidden)
        base[f"model.{layer}.mlp.up_proj.weight"] = (inner, hidden)
        base[f"model.{layer}.mlp.down_proj.weight"] = (hidden, inner)
        base[f"model.{layer}.input_layernorm.weight"] = (hidden,)
        base[f"model.{layer}.post_attention_layernorm.weight"] = (hidden,)
        for part in "qv":
            update = f"{top}.{layer}.self_attn.{part}_proj"
            trained[f"{update}.lora_A.default.weight"] = (sizes.rank, hidden)
            trained[f"{update}.lora_B.default.weight"] = (hidden, sizes.rank)
    whisper = {
        "encoder.conv1.weight": (width, sizes.whisper["n_mels"], 3),
        "encoder.conv1.bias": (width,),
        "encoder.conv2.weight": (width, width, 3),
        "encoder.conv2.bias": (width,),
        "encoder.positional_embedding": (sizes.whisper["n_audio_ctx"], width),
        "encoder.ln_post.weight": (width,),
        "encoder.ln_post.bias": (width,),
        "decoder.positional_embedding": (16, 16),
    }
    for n in range(sizes.whisper["n_audio_layer"]):
        whisper |= dict(_block(f"encoder.blocks.{n}", width))
    return {"base": base, "trained": trained, "whisper": whisper}


@pytest.fixture
def released() -> Released:
    """Make the released files' weights, small and random."""
    torch.manual_seed(1)
    return {
        file: (Path(file), {key: torch.randn(shape) / 4 for key, shape in layout.items()})
        for file, layout in layouts(TINY).items()
    }


def test_real_files_hold_as_many_weights_as_the_paper_counts() -> None:
    layout, shapes = layouts(REAL), shapes_of(REAL)
    assert len(layout["trained"]) == 160
    numbers = 0
    for file, keys in layout.items():
        new = {key: conversion.NAMES[file](key) for key in keys}
        named = {new[key]: shape for key, shape in keys.items() if new[key] is not None}
        assert conversion.expected_of(file, REAL) == named
        numbers += sum(map(np.prod, keys.values())) if file == "trained" else 0
    assert numbers == 48_793_600  # as the original's page has it
    assert len(shapes) == 160 + 291 + 487
    assert REAL.window == 10.0


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("base", {"lm_head.weight": None}, "base: lacks 1 of 21 weights, such as 'llama.lm_head"),
        ("base", {"model.extra.weight": 0}, "'model.extra.weight', which the model has no place"),
        ("base", {"model.layers.2.mlp.up_proj.weight": 0}, "'model.layers.2.mlp.up_proj.weight'"),
        ("trained", {"model.audio_proj.1.bias": 0}, "'model.audio_proj.1.bias'"),
        (
            "trained",
            {"base_model.model.model.layers.0.self_attn.k_proj.lora_A.default.weight": 0},
            "'base_model.model.model.layers.0.self_attn.k_proj.lora_A.default.weight'",
        ),
        (
            "trained",
            {"base_model.model.model.audio_encoder.time_tr.attn.key.bias": 0},
            "'base_model.model.model.audio_encoder.time_tr.attn.key.bias'",
        ),
        (
            "trained",
            {"base_model.model.model.audio_proj.1.bias": 0},
            r"'base_model.model.model.audio_proj.1.bias' has the shape \(1,\), not \(32,\)",
        ),
        ("whisper", {"encoder.ln_post.bias": None}, "lacks 1 of .*'whisper.layer_norm.bias'"),
        ("whisper", {"encoder.blocks.3.mlp.0.bias": 0}, "'encoder.blocks.3.mlp.0.bias'"),
        ("whisper", {"proj_out.weight": 0}, "'proj_out.weight'"),
    ],
)
def test_a_file_that_is_not_as_released_is_refused(
    released: Released, file: str, change: dict[str, int | None], message: str
) -> None:
    weights = released[file][1]
    for key, value in change.items():
        if value is None:
            del weights[key]
        else:
            weights[key] = torch.zeros(1)
    with pytest.raises(InputError, match=message):
        conversion.convert(TINY, released)


def test_updates_are_added(released: Released) -> None:
    weights = conversion.convert(TINY, released)
    llama = assemble(TINY, weights, torch.float32).llama
    base, trained = released["base"][1], released["trained"][1]
    states = torch.randn(2, 3, TINY.llama["hidden_size"])
    for part, scaling in (("q", 2), ("k", 0), ("v", 2), ("o", 0)):
        key = f"layers.1.self_attn.{part}_proj"
        told = states @ base[f"model.{key}.weight"].T
        if scaling:
            up, down = (
                trained[f"base_model.model.model.{key}.lora_{which}.default.weight"]
                for which in "BA"
            )
            told = told + scaling * states @ down.T @ up.T
        torch.testing.assert_close(llama.get_submodule(f"model.{key}")(states), told)


def test_what_is_projected_is_normalised_without_weights(released: Released) -> None:
    """Small enough for the norm's epsilon to show."""
    model = assemble(TINY, conversion.convert(TINY, released), torch.float32)
    summed = torch.randn(1, 25, TINY.width) / 1000
    centred = summed - summed.mean(-1, keepdim=True)
    normal = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(model.project(summed), model.projection(normal))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_in_half_precision_only_norms_are_whole(released: Released, dtype: Any) -> None:
    model = assemble(TINY, conversion.convert(TINY, released), dtype)
    whole = {key for key, value in model.state_dict().items() if value.dtype == torch.float32}
    assert whole == {key for key in model.state_dict() if re.match(r"tltr\..*_layer_norm\.", key)}
    assert len(whole) == 8
    assert not any(value.is_meta for value in (*model.parameters(), *model.buffers()))
    exact = assemble(TINY, conversion.convert(TINY, released), torch.float32)
    heard, told = model.audio_embeddings(CLIP.floats), exact.audio_embeddings(CLIP.floats)
    assert heard.dtype == dtype
    assert (heard - told).abs().max() < told.abs().max() * 16 * torch.finfo(dtype).eps


@pytest.fixture(scope="session")
def tokenizer_file() -> bytes:
    """Train a small tokenizer with Llama's special tokens."""
    sentencepiece = pytest.importorskip("sentencepiece", reason="needs the extra native")
    written = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["what is heard", "a dog barks"]),
        model_writer=written,
        model_type="bpe",
        vocab_size=290,
        byte_fallback=True,
        hard_vocab_limit=False,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    return written.getvalue()


@pytest.fixture
def files(tmp_path: Path, released: Released, tokenizer_file: bytes) -> dict[str, Path]:
    """Write the released files, small and random."""
    base, trained, whisper = (tmp_path / name for name in ("base", "trained.bin", "large-v1.pt"))
    base.mkdir()
    config = {**TINY.llama, "architectures": ["LlamaForCausalLM"], "torch_dtype": "float16"}
    (base / "config.json").write_text(json.dumps(config), "utf-8")
    (base / "tokenizer.model").write_bytes(tokenizer_file)
    half = {key: value.half() for key, value in released["base"][1].items()}
    parts = [dict(list(half.items())[part::2]) for part in range(2)]
    index = {}
    for number, part in enumerate(parts):
        torch.save(part, base / f"pytorch_model-{number}.bin")
        index |= dict.fromkeys(part, f"pytorch_model-{number}.bin")
    (base / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}), "utf-8")
    torch.save(released["trained"][1], trained)
    torch.save({"dims": TINY.whisper, "model_state_dict": released["whisper"][1]}, whisper)
    return {"base": base, "trained": trained, "whisper": whisper}


@pytest.fixture
def folder(tmp_path: Path, files: dict[str, Path]) -> Path:
    conversion.convert_files(**files, folder=tmp_path / "converted")
    return tmp_path / "converted"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Note what the language model is to go on from, and by which search."""
    noted: list[tuple[Any, Any]] = []

    def note(llama: Any, prompts: Any, searches: Any) -> None:
        noted.extend(zip(prompts, searches, strict=True))
        for search in searches:
            search.answer = [264, 265]

    monkeypatch.setattr("jasco.models.native.system.decode", note)
    return noted


def answer(system: Any, audio: Audio, prompt: str, preset: str) -> Response:
    (response,) = system.answer_all([(audio, prompt)], preset)
    return response


DRAWN = {"temperature": 0.1, "top_p": 0.95, "top_k": 500}


@pytest.mark.parametrize(
    ("preset", "settings"),
    [
        ("official", {"max_new_tokens": 500, **DRAWN}),
        ("batch", {"max_new_tokens": 400, **DRAWN}),
        ("greedy", {"max_new_tokens": 500, "temperature": 0, "top_p": None, "top_k": None}),
    ],
)
def test_the_search_is_told_the_preset(
    folder: Path, told: list[tuple[Any, Any]], preset: str, settings: dict[str, Any]
) -> None:
    system = load(folder, "cpu", torch.float32, lambda _: "  A dog. Thank you for watching!")
    response = answer(system, CLIP, "What is it?", preset)
    ((embeddings, search),) = told
    assert settings.items() <= vars(search.preset).items()
    assert (search.preset.repetition_penalty, search.preset.num_beams) == (1.1, 1)
    tokenizer = system._tokenizer
    ids = prompt_ids(tokenizer, "What is it?", "A dog. ")
    assert ids[0] == BOS
    # The penalty sees the prompt's words.
    scores = search.scores(torch.ones(1, 300))[0]
    assert (scores[[*ids, 264, 265]] < scores.max()).all()
    words = system._model.llama.get_input_embeddings()
    assert torch.equal(embeddings[0, :25], system._model.audio_embeddings(CLIP.floats))
    assert torch.equal(embeddings[0, 25:], words(torch.tensor(ids)))
    assert response == Response(
        tokenizer.decode([264, 265]).strip(),
        "stop",
        {"prompt_tokens": 25 + len(ids), "completion_tokens": 3},
    )


def test_an_answer_is_repeatable_and_hears(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "official", replace(PRESETS["official"], max_new_tokens=20))
    system = load(folder, "cpu", torch.float32)
    assert system.window == 10.0
    first = answer(system, CLIP, "What is it?", "official")
    assert first.text
    assert (first.finish_reason, first.usage["completion_tokens"]) == ("length", 20)
    torch.rand(1)
    assert answer(system, CLIP, "What is it?", "official") == first
    other = Audio(tone(3, 2.5))
    assert not torch.allclose(system.hear(CLIP).embeddings, system.hear(other).embeddings)


@pytest.mark.usefixtures("told")
def test_a_clip_is_transcribed_once(folder: Path) -> None:
    heard: list[Audio] = []

    def transcribe(audio: Audio) -> str:
        heard.append(audio)
        return " A dog barks." if audio is CLIP else ""

    system = load(folder, "cpu", torch.float32, transcribe)
    for question in ("What?", "Why?"):
        answer(system, CLIP, question, "greedy")
    assert heard == [CLIP]
    assert system.recall(CLIP).transcript == "A dog barks."
    assert system.hear(Audio(tone(1, 1))).transcript == ""


def test_a_clip_without_sound_to_analyse_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="the clip has 100 samples and LTU-AS needs 400"):
        load(folder, "cpu", torch.float32).hear(Audio(CLIP.samples[:100]))


def test_an_unknown_preset_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="no preset beam; there are: official, batch, greedy"):
        load(folder, "cpu", torch.float32).answer_all([(CLIP, "What?")], "beam")


def _spoil_dims(files: dict[str, Path]) -> None:
    torch.save({"model": {}}, files["whisper"])


def _spoil_config(files: dict[str, Path]) -> None:
    (files["base"] / "config.json").write_text('{"vocab_size": 300}', "utf-8")


def _spoil_trained(files: dict[str, Path]) -> None:
    torch.save({"epoch": 3}, files["trained"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_spoil_dims, "large-v1.pt: not in OpenAI's layout of Whisper"),
        (_spoil_config, r"config.json or .*large-v1.pt: .* no model .*'hidden_size'"),
        (_spoil_trained, "trained.bin: not a plain table of weights"),
        (lambda files: (files["base"] / "tokenizer.model").unlink(), "tokenizer.model: is missing"),
        (lambda files: (files["base"] / "config.json").unlink(), "config.json: no configuration"),
        (lambda files: files["trained"].unlink(), "trained.bin: there is no such file"),
    ],
)
def test_files_that_are_none_of_the_released_are_refused(
    files: dict[str, Path],
    tmp_path: Path,
    spoil: Callable[[dict[str, Path]], None],
    message: str,
) -> None:
    spoil(files)
    with pytest.raises(InputError, match=message):
        conversion.convert_files(**files, folder=tmp_path / "converted")
    assert not (tmp_path / "converted").exists()


def test_a_folder_of_other_sizes_is_refused(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config["sizes"]["rank"] = 4
    path.write_text(json.dumps(config), "utf-8")
    with pytest.raises(InputError, match=r"down' has the shape \(8, 32\), not \(4, 32\)"):
        load(folder, "cpu", torch.float32)
    config["sizes"]["depth"] = 4
    path.write_text(json.dumps(config), "utf-8")
    with pytest.raises(InputError, match=r"config.json: not the sizes of LTU-AS \(.*depth"):
        load(folder, "cpu", torch.float32)


def test_prompts_have_a_heading_for_the_transcript_only_with_one() -> None:
    assert prompt_text("Why?", "Go.") == (
        "### Instruction:\nWhy?\n\n### Input:\nGo.\n\n### Response:\n"
    )
    assert prompt_text("Why?", "") == "### Instruction:\nWhy?\n\n### Response:\n"
    assert prompt_text("{transcript}", "{question}").count("{") == 2


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        (" Thanks for watching!", ""),
        ("  Hello. Thank you for watching.", "Hello. "),
        ("THANK YOU FOR WATCHING! Bye.", " Bye."),
        ("thanks for watching!!", "!"),
        ("Thank You for watching", "Thank You for watching"),
        ("THANKS for watching", "THANKS for watching"),
        ("Thanks for Watching", "Thanks for Watching"),
        (" Hello ", "Hello "),
    ],
)
def test_thanks_are_taken_out_of_transcripts(written: str, cleaned: str) -> None:
    assert clean_transcript(written) == cleaned


def test_a_network_without_weights_takes_no_memory() -> None:
    assert all(value.is_meta for value in make_empty(TINY).parameters())
    assert System(make_empty(TINY), None).window == 10.0
