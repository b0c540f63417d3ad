"""The port of SALMONN against what the original computed, and what its conversion refuses."""

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
pytestmark = pytest.mark.slow  # torch is there in the second tier only

from jasco.models.ports.decoding import Preset, Sampler  # noqa: E402
from jasco.models.ports.lora import LORA_KEYS  # noqa: E402
from jasco.models.ports.salmonn import conversion, inference  # noqa: E402
from jasco.models.ports.salmonn.beam import BeamSearch  # noqa: E402
from jasco.models.ports.salmonn.beats import Beats, BeatsConfig, coarser  # noqa: E402
from jasco.models.ports.salmonn.connector import windows  # noqa: E402
from jasco.models.ports.salmonn.conversion import Published  # noqa: E402
from jasco.models.ports.salmonn.features import filter_bank, fit, log_mel  # noqa: E402
from jasco.models.ports.salmonn.model import Salmonn  # noqa: E402
from jasco.models.ports.salmonn.prompt import PRESETS, split_prompt  # noqa: E402
from jasco.models.ports.state_dict import write_folder  # noqa: E402
from jasco.models.ports.text import EOS  # noqa: E402

Tensors = dict[str, Any]

END_TO_END = ROUNDING * 5e-5
"""How far off it may be that is computed from the waveform; wrong ports are off by 0.2 and more."""


def close(ours: Any, theirs: Any, tolerance: float, name: str) -> None:
    """Compare two tensors."""
    assert difference(ours, theirs) <= tolerance, name


# What the original computed


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle("salmonn")


@pytest.fixture(scope="module")
def network(oracle: Oracle) -> Salmonn:
    return converted(oracle, oracle.config)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def published(oracle: Oracle) -> dict[str, Published]:
    """Give the parts as one would download them."""
    return {
        part.split()[0]: Published(
            Path(part.split()[0]), {key: oracle.weights[theirs] for key, theirs in keys.items()}
        )
        for part, keys in oracle.json("released_layout").items()
    }


def converted(oracle: Oracle, config: dict[str, Any]) -> Salmonn:
    weights = conversion.convert(config, **published(oracle))
    return inference.assemble(config, weights, Path("tiny"))


def samples_of(oracle: Oracle, clip: str) -> Any:
    return oracle.wave(clip) / 32768


def sequence_of(oracle: Oracle, network: Salmonn, asked: str, audio: Any) -> Any:
    left, right = (oracle.ids(f"{asked}.{half}_ids") for half in ("left", "right"))
    return network.sequence(left, audio, right)


def features_of(network: Salmonn, samples: Any) -> Tensors:
    fitted = fit(samples)
    config = network.whisper.config
    (mel,) = log_mel(fitted, config.num_mel_bins, 2 * config.max_source_positions)
    beyond = mel[:, math.ceil((len(fitted) + 200) / 160) :]  # all windows with sound in them
    assert (beyond == mel[0, -1]).all()
    return {
        "mel": mel,
        "mel_pad_value": mel[0, -1:],
        "raw_wav_len": torch.tensor([len(fitted)]),
        "beats.fbank": filter_bank(fitted),
    }


def stages_of_beats(beats: Beats, bank: Any, padding: Any = None) -> Tensors:
    """Encode, and keep what is computed on the way, in the original's layout."""
    seen: Tensors = {}

    def keep(name: str, change: Any) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            seen[f"beats.{name}"] = change(output)

        return hook

    encoder = beats.encoder
    watched = [
        (beats.patch_embedding, "patch_embedding", lambda out: out),
        (beats.layer_norm, "patch_layer_norm", lambda out: out),
        (beats.post_extract_proj, "post_extract_proj", lambda out: out),
        (encoder.pos_conv, "pos_conv", lambda out: out.transpose(1, 2)),
        (encoder.layer_norm, "encoder_in", lambda out: out),
    ]
    for number, layer in enumerate(encoder.layers):
        watched.append((layer.self_attn, f"attn{number}", lambda out: out.transpose(0, 1)))
        watched.append((layer, f"layer{number}", lambda out: out.transpose(0, 1)))
    hooks = [module.register_forward_hook(keep(name, change)) for module, name, change in watched]
    seen["beats.out"] = out = beats(bank, padding)
    for hook in hooks:
        hook.remove()
    seen["beats.n_tokens"] = torch.tensor([out.shape[1]])
    bias = encoder.position_bias(out.shape[1])
    if bias is not None:
        seen["beats.position_bias_head0"] = bias[:1]
    return seen


