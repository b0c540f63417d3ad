"""The port of SALMONN against what the original computed, and what its conversion refuses."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import Oracle, found

from jasco.benchmark.errors import InputError
from jasco.providers.audio import Audio

torch = pytest.importorskip("torch", reason="needs the extra native")
pytest.importorskip("transformers", reason="needs the extra native")
pytest.importorskip("safetensors", reason="needs the extra native")
pytestmark = pytest.mark.slow  # torch is there in the second tier only

from jasco.models.native.decoding import Draw, Preset  # noqa: E402
from jasco.models.native.weights import write_folder  # noqa: E402
from jasco.models.salmonn import conversion, system  # noqa: E402
from jasco.models.salmonn.beam import BeamSearch  # noqa: E402
from jasco.models.salmonn.beats import Beats, BeatsConfig, coarser  # noqa: E402
from jasco.models.salmonn.connector import windows  # noqa: E402
from jasco.models.salmonn.conversion import Published  # noqa: E402
from jasco.models.salmonn.features import filter_bank, fit, log_mel  # noqa: E402
from jasco.models.salmonn.network import Salmonn  # noqa: E402
from jasco.models.salmonn.prompt import PRESETS, halves  # noqa: E402

Tensors = dict[str, Any]

OF_A_STAGE, OF_ALL = 1e-5, 5e-5
"""How far numbers may be off: from a stage's stored inputs, and from the waveform on.

At a few positions the language model makes ten times as much of what it is given. Wrong ports are
off by 0.2 and more (see ``TestWrongPortsShow``).
"""


def close(ours: Any, theirs: Any, tolerance: float, name: str) -> None:
    """Compare two tensors."""
    assert ours.shape == theirs.shape, name
    assert (ours.double() - theirs.double()).abs().max() <= tolerance, name


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
    return system.assemble(config, weights, Path("tiny"))


def clips(oracle: Oracle) -> list[str]:
    return sorted(name[len("wav_") :] for name in oracle.inputs if name.startswith("wav_"))


def questions(oracle: Oracle, clip: str) -> list[str]:
    start, end = f"{clip}.", ".left_ids"
    return sorted(
        name.removesuffix(end)
        for name in oracle.inputs
        if name.startswith(start) and name.endswith(end)
    )


def samples_of(oracle: Oracle, clip: str) -> Any:
    return oracle.wave(clip) / 32768


def sequence_of(oracle: Oracle, network: Salmonn, question: str, audio: Any) -> Any:
    left, right = (oracle.inputs[f"{question}.{half}_ids"].tolist() for half in ("left", "right"))
    return network.sequence(left, audio, right)


def stages_of_beats(beats: Beats, bank: Any, padding: Any = None) -> Tensors:
    """Encode, and keep what is computed on the way, in the original's layout."""
    seen: Tensors = {}

    def keep(name: str, change: Any) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            seen[name] = change(output)

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
    seen["out"] = beats(bank, padding)
    for hook in hooks:
        hook.remove()
    bias = encoder.position_bias(seen["out"].shape[1])
    if bias is not None:
        seen["position_bias_head0"] = bias[:1]
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


def stages_of_a_question(oracle: Oracle, network: Salmonn, question: str, audio: Any) -> Tensors:
    said = sequence_of(oracle, network, question, audio)
    logits = network.llama(inputs_embeds=said).logits
    recorded = oracle.expected[f"{question}.logits"].shape[1]  # of some, the last ones alone
    stages = {
        "inputs_embeds": said,
        "logits": logits[:, -recorded:],
        "logits_len": torch.tensor([logits.shape[1]]),
    }
    if f"{question}.greedy_step_logits" in oracle.expected:
        answer = torch.tensor([oracle.config["generated_ids"][f"{question}.greedy"][1:]])
        both = torch.cat([said, network.llama.get_input_embeddings()(answer)], dim=1)
        steps = network.llama(inputs_embeds=both).logits[0, said.shape[1] - 1 : -1]
        stages["greedy_step_logits"] = steps
    return stages


