"""The port of SALMONN: parity with the original code, the conversion, and answers."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jasco.data.audio import Audio
from jasco.errors import InputError
from jasco.models.batches import Question
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

torch = pytest.importorskip("torch", reason="needs the extra native")
pytest.importorskip("transformers", reason="needs the extra native")
pytest.importorskip("safetensors", reason="needs the extra native")
# torch is there in the second tier only
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_gradients")]

from jasco.models.ports.decoding import Preset, Sampler, decode  # noqa: E402
from jasco.models.ports.lora import LORA_KEYS  # noqa: E402
from jasco.models.ports.salmonn import conversion, inference  # noqa: E402
from jasco.models.ports.salmonn.beam import BeamSearch  # noqa: E402
from jasco.models.ports.salmonn.beats import Beats, BeatsConfig, coarser  # noqa: E402
from jasco.models.ports.salmonn.connector import windows  # noqa: E402
from jasco.models.ports.salmonn.conversion import Checkpoint  # noqa: E402
from jasco.models.ports.salmonn.features import filter_bank, fit, log_mel  # noqa: E402
from jasco.models.ports.salmonn.model import Salmonn  # noqa: E402
from jasco.models.ports.salmonn.prompt import PRESETS, split_prompt  # noqa: E402
from jasco.models.ports.text import EOS  # noqa: E402
from tiny_salmonn import COPY, TINY, Parts, make_parts  # noqa: E402

Tensors = dict[str, Any]

END_TO_END = ROUNDING * 5e-5
"""Tolerance of results computed from the waveform; wrong ports deviate by 0.2 and more."""


def assert_close(ours: Any, theirs: Any, tolerance: float, name: str) -> None:
    """Check that two tensors differ by no more than a tolerance."""
    assert difference(ours, theirs) <= tolerance, name


# Parity with the original


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle("salmonn")


@pytest.fixture(scope="module")
def network(oracle: Oracle) -> Salmonn:
    return converted(oracle, oracle.config)


def checkpoints(oracle: Oracle) -> dict[str, Checkpoint]:
    """Return the recorded weights in the layout of the checkpoints."""
    return {
        part.split()[0]: Checkpoint(
            Path(part.split()[0]), {key: oracle.weights[name] for key, name in keys.items()}
        )
        for part, keys in oracle.json("released_layout").items()
    }


def converted(oracle: Oracle, config: dict[str, Any]) -> Salmonn:
    weights = conversion.convert(config, **checkpoints(oracle))
    return inference.assemble(config, weights, Path("tiny"))


def samples_of(oracle: Oracle, clip: str) -> Any:
    return oracle.wave(clip) / 32768


def sequence_of(oracle: Oracle, network: Salmonn, dialogue: str, audio: Any) -> Any:
    left, right = (oracle.ids(f"{dialogue}.{half}_ids") for half in ("left", "right"))
    return network.sequence(left, audio, right)


def features_of(network: Salmonn, samples: Any) -> Tensors:
    fitted = fit(samples)
    config = network.whisper.config
    (mel,) = log_mel(fitted, config.num_mel_bins, 2 * config.max_source_positions)
    end = math.ceil((len(fitted) + 200) / 160)  # of the frames that are not all padding
    assert (mel[:, end:] == mel[0, -1]).all()
    return {
        "mel": mel,
        "mel_pad_value": mel[0, -1:],
        "raw_wav_len": torch.tensor([len(fitted)]),
        "beats.fbank": filter_bank(fitted),
    }


def stages_of_beats(beats: Beats, bank: Any, padding: Any = None) -> Tensors:
    """Return the states of BEATs and the intermediate tensors, in the original's layout."""
    tensors: Tensors = {}

    def record(name: str, convert: Any) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            tensors[f"beats.{name}"] = convert(output)

        return hook

    encoder = beats.encoder
    modules = [
        (beats.patch_embedding, "patch_embedding", lambda out: out),
        (beats.layer_norm, "patch_layer_norm", lambda out: out),
        (beats.post_extract_proj, "post_extract_proj", lambda out: out),
        (encoder.pos_conv, "pos_conv", lambda out: out.transpose(1, 2)),
        (encoder.layer_norm, "encoder_in", lambda out: out),
    ]
    for number, layer in enumerate(encoder.layers):
        modules.append((layer.self_attn, f"attn{number}", lambda out: out.transpose(0, 1)))
        modules.append((layer, f"layer{number}", lambda out: out.transpose(0, 1)))
    hooks = [
        module.register_forward_hook(record(name, convert)) for module, name, convert in modules
    ]
    tensors["beats.out"] = out = beats(bank, padding)
    for hook in hooks:
        hook.remove()
    tensors["beats.n_tokens"] = torch.tensor([out.shape[1]])
    bias = encoder.position_bias(out.shape[1])
    if bias is not None:
        tensors["beats.position_bias_head0"] = bias[:1]
    return tensors