def stages_of_connector(network: Salmonn, speech: Any, audio: Any) -> Tensors:
    connector = network.connector
    joined = connector.join(speech, audio)
    cut = windows(joined[0], connector.kernel, connector.stride)
    queries = connector.query_tokens.expand(len(cut), -1, -1)
    summed = connector.qformer(query_embeds=queries, encoder_hidden_states=cut).last_hidden_state
    return {
        "ln_speech": connector.ln_speech(speech),
        "ln_audio": connector.ln_audio(audio),
        "n_windows": torch.tensor([len(cut)]),
        "qformer_windows": cut,
        "qformer_out": summed,
        "audio_embeds": connector(speech, audio)[None],
    }


def with_window(oracle: Oracle, window: float, stride: float) -> Salmonn:
    other = {"second_per_window": window, "second_stride": stride}
    return converted(oracle, {**oracle.config, "window": {**oracle.config["window"], **other}})


def stages_of_a_question(oracle: Oracle, network: Salmonn, asked: str, audio: Any) -> Tensors:
    said = sequence_of(oracle, network, asked, audio[0])
    logits = network.llama(inputs_embeds=said).logits
    computed = {
        "inputs_embeds": said,
        "logits": logits,
        "logits_len": torch.tensor([logits.shape[1]]),
    }
    greedy = oracle.config["generated_ids"].get(f"{asked}.greedy")
    if greedy:
        answer = network.llama.get_input_embeddings()(torch.tensor([greedy[1:]]))
        both = network.llama(inputs_embeds=torch.cat([said, answer], dim=1)).logits
        computed["greedy_step_logits"] = both[0, said.shape[1] - 1 : -1]
    return computed


def stages(oracle: Oracle, network: Salmonn) -> Iterator[Stage]:
    """List what is computed of each clip and of the questions about it."""
    variants = [
        with_window(oracle, *each) for each in oracle.config["window"].get("variants_seconds", ())
    ]

    def encoded(mel: Any) -> Tensors:
        return {"whisper_last_hidden_state": network.whisper(mel[None]).last_hidden_state}

    def connected(speech: Any, audio: Any) -> Tensors:
        others = {
            f"audio_embeds_window_variant{number}": variant.connector(speech, audio)[None]
            for number, variant in enumerate(variants)
        }
        return {**stages_of_connector(network, speech, audio), **others}

    for clip in oracle.clips:
        both = [f"{clip}.whisper_last_hidden_state", f"{clip}.beats.out"]
        yield Stage(clip, [], partial(features_of, network, samples_of(oracle, clip)))
        yield Stage(clip, [f"{clip}.mel"], encoded)
        yield Stage(clip, [f"{clip}.beats.fbank"], partial(stages_of_beats, network.beats))
        yield Stage(clip, both, connected)
    for asked in oracle.asked:
        heard = f"{oracle.clip_of(asked)}.audio_embeds"
        yield Stage(asked, [heard], partial(stages_of_a_question, oracle, network, asked))


OTHERS = {"beats_padded_batch", "beats_predictor", "synth"}
"""Groups of tensors that are of no clip; each has a test of its own."""


def tolerance(name: str) -> float:
    """Tell how far a stage may be off that is computed from its stored inputs."""
    if name.endswith("inputs_embeds"):  # nothing is computed
        return 0.0
    return LOGITS if name.endswith("logits") else STAGE


