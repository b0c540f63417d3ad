"""LTU-AS: against what the original computed, and what surrounds the numbers."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jasco.data.audio import Audio
from jasco.errors import InputError
from jasco.protocol.responses import Response
from oracle import (
    LOGITS,
    ROUNDING,
    STAGE,
    Oracle,
    Stage,
    difference,
    differences,
    end_to_end,
    exceeding,
    finds,
    found,
    stage_by_stage,
)
from synthetic import tone

torch = pytest.importorskip("torch", reason="needs the extra native")
pytest.importorskip("transformers", reason="needs the extra native")
pytest.importorskip("safetensors", reason="needs the extra native")
pytestmark = pytest.mark.slow  # torch is there in the second tier only

from torch.nn.functional import pad  # noqa: E402

from jasco.models.ports.decoding import Preset, Sampler  # noqa: E402
from jasco.models.ports.ltu_as import conversion  # noqa: E402
from jasco.models.ports.ltu_as.features import every_layer, log_mel, pool_time  # noqa: E402
from jasco.models.ports.ltu_as.inference import LtuAsInference, load  # noqa: E402
from jasco.models.ports.ltu_as.model import LtuAs, assemble, make_empty, shapes_of  # noqa: E402
from jasco.models.ports.ltu_as.presets import PRESETS  # noqa: E402
from jasco.models.ports.ltu_as.prompt import (  # noqa: E402
    clean_transcript,
    prompt_ids,
    prompt_text,
    remove_thanks_for_watching,
)
from jasco.models.ports.ltu_as.sizes import HOP, Sizes, llama_sizes  # noqa: E402
from jasco.models.ports.state_dict import rename_key  # noqa: E402
from jasco.models.ports.text import BOS, EOS  # noqa: E402

Released = dict[str, tuple[Path, dict[str, Any]]]

END_TO_END = ROUNDING * 5e-5
"""How far off it may be that is computed from the waveform."""
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

    def wave(self, clip: str) -> np.ndarray:
        return Audio(self.oracle.wave(clip)).floats

    def ids(self, asked: str) -> list[int]:
        return self.oracle.ids(f"{asked}.input_ids")

    def generated(self, asked: str, kind: str) -> list[int]:
        """Give the answer of a kind; empty: there is none."""
        answers = self.oracle.config["generated"].get(asked, {})
        return next((ids for name, ids in answers.items() if name.startswith(kind)), [])

    @cached_property
    def heard(self) -> dict[str, Any]:
        """What is heard of each clip."""
        return {clip: self.model.audio_embeddings(self.wave(clip)) for clip in self.oracle.clips}

    def embeddings(self, asked: str) -> Any:
        return self.model.sequence(self.heard[self.oracle.clip_of(asked)], self.ids(asked))

    def logits(self, embeddings: Any, last: int) -> Any:
        return self.model.llama(inputs_embeds=embeddings).logits[:, -last:]

    @cached_property
    def drawn(self) -> dict[str, tuple[Any, Any]]:
        """Stored logits and scores of each step of the official answers that have them."""
        names = "official_raw_step_logits", "official_processed_scores"
        expected = self.oracle.expected
        stored = {
            asked: (expected[f"{asked}.{names[0]}"], expected[f"{asked}.{names[1]}"])
            for asked in self.oracle.asked
            if f"{asked}.{names[1]}" in expected
        }
        return stored or pytest.skip("the fixtures have no drawn answers")

    def preset(self, **changes: Any) -> Preset:
        """Give the recorded settings, the official ones, with changes."""
        official = dict(self.oracle.config["generation"]["official"])
        assert official.pop("do_sample")
        return Preset(**(official | changes))


def _released(oracle: Oracle) -> Released:
    """Give a fixture's weights as they are in the released files."""
    layout = oracle.json("released_layout")
    base, trained = (keys for keys in layout.values() if isinstance(keys, dict))
    whisper = oracle.tensors("weights_whisper_feature")
    files = {
        "base": {new: oracle.weights[old] for new, old in base.items()},
        "trained": {new: oracle.weights[old] for new, old in trained.items()},
        "whisper": whisper,
    }
    return {file: (Path(file), weights) for file, weights in files.items()}