def stages_of_connector(network: Salmonn, speech: Any, audio: Any) -> Tensors:
    connector = network.connector
    joined = connector.join(speech, audio)
    frames = windows(joined[0], connector.kernel, connector.stride)
    queries = connector.query_tokens.expand(len(frames), -1, -1)
    output = connector.qformer(query_embeds=queries, encoder_hidden_states=frames).last_hidden_state
    return {
        "ln_speech": connector.ln_speech(speech),
        "ln_audio": connector.ln_audio(audio),
        "n_windows": torch.tensor([len(frames)]),
        "qformer_windows": frames,
        "qformer_out": output,
        "audio_embeds": connector(speech, audio)[None],
    }


def with_window(oracle: Oracle, window: float, stride: float) -> Salmonn:
    seconds = {"second_per_window": window, "second_stride": stride}
    return converted(oracle, {**oracle.config, "window": {**oracle.config["window"], **seconds}})


def stages_of_question(oracle: Oracle, network: Salmonn, dialogue: str, audio: Any) -> Tensors:
    embeddings = sequence_of(oracle, network, dialogue, audio[0])
    logits = network.llama(inputs_embeds=embeddings).logits
    computed = {
        "inputs_embeds": embeddings,
        "logits": logits,
        "logits_len": torch.tensor([logits.shape[1]]),
    }
    greedy = oracle.config["generated_ids"].get(f"{dialogue}.greedy")
    if greedy:
        answer = network.llama.get_input_embeddings()(torch.tensor([greedy[1:]]))
        with_answer = network.llama(inputs_embeds=torch.cat([embeddings, answer], dim=1)).logits
        computed["greedy_step_logits"] = with_answer[0, embeddings.shape[1] - 1 : -1]
    return computed


def stages(oracle: Oracle, network: Salmonn) -> Iterator[Stage]:
    """Yield the stages of each clip and of the questions about it."""
    variants = [
        with_window(oracle, *seconds)
        for seconds in oracle.config["window"].get("variants_seconds", ())
    ]

    def encoded(mel: Any) -> Tensors:
        return {"whisper_last_hidden_state": network.whisper(mel[None]).last_hidden_state}

    def connected(speech: Any, audio: Any) -> Tensors:
        embeddings = {
            f"audio_embeds_window_variant{number}": variant.connector(speech, audio)[None]
            for number, variant in enumerate(variants)
        }
        return {**stages_of_connector(network, speech, audio), **embeddings}

    for clip in oracle.clips:
        inputs = [f"{clip}.whisper_last_hidden_state", f"{clip}.beats.out"]
        yield Stage(clip, [], partial(features_of, network, samples_of(oracle, clip)))
        yield Stage(clip, [f"{clip}.mel"], encoded)
        yield Stage(clip, [f"{clip}.beats.fbank"], partial(stages_of_beats, network.beats))
        yield Stage(clip, inputs, connected)
    for dialogue in oracle.dialogues:
        audio = f"{oracle.clip_of(dialogue)}.audio_embeds"
        yield Stage(dialogue, [audio], partial(stages_of_question, oracle, network, dialogue))


NO_CLIP = {"beats_padded_batch", "beats_predictor", "synth"}
"""Groups of tensors that belong to no clip; each has a separate test."""