@pytest.mark.oracle
class TestParity:
    def test_everything_from_the_waveform_on(self, oracle: Oracle, network: Salmonn) -> None:
        ours = end_to_end(stages(oracle, network))
        apart = differences(ours, oracle.expected)
        assert exceeding(apart, lambda _: END_TO_END) == {}
        left = {name for name in oracle.expected if name.split(".")[0] not in OTHERS}
        assert left - apart.keys() == set()
        for clip in oracle.clips:
            embeddings = network.audio_embeddings(samples_of(oracle, clip))[None]
            close(embeddings, ours[f"{clip}.audio_embeds"], 0, clip)

    def test_each_stage_from_its_stored_inputs(self, oracle: Oracle, network: Salmonn) -> None:
        ours = stage_by_stage(stages(oracle, network), oracle.expected)
        apart = differences(ours, oracle.expected)
        assert exceeding(apart, tolerance) == {}
        assert any(name.endswith(".logits") for name in apart)

    def test_a_padded_batch_of_beats(self, oracle: Oracle, network: Salmonn) -> None:
        """Each of its rows is how some clip begins."""
        grouped(oracle, "beats_padded_batch.")
        lengths = oracle.ids("beats_padded_lengths")
        theirs = oracle.expected["beats_padded_batch.out"]
        mask = oracle.expected["beats_padded_batch.padding_mask"].bool()
        silent = torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]
        clips = [samples_of(oracle, clip) for clip in oracle.clips]
        apart = []
        for rows in product(*([clip for clip in clips if len(clip) >= n] for n in lengths)):
            waves = np.zeros(silent.shape)
            for wave, row, length in zip(waves, rows, lengths, strict=True):
                wave[:length] = row[:length]
            bank = torch.cat([filter_bank(wave) for wave in waves])
            of_frames = coarser(silent, bank.shape[1])
            apart.append(difference(network.beats(bank, of_frames), theirs))
            assert torch.equal(coarser(of_frames, theirs.shape[1]), mask)
        assert min(apart) <= END_TO_END

    def test_the_classifier_of_beats(self, oracle: Oracle, network: Salmonn) -> None:
        """Not part of SALMONN: here it shows that nothing is lost up to the last layer."""
        start = "beats_predictor.probabilities_"
        weight, bias = (oracle.weights[f"beats.predictor.{each}"] for each in ("weight", "bias"))
        for name in grouped(oracle, start):
            samples = samples_of(oracle, name.removeprefix(start))
            out = network.beats(filter_bank(fit(samples)))
            ours = torch.nn.functional.linear(out, weight, bias).mean(1).sigmoid()
            close(ours, oracle.expected[name], END_TO_END, name)

    def test_other_settings_of_beats(self, oracle: Oracle) -> None:
        if not (oracle.folder / "beats_variants_config.json").is_file():
            pytest.skip("the fixtures have no other settings of BEATs")
        weights = oracle.tensors("beats_variants_weights")
        expected = oracle.tensors("beats_variants_expected")
        config = oracle.json("beats_variants_config")
        clip = max((each for each in oracle.clips if f"wav_{each}" in config["input"]), key=len)
        bank = filter_bank(fit(samples_of(oracle, clip)))
        for name, cfg in config["variants"].items():
            ours = beats_of(cfg, {
                key.removeprefix(f"{name}/"): value
                for key, value in weights.items()
                if key.startswith(f"{name}/")
            })(bank)  # fmt: skip
            close(ours, expected[name], END_TO_END, name)

    def test_prompts_are_the_originals(self, oracle: Oracle) -> None:
        config = oracle.config
        for question in config["questions"]:
            whole = config["prompt_template"].format(config["speech_wrap"] + question.strip())
            assert list(split_prompt(question)) == whole.split("<SpeechHere>")

    def test_audio_longer_than_speech(self, oracle: Oracle, network: Salmonn) -> None:
        speech, audio = (
            torch.from_numpy(oracle.inputs[f"synth_{each}"]) for each in ("speech", "audio")
        )
        for name in grouped(oracle, "synth."):
            ours = network.connector(speech, audio)[None]
            close(ours, oracle.expected[name], STAGE, name)

    def test_the_tokens_of_every_answer(self, oracle: Oracle, network: Salmonn) -> None:
        heard = {clip: network.audio_embeddings(samples_of(oracle, clip)) for clip in oracle.clips}
        for name, ids in oracle.config["generated_ids"].items():
            asked, _, kind = name.rpartition(".")
            sequence = sequence_of(oracle, network, asked, heard[oracle.clip_of(asked)])
            preset = preset_of(oracle, kind)
            theirs = without_end(ids[1:])  # theirs begin with BOS
            assert (ids[-1] == EOS) == (len(theirs) < preset.max_new_tokens), name
            search = partial(inference.search_of, preset)
            assert finds(network.llama, sequence, search, theirs, END_TO_END), name


