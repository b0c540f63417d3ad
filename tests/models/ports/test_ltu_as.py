"""The port of LTU-AS: parity with the original code, the conversion, and answers."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jasco.data.audio import Audio
from jasco.errors import InputError
from jasco.models.batches import Question
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
from outcomes import answer
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
from tiny_ltu_as import TINY, Checkpoints, layouts  # noqa: E402

END_TO_END = ROUNDING * 5e-5
"""Tolerance of what is computed from the waveform."""


class Port:
    """The recorded fixtures, and the port with their weights."""

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
        self.checkpoints = checkpoints_of(oracle)
        weights = conversion.convert(self.sizes, self.checkpoints)
        self.model = assemble(self.sizes, weights, torch.float32)

    def wave(self, clip: str) -> np.ndarray:
        return Audio(self.oracle.wave(clip)).floats

    def ids(self, dialogue: str) -> list[int]:
        return self.oracle.ids(f"{dialogue}.input_ids")

    def generated(self, dialogue: str, kind: str) -> list[int]:
        """Return the recorded answer of a kind, empty where none was recorded."""
        answers = self.oracle.config["generated"].get(dialogue, {})
        return next((ids for name, ids in answers.items() if name.startswith(kind)), [])

    @cached_property
    def audio_embeddings(self) -> dict[str, Any]:
        """The audio embeddings of each clip."""
        return {clip: self.model.audio_embeddings(self.wave(clip)) for clip in self.oracle.clips}

    def embeddings(self, dialogue: str) -> Any:
        return self.model.sequence(
            self.audio_embeddings[self.oracle.clip_of(dialogue)], self.ids(dialogue)
        )

    def logits(self, embeddings: Any, last: int) -> Any:
        return self.model.llama(inputs_embeds=embeddings).logits[:, -last:]

    @cached_property
    def sampled(self) -> dict[str, tuple[Any, Any]]:
        """The recorded logits and scores of each step, for the official answers that have them."""
        names = "official_raw_step_logits", "official_processed_scores"
        expected = self.oracle.expected
        stored = {
            dialogue: (expected[f"{dialogue}.{names[0]}"], expected[f"{dialogue}.{names[1]}"])
            for dialogue in self.oracle.dialogues
            if f"{dialogue}.{names[1]}" in expected
        }
        return stored or pytest.skip("the fixtures have no sampled answers")

    def preset(self, **changes: Any) -> Preset:
        """Return the recorded official preset, with changes."""
        official = dict(self.oracle.config["generation"]["official"])
        assert official.pop("do_sample")
        return Preset(**(official | changes))


def checkpoints_of(oracle: Oracle) -> Checkpoints:
    """Return the recorded weights as the published files hold them."""
    layout = oracle.json("released_layout")
    base, trained = (keys for keys in layout.values() if isinstance(keys, dict))
    whisper = oracle.tensors("weights_whisper_feature")
    files = {
        "base": {name: oracle.weights[recorded] for name, recorded in base.items()},
        "trained": {name: oracle.weights[recorded] for name, recorded in trained.items()},
        "whisper": whisper,
    }
    return {file: (Path(file), weights) for file, weights in files.items()}


@pytest.fixture(scope="module")
def port() -> Port:
    return Port(Oracle("ltu_as"))


def stages(port: Port) -> Iterator[Stage]:
    """List the stages of each clip, of a batch, and of the questions about each clip."""
    model, sizes = port.model, port.sizes

    def compute_mel(wave: np.ndarray) -> dict[str, Any]:
        mel = log_mel(wave, sizes.whisper["n_mels"], sizes.frames)
        valid = len(wave) // HOP
        assert not mel[:, valid:].any()
        return {"mel": mel, "mel_valid": mel[:, :valid], "mel_max": mel.max()[None]}

    def encode(mel: Any) -> dict[str, Any]:
        padded = pad(mel, (0, sizes.frames - mel.shape[1]))
        return {"all_layers_nopool": every_layer(model.whisper, padded)}

    def over_time(features: Any) -> dict[str, Any]:
        return {"tltr.time_tr": model.tltr.over_time(features[None])[0]}

    def over_layers(features: Any) -> dict[str, Any]:
        attended = model.tltr.over_layers(features[None])[0]
        return {"tltr.layer_tr": attended.transpose(0, 1)}

    def prepare(dialogue: str, audio: Any) -> dict[str, Any]:
        ids = port.ids(dialogue)
        embeddings = model.sequence(audio[0], ids)
        computed = {"inputs_embeds": embeddings, "logits": port.logits(embeddings, len(ids))}
        for kind, name in (("greedy_rep", "greedy"), ("official", "official")):
            if answer := port.generated(dialogue, kind):
                with_answer = model.sequence(audio[0], ids + answer[:-1])
                computed[f"{name}_raw_step_logits"] = port.logits(with_answer, len(answer))[0]
        return computed

    def text_only(dialogue: str) -> dict[str, Any]:
        embeddings = model.sequence(torch.empty(0, sizes.llama["hidden_size"]), port.ids(dialogue))
        return {"logits": port.logits(embeddings, embeddings.shape[1])}

    for clip in port.oracle.clips:
        yield Stage(clip, [], partial(compute_mel, port.wave(clip)))
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
    for dialogue in port.oracle.dialogues:
        audio = f"{port.oracle.clip_of(dialogue)}.audio_embeds"
        yield Stage(dialogue, [audio], partial(prepare, dialogue))
        yield Stage(f"text_only.{dialogue.rpartition('.')[2]}", [], partial(text_only, dialogue))


def project(model: LtuAs, averaged: Any) -> dict[str, Any]:
    """Project to the language model's width; return the normalised features too."""
    normalised: list[Any] = []
    hook = model.projection.register_forward_pre_hook(
        lambda _, inputs: normalised.append(inputs[0])
    )
    embeddings = model.project(averaged)
    hook.remove()
    return {"audio_proj_layernorm": normalised[0], "audio_embeds": embeddings}