def tolerance(name: str) -> float:
    """Return the tolerance of a stage that is computed from its recorded inputs."""
    if name.endswith("inputs_embeds"):  # nothing is computed
        return 0.0
    return LOGITS if name.endswith("logits") else STAGE


@pytest.mark.oracle
class TestParity:
    def test_all_stages_from_the_waveform(self, oracle: Oracle, network: Salmonn) -> None:
        ours = end_to_end(stages(oracle, network))
        deviations = differences(ours, oracle.expected)
        assert exceeding(deviations, lambda _: END_TO_END) == {}
        required = {name for name in oracle.expected if name.split(".")[0] not in NO_CLIP}
        assert required - deviations.keys() == set()
        for clip in oracle.clips:
            embeddings = network.audio_embeddings(samples_of(oracle, clip))[None]
            assert_close(embeddings, ours[f"{clip}.audio_embeds"], 0, clip)

    def test_each_stage_from_its_recorded_inputs(self, oracle: Oracle, network: Salmonn) -> None:
        ours = stage_by_stage(stages(oracle, network), oracle.expected)
        deviations = differences(ours, oracle.expected)
        assert exceeding(deviations, tolerance) == {}
        assert any(name.endswith(".logits") for name in deviations)

    def test_a_padded_batch_of_beats(self, oracle: Oracle, network: Salmonn) -> None:
        """The fixtures record only that each row is the beginning of some clip."""
        grouped(oracle, "beats_padded_batch.")
        lengths = oracle.ids("beats_padded_lengths")
        expected = oracle.expected["beats_padded_batch.out"]
        mask = oracle.expected["beats_padded_batch.padding_mask"].bool()
        padding = torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]
        clips = [samples_of(oracle, clip) for clip in oracle.clips]
        deviations = []
        for rows in product(*([clip for clip in clips if len(clip) >= n] for n in lengths)):
            waves = np.zeros(padding.shape)
            for wave, row, length in zip(waves, rows, lengths, strict=True):
                wave[:length] = row[:length]
            bank = torch.cat([filter_bank(wave) for wave in waves])
            frame_padding = coarser(padding, bank.shape[1])
            deviations.append(difference(network.beats(bank, frame_padding), expected))
            assert torch.equal(coarser(frame_padding, expected.shape[1]), mask)
        assert min(deviations) <= END_TO_END

    def test_the_classifier_of_beats(self, oracle: Oracle, network: Salmonn) -> None:
        """SALMONN does not use it; the test shows that the last layer's states are right."""
        prefix = "beats_predictor.probabilities_"
        weight, bias = (oracle.weights[f"beats.predictor.{kind}"] for kind in ("weight", "bias"))
        for name in grouped(oracle, prefix):
            samples = samples_of(oracle, name.removeprefix(prefix))
            out = network.beats(filter_bank(fit(samples)))
            ours = torch.nn.functional.linear(out, weight, bias).mean(1).sigmoid()
            assert_close(ours, oracle.expected[name], END_TO_END, name)

    def test_other_settings_of_beats(self, oracle: Oracle) -> None:
        if not (oracle.folder / "beats_variants_config.json").is_file():
            pytest.skip("the fixtures have no other settings of BEATs")
        weights = oracle.tensors("beats_variants_weights")
        expected = oracle.tensors("beats_variants_expected")
        config = oracle.json("beats_variants_config")
        clip = max((name for name in oracle.clips if f"wav_{name}" in config["input"]), key=len)
        bank = filter_bank(fit(samples_of(oracle, clip)))
        for name, cfg in config["variants"].items():
            ours = beats_of(cfg, {
                key.removeprefix(f"{name}/"): value
                for key, value in weights.items()
                if key.startswith(f"{name}/")
            })(bank)  # fmt: skip
            assert_close(ours, expected[name], END_TO_END, name)

    def test_prompts_equal_the_originals(self, oracle: Oracle) -> None:
        config = oracle.config
        for question in config["questions"]:
            whole = config["prompt_template"].format(config["speech_wrap"] + question.strip())
            assert list(split_prompt(question)) == whole.split("<SpeechHere>")

    def test_audio_longer_than_speech(self, oracle: Oracle, network: Salmonn) -> None:
        speech, audio = (
            torch.from_numpy(oracle.inputs[f"synth_{stream}"]) for stream in ("speech", "audio")
        )
        for name in grouped(oracle, "synth."):
            ours = network.connector(speech, audio)[None]
            assert_close(ours, oracle.expected[name], STAGE, name)

    def test_the_tokens_of_every_answer(self, oracle: Oracle, network: Salmonn) -> None:
        embeddings = {
            clip: network.audio_embeddings(samples_of(oracle, clip)) for clip in oracle.clips
        }
        for name, ids in oracle.config["generated_ids"].items():
            dialogue, _, kind = name.rpartition(".")
            sequence = sequence_of(oracle, network, dialogue, embeddings[oracle.clip_of(dialogue)])
            preset = preset_of(oracle, kind)
            expected = without_end(ids[1:])  # the recorded ids begin with BOS
            assert (ids[-1] == EOS) == (len(expected) < preset.max_new_tokens), name
            search = partial(inference.search_of, preset)
            assert finds(network.llama, sequence, search, expected, END_TO_END), name

    def test_a_shared_prefix_changes_no_answer(self, oracle: Oracle, network: Salmonn) -> None:
        clips = [oracle.clip_of(dialogue) for dialogue in oracle.dialogues]
        audio = {clip: network.audio_embeddings(samples_of(oracle, clip)) for clip in set(clips)}
        sequences = [
            sequence_of(oracle, network, dialogue, audio[clip])
            for dialogue, clip in zip(oracle.dialogues, clips, strict=True)
        ]
        for kind in ("greedy", "beam4"):
            search = partial(inference.search_of, preset_of(oracle, kind))
            searches = [search() for _ in clips]
            decode(network.llama, sequences, searches, groups=clips)
            for sequence, shared in zip(sequences, searches, strict=True):
                assert finds(network.llama, sequence, search, shared.answer, END_TO_END), kind