def without_end(ids: list[int]) -> list[int]:
    return ids[:-1] if ids[-1] == EOS else ids


def grouped(oracle: Oracle, start: str) -> list[str]:
    """Name the stored tensors of a group that other fixtures may lack."""
    names = [name for name in oracle.expected if name.startswith(start)]
    return names or pytest.skip(f"the fixtures have no {start}...")


def preset_of(oracle: Oracle, kind: str) -> Preset:
    """Give the settings of a kind of answer: ``greedy``, ``beam4``, ``beam4_max60``."""
    beams, longest = re.fullmatch(r"(?:greedy|beam(\d+))(?:_max(\d+))?", kind).groups()
    official = next(each for each in oracle.config["generation"].values() if isinstance(each, dict))
    return replace(
        PRESETS["official"],
        num_beams=int(beams or 1),
        max_new_tokens=int(longest or official["max_new_tokens"]),
    )


def beats_of(cfg: dict[str, Any], weights: Tensors) -> Beats:
    """Make BEATs of published weights, by the same maps as SALMONN's."""
    config = BeatsConfig.of(cfg)
    beats = Beats(config)
    shapes = {f"beats.{key}": value.shape for key, value in beats.state_dict().items()}
    ours = conversion.beats_weights(Published(Path("beats.pt"), weights), shapes)
    beats.load_state_dict({key.removeprefix("beats."): value for key, value in ours.items()})
    return beats.eval()


@pytest.mark.oracle
class TestWrongPortsShow:
    """That the fixtures and tolerances tell a wrong port from a right one."""

    @pytest.mark.parametrize(
        "wrong",
        [{"gru_rel_pos": False}, {"deep_norm": False}, {"max_distance": 1280}],
        ids=str,
    )
    def test_of_beats(self, oracle: Oracle, wrong: dict[str, Any]) -> None:
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

    def test_of_zeros_before_the_norm(self, oracle: Oracle, network: Salmonn) -> None:
        computed = {}
        for clip in oracle.clips:
            features = features_of(network, samples_of(oracle, clip))
            speech = network.whisper(features["mel"][None]).last_hidden_state
            audio = network.beats(features["beats.fbank"])
            short = max(0, speech.shape[1] - audio.shape[1])
            filled = torch.nn.functional.pad(audio, (0, 0, 0, short))
            computed[f"{clip}.audio_embeds"] = network.connector(speech, filled)[None]
        assert max(differences(computed, oracle.expected).values()) > 1000 * STAGE

    def test_of_updates_left_out(self, oracle: Oracle) -> None:
        config = {**oracle.config, "lora": {**oracle.config["lora"], "alpha": 0}}
        ours = stage_by_stage(stages(oracle, converted(oracle, config)), oracle.expected)
        apart = differences(ours, oracle.expected)
        off = [value for name, value in apart.items() if name.endswith(".logits")]
        assert max(off) > 1000 * LOGITS

    def test_of_the_search_of_transformers_5(self, oracle: Oracle, network: Salmonn) -> None:
        """What that finds is not found by logits that are a little off, either."""
        theirs, others = oracle.config["generated_ids"], {}
        for key in oracle.config:
            others |= oracle.config[key] if key.endswith("NOT_original") else {}
        wrong = {name: ids for name, ids in others.items() if ids != theirs[name][1:]}
        if not wrong:
            pytest.skip("the fixtures have no other answers of that")
        assert all("beam" in name for name in wrong)
        name, ids = min(wrong.items(), key=lambda each: len(each[1]))
        asked, _, kind = name.rpartition(".")
        audio = network.audio_embeddings(samples_of(oracle, oracle.clip_of(asked)))
        sequence = sequence_of(oracle, network, asked, audio)
        search = partial(inference.search_of, preset_of(oracle, kind))
        assert not finds(network.llama, sequence, search, without_end(ids), END_TO_END)