@pytest.fixture(scope="module")
def port() -> Port:
    return Port(Oracle("ltu_as"))


def stages(port: Port) -> Iterator[Stage]:
    """List what is computed of each clip, of a batch, and of the questions about a clip."""
    model, sizes = port.model, port.sizes

    def hear(wave: np.ndarray) -> dict[str, Any]:
        mel = log_mel(wave, sizes.whisper["n_mels"], sizes.frames)
        valid = len(wave) // HOP
        assert not mel[:, valid:].any()
        return {"mel": mel, "mel_valid": mel[:, :valid], "mel_max": mel.max()[None]}

    def encode(mel: Any) -> dict[str, Any]:
        filled = pad(mel, (0, sizes.frames - mel.shape[1]))
        return {"all_layers_nopool": every_layer(model.whisper, filled)}

    def over_time(features: Any) -> dict[str, Any]:
        return {"tltr.time_tr": model.tltr.over_time(features[None])[0]}

    def over_layers(by_layer: Any) -> dict[str, Any]:
        mixed = model.tltr.over_layers(by_layer[None])[0]
        return {"tltr.layer_tr": mixed.transpose(0, 1)}

    def prepare(asked: str, audio: Any) -> dict[str, Any]:
        ids = port.ids(asked)
        said = model.sequence(audio[0], ids)
        computed = {"inputs_embeds": said, "logits": port.logits(said, len(ids))}
        for kind, name in (("greedy_rep", "greedy"), ("official", "official")):
            if new := port.generated(asked, kind):
                told = model.sequence(audio[0], ids + new[:-1])
                computed[f"{name}_raw_step_logits"] = port.logits(told, len(new))[0]
        return computed

    def text_only(asked: str) -> dict[str, Any]:
        words = model.sequence(torch.empty(0, sizes.llama["hidden_size"]), port.ids(asked))
        return {"logits": port.logits(words, words.shape[1])}

    for clip in port.oracle.clips:
        yield Stage(clip, [], partial(hear, port.wave(clip)))
        yield Stage(clip, [f"{clip}.mel_valid"], encode)
        yield Stage(
            clip,
            [f"{clip}.all_layers_nopool"],
            lambda states: {"pooled_features": pool_time(states, sizes.pool)},
        )
        yield Stage(clip, [f"{clip}.pooled_features"], over_time)
        yield Stage(clip, [f"{clip}.tltr.time_tr"], over_layers)
        yield Stage(
            clip,
            [f"{clip}.pooled_features"],
            lambda features: {"tltr.out": model.tltr(features[None])},
        )
        yield Stage(clip, [f"{clip}.tltr.out"], partial(project, model))
    if "tltr_batch_input" in port.oracle.inputs:
        batch = torch.from_numpy(port.oracle.inputs["tltr_batch_input"])
        yield Stage("tltr_batch", [], lambda: {"out": model.tltr(batch)})
        yield Stage("tltr_batch", ["tltr_batch.out"], partial(project, model))
    for asked in port.oracle.asked:
        heard = f"{port.oracle.clip_of(asked)}.audio_embeds"
        yield Stage(asked, [heard], partial(prepare, asked))
        yield Stage(f"text_only.{asked.rpartition('.')[2]}", [], partial(text_only, asked))


def project(model: LtuAs, summed: Any) -> dict[str, Any]:
    """Bring to the language model, and keep what is normalised on the way."""
    normalised: list[Any] = []
    hook = model.projection.register_forward_pre_hook(lambda _, given: normalised.append(given[0]))
    embeddings = model.project(summed)
    hook.remove()
    return {"audio_proj_layernorm": normalised[0], "audio_embeds": embeddings}