def without_end(ids: list[int]) -> list[int]:
    return ids[:-1] if ids[-1] == EOS else ids


def grouped(oracle: Oracle, prefix: str) -> list[str]:
    """Return the names of the recorded tensors of a group; skip the test where there are none."""
    names = [name for name in oracle.expected if name.startswith(prefix)]
    return names or pytest.skip(f"the fixtures have no {prefix}...")


def preset_of(oracle: Oracle, kind: str) -> Preset:
    """Return the preset of a kind of answer: ``greedy``, ``beam4``, ``beam4_max60``."""
    beams, longest = re.fullmatch(r"(?:greedy|beam(\d+))(?:_max(\d+))?", kind).groups()
    settings = oracle.config["generation"].values()
    official = next(setting for setting in settings if isinstance(setting, dict))
    return replace(
        PRESETS["official"],
        num_beams=int(beams or 1),
        max_new_tokens=int(longest or official["max_new_tokens"]),
    )


def beats_of(cfg: dict[str, Any], weights: Tensors) -> Beats:
    """Return a BEATs with the weights of a checkpoint, converted as for SALMONN."""
    config = BeatsConfig.of(cfg)
    beats = Beats(config)
    shapes = {f"beats.{key}": value.shape for key, value in beats.state_dict().items()}
    ours = conversion.beats_weights(Checkpoint(Path("beats.pt"), weights), shapes)
    beats.load_state_dict({key.removeprefix("beats."): value for key, value in ours.items()})
    return beats.eval()