# What needs no fixtures

TINY = {
    "llama": {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2, "intermediate_size": 24, "vocab_size": 300,
        "rms_norm_eps": 1e-5, "max_position_embeddings": 512, "hidden_act": "silu",
    },
    "whisper": {
        "d_model": 8, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 12,
        "num_mel_bins": 80, "max_source_positions": 1500,
    },
    "beats": {
        "input_patch_size": 16, "embed_dim": 6, "encoder_layers": 2, "encoder_embed_dim": 8,
        "encoder_ffn_embed_dim": 12, "encoder_attention_heads": 2, "deep_norm": True,
        "conv_pos": 4, "conv_pos_groups": 2, "relative_position_embedding": True,
        "num_buckets": 8, "max_distance": 20, "gru_rel_pos": True,
    },
    "qformer": {
        "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 12,
        "num_hidden_layers": 1, "cross_attention_freq": 1, "num_query_tokens": 1,
        "layer_norm_eps": 1e-12, "hidden_act": "gelu",
    },
    "window": conversion.SETTINGS["window"],
    "lora": {"r": 2, "alpha": 8, "targets": ["q_proj", "v_proj"]},
}  # fmt: skip

Files = dict[str, dict[str, Any]]


def both(*names: str) -> list[str]:
    return [f"{name}.{each}" for name in names for each in ("weight", "bias")]