def part_of(name: str, whole: Tensors, like: Any) -> Any:
    """Give of what we computed the part that is recorded under a name."""
    if name in whole:
        return whole[name]
    base, _, end = name.rpartition("_")
    if end.isdigit():  # ..._every_N
        base = base.removesuffix("_every").removesuffix("_cols")
        return whole[base][:, :: int(end)]
    if end == "head":
        return whole[base][:, : like.shape[1]]
    count = int(end[-1])
    return whole[base][:count] if end.startswith("first") else whole[base][-count:]


def check_all(ours: Tensors, theirs: Tensors, tolerance: float, start: str) -> set[str]:
    """Compare whatever is recorded with a start; give the names."""
    names = {name for name in theirs if name.startswith(start)}
    for name in names:
        part = part_of(name.removeprefix(start), ours, theirs[name])
        close(part, theirs[name], tolerance, name)
    return names


@pytest.mark.oracle
class TestParity:
    def test_everything_from_the_waveform_on(self, oracle: Oracle, network: Salmonn) -> None:
        checked: set[str] = set()
        for clip in clips(oracle):
            samples = samples_of(oracle, clip)
            fitted = fit(samples)
            config = network.whisper.config
            mel = log_mel(fitted, config.num_mel_bins, 2 * config.max_source_positions)
            bank = filter_bank(fitted)
            speech = network.whisper(mel).last_hidden_state
            stages = stages_of_beats(network.beats, bank)
            ours = {
                "mel": mel[0],
                "raw_wav_len": torch.tensor([len(fitted)]),
                "whisper_last_hidden_state": speech,
                "beats.fbank": bank,
                **{f"beats.{name}": value for name, value in stages.items()},
                **stages_of_connector(network, speech, stages["out"]),
            }
            close(network.audio_embeddings(samples)[None], ours["audio_embeds"], 0, clip)
            ours["mel_pad_value"] = mel[0, 0, -1:]
            if f"{clip}.mel_cols_every_100" not in oracle.expected:  # all beyond the head is silent
                silent = mel[0, :, oracle.expected[f"{clip}.mel_head"].shape[1] :]
                close(silent, ours["mel_pad_value"].expand_as(silent), 0, f"{clip}: silence")
            for number, (window, stride) in enumerate(oracle.config["window"]["variants_seconds"]):
                if f"{clip}.audio_embeds_window_variant{number}" in oracle.expected:
                    other = {"second_per_window": window, "second_stride": stride}
                    config = {**oracle.config, "window": {**oracle.config["window"], **other}}
                    heard = converted(oracle, config).audio_embeddings(samples)
                    ours[f"audio_embeds_window_variant{number}"] = heard[None]
            for question in questions(oracle, clip):
                asked = stages_of_a_question(oracle, network, question, ours["audio_embeds"][0])
                name = question.removeprefix(f"{clip}.")
                ours |= {f"{name}.{stage}": value for stage, value in asked.items()}
            checked |= check_all(ours, oracle.expected, OF_ALL, f"{clip}.")
        left = {name.split(".")[0] for name in oracle.expected.keys() - checked}
        assert left == {"beats_padded_batch", "beats_predictor", "synth"}  # below

    def test_beats_from_stored_filter_banks(self, oracle: Oracle, network: Salmonn) -> None:
        for clip in clips(oracle):
            bank = oracle.expected.get(f"{clip}.beats.fbank")
            if bank is not None:
                ours = {"fbank": bank, **stages_of_beats(network.beats, bank)}
                check_all(ours, oracle.expected, OF_A_STAGE, f"{clip}.beats.")

    def test_a_padded_batch_of_beats(self, oracle: Oracle, network: Salmonn) -> None:
        lengths = oracle.inputs["beats_padded_lengths"].tolist()
        waves = np.zeros((2, max(lengths)))
        for row, clip, length in zip(waves, "ac", lengths, strict=True):
            row[:length] = samples_of(oracle, clip)[:length]
        bank = torch.cat([filter_bank(row) for row in waves])
        silent = torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]
        of_frames = coarser(silent, bank.shape[1])
        theirs = oracle.expected["beats_padded_batch.out"]
        close(network.beats(bank, of_frames), theirs, OF_ALL, "out")
        assert torch.equal(
            coarser(of_frames, theirs.shape[1]),
            oracle.expected["beats_padded_batch.padding_mask"].bool(),
        )

    def test_the_classifier_of_beats(self, oracle: Oracle, network: Salmonn) -> None:
        """Not part of SALMONN: here it shows that nothing is lost up to the last layer."""
        out = network.beats(filter_bank(fit(samples_of(oracle, "a"))))
        weight, bias = (oracle.weights[f"beats.predictor.{each}"] for each in ("weight", "bias"))
        ours = torch.nn.functional.linear(out, weight, bias).mean(1).sigmoid()
        close(ours, oracle.expected["beats_predictor.probabilities_a"], OF_ALL, "probabilities")

    def test_other_settings_of_beats(self, oracle: Oracle) -> None:
        weights = oracle.tensors("beats_variants_weights")
        expected = oracle.tensors("beats_variants_expected")
        bank = filter_bank(fit(samples_of(oracle, "a")))
        for name, cfg in oracle.json("beats_variants_config")["variants"].items():
            ours = beats_of(cfg, {
                key.removeprefix(f"{name}/"): value
                for key, value in weights.items()
                if key.startswith(f"{name}/")
            })(bank)  # fmt: skip
            close(ours, expected[name], OF_ALL, name)

    def test_the_connector_from_stored_encodings(self, oracle: Oracle, network: Salmonn) -> None:
        expected = oracle.expected
        for clip in clips(oracle):
            speech = expected.get(f"{clip}.whisper_last_hidden_state")
            if speech is None:
                continue
            ours = stages_of_connector(network, speech, expected[f"{clip}.beats.out"])
            for name, theirs in expected.items():
                if name.startswith((f"{clip}.ln_", f"{clip}.qformer_", f"{clip}.n_")) or (
                    name == f"{clip}.audio_embeds"
                ):
                    ours_part = part_of(name.removeprefix(f"{clip}."), ours, theirs)
                    close(ours_part, theirs, OF_A_STAGE, name)

    def test_audio_longer_than_speech(self, oracle: Oracle, network: Salmonn) -> None:
        speech, audio = (
            torch.from_numpy(oracle.inputs[f"synth_{each}"]) for each in ("speech", "audio")
        )
        theirs = oracle.expected["synth.audio_longer.audio_embeds"]
        close(network.connector(speech, audio)[None], theirs, OF_A_STAGE, "embeddings")

    def test_the_language_model_from_stored_sequences(
        self, oracle: Oracle, network: Salmonn
    ) -> None:
        for clip in clips(oracle):
            audio = oracle.expected[f"{clip}.audio_embeds"][0]
            for question in questions(oracle, clip):
                theirs = oracle.expected[f"{question}.inputs_embeds"]
                close(sequence_of(oracle, network, question, audio), theirs, 0, question)
                logits = oracle.expected[f"{question}.logits"]
                ours = network.llama(inputs_embeds=theirs).logits[:, -logits.shape[1] :]
                close(ours, logits, OF_A_STAGE, question)

    def test_the_tokens_of_every_answer(self, oracle: Oracle, network: Salmonn) -> None:
        heard = {clip: network.audio_embeddings(samples_of(oracle, clip)) for clip in clips(oracle)}
        for name, ids in oracle.config["generated_ids"].items():
            question, kind = name.rsplit(".", 1)
            preset = PRESETS["greedy" if kind == "greedy" else "official"]
            limit = int(
                kind.partition("_max")[2] or oracle.config["generation"]["beam4"]["max_new_tokens"]
            )
            sequence = sequence_of(oracle, network, question, heard[question.split(".")[0]])
            search = system.search_of(replace(preset, max_new_tokens=limit))
            ours = found(network.llama, sequence, search)
            ended = ids[-1] == 2
            assert ours == ids[1 : -1 if ended else None], name
            assert ended == (len(ours) < limit), name


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
        ours = beats_of({**right, **wrong}, weights)(oracle.expected["a.beats.fbank"])
        assert (ours - oracle.expected["a.beats.out"]).abs().max() > 1000 * OF_A_STAGE

    def test_of_zeros_before_the_norm(self, oracle: Oracle, network: Salmonn) -> None:
        width = network.connector.ln_speech.normalized_shape[0]
        assert not oracle.expected["a.qformer_windows_last2"][..., width:].any()
        assert network.connector.ln_audio.bias.abs().max() > 1000 * OF_A_STAGE

    def test_of_updates_left_out(self, oracle: Oracle) -> None:
        config = {**oracle.config, "lora": {**oracle.config["lora"], "alpha": 0}}
        without = converted(oracle, config)
        name = next(name for name in oracle.expected if name.endswith(".inputs_embeds"))
        theirs = oracle.expected[name.replace("inputs_embeds", "logits")]
        logits = without.llama(inputs_embeds=oracle.expected[name]).logits
        assert (logits[:, -theirs.shape[1] :] - theirs).abs().max() > 1000 * OF_A_STAGE

    def test_of_the_search_of_transformers_5(self, oracle: Oracle) -> None:
        theirs = oracle.config["generated_ids"]
        others = next(value for key, value in oracle.config.items() if key.endswith("NOT_original"))
        assert any(ids != theirs[name][1:] for name, ids in others.items() if "beam" in name)


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
        llama = system.assemble(TINY, weights, Path("tiny")).llama
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
        updates = [key for key in shapes if key.endswith((".down", ".up"))]
        assert len(updates) == 128
        assert sum(key.startswith("connector.qformer.") for key in shapes) == 54
        assert sum(key.startswith("llama.") for key in shapes) == 291 + 128

    def test_an_activation_that_is_not_known(self) -> None:
        with pytest.raises(InputError, match="BEATs with relu is not known"):
            BeatsConfig.of({"input_patch_size": 16, "activation_fn": "relu"})