@pytest.mark.oracle
class TestWrongPorts:
    """Errors of a port exceed the tolerances on these fixtures."""

    @pytest.mark.parametrize(
        "wrong",
        [{"gru_rel_pos": False}, {"deep_norm": False}, {"max_distance": 1280}],
        ids=str,
    )
    def test_wrong_settings_of_beats(self, oracle: Oracle, wrong: dict[str, Any]) -> None:
        right = oracle.config["beats"]
        if wrong.items() <= right.items():
            pytest.skip("these settings are right for this model")
        weights = {
            key.removeprefix("beats."): value
            for key, value in oracle.weights.items()
            if key.startswith("beats.") and ("gru_rel_pos" not in wrong or "grep" not in key)
        }
        beats = beats_of({**right, **wrong}, weights)
        computed = {
            f"{clip}.beats.out": beats(filter_bank(fit(samples_of(oracle, clip))))
            for clip in oracle.clips
        }
        assert max(differences(computed, oracle.expected).values()) > 1000 * STAGE

    def test_zeros_before_the_norm(self, oracle: Oracle, network: Salmonn) -> None:
        computed = {}
        for clip in oracle.clips:
            features = features_of(network, samples_of(oracle, clip))
            speech = network.whisper(features["mel"][None]).last_hidden_state
            audio = network.beats(features["beats.fbank"])
            missing = max(0, speech.shape[1] - audio.shape[1])
            padded = torch.nn.functional.pad(audio, (0, 0, 0, missing))
            computed[f"{clip}.audio_embeds"] = network.connector(speech, padded)[None]
        assert max(differences(computed, oracle.expected).values()) > 1000 * STAGE

    def test_missing_lora(self, oracle: Oracle) -> None:
        config = {**oracle.config, "lora": {**oracle.config["lora"], "alpha": 0}}
        ours = stage_by_stage(stages(oracle, converted(oracle, config)), oracle.expected)
        deviations = differences(ours, oracle.expected)
        logits = [value for name, value in deviations.items() if name.endswith(".logits")]
        assert max(logits) > 1000 * LOGITS

    def test_the_search_of_transformers_5(self, oracle: Oracle, network: Salmonn) -> None:
        """Its answers differ by more than rounding errors of the logits explain."""
        recorded, others = oracle.config["generated_ids"], {}
        for key in oracle.config:
            others |= oracle.config[key] if key.endswith("NOT_original") else {}
        wrong = {name: ids for name, ids in others.items() if ids != recorded[name][1:]}
        if not wrong:
            pytest.skip("the fixtures have no other answers of transformers 5")
        assert all("beam" in name for name in wrong)
        name, ids = min(wrong.items(), key=lambda answer: len(answer[1]))
        dialogue, _, kind = name.rpartition(".")
        audio = network.audio_embeddings(samples_of(oracle, oracle.clip_of(dialogue)))
        sequence = sequence_of(oracle, network, dialogue, audio)
        search = partial(inference.search_of, preset_of(oracle, kind))
        assert not finds(network.llama, sequence, search, without_end(ids), END_TO_END)


# The tests below need no recorded fixtures


def convert_parts(parts: Parts, config: dict[str, Any] = TINY) -> Tensors:
    checkpoints = {
        part: Checkpoint(Path(f"{part}.bin"), weights) for part, weights in parts.items()
    }
    return conversion.convert(config, **checkpoints)