def tiny_files() -> Files:
    """Make the parts as one would download them: names and shapes spelled out, no map used."""
    generator = torch.Generator().manual_seed(7)

    def filled(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
        return {key: torch.rand(shape, generator=generator) - 0.5 for key, shape in shapes.items()}

    llama = {"model.embed_tokens": (300, 16), "model.norm": (16,), "lm_head": (300, 16)}
    updates: dict[str, tuple[int, ...]] = {}
    for layer in ("model.layers.0", "model.layers.1"):
        llama |= {f"{layer}.self_attn.{each}_proj": (16, 16) for each in "qkvo"}
        llama |= {f"{layer}.mlp.{each}_proj": (24, 16) for each in ("gate", "up")}
        llama |= {f"{layer}.mlp.down_proj": (16, 24)}
        llama |= {f"{layer}.{each}_layernorm": (16,) for each in ("input", "post_attention")}
        for each in "qv":
            name = f"llama_model.base_model.model.{layer}.self_attn.{each}_proj"
            updates[f"{name}.lora_A.default.weight"] = (2, 16)
            updates[f"{name}.lora_B.default.weight"] = (16, 2)
    shapes = {f"{key}.weight": shape for key, shape in llama.items()}
    shapes |= {f"model.layers.{n}.self_attn.rotary_emb.inv_freq": (4,) for n in range(2)}

    layer = "model.encoder.layers.0"
    norms = (
        f"{layer}.self_attn_layer_norm",
        f"{layer}.final_layer_norm",
        "model.encoder.layer_norm",
    )
    whisper: dict[str, tuple[int, ...]] = {
        "model.encoder.conv1.weight": (8, 80, 3), "model.encoder.conv1.bias": (8,),
        "model.encoder.conv2.weight": (8, 8, 3), "model.encoder.conv2.bias": (8,),
        "model.encoder.embed_positions.weight": (1500, 8),
        **{f"{layer}.self_attn.{each}_proj.weight": (8, 8) for each in ("q", "k", "v", "out")},
        **{f"{layer}.self_attn.{each}_proj.bias": (8,) for each in ("q", "v", "out")},
        f"{layer}.fc1.weight": (12, 8), f"{layer}.fc1.bias": (12,),
        f"{layer}.fc2.weight": (8, 12), f"{layer}.fc2.bias": (8,),
        **dict.fromkeys(both(*norms), (8,)),
        "model.decoder.embed_tokens.weight": (20, 8), "proj_out.weight": (20, 8),
    }  # fmt: skip

    beats: dict[str, tuple[int, ...]] = {
        "patch_embedding.weight": (6, 1, 16, 16), **dict.fromkeys(both("layer_norm"), (6,)),
        "post_extract_proj.weight": (8, 6), "post_extract_proj.bias": (8,),
        "encoder.pos_conv.0.weight_g": (1, 1, 4), "encoder.pos_conv.0.weight_v": (8, 4, 4),
        "encoder.pos_conv.0.bias": (8,), **dict.fromkeys(both("encoder.layer_norm"), (8,)),
        "predictor.weight": (5, 8), "predictor.bias": (5,),
    }  # fmt: skip
    for layer in ("encoder.layers.0", "encoder.layers.1"):
        attention = f"{layer}.self_attn"
        for each in "qkv":
            beats |= {
                f"{attention}.{each}_proj.weight": (8, 8),
                f"{attention}.{each}_proj.bias": (8,),
            }
        beats |= {
            f"{attention}.out_proj.weight": (8, 8), f"{attention}.out_proj.bias": (8,),
            f"{attention}.grep_linear.weight": (8, 4), f"{attention}.grep_linear.bias": (8,),
            f"{attention}.grep_a": (1, 2, 1, 1),
            f"{attention}.relative_attention_bias.weight": (8, 2),
            f"{layer}.fc1.weight": (12, 8), f"{layer}.fc1.bias": (12,),
            f"{layer}.fc2.weight": (8, 12), f"{layer}.fc2.bias": (8,),
            **dict.fromkeys(both(f"{attention}_layer_norm", f"{layer}.final_layer_norm"), (8,)),
        }  # fmt: skip

    start = "speech_Qformer.bert"
    layer = f"{start}.encoder.layer.0"
    dense = [f"{layer}.attention.self.{each}" for each in ("query", "key", "value")]
    dense += [f"{layer}.crossattention.self.query"]
    dense += [f"{layer}.{each}.output.dense" for each in ("attention", "crossattention")]
    parts = ("attention.output", "crossattention.output", "output_query")
    norms = (f"{start}.embeddings.LayerNorm", *(f"{layer}.{each}.LayerNorm" for each in parts))
    trained: dict[str, tuple[int, ...]] = {
        **updates,
        "speech_query_tokens": (1, 1, 8),
        **dict.fromkeys(both("ln_speech", "ln_audio", *norms), (8,)),
        **{f"{each}.weight": (8, 8) for each in dense}, **{f"{each}.bias": (8,) for each in dense},
        **{f"{layer}.crossattention.self.{each}.weight": (8, 16) for each in ("key", "value")},
        **{f"{layer}.crossattention.self.{each}.bias": (8,) for each in ("key", "value")},
        f"{layer}.intermediate_query.dense.weight": (12, 8),
        f"{layer}.intermediate_query.dense.bias": (12,),
        f"{layer}.output_query.dense.weight": (8, 12), f"{layer}.output_query.dense.bias": (8,),
        f"{start}.embeddings.position_ids": (1, 512),
        "speech_llama_proj.weight": (16, 8), "speech_llama_proj.bias": (16,),
        "llama_model.base_model.model.model.layers.0.self_attn.rotary_emb.inv_freq": (4,),
    }  # fmt: skip
    files = {
        "llama": filled(shapes),
        "whisper": filled(whisper),
        "beats": filled(beats),
        "salmonn": filled(trained),
    }
    table = files["beats"]["encoder.layers.0.self_attn.relative_attention_bias.weight"]
    files["beats"][COPY] = table.clone()
    files["salmonn"][f"beats.{COPY}"] = table.clone()
    return files


COPY = "encoder.layers.1.self_attn.relative_attention_bias.weight"


def converted_files(files: Files, config: dict[str, Any] = TINY) -> Tensors:
    parts = {name: Published(Path(f"{name}.bin"), weights) for name, weights in files.items()}
    return conversion.convert(config, **parts)


class TestConversion:
    def test_every_weight_has_its_place(self) -> None:
        files = tiny_files()
        weights = converted_files(files)
        assert {key: value.shape for key, value in weights.items()} == conversion.network_shapes(
            TINY
        )
        llama = inference.assemble(TINY, weights, Path("tiny")).llama
        states = torch.randn(2, 3, 16)
        for each in "qkvo":
            name = f"model.layers.1.self_attn.{each}_proj"
            expected = states @ files["llama"][f"{name}.weight"].T
            if each in "qv":
                update = f"llama_model.base_model.model.{name}.lora_{{}}.default.weight"
                down, up = (files["salmonn"][update.format(half)] for half in "AB")
                expected = expected + 4 * states @ down.T @ up.T
            close(llama.get_submodule(name)(states), expected, 1e-6, each)

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
    def test_what_is_missing_misnamed_or_misshaped_is_named(self, part: str, key: str) -> None:
        files = tiny_files()
        value = files[part].pop(key)
        with pytest.raises(InputError, match=rf"^{part}\.bin: lacks 1 of \d+ weights"):
            converted_files(files)
        files[part][f"{key}.old"] = value
        with pytest.raises(InputError, match=rf"^{part}\.bin: holds '{key}\.old'"):
            converted_files(files)
        del files[part][f"{key}.old"]
        files[part][key] = value[..., None]
        for copy in (files["beats"], files["salmonn"]):  # else they are found to differ, before
            copy.pop(COPY, copy.pop(f"beats.{COPY}", None))
        with pytest.raises(InputError, match=rf"^{part}\.bin: '{key}' has the shape"):
            converted_files(files)

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
    def test_what_is_unknown_is_named(self, part: str, key: str) -> None:
        files = tiny_files()
        files[part][key] = torch.zeros(3)
        with pytest.raises(InputError, match=rf"^{part}\.bin: holds '{key}', which"):
            converted_files(files)

    @pytest.mark.parametrize(("part", "key"), [("beats", COPY), ("salmonn", f"beats.{COPY}")])
    def test_a_copy_that_differs_is_named(self, part: str, key: str) -> None:
        files = tiny_files()
        files[part][key][0, 0] += 1
        with pytest.raises(InputError, match=rf"^{part}\.bin: '{key}' differs"):
            converted_files(files)
        del files[part][key]  # some files may be without copies
        converted_files(files)

    def test_either_spelling_of_the_factors(self) -> None:
        files = tiny_files()
        before = converted_files(files)
        new = "encoder.pos_conv.0.parametrizations.weight.original"
        for number, old in enumerate(("weight_g", "weight_v")):
            files["beats"][f"{new}{number}"] = files["beats"].pop(f"encoder.pos_conv.0.{old}")
        after = converted_files(files)
        assert all(torch.equal(after[key], value) for key, value in before.items())
        files["beats"]["encoder.pos_conv.0.weight_g"] = files["beats"][f"{new}0"]
        with pytest.raises(InputError, match="is there twice"):
            converted_files(files)

    def test_how_many_there_are_of_each_in_the_published_size(self) -> None:
        published_sizes = {
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
        shapes = conversion.network_shapes(published_sizes)
        updates = [key for key in shapes if key.endswith(LORA_KEYS)]
        assert len(updates) == 128
        assert sum(key.startswith("connector.qformer.") for key in shapes) == 54
        assert sum(key.startswith("llama.") for key in shapes) == 291 + 128

    def test_an_activation_that_is_not_known(self) -> None:
        with pytest.raises(InputError, match="BEATs with relu is not known"):
            BeatsConfig.of({"input_patch_size": 16, "activation_fn": "relu"})


class TestPrompt:
    def test_halves(self) -> None:
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
    def test_what_searches(self, preset: str, expected: Preset) -> None:
        search = inference.search_of(PRESETS[preset])
        assert search.preset == expected
        assert isinstance(search, Sampler if preset == "greedy" else BeamSearch)

    def test_a_text_that_is_cut_off_counts_one_more(self) -> None:
        """At each step half of the odds are on the end, the next most on token 3."""
        odds = torch.tensor([[0.05, 0.05, 0.5, 0.3, 0.05, 0.05]])
        # log(.3) / 2 is more than log(.5) / 1, though it is the likelier to end at once.
        search = BeamSearch(Preset(1, num_beams=1))
        assert search.step(odds.log()) == []
        assert search.answer == [3]
        # log(.5) / 1 is more than log(.3 * .5) / 2 and log(.3 * .3) / 3.
        search = BeamSearch(Preset(2, num_beams=1))
        assert search.step(odds.log()) == [(0, 3)]
        assert search.step(odds.log()) == []
        assert search.answer == []


WORDS = "USER ASSISTANT Speech What sound can you hear It rains and they run home again"


@pytest.fixture
def downloaded(tmp_path: Path) -> dict[str, Path]:
    """Write all parts as files."""
    trainer = pytest.importorskip("sentencepiece").SentencePieceTrainer
    places = {name: tmp_path / name for name in ("base", "whisper")}
    places |= {name: tmp_path / f"{name}.pt" for name in ("beats", "salmonn")}
    files = tiny_files()
    for folder, name in (("base", "llama"), ("whisper", "whisper")):
        write_folder(places[folder], TINY[name], files[name])
    torch.save({"cfg": TINY["beats"], "model": files["beats"]}, places["beats"])
    torch.save({"model": files["salmonn"], "epoch": 3}, places["salmonn"])
    trainer.train(
        sentence_iterator=iter([WORDS] * 20),
        model_prefix=str(places["base"] / "tokenizer"),
        vocab_size=290,
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return places


class TestSystem:
    @pytest.fixture
    def settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for part in ("qformer", "lora"):
            monkeypatch.setitem(conversion.SETTINGS, part, TINY[part])

    @pytest.mark.usefixtures("settings")
    @pytest.mark.parametrize("preset", PRESETS)
    def test_from_download_to_answer(
        self, downloaded: dict[str, Path], tmp_path: Path, preset: str
    ) -> None:
        conversion.convert_files(**downloaded, folder=tmp_path / "converted")
        loaded = inference.load(tmp_path / "converted", "cpu", torch.float32)
        audio = Audio((np.arange(9000) % 700 * 20).astype(np.int16))
        asked = (audio, "What sound can you hear?")
        (response,) = loaded.answer_all([asked], preset)
        # What is drawn is drawn from the same seed.
        assert loaded.answer_all([asked], preset) == [response]
        assert response.finish_reason in ("stop", "length")
        assert response.usage["prompt_tokens"] > 89
        assert 1 <= response.usage["completion_tokens"] <= 200

    @pytest.mark.usefixtures("settings")
    def test_half_precision_is_the_language_models_alone(
        self, downloaded: dict[str, Path], tmp_path: Path
    ) -> None:
        conversion.convert_files(**downloaded, folder=tmp_path / "converted")
        network = inference.load(tmp_path / "converted", "cpu", torch.bfloat16)._network
        assert network.llama.dtype == torch.bfloat16
        assert network.llama.model.rotary_emb.inv_freq.dtype == torch.float32
        for part in (network.whisper, network.beats, network.connector):
            assert {value.dtype for value in part.parameters()} == {torch.float32}
        audio = network.audio_embeddings(np.zeros(5000))
        sequence = network.sequence([5], audio, [6])
        assert sequence.dtype == torch.bfloat16
        assert len(found(network.llama, sequence, BeamSearch(Preset(3, num_beams=2)))) <= 3

    def test_a_file_that_is_something_else(
        self, downloaded: dict[str, Path], tmp_path: Path
    ) -> None:
        torch.save({"weights": {}}, downloaded["beats"])
        with pytest.raises(InputError, match="has no 'cfg' in it; is it the right file"):
            conversion.convert_files(**downloaded, folder=tmp_path / "converted")

    def test_weights_of_other_sizes(self) -> None:
        other = {**TINY, "llama": {**TINY["llama"], "num_hidden_layers": 1}}
        with pytest.raises(InputError, match="the weights do not fit the sizes"):
            inference.assemble(other, converted_files(tiny_files()), Path("tiny"))