def sample_answer(port: Port, dialogue: str, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Sample the original's official answer; return the logits and scores of all steps."""
    tokens = iter(port.generated(dialogue, "official"))
    patch.setattr(torch, "multinomial", lambda *_, **__: torch.tensor([next(tokens)]))
    sampler = Sampler(port.preset(), penalised=port.ids(dialogue))
    steps, scores = [], sampler.scores
    patch.setattr(sampler, "scores", lambda raw: steps.append((raw, scores(raw))) or steps[-1][1])
    found(port.model.llama, port.embeddings(dialogue), sampler)
    patch.undo()
    assert next(tokens, None) is None
    raw, processed = (torch.cat(rows) for rows in zip(*steps, strict=True))
    return {"raw_step_logits": raw, "processed_scores": processed}


def tolerance(name: str) -> float:
    """Return the tolerance of a stage that is computed from its recorded inputs."""
    if name.endswith("inputs_embeds"):  # nothing is computed
        return 0.0
    if name.endswith("all_layers_nopool"):  # the rounding of a whole stack of layers adds up
        return 5e-5
    return LOGITS if name.endswith("logits") else STAGE


@pytest.mark.oracle
def test_each_stage_is_the_originals(port: Port) -> None:
    with torch.inference_mode():
        computed = stage_by_stage(stages(port), port.oracle.expected)
    deviations = differences(computed, port.oracle.expected)
    assert exceeding(deviations, tolerance) == {}
    assert any(name.endswith(".logits") for name in deviations)


@pytest.mark.oracle
def test_from_waveform_to_logits_it_is_the_original(port: Port) -> None:
    expected = port.oracle.expected
    with torch.inference_mode():
        deviations = differences(end_to_end(stages(port)), expected)
    assert exceeding(deviations, lambda _: END_TO_END) == {}
    # Every recorded tensor is compared; the scores of sampled tokens, in the tests below.
    sampled = {name for name in expected if name.endswith(".official_processed_scores")}
    assert expected.keys() - deviations.keys() == sampled


def scores_of(port: Port, dialogue: str, **changes: Any) -> Any:
    """Return the scores that the official tokens are sampled from, by the recorded logits."""
    sampler, scores = Sampler(port.preset(**changes), penalised=port.ids(dialogue)), []
    logits, _ = port.sampled[dialogue]
    for token, row in zip(port.generated(dialogue, "official"), logits, strict=True):
        scores.append(sampler.scores(row[None]))
        sampler.answer.append(token)
    return torch.cat(scores)


@pytest.mark.oracle
def test_tokens_are_sampled_from_the_originals_scores(port: Port) -> None:
    deviations = {
        dialogue: difference(scores_of(port, dialogue), processed)
        for dialogue, (_, processed) in port.sampled.items()
    }
    assert exceeding(deviations, lambda _: STAGE) == {}


@pytest.mark.oracle
def test_from_the_waveform_tokens_are_sampled_from_the_originals_scores(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = port.preset()
    # The penalty and the temperature scale the deviations; probabilities are exponential in them.
    bound = END_TO_END * settings.repetition_penalty / settings.temperature
    for dialogue, (raw, processed) in port.sampled.items():
        ours = sample_answer(port, dialogue, monkeypatch)
        assert difference(ours["raw_step_logits"], raw) <= END_TO_END, dialogue
        scores = ours["processed_scores"]
        candidates = scores.isfinite()
        fewer, more = (
            scores_of(port, dialogue, top_p=min(settings.top_p + by, 1.0)).isfinite()
            for by in (-2 * bound, 2 * bound)
        )
        assert (fewer <= candidates).all(), dialogue
        assert (candidates <= more).all(), dialogue
        both = candidates & processed.isfinite()
        assert difference(scores[both], processed[both]) <= bound, dialogue


@pytest.mark.oracle
@pytest.mark.parametrize("penalised", [True, False])
def test_greedy_answers_are_the_originals(port: Port, penalised: bool) -> None:
    kind, changes = ("greedy_rep", {}) if penalised else ("greedy_no", {"repetition_penalty": 1.0})
    preset = port.preset(temperature=0.0, top_p=None, top_k=None, **changes)
    for dialogue in port.oracle.dialogues:
        expected = port.generated(dialogue, kind)
        if expected:
            ended = expected[-1] == EOS
            assert ended or len(expected) == preset.max_new_tokens
            search = partial(Sampler, preset, penalised=port.ids(dialogue))
            embeddings = port.embeddings(dialogue)
            answer = expected[:-1] if ended else expected
            assert finds(port.model.llama, embeddings, search, answer, END_TO_END), dialogue


def truncate(wave: np.ndarray, max_samples: int) -> np.ndarray:
    return wave[:max_samples]


def pad_with_silence(wave: np.ndarray, max_samples: int) -> np.ndarray:
    return np.pad(wave, (0, max(0, 3 * max_samples - len(wave))))


@pytest.mark.oracle
@pytest.mark.parametrize("change", [truncate, pad_with_silence])
def test_the_mistakes_that_wrong_ports_make_would_show(
    port: Port, change: Callable[[np.ndarray, int], np.ndarray]
) -> None:
    """The dynamic range depends on the whole clip, and short clips are not padded with silence."""
    max_samples, expected = port.sizes.frames * HOP, port.oracle.expected
    deviations = []
    for clip in port.oracle.clips:
        wave = port.wave(clip)
        loudest = np.abs(wave).argmax()
        if (loudest < max_samples) if change is truncate else (len(wave) >= max_samples):
            continue  # this mistake changes nothing here
        mel = log_mel(change(wave, max_samples), port.sizes.whisper["n_mels"], port.sizes.frames)
        with torch.inference_mode():
            features = pool_time(every_layer(port.model.whisper, mel), port.sizes.pool)
        computed = {f"{clip}.mel": mel, f"{clip}.pooled_features": features}
        deviations.append(max(differences(computed, expected).values()))
    if not deviations:
        pytest.skip("this mistake changes no clip of the fixtures")
    assert min(deviations) > 1000 * STAGE


@pytest.mark.oracle
def test_prompts_are_the_originals(port: Port) -> None:
    for case in port.oracle.config["questions"]:
        assert prompt_text(case["question"], case["transcript"]) == case["prompt"]
    for case in port.oracle.config["clean_transcript_cases"]:
        assert remove_thanks_for_watching(case["input"]) == case["output"]


@pytest.mark.oracle
def test_settings_are_the_originals(port: Port) -> None:
    official = PRESETS["official"]
    assert port.preset(max_new_tokens=official.max_new_tokens, seed=official.seed) == official


@pytest.mark.oracle
def test_every_key_of_a_published_file_is_required(port: Port) -> None:
    for part, (path, weights) in port.checkpoints.items():
        shapes = conversion.expected_of(part, port.sizes)
        for key in weights:
            name = rename_key(key, conversion.KEYS[part])
            remaining = {other: value for other, value in weights.items() if other != key}
            if name is None:
                conversion.rename(remaining, conversion.KEYS[part], shapes, path)
                continue
            with pytest.raises(InputError, match=re.escape(f"'{name}'")):
                conversion.rename(remaining, conversion.KEYS[part], shapes, path)
            reshaped = weights | {key: weights[key][None]}
            with pytest.raises(InputError, match=re.escape(f"'{key}' has shape")):
                conversion.rename(reshaped, conversion.KEYS[part], shapes, path)
            for wrong in (f"{key}.x", f"x.{key}", key.replace(".", "_", 1)):
                with pytest.raises(InputError, match=re.escape(f"'{wrong}'")):
                    conversion.rename(
                        remaining | {wrong: weights[key]}, conversion.KEYS[part], shapes, path
                    )


# The tests below need no recorded fixtures.

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


def test_real_files_hold_as_many_weights_as_the_paper_counts() -> None:
    layout, shapes = layouts(REAL), shapes_of(REAL)
    assert len(layout["trained"]) == 160
    parameters = 0
    for file, keys in layout.items():
        names = {key: rename_key(key, conversion.KEYS[file]) for key in keys}
        named = {names[key]: shape for key, shape in keys.items() if names[key] is not None}
        assert conversion.expected_of(file, REAL) == named
        parameters += sum(map(np.prod, keys.values())) if file == "trained" else 0
    assert parameters == 48_793_600  # as the original's page states
    assert len(shapes) == 160 + 291 + 487
    assert REAL.max_audio_seconds == 10.0


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("base", {"lm_head.weight": None}, "base: lacks 1 of 21 .*'llama.lm_head"),
        ("base", {"model.extra.weight": 0}, "unexpected weight 'model.extra.weight'"),
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
            r"'base_model.model.model.audio_proj.1.bias' has shape \(1,\), expected \(32,\)",
        ),
        ("whisper", {"encoder.ln_post.bias": None}, "lacks 1 of .*'whisper.layer_norm.bias'"),
        ("whisper", {"encoder.blocks.3.mlp.0.bias": 0}, "'encoder.blocks.3.mlp.0.bias'"),
        ("whisper", {"proj_out.weight": 0}, "'proj_out.weight'"),
    ],
)
def test_a_file_that_is_not_as_published_is_refused(
    ltu_as_checkpoints: Checkpoints, file: str, change: dict[str, int | None], message: str
) -> None:
    weights = ltu_as_checkpoints[file][1]
    for key, value in change.items():
        if value is None:
            del weights[key]
        else:
            weights[key] = torch.zeros(1)
    with pytest.raises(InputError, match=message):
        conversion.convert(TINY, ltu_as_checkpoints)