class TestPrompt:
    def test_halves(self) -> None:
        left, right = halves("  What {is} it? ")
        assert (left, right) == ("USER: <Speech>", "</Speech> What {is} it?\nASSISTANT:")
        assert halves(" so ", "card")[1] == "</Speech>  so \nASSISTANT:"


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
        search = system.search_of(PRESETS[preset])
        assert search.preset == expected
        assert isinstance(search, Draw if preset == "greedy" else BeamSearch)

    def test_a_text_that_is_cut_off_counts_one_more(self) -> None:
        """At each step half of the odds are on the end, the next most on token 3."""
        odds = torch.tensor([[0.05, 0.05, 0.5, 0.3, 0.05, 0.05]])
        # log(.3) / 2 is more than log(.5) / 1, though it is the likelier to end at once.
        search = BeamSearch(Preset(1, num_beams=1))
        assert search.go_on(odds.log()) == []
        assert search.answer == [3]
        # log(.5) / 1 is more than log(.3 * .5) / 2 and log(.3 * .3) / 3.
        search = BeamSearch(Preset(2, num_beams=1))
        assert search.go_on(odds.log()) == [(0, 3)]
        assert search.go_on(odds.log()) == []
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
        loaded = system.load(tmp_path / "converted", "cpu", torch.float32)
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
        network = system.load(tmp_path / "converted", "cpu", torch.bfloat16)._network
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
            system.assemble(other, converted_files(tiny_files()), Path("tiny"))