class TestConversion:
    def test_every_weight_is_converted(self) -> None:
        parts = make_parts()
        weights = convert_parts(parts)
        assert {key: value.shape for key, value in weights.items()} == conversion.network_shapes(
            TINY
        )
        llama = inference.assemble(TINY, weights, Path("tiny")).llama
        states = torch.randn(2, 3, 16)
        for letter in "qkvo":
            name = f"model.layers.1.self_attn.{letter}_proj"
            expected = states @ parts["llama"][f"{name}.weight"].T
            if letter in "qv":
                lora = f"llama_model.base_model.model.{name}.lora_{{}}.default.weight"
                a, b = (parts["salmonn"][lora.format(matrix)] for matrix in "AB")
                expected = expected + 4 * states @ a.T @ b.T
            assert_close(llama.get_submodule(name)(states), expected, 1e-6, letter)

    @pytest.mark.parametrize(
        ("part", "key"),
        [
            ("llama", "model.layers.1.mlp.up_proj.weight"),
            ("whisper", "model.encoder.layers.0.fc1.bias"),
            ("beats", "encoder.layers.1.self_attn.grep_a"),
            ("beats", "encoder.layers.0.self_attn.relative_attention_bias.weight"),
            ("beats", "encoder.pos_conv.0.weight_g"),
            ("salmonn", "ln_audio.bias"),
            ("salmonn", "speech_Qformer.bert.encoder.layer.0.attention.self.key.weight"),
            (
                "salmonn",
                "llama_model.base_model.model.model.layers.0.self_attn.v_proj.lora_B.default.weight",
            ),
        ],
    )
    def test_a_missing_renamed_or_reshaped_weight_is_an_error(self, part: str, key: str) -> None:
        parts = make_parts()
        value = parts[part].pop(key)
        with pytest.raises(InputError, match=rf"^{part}\.bin: lacks 1 of \d+ weights"):
            convert_parts(parts)
        parts[part][f"{key}.old"] = value
        with pytest.raises(InputError, match=rf"^{part}\.bin: unexpected weight '{key}\.old'"):
            convert_parts(parts)
        del parts[part][f"{key}.old"]
        parts[part][key] = value[..., None]
        for weights in (parts["beats"], parts["salmonn"]):  # copies are compared before shapes
            weights.pop(COPY, weights.pop(f"beats.{COPY}", None))
        with pytest.raises(InputError, match=rf"^{part}\.bin: '{key}' has shape"):
            convert_parts(parts)

    @pytest.mark.parametrize(
        ("part", "key"),
        [
            ("llama", "model.layers.2.self_attn.rotary_emb.inv_freq"),
            ("whisper", "model.encoder.layers.1.fc1.bias"),
            ("beats", "encoder.layers.2.self_attn.relative_attention_bias.weight"),
            ("beats", "predictor.scale"),
            ("salmonn", "beats.encoder.layers.0.self_attn.relative_attention_bias.weight"),
            ("salmonn", "speech_Qformer.bert.embeddings.word_embeddings.weight"),
            ("salmonn", "speech_Qformer.bert.encoder.layer.0.output.dense.weight"),
        ],
    )
    def test_an_unknown_weight_is_an_error(self, part: str, key: str) -> None:
        parts = make_parts()
        parts[part][key] = torch.zeros(3)
        with pytest.raises(InputError, match=rf"^{part}\.bin: unexpected weight '{key}'"):
            convert_parts(parts)

    @pytest.mark.parametrize(("part", "key"), [("beats", COPY), ("salmonn", f"beats.{COPY}")])
    def test_a_copy_that_differs_is_an_error(self, part: str, key: str) -> None:
        parts = make_parts()
        parts[part][key][0, 0] += 1
        with pytest.raises(InputError, match=rf"^{part}\.bin: '{key}' should equal"):
            convert_parts(parts)
        del parts[part][key]  # the copy may be missing
        convert_parts(parts)

    def test_both_names_of_the_factors(self) -> None:
        parts = make_parts()
        before = convert_parts(parts)
        new = "encoder.pos_conv.0.parametrizations.weight.original"
        for number, old in enumerate(("weight_g", "weight_v")):
            parts["beats"][f"{new}{number}"] = parts["beats"].pop(f"encoder.pos_conv.0.{old}")
        after = convert_parts(parts)
        assert all(torch.equal(after[key], value) for key, value in before.items())
        parts["beats"]["encoder.pos_conv.0.weight_g"] = parts["beats"][f"{new}0"]
        with pytest.raises(InputError, match="duplicate weight"):
            convert_parts(parts)

    def test_the_number_of_weights_of_salmonn_7b(self) -> None:
        config = {
            "llama": {
                "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
                "intermediate_size": 11008, "vocab_size": 32000,
            },
            "whisper": {
                "d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20,
                "encoder_ffn_dim": 5120,
            },
            "beats": {"input_patch_size": 16},
            **conversion.SETTINGS,
        }  # fmt: skip
        shapes = conversion.network_shapes(config)
        lora_keys = [key for key in shapes if key.endswith(LORA_KEYS)]
        assert len(lora_keys) == 128
        assert sum(key.startswith("connector.qformer.") for key in shapes) == 54
        assert sum(key.startswith("llama.") for key in shapes) == 291 + 128

    def test_an_unknown_activation(self) -> None:
        with pytest.raises(InputError, match=r"relu.*gelu"):
            BeatsConfig.of({"input_patch_size": 16, "activation_fn": "relu"})