def test_lora_is_added(ltu_as_checkpoints: Checkpoints) -> None:
    weights = conversion.convert(TINY, ltu_as_checkpoints)
    llama = assemble(TINY, weights, torch.float32).llama
    base, trained = ltu_as_checkpoints["base"][1], ltu_as_checkpoints["trained"][1]
    states = torch.randn(2, 3, TINY.llama["hidden_size"])
    for part, scaling in (("q", 2), ("k", 0), ("v", 2), ("o", 0)):
        key = f"layers.1.self_attn.{part}_proj"
        expected = states @ base[f"model.{key}.weight"].T
        if scaling:
            b, a = (
                trained[f"base_model.model.model.{key}.lora_{matrix}.default.weight"]
                for matrix in "BA"
            )
            expected = expected + scaling * states @ a.T @ b.T
        torch.testing.assert_close(llama.get_submodule(f"model.{key}")(states), expected)


def test_projected_features_are_normalised_without_weights(ltu_as_checkpoints: Checkpoints) -> None:
    """The features are so small that the norm's epsilon matters."""
    model = assemble(TINY, conversion.convert(TINY, ltu_as_checkpoints), torch.float32)
    features = torch.randn(1, 25, TINY.width) / 1000
    centred = features - features.mean(-1, keepdim=True)
    normal = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(model.project(features), model.projection(normal))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_in_half_precision_only_norms_are_whole(
    ltu_as_checkpoints: Checkpoints, dtype: Any
) -> None:
    model = assemble(TINY, conversion.convert(TINY, ltu_as_checkpoints), dtype)
    float32_keys = {
        key for key, value in model.state_dict().items() if value.dtype == torch.float32
    }
    assert float32_keys == {
        key for key in model.state_dict() if re.match(r"tltr\..*_layer_norm\.", key)
    }
    assert len(float32_keys) == 8
    assert not any(value.is_meta for value in (*model.parameters(), *model.buffers()))
    exact = assemble(TINY, conversion.convert(TINY, ltu_as_checkpoints), torch.float32)
    embeddings, expected = model.audio_embeddings(CLIP.floats), exact.audio_embeddings(CLIP.floats)
    assert embeddings.dtype == dtype
    assert (embeddings - expected).abs().max() < expected.abs().max() * 16 * torch.finfo(dtype).eps