def draw(port: Port, asked: str, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let the official answer be drawn, with the original's luck; give each step's numbers."""
    luck = iter(port.generated(asked, "official"))
    patch.setattr(torch, "multinomial", lambda *_, **__: torch.tensor([next(luck)]))
    drawn = Sampler(port.preset(), penalised=port.ids(asked))
    steps, scores = [], drawn.scores
    patch.setattr(drawn, "scores", lambda raw: steps.append((raw, scores(raw))) or steps[-1][1])
    found(port.model.llama, port.embeddings(asked), drawn)
    patch.undo()
    assert next(luck, None) is None
    raw, processed = (torch.cat(each) for each in zip(*steps, strict=True))
    return {"raw_step_logits": raw, "processed_scores": processed}


def tolerance(name: str) -> float:
    """Tell how far a stage may be off that is computed from its stored inputs."""
    if name.endswith("inputs_embeds"):  # nothing is computed
        return 0.0
    if name.endswith("all_layers_nopool"):  # a whole stack of layers, whose rounding adds up
        return 5e-5
    return LOGITS if name.endswith("logits") else STAGE


@ORACLE
def test_each_stage_is_the_originals(port: Port) -> None:
    with torch.inference_mode():
        computed = stage_by_stage(stages(port), port.oracle.expected)
    apart = differences(computed, port.oracle.expected)
    assert exceeding(apart, tolerance) == {}
    assert any(name.endswith(".logits") for name in apart)


@ORACLE
def test_from_waveform_to_logits_it_is_the_original(port: Port) -> None:
    expected = port.oracle.expected
    with torch.inference_mode():
        apart = differences(end_to_end(stages(port)), expected)
    assert exceeding(apart, lambda _: END_TO_END) == {}
    # All that is stored is compared: what is drawn, below.
    drawn = {name for name in expected if name.endswith(".official_processed_scores")}
    assert expected.keys() - apart.keys() == drawn


def scores_of(port: Port, asked: str, **changes: Any) -> Any:
    """Give what the official tokens are drawn from, by the logits that are stored."""
    drawn, scores = Sampler(port.preset(**changes), penalised=port.ids(asked)), []
    logits, _ = port.drawn[asked]
    for token, row in zip(port.generated(asked, "official"), logits, strict=True):
        scores.append(drawn.scores(row[None]))
        drawn.answer.append(token)
    return torch.cat(scores)


@ORACLE
def test_tokens_are_drawn_from_the_originals_scores(port: Port) -> None:
    apart = {
        asked: difference(scores_of(port, asked), processed)
        for asked, (_, processed) in port.drawn.items()
    }
    assert exceeding(apart, lambda _: STAGE) == {}


@ORACLE
def test_from_the_waveform_tokens_are_drawn_from_the_originals_scores(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = port.preset()
    # The penalty and the temperature multiply differences, and odds go by the exponential.
    off = END_TO_END * settings.repetition_penalty / settings.temperature
    for asked, (raw, processed) in port.drawn.items():
        drawn = draw(port, asked, monkeypatch)
        assert difference(drawn["raw_step_logits"], raw) <= END_TO_END, asked
        ours = drawn["processed_scores"]
        kept = ours.isfinite()
        fewer, more = (
            scores_of(port, asked, top_p=min(settings.top_p + by, 1.0)).isfinite()
            for by in (-2 * off, 2 * off)
        )
        assert (fewer <= kept).all(), asked
        assert (kept <= more).all(), asked
        both = kept & processed.isfinite()
        assert difference(ours[both], processed[both]) <= off, asked


@ORACLE
@pytest.mark.parametrize("penalised", [True, False])
def test_greedy_answers_are_the_originals(port: Port, penalised: bool) -> None:
    kind, changes = ("greedy_rep", {}) if penalised else ("greedy_no", {"repetition_penalty": 1.0})
    preset = port.preset(temperature=0.0, top_p=None, top_k=None, **changes)
    for asked in port.oracle.asked:
        theirs = port.generated(asked, kind)
        if theirs:
            ended = theirs[-1] == EOS
            assert ended or len(theirs) == preset.max_new_tokens
            search = partial(Sampler, preset, penalised=port.ids(asked))
            embeddings = port.embeddings(asked)
            said = theirs[:-1] if ended else theirs
            assert finds(port.model.llama, embeddings, search, said, END_TO_END), asked


def cut(wave: np.ndarray, window: int) -> np.ndarray:
    return wave[:window]


def fill(wave: np.ndarray, window: int) -> np.ndarray:
    return np.pad(wave, (0, max(0, 3 * window - len(wave))))


@ORACLE
@pytest.mark.parametrize("change", [cut, fill])
def test_the_mistakes_that_wrong_ports_make_would_show(
    port: Port, change: Callable[[np.ndarray, int], np.ndarray]
) -> None:
    """The range hangs on the whole clip, and nothing is filled up with silence."""
    window, expected = port.sizes.frames * HOP, port.oracle.expected
    off = []
    for clip in port.oracle.clips:
        wave = port.wave(clip)
        loudest = np.abs(wave).argmax()
        if (loudest < window) if change is cut else (len(wave) >= window):
            continue  # such a clip cannot tell
        mel = log_mel(change(wave, window), port.sizes.whisper["n_mels"], port.sizes.frames)
        with torch.inference_mode():
            features = pool_time(every_layer(port.model.whisper, mel), port.sizes.pool)
        computed = {f"{clip}.mel": mel, f"{clip}.pooled_features": features}
        off.append(max(differences(computed, expected).values()))
    if not off:
        pytest.skip("no clip of the fixtures can tell")
    assert min(off) > 1000 * STAGE


@ORACLE
def test_prompts_are_the_originals(port: Port) -> None:
    for asked in port.oracle.config["questions"]:
        assert prompt_text(asked["question"], asked["transcript"]) == asked["prompt"]
    for case in port.oracle.config["clean_transcript_cases"]:
        assert remove_thanks_for_watching(case["input"]) == case["output"]


@ORACLE
def test_settings_are_the_originals(port: Port) -> None:
    official = PRESETS["official"]
    assert port.preset(max_new_tokens=official.max_new_tokens, seed=official.seed) == official


@ORACLE
def test_every_key_of_a_released_file_must_be_there(port: Port) -> None:
    for file, (path, weights) in port.released.items():
        shapes = conversion.expected_of(file, port.sizes)
        for key in weights:
            new = rename_key(key, conversion.KEYS[file])
            lacking = {other: value for other, value in weights.items() if other != key}
            if new is None:
                conversion.rename(lacking, conversion.KEYS[file], shapes, path)
                continue
            with pytest.raises(InputError, match=re.escape(f"'{new}'")):
                conversion.rename(lacking, conversion.KEYS[file], shapes, path)
            bent = weights | {key: weights[key][None]}
            with pytest.raises(InputError, match=re.escape(f"'{key}' has the shape")):
                conversion.rename(bent, conversion.KEYS[file], shapes, path)
            for wrong in (f"{key}.x", f"x.{key}", key.replace(".", "_", 1)):
                with pytest.raises(InputError, match=re.escape(f"'{wrong}'")):
                    conversion.rename(
                        lacking | {wrong: weights[key]}, conversion.KEYS[file], shapes, path
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
        new = {key: rename_key(key, conversion.KEYS[file]) for key in keys}
        named = {new[key]: shape for key, shape in keys.items() if new[key] is not None}
        assert conversion.expected_of(file, REAL) == named
        numbers += sum(map(np.prod, keys.values())) if file == "trained" else 0
    assert numbers == 48_793_600  # as the original's page has it
    assert len(shapes) == 160 + 291 + 487
    assert REAL.max_audio_seconds == 10.0


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

    monkeypatch.setattr("jasco.models.ports.inference.decode", note)
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
    assert system.max_audio_seconds == 10.0
    first = answer(system, CLIP, "What is it?", "official")
    assert first.text
    assert (first.finish_reason, first.usage["completion_tokens"]) == ("length", 20)
    torch.rand(1)
    assert answer(system, CLIP, "What is it?", "official") == first
    other = Audio(tone(3, 2.5))
    assert not torch.allclose(system.encode(CLIP).embeddings, system.encode(other).embeddings)


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
    assert system.encode_once(CLIP).transcript == "A dog barks."
    assert system.encode(Audio(tone(1, 1))).transcript == ""


def test_a_clip_without_sound_to_analyse_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="the clip has 100 samples and LTU-AS needs 400"):
        load(folder, "cpu", torch.float32).encode(Audio(CLIP.samples[:100]))


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
    with pytest.raises(InputError, match=r"lora_A' has the shape \(8, 32\), not \(4, 32\)"):
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
    assert LtuAsInference(make_empty(TINY), None).max_audio_seconds == 10.0