class TestPrompt:
    def test_text_before_and_after_the_clip(self) -> None:
        left, right = split_prompt("  What {is} it? ")
        assert (left, right) == ("USER: <Speech>", "</Speech> What {is} it?\nASSISTANT:")
        assert split_prompt(" so ", "card")[1] == "</Speech>  so \nASSISTANT:"


class TestDecoding:
    @pytest.mark.parametrize(
        ("preset", "expected"),
        [
            ("official", Preset(max_new_tokens=200, num_beams=4)),
            ("greedy", Preset(max_new_tokens=200)),
            ("card", Preset(199, temperature=1.0, top_p=0.9, top_k=50, num_beams=4, seed=0)),
        ],
    )
    def test_the_search_of_each_preset(self, preset: str, expected: Preset) -> None:
        search = inference.search_of(PRESETS[preset])
        assert search.preset == expected
        assert isinstance(search, Sampler if preset == "greedy" else BeamSearch)

    def test_the_length_of_a_cut_off_answer_includes_bos(self) -> None:
        """At each step EOS has a probability of .5, and token 3 the next highest, .3."""
        probabilities = torch.tensor([[0.05, 0.05, 0.5, 0.3, 0.05, 0.05]])
        # log(.3) / 2 exceeds log(.5) / 1, although EOS is more probable.
        search = BeamSearch(Preset(1, num_beams=1))
        assert search.step(probabilities.log()) == []
        assert search.answer == [3]
        # log(.5) / 1 exceeds log(.3 * .5) / 2 and log(.3 * .3) / 3.
        search = BeamSearch(Preset(2, num_beams=1))
        assert search.step(probabilities.log()) == [(0, 3)]
        assert search.step(probabilities.log()) == []
        assert search.answer == []


class TestInference:
    @pytest.fixture
    def settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for part in ("qformer", "lora"):
            monkeypatch.setitem(conversion.SETTINGS, part, TINY[part])

    @pytest.mark.usefixtures("settings")
    @pytest.mark.parametrize("preset", PRESETS)
    def test_from_download_to_answer(
        self, salmonn_files: dict[str, Path], tmp_path: Path, preset: str
    ) -> None:
        conversion.convert_files(**salmonn_files, folder=tmp_path / "converted")
        loaded = inference.load(tmp_path / "converted", "cpu", torch.float32)
        audio = Audio((np.arange(9000) % 700 * 20).astype(np.int16))
        question = Question(audio, "What sound can you hear?")
        (response,) = loaded.answer_all([question], preset)
        # Sampling is reproducible, as the seed is the same.
        assert loaded.answer_all([question], preset) == [response]
        assert response.finish_reason in ("stop", "length")
        assert response.usage["prompt_tokens"] > 89
        assert 1 <= response.usage["completion_tokens"] <= 200

    @pytest.mark.usefixtures("settings")
    def test_only_the_language_model_has_half_precision(
        self, salmonn_files: dict[str, Path], tmp_path: Path
    ) -> None:
        conversion.convert_files(**salmonn_files, folder=tmp_path / "converted")
        network = inference.load(tmp_path / "converted", "cpu", torch.bfloat16)._network
        assert network.llama.dtype == torch.bfloat16
        assert network.llama.model.rotary_emb.inv_freq.dtype == torch.float32
        for part in (network.whisper, network.beats, network.connector):
            assert {value.dtype for value in part.parameters()} == {torch.float32}
        audio = network.audio_embeddings(np.zeros(5000))
        sequence = network.sequence([5], audio, [6])
        assert sequence.dtype == torch.bfloat16
        assert len(found(network.llama, sequence, BeamSearch(Preset(3, num_beams=2)))) <= 3

    def test_another_file_is_an_error(self, salmonn_files: dict[str, Path], tmp_path: Path) -> None:
        torch.save({"weights": {}}, salmonn_files["beats"])
        with pytest.raises(InputError, match="no entry 'cfg'"):
            conversion.convert_files(**salmonn_files, folder=tmp_path / "converted")

    def test_weights_of_other_sizes(self) -> None:
        config = {**TINY, "llama": {**TINY["llama"], "num_hidden_layers": 1}}
        with pytest.raises(InputError, match="do not match the sizes"):
            inference.assemble(config, convert_parts(make_parts()), Path("tiny"))