@pytest.fixture
def folder(tmp_path: Path, ltu_as_files: dict[str, Path]) -> Path:
    conversion.convert_files(**ltu_as_files, folder=tmp_path / "converted")
    return tmp_path / "converted"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Record each prompt and search that would be decoded; the answer is always the same."""
    calls: list[tuple[Any, Any]] = []

    def decode(llama: Any, prompts: Any, searches: Any, groups: Any) -> None:
        calls.extend(zip(prompts, searches, strict=True))
        for search in searches:
            search.answer = [264, 265]

    monkeypatch.setattr("jasco.models.ports.inference.decode", decode)
    return calls


SAMPLING = {"temperature": 0.1, "top_p": 0.95, "top_k": 500}


@pytest.mark.parametrize(
    ("preset", "settings"),
    [
        ("official", {"max_new_tokens": 500, **SAMPLING}),
        ("batch", {"max_new_tokens": 400, **SAMPLING}),
        ("greedy", {"max_new_tokens": 500, "temperature": 0, "top_p": None, "top_k": None}),
    ],
)
def test_the_search_uses_the_preset(
    folder: Path, decoded: list[tuple[Any, Any]], preset: str, settings: dict[str, Any]
) -> None:
    inference = load(folder, "cpu", torch.float32, lambda _: "  A dog. Thank you for watching!")
    response = answer(inference, CLIP, "What is it?", preset)
    ((embeddings, search),) = decoded
    assert settings.items() <= vars(search.preset).items()
    assert (search.preset.repetition_penalty, search.preset.num_beams) == (1.1, 1)
    tokenizer = inference._tokenizer
    ids = prompt_ids(tokenizer, "What is it?", "A dog. ")
    assert ids[0] == BOS
    # The repetition penalty counts the prompt's tokens.
    scores = search.scores(torch.ones(1, 300))[0]
    assert (scores[[*ids, 264, 265]] < scores.max()).all()
    embed = inference._model.llama.get_input_embeddings()
    assert torch.equal(embeddings[0, :25], inference._model.audio_embeddings(CLIP.floats))
    assert torch.equal(embeddings[0, 25:], embed(torch.tensor(ids)))
    assert response == Response(
        tokenizer.decode([264, 265]).strip(),
        "stop",
        {"prompt_tokens": 25 + len(ids), "completion_tokens": 3},
    )


def test_an_answer_is_repeatable_and_uses_the_audio(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "official", replace(PRESETS["official"], max_new_tokens=20))
    inference = load(folder, "cpu", torch.float32)
    assert inference.max_audio_seconds == 10.0
    first = answer(inference, CLIP, "What is it?", "official")
    assert first.text
    assert (first.finish_reason, first.usage["completion_tokens"]) == ("length", 20)
    torch.rand(1)
    assert answer(inference, CLIP, "What is it?", "official") == first
    other = Audio(tone(3, 2.5))
    assert not torch.allclose(inference.encode(CLIP).embeddings, inference.encode(other).embeddings)


@pytest.mark.usefixtures("decoded")
def test_a_clip_is_transcribed_once(folder: Path) -> None:
    transcribed: list[Audio] = []

    def transcribe(audio: Audio) -> str:
        transcribed.append(audio)
        return " A dog barks." if audio is CLIP else ""

    inference = load(folder, "cpu", torch.float32, transcribe)
    for question in ("What?", "Why?"):
        answer(inference, CLIP, question, "greedy")
    assert transcribed == [CLIP]
    assert inference.encode_once(CLIP).transcript == "A dog barks."
    assert inference.encode(Audio(tone(1, 1))).transcript == ""


def test_a_clip_without_sound_to_analyse_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"100 samples, .*400"):
        load(folder, "cpu", torch.float32).encode(Audio(CLIP.samples[:100]))


def test_an_unknown_preset_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"beam.*official, batch, greedy"):
        load(folder, "cpu", torch.float32).answer_all([Question(CLIP, "What?")], "beam")


def _spoil_dims(files: dict[str, Path]) -> None:
    torch.save({"model": {}}, files["whisper"])


def _spoil_config(files: dict[str, Path]) -> None:
    (files["base"] / "config.json").write_text('{"vocab_size": 300}', "utf-8")


def _spoil_trained(files: dict[str, Path]) -> None:
    torch.save({"epoch": 3}, files["trained"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_spoil_dims, "large-v1.pt: .*format"),
        (_spoil_config, r"config.json or .*large-v1.pt: .*'hidden_size'"),
        (_spoil_trained, "trained.bin: not a .*weights"),
        (
            lambda files: (files["base"] / "tokenizer.model").unlink(),
            "tokenizer.model: file not found",
        ),
        (lambda files: (files["base"] / "config.json").unlink(), "config.json: .*configuration"),
        (lambda files: files["trained"].unlink(), "trained.bin: file not found"),
    ],
)
def test_other_files_than_the_published_are_refused(
    ltu_as_files: dict[str, Path],
    tmp_path: Path,
    spoil: Callable[[dict[str, Path]], None],
    message: str,
) -> None:
    spoil(ltu_as_files)
    with pytest.raises(InputError, match=message):
        conversion.convert_files(**ltu_as_files, folder=tmp_path / "converted")
    assert not (tmp_path / "converted").exists()


def test_a_folder_of_other_sizes_is_refused(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config["sizes"]["rank"] = 4
    path.write_text(json.dumps(config), "utf-8")
    with pytest.raises(InputError, match=r"lora_A' has shape \(8, 32\), expected \(4, 32\)"):
        load(folder, "cpu", torch.float32)
    config["sizes"]["depth"] = 4
    path.write_text(json.dumps(config), "utf-8")
    with pytest.raises(InputError, match=r"config.json: .*sizes.*depth"):
        load(folder, "cpu", torch.float32)


def test_prompts_have_a_heading_for_the_transcript_only_with_one() -> None:
    assert prompt_text("Why?", "Go.") == (
        "### Instruction:\nWhy?\n\n### Input:\nGo.\n\n### Response:\n"
    )
    assert prompt_text("Why?", "") == "### Instruction:\nWhy?\n\n### Response:\n"
    assert prompt_text("{transcript}", "{question}").count("{") == 2


@pytest.mark.parametrize(
    ("transcript", "cleaned"),
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
def test_thanks_are_removed_from_transcripts(transcript: str, cleaned: str) -> None:
    assert clean_transcript(transcript) == cleaned


def test_a_network_without_weights_takes_no_memory() -> None:
    assert all(value.is_meta for value in make_empty(TINY).parameters())
    assert LtuAsInference(make_empty(TINY), None).max_audio_seconds == 10.0
