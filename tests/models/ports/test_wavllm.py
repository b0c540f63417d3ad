"""The port of WavLLM: each stage against what the original computed, and what it refuses."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import combinations
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
    differences,
    end_to_end,
    exceeding,
    finds,
    found,
    number_of,
    stage_by_stage,
)

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("safetensors")
pytestmark = pytest.mark.slow  # torch is there in the second tier only

from jasco.models.ports.language import splice  # noqa: E402
from jasco.models.ports.lora import LORA_KEYS  # noqa: E402
from jasco.models.ports.state_dict import rename_key  # noqa: E402
from jasco.models.ports.text import BOS, EOS, Tokenizer  # noqa: E402
from jasco.models.ports.wavllm.connector import join  # noqa: E402
from jasco.models.ports.wavllm.conversion import (  # noqa: E402
    KEYS,
    convert_files,
    convert_weights,
    model_of,
)
from jasco.models.ports.wavllm.features import (  # noqa: E402
    valid_positions,
    wavlm_waveform,
    whisper_parts,
)
from jasco.models.ports.wavllm.inference import load  # noqa: E402
from jasco.models.ports.wavllm.lora_scale import states_before_norm  # noqa: E402
from jasco.models.ports.wavllm.model import WavLlm, assemble, shapes_of  # noqa: E402
from jasco.models.ports.wavllm.prompt import LEFT, QUOTED, RIGHT, make_prompt  # noqa: E402
from jasco.models.ports.wavllm.scaled_lora import rotary_order, scaled_lora  # noqa: E402
from jasco.models.ports.wavllm.search import PRESETS, restrict, room, search_of  # noqa: E402
from jasco.models.ports.wavllm.sizes import PUBLISHED  # noqa: E402

oracle = pytest.mark.oracle
PATH = Path("final.pt")
Tensors = dict[str, Any]


def sizes_of(config: dict[str, Any]) -> dict[str, Any]:
    """Put the fixtures' description of their sizes as ours."""
    llama, wavlm, between = config["llama"], dict(config["wavlm"]), config["connector"]
    wavlm.pop("n_output_weights")
    return {
        "jasco_model": "wavllm",
        "whisper": config["whisper"],
        "wavlm": wavlm,
        "connectors": {
            "whisper_middle": between["whisper_subsample"][1],
            "wavlm_middle": between["wavlm_subsample"][1],
            "width": between["adapter_in"],
            "bottleneck": between["adapter_mid"],
            "out": between["proj_out"],
        },
        "llama": {
            "vocab_size": llama["vocab_size"],
            "hidden_size": llama["dim"],
            "intermediate_size": llama["ffn_hidden"],
            "num_hidden_layers": llama["n_layers"],
            "num_attention_heads": llama["n_heads"],
            "max_position_embeddings": llama["rope_table_positions"],
            "rms_norm_eps": llama["norm_eps"],
            "rope_parameters": {"rope_type": "default", "rope_theta": llama["rope_theta"]},
        },
        "updates": {"rank": config["lora"]["r"]},
        "scale": {
            "bottleneck": between["scale_mid"],
            "largest": config["scale_head"]["clamp_max"],
        },
    }


class Port:
    """The fixtures, and the port with their weights."""

    def __init__(self) -> None:
        self.oracle = Oracle("wavllm")
        self.sizes = sizes_of(self.oracle.config)
        self.model = self.made(self.sizes)

    def made(self, sizes: dict[str, Any]) -> WavLlm:
        weights = convert_weights(self.oracle.weights, sizes, PATH)
        return assemble(sizes, weights, torch.device("cpu"), torch.float32)

    @cached_property
    def room(self) -> int:
        """Tokens that the fixtures' answers may have."""
        rule = self.oracle.config["generation"]["greedy"]
        return int(re.search(r"prefix size \+ (\d+)", rule)[1])

    @cached_property
    def temperature(self) -> float:
        rule = self.oracle.config["generation"]["greedy"]
        return float(re.search(r"temperature ([\d.]+)", rule)[1])

    def samples(self, clip: str) -> np.ndarray:
        return Audio(self.oracle.wave(clip)).floats

    @cached_property
    def heard(self) -> dict[str, Any]:
        """What is heard of each clip."""
        return {clip: self.model.audio_embeddings(self.samples(clip)) for clip in self.oracle.clips}

    def quoted(self, asked: str) -> list[int]:
        return self.oracle.ids(f"{asked}.scale_prompt_ids")

    def scale(self, asked: str) -> Any:
        return self.model.lora_scale(self.quoted(asked))

    def right(self, asked: str) -> list[int]:
        return [BOS, *self.oracle.ids(f"{asked}.forced_prefix_ids")]

    def generated(self, asked: str, how: str) -> list[int]:
        """Give an answer of a kind, with its end; empty: there is none."""
        answers = self.oracle.config["generated"].items()
        return next(
            (of["generated"] for name, of in answers if name.startswith(f"{asked}.{how}")), []
        )

    def sequence(self, asked: str, audio: Any, words: Sequence[int]) -> Any:
        return splice(self.model.llama, [self.oracle.ids(f"{asked}.left_ids"), audio, words])

    def logits(self, asked: str, audio: Any, scale: Any, answer: Sequence[int]) -> Any:
        """Give the logits behind every token, the answer's last one left out."""
        with scaled_lora(self.model.llama, scale[None]):
            said = self.sequence(asked, audio, [*self.right(asked), *answer[:-1]])
            return self.model.llama(inputs_embeds=said).logits

    def drawn_from(self, logits: Any, answer: Sequence[int]) -> Any:
        """Give the log-probabilities that each token of an answer is drawn from."""
        rows = torch.log_softmax(logits[0, -len(answer) :] / self.temperature, dim=-1)
        return torch.stack([restrict(row, step, self.room) for step, row in enumerate(rows)])


def stages(port: Port) -> Iterator[Stage]:
    """List what is computed of each clip and of the questions about it."""
    model, sizes = port.model, port.sizes

    def encode(samples: np.ndarray) -> Tensors:
        features, valid = whisper_parts(samples, sizes["whisper"])
        waveform = wavlm_waveform(samples, sizes["wavlm"])
        return {
            **{f"part{number}.mel": part for number, part in enumerate(features)},
            "n_parts": torch.tensor([len(features)]),
            "valid_mel_frames": valid,
            "wavlm_input_len": torch.tensor([waveform.shape[1]]),
            "whisper.last_hidden_state": model.whisper_states(features, valid),
            "wavlm.conv_features": model.wavlm.feature_extractor(waveform).transpose(1, 2),
            "wavlm.hidden_states": model.wavlm_states(waveform),
        }

    def hear_normalised(samples: np.ndarray) -> Tensors:
        waveform = wavlm_waveform(samples, sizes["wavlm"])
        waveform = (waveform - waveform.mean()) / (waveform.var(correction=0) + 1e-7).sqrt()
        states = model.weighted_sum(model.wavlm_states(waveform))
        return {"wavlm_do_normalize_true.projector": model.wavlm_connector(states)}

    def fuse(joined: Any) -> Tensors:
        embeddings = model.fusion(joined)
        return {
            "audio_embeds": embeddings,
            "audio_embeds_len": torch.tensor([embeddings.shape[1]]),
        }

    def think(asked: str) -> Tensors:
        quoted = splice(model.llama, [port.quoted(asked)])
        return {"scale_prompt_hidden": states_before_norm(model.llama, quoted)}

    def weigh(thought: Any) -> Tensors:
        return {
            "scale_z": model.scale_head.features(thought),
            "scale": model.scale_head(thought)[None],
        }

    def begin(asked: str, audio: Any) -> Tensors:
        return {"prefill_inputs_embeds": port.sequence(asked, audio[0], [BOS])}

    def say(asked: str, audio: Any, scale: Any) -> Tensors:
        greedy, drawn = (port.generated(asked, how) for how in ("greedy", "sample"))
        logits = port.logits(asked, audio[0], scale[0], greedy)
        said = port.sequence(asked, audio[0], [*port.right(asked), *greedy[:-1]])
        with scaled_lora(model.llama, scale):
            final = states_before_norm(model.llama, said)
        computed = {
            "seq_len": torch.tensor([logits.shape[1]]),
            "logits_full": logits,
            "final_hidden_before_norm": final,
        }
        if drawn:
            sampled = port.logits(asked, audio[0], scale[0], drawn)
            computed["sample_lprobs"] = port.drawn_from(sampled, drawn)
        return computed

    def choose(asked: str, logits: Any) -> Tensors:
        """Give what can be told from logits, of which the last ones may be all that there is."""
        computed, greedy = {}, port.generated(asked, "greedy")
        hypothesis = [*port.right(asked)[1:], *greedy]
        if logits.shape[1] >= len(greedy):
            computed["greedy_lprobs"] = port.drawn_from(logits, greedy)
        if logits.shape[1] >= len(hypothesis):
            rows = logits[0, -len(hypothesis) :] / port.temperature
            odds = torch.log_softmax(rows, dim=-1)
            computed["greedy_positional_scores"] = odds[range(len(hypothesis)), hypothesis]
        return computed

    for clip in port.oracle.clips:
        yield Stage(clip, [], partial(encode, port.samples(clip)))
        if f"{clip}.wavlm_do_normalize_true.projector" in port.oracle.expected:
            yield Stage(clip, [], partial(hear_normalised, port.samples(clip)))
        yield step(clip, "wavlm.hidden_states", "wavlm.weighted_sum", model.weighted_sum)
        for stream, first, connector in (
            ("whisper", "last_hidden_state", model.whisper_connector),
            ("wavlm", "weighted_sum", model.wavlm_connector),
        ):
            yield step(clip, f"{stream}.{first}", f"{stream}.subsample", connector.subsampler)
            yield step(clip, f"{stream}.subsample", f"{stream}.adapter", connector.adapter)
            yield step(clip, f"{stream}.adapter", f"{stream}.projector", connector.projector)
        streams = [f"{clip}.{stream}.projector" for stream in ("whisper", "wavlm")]
        yield Stage(clip, streams, lambda *each: {"fusion.concat": join(*each)})
        yield Stage(clip, [f"{clip}.fusion.concat"], fuse)
    for asked in port.oracle.asked:
        audio = f"{port.oracle.clip_of(asked)}.audio_embeds"
        yield Stage(asked, [], partial(think, asked))
        yield Stage(asked, [f"{asked}.scale_prompt_hidden"], weigh)
        yield Stage(asked, [audio], partial(begin, asked))
        yield Stage(asked, [audio, f"{asked}.scale"], partial(say, asked))
        yield Stage(asked, [f"{asked}.logits_full"], partial(choose, asked))


def step(clip: str, before: str, after: str, compute: Callable[..., Any]) -> Stage:
    """Describe a stage that makes one tensor of another."""
    return Stage(clip, [f"{clip}.{before}"], lambda given: {after: compute(given)})


@pytest.fixture(scope="module")
def port() -> Port:
    return Port()


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def odds(name: str) -> bool:
    """Tell whether a tensor holds log-probabilities."""
    return name.endswith(("_lprobs", "_scores"))


def tolerance(name: str) -> float:
    """Tell how far a stage may be off that is computed from its stored inputs."""
    if odds(name):
        return 2 * LOGITS / PRESETS["official"].temperature  # of a logit, and of the sum of all
    if name.endswith("final_hidden_before_norm"):  # states of all layers, added up
        return 5e-5
    return LOGITS if name.endswith("logits_full") else STAGE


def end_to_end_tolerance(name: str) -> float:
    """Tell how far off it may be that is computed from the waveform, or from tokens."""
    if odds(name) or name.endswith("final_hidden_before_norm"):
        return ROUNDING * 1e-4
    if name.endswith("logits_full"):
        return ROUNDING * 5e-5
    # The original computed the spectrogram in float64, transformers does in float32.
    return 5e-5 if ".mel_" in name else ROUNDING * 1e-5


@oracle
def test_from_waveform_to_answer_it_is_the_original(port: Port) -> None:
    expected, computed = port.oracle.expected, end_to_end(stages(port))
    apart = differences(computed, expected)
    assert exceeding(apart, end_to_end_tolerance) == {}
    assert expected.keys() - apart.keys() == set()
    for clip in port.oracle.clips:
        embeddings = port.model.audio_embeddings(port.samples(clip))[None]
        assert torch.equal(embeddings, computed[f"{clip}.audio_embeds"]), clip
    for asked in port.oracle.asked:
        scale = port.model.lora_scale(port.quoted(asked))[None]
        assert torch.equal(scale, computed[f"{asked}.scale"]), asked


@oracle
def test_each_stage_is_the_originals(port: Port) -> None:
    expected = port.oracle.expected
    apart = differences(stage_by_stage(stages(port), expected), expected)
    assert exceeding(apart, tolerance) == {}
    assert any(name.endswith(".logits_full") for name in apart)


@oracle
def test_the_likeliest_answers_are_the_original_ones(port: Port) -> None:
    for asked in port.oracle.asked:
        expected = port.generated(asked, "greedy")
        assert expected[-1] == EOS, asked
        search = partial(search_of, PRESETS["greedy"], port.room)
        said = port.sequence(asked, port.heard[port.oracle.clip_of(asked)], port.right(asked))
        with scaled_lora(port.model.llama, port.scale(asked)[None]):
            assert finds(port.model.llama, said, search, expected[:-1], ROUNDING * 5e-5), asked


@oracle
def test_drawn_answers_repeat_and_keep_the_rules(port: Port) -> None:
    answers = []
    for asked in port.oracle.asked * 2:
        search = search_of(PRESETS["official"], port.room)
        said = port.sequence(asked, port.heard[port.oracle.clip_of(asked)], port.right(asked))
        with scaled_lora(port.model.llama, port.scale(asked)[None]):
            answers.append(found(port.model.llama, said, search))
    half = len(answers) // 2
    assert answers[:half] == answers[half:]
    assert all(answer and 0 not in answer and len(answer) <= port.room for answer in answers)


@oracle
def test_the_temperature_is_the_originals(port: Port) -> None:
    assert PRESETS["official"].temperature == port.temperature


@oracle
def test_the_updates_count_only_while_they_are_told_to(port: Port) -> None:
    llama, asked = port.model.llama, port.oracle.asked[0]
    words = splice(llama, [port.oracle.ids(f"{asked}.left_ids")])
    before = llama(inputs_embeds=words).logits
    with pytest.raises(KeyError), scaled_lora(llama, port.scale(asked)[None]):
        assert not torch.equal(llama(inputs_embeds=words).logits, before)
        raise KeyError
    assert torch.equal(llama(inputs_embeds=words).logits, before)


@oracle
def test_each_question_gets_a_scale_of_its_own(port: Port) -> None:
    scales = {tuple(port.quoted(asked)): port.scale(asked) for asked in port.oracle.asked}
    if len(scales) < 2:
        pytest.skip("the fixtures have one question")
    for one, other in combinations(scales.values(), 2):
        assert float((one - other).abs().max()) > 0.01


@oracle
def test_prompts_are_the_original_ones(port: Port) -> None:
    config = port.oracle.config
    real, questions = config["real_token_ids"], config["questions"]
    pieces = {LEFT: real["left"][1:]}
    for number, question in enumerate(questions):
        pieces[f" </SPEECH> {question} [/INST]"] = real[f"right_q{number}"]
        pieces[f'"{question}"'] = real[f"scale_q{number}"]

    class Pieces:
        """The original's tokenizer, as far as its numbers are known."""

        def encode(self, text: str) -> list[int]:
            return pieces[text]

    assert config["left_prompt_text"] == LEFT
    for asked in port.oracle.asked:
        prompt = make_prompt(Pieces(), questions[number_of(asked)])
        assert [fold(port, token) for token in prompt.left] == port.oracle.ids(f"{asked}.left_ids")
        assert [fold(port, token) for token in prompt.right] == port.right(asked)
        assert [fold(port, token) for token in prompt.quoted] == port.quoted(asked)


# What a wrong port looks like: each mistake must show far above the tolerance of the logits.


def in_published_order(port: Port, patch: pytest.MonkeyPatch) -> None:
    order = rotary_order(
        port.sizes["llama"]["hidden_size"], port.sizes["llama"]["num_attention_heads"]
    )
    weights = port.model.state_dict()
    for key, value in weights.items():
        if re.fullmatch(r"llama\..*[qk]_proj\.base\.weight", key):
            weights[key] = value[order.argsort()]
    patch.setattr(port, "model", assemble(port.sizes, weights, "cpu", torch.float32))


def scale_in_published_order(port: Port, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "jasco.models.ports.wavllm.scaled_lora.rotary_order",
        lambda width, heads: torch.arange(width),
    )


def other_norm(port: Port, patch: pytest.MonkeyPatch) -> None:
    eps = 1e-6 if port.sizes["llama"]["rms_norm_eps"] == 1e-5 else 1e-5
    sizes = port.sizes | {"llama": port.sizes["llama"] | {"rms_norm_eps": eps}}
    patch.setattr(port, "model", port.made(sizes))


def space_for_bos(port: Port, patch: pytest.MonkeyPatch) -> None:
    space = fold(port, port.oracle.config["real_token_ids"]["right_q0"][0])
    patch.setattr(Port, "right", lambda self, asked: [space, *RIGHT_OF(self, asked)[1:]])


def without_scale(port: Port, patch: pytest.MonkeyPatch) -> None:
    def logits(self: Port, asked: str, audio: Any, scale: Any, answer: Sequence[int]) -> Any:
        return LOGITS_OF(self, asked, audio, torch.ones_like(scale), answer)

    patch.setattr(Port, "logits", logits)


RIGHT_OF, LOGITS_OF = Port.right, Port.logits


def fold(port: Port, token: int) -> int:
    """Bring a token of Llama into the fixtures' small vocabulary."""
    vocabulary = port.sizes["llama"]["vocab_size"]
    return token if token < 3 else 3 + (token - 3) % (vocabulary - 3)


@oracle
@pytest.mark.parametrize(
    "mistake",
    [without_scale, in_published_order, scale_in_published_order, other_norm, space_for_bos],
)
def test_a_mistake_in_the_language_model_shows(
    port: Port, monkeypatch: pytest.MonkeyPatch, mistake: Callable[..., None]
) -> None:
    mistake(port, monkeypatch)
    expected = port.oracle.expected
    apart = differences(stage_by_stage(stages(port), expected), expected)
    off = [value for name, value in apart.items() if name.endswith(".logits_full")]
    assert max(off) > 10 * LOGITS


# Without the original's numbers: prompts, presets, rules, conversion, and a tiny model end to end.

TINY: dict[str, Any] = {
    "jasco_model": "wavllm",
    "whisper": {
        "d_model": 8, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 8,
        "num_mel_bins": 80, "max_source_positions": 1500,
    },
    "wavlm": {
        "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 8, "conv_dim": [4] * 7, "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
        "conv_stride": [5, 2, 2, 2, 2, 2, 2], "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
    },
    "connectors": {
        "whisper_middle": 12, "wavlm_middle": 10, "width": 6, "bottleneck": 4, "out": 5,
    },
    "llama": {
        "vocab_size": 384, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6,
    },
    "updates": {"rank": 3},
    "scale": {"bottleneck": 6, "largest": 3.0},
}  # fmt: skip


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    """Give random weights under the published names and in the published layout."""
    generator = torch.Generator().manual_seed(3)
    draw_one = partial(torch.randn, generator=generator)
    weights = {
        # Updates are there to be multiplied by from the right.
        theirs(key): 0.3 * draw_one(shape[::-1] if key.endswith(LORA_KEYS) else shape)
        for key, shape in shapes_of(TINY).items()
    }
    width, out = TINY["llama"]["hidden_size"], TINY["connectors"]["out"]
    return weights | {
        "audio_proj.weight": draw_one(width, out),
        "audio_proj.bias": draw_one(width),
        "wavlm_encoder.model.masked_spec_embed": draw_one(TINY["wavlm"]["hidden_size"]),
    }


def theirs(key: str) -> str:
    """Give the published name of one of our weights, written down the other way round."""
    for ours, name in (
        (r"wavlm_layers", "wavlm_encoder.output_weights"),
        (r"(.*)parametrizations\.weight\.original0", r"\1weight_g"),
        (r"(.*)parametrizations\.weight\.original1", r"\1weight_v"),
        (r"whisper\.(.*)", r"audio_encoder.model.\1"),
        (r"wavlm\.(.*)", r"wavlm_encoder.model.\1"),
        (r"fusion\.(.*)", r"wavlm_audio_proj.\1"),
        (r"whisper_connector\.(.*)", r"audio_encoder.\1"),
        (r"wavlm_connector\.(.*)", r"wavlm_encoder.\1"),
        (r"(.*)subsampler\.first\.(.*)", r"\1subsample.conv_layers.0.\2"),
        (r"(.*)subsampler\.second\.(.*)", r"\1subsample.conv_layers.1.\2"),
        (r"(.*)adapter\.(down|up)\.(.*)", r"\1adapter.\2_layer.\3"),
        (r"(.*)adapter\.norm\.(.*)", r"\1adapter.layer_norm.\2"),
        (r"scale_head\.(.*)", r"gpt_model.model_llama.scale_\1"),
        (r"(.*)scale_down\.(.*)", r"\1scale_fc_1.\2"),
        (r"(.*)scale_up\.(.*)", r"\1scale_fc_2.\2"),
        (r"(.*)scale_attention\.(.*)", r"\1scale_weight_attention.\2"),
        (r"llama\.model\.(.*)", r"gpt_model.model_llama.\1"),
        (r"llama\.lm_head\.weight", "gpt_model.model_llama.output.weight"),
        (r"(.*)embed_tokens\.weight", r"\1tok_embeddings.weight"),
        (r"(.*)input_layernorm\.weight", r"\1attention_norm.weight"),
        (r"(.*)post_attention_layernorm\.weight", r"\1ffn_norm.weight"),
        (r"(.*)mlp\.gate_proj\.weight", r"\1feed_forward.w1.weight"),
        (r"(.*)mlp\.down_proj\.weight", r"\1feed_forward.w2.weight"),
        (r"(.*)mlp\.up_proj\.weight", r"\1feed_forward.w3.weight"),
        (r"(.*)self_attn\.(.)_proj\.base\.weight", r"\1attention.w\2.weight"),
        (r"(.*)self_attn\.(.)_proj\.lora_A", r"\1attention.w\2_lora_A"),
        (r"(.*)self_attn\.(.)_proj\.lora_B", r"\1attention.w\2_lora_B"),
    ):
        if found := re.fullmatch(ours, key):
            key = found.expand(name)
    return key


def converted(weights: dict[str, Any]) -> dict[str, Any]:
    return convert_weights(weights, TINY, PATH)


def test_each_published_weight_has_one_place(published: dict[str, Any]) -> None:
    weights = converted(published)
    assert {key: value.shape for key, value in weights.items()} == shapes_of(TINY)
    assert len(published) == len(weights) + 3  # of no use


def test_both_spellings_of_a_normalised_weight_are_read(published: dict[str, Any]) -> None:
    new = {
        key.replace("weight_g", "parametrizations.weight.original0").replace(
            "weight_v", "parametrizations.weight.original1"
        ): value
        for key, value in published.items()
    }
    assert new.keys() != published.keys()
    old, new = converted(published), converted(new)
    assert all(torch.equal(new[key], value) for key, value in old.items())


def test_wrappers_of_training_are_left_out_of_names(published: dict[str, Any]) -> None:
    wrapped = {
        re.sub(r"(layers\.\d+\.)", r"\1_checkpoint_wrapped_module.", key): value
        for key, value in published.items()
    }
    assert wrapped.keys() != published.keys()
    assert converted(wrapped).keys() == converted(published).keys()


def test_queries_and_keys_are_reordered_and_nothing_else(published: dict[str, Any]) -> None:
    weights, order = converted(published), rotary_order(16, 2)
    assert order.tolist() == [0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15]
    moved = {
        key
        for key, value in published.items()
        if (ours := rename_key(key, KEYS))
        and not torch.equal(weights[ours].T if "_lora_" in key else weights[ours], value)
    }
    layers = "gpt_model.model_llama.layers"
    assert moved == {
        f"{layers}.{layer}.attention.w{which}{part}"
        for layer in (0, 1)
        for which in "qk"
        for part in (".weight", "_lora_B")
    }
    key = f"{layers}.1.attention.wk"
    at = "llama.model.layers.1.self_attn.k_proj"
    assert torch.equal(weights[f"{at}.base.weight"], published[f"{key}.weight"][order])
    assert torch.equal(weights[f"{at}.lora_B"], published[f"{key}_lora_B"].T[order])


def test_the_published_sizes_are_those_of_the_parts() -> None:
    shapes = shapes_of(PUBLISHED)
    assert Counter(key.split(".")[0] for key in shapes) == {
        "whisper": 15 * 32 + 7,
        "whisper_connector": 12,
        "wavlm": 19 * 12 + 1 + 18,  # the first layer also has the distances' embedding
        "wavlm_layers": 1,
        "wavlm_connector": 12,
        "fusion": 2,
        "llama": (9 + 2 * 4) * 32 + 3,
        "scale_head": 6,
    }
    assert sum(math.prod(shape) for shape in shapes.values()) == 7_546_223_486


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("audio_encoder.model.layers.0.fc1.bias", "whisper.layers.0.fc1.bias"),
        (
            "gpt_model.model_llama.layers.1.attention.wo_lora_A",
            "llama.model.layers.1.self_attn.o_proj.lora_A",
        ),
        ("wavlm_encoder.output_weights", "wavlm_layers"),
        ("wavlm_encoder.model.encoder.pos_conv_embed.conv.weight_g", "original0"),
    ],
)
def test_a_missing_weight_is_named(published: dict[str, Any], key: str, named: str) -> None:
    with pytest.raises(InputError, match=rf"final\.pt: lacks 1 of .*{re.escape(named)}"):
        converted({name: value for name, value in published.items() if name != key})


@pytest.mark.parametrize(
    "key",
    [
        "gpt_model.model_llama.layers.2.attention.wq.weight",  # a layer too many
        "gpt_model.model_llama.layers.0.attention.wq.bias",
        "gpt_model.model_llama.rope.freqs",
        "audio_encoder.model.layers.0.fc3.weight",
        "wavlm_encoder.subsample.conv_layers.2.weight",
        "audio_proj.scale",
        "decoder.weight",
    ],
)
def test_an_unknown_weight_is_named(published: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError, match=f"final.pt: holds '{re.escape(key)}'"):
        converted(published | {key: torch.zeros(2)})


def test_a_misnamed_weight_is_named(published: dict[str, Any]) -> None:
    weights = dict(published)
    weights["wavlm_audio_proj.wieght"] = weights.pop("wavlm_audio_proj.weight")
    with pytest.raises(InputError, match=r"holds 'wavlm_audio_proj\.wieght'"):
        converted(weights)


def test_a_weight_of_another_shape_is_named(published: dict[str, Any]) -> None:
    key = "gpt_model.model_llama.layers.0.attention.wq_lora_A"
    with pytest.raises(InputError, match=rf"'{re.escape(key)}' has the shape \(3, 16\)"):
        converted(published | {key: published[key].T})


def test_a_weight_in_two_spellings_is_refused(published: dict[str, Any]) -> None:
    key = "gpt_model.model_llama.layers.0._checkpoint_wrapped_module.ffn_norm.weight"
    with pytest.raises(InputError, match="is there twice"):
        converted(published | {key: torch.zeros(16)})


@pytest.mark.parametrize("checkpoint", [[], {"cfg": None}, {"model": [1]}, {"model": {"a": 1}}])
def test_what_is_no_checkpoint_is_refused(checkpoint: Any) -> None:
    with pytest.raises(InputError, match=r"final\.pt: .*'model'"):
        model_of(checkpoint, PATH)


def test_bans() -> None:
    scores = torch.arange(6.0).expand(1, 6)
    assert restrict(scores, 0, 9)[0].tolist() == [-math.inf, 1, -math.inf, 3, 4, 5]
    assert restrict(scores, 1, 9)[0].tolist() == [-math.inf, 1, 2, 3, 4, 5]
    assert restrict(scores, 9, 9)[0].tolist() == [-math.inf] * 2 + [2] + [-math.inf] * 3


def test_presets() -> None:
    official, greedy = PRESETS["official"], PRESETS["greedy"]
    assert (official.temperature, official.top_p, official.top_k) == (0.5, None, None)
    assert (official.seed, official.max_new_tokens, official.num_beams) == (1, 512, 1)
    assert (greedy.temperature, greedy.max_new_tokens) == (0, 512)


def test_the_words_behind_the_sounds_take_room_from_the_answer() -> None:
    assert room(PRESETS["official"], [BOS] + 13 * [7]) == 499
    assert room(PRESETS["official"], [BOS] + 511 * [7]) == 1
    with pytest.raises(InputError, match="513 tokens"):
        room(PRESETS["official"], [BOS] + 512 * [7])


@pytest.mark.parametrize(
    ("frames", "positions"), [([1], 1), ([230], 115), ([517], 259), ([3000, 160], 1500)]
)
def test_parts_are_cut_to_the_longest(frames: list[int], positions: int) -> None:
    assert valid_positions(torch.tensor(frames)) == positions


def test_clips_fall_into_parts_of_half_a_minute() -> None:
    for seconds, frames in ((30, [3000]), (30.5, [3000, 50]), (61, [3000, 3000, 100])):
        features, valid = whisper_parts(
            np.zeros(int(seconds * 16_000), np.float32), TINY["whisper"]
        )
        assert features.shape == (len(frames), 80, 3000)
        assert valid.tolist() == frames


def test_a_clip_shorter_than_a_frame_is_refused() -> None:
    assert wavlm_waveform(np.zeros(400, np.float32), TINY["wavlm"]).shape == (1, 400)
    with pytest.raises(InputError, match="399 samples is too short"):
        wavlm_waveform(np.zeros(399, np.float32), TINY["wavlm"])


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a tokenizer of Llama's kind, with few pieces."""
    pieces = pytest.importorskip("sentencepiece")
    folder = tmp_path_factory.mktemp("tokenizer")
    text = folder / "text.txt"
    text.write_text("\n".join([LEFT, "What sound is this?", "A dog barks [INST] speech"] * 20))
    pieces.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), model_type="bpe",
        vocab_size=330, byte_fallback=True, normalization_rule_name="identity",
        remove_extra_whitespaces=False, add_dummy_prefix=True, hard_vocab_limit=False,
        minloglevel=2,
    )  # fmt: skip
    return folder / "tokenizer.model"


def test_prompts_have_the_published_form(tokenizer: Path) -> None:
    read = Tokenizer(tokenizer)
    prompt = make_prompt(read, "What sound?")
    assert prompt.left == [BOS, *read.encode(LEFT)]
    assert LEFT.startswith("[INST]<<SYS>>\nAs a helpful language and speech assistant, you are ")
    assert LEFT.endswith(" using natural language.\n<</SYS>>\n\n<SPEECH>")
    assert read.decode(prompt.quoted) == QUOTED.format(question="What sound?") == '"What sound?"'
    assert RIGHT.format(question="What sound?") == " </SPEECH> What sound? [/INST]"


@pytest.fixture(scope="module")
def folder(
    published: dict[str, Any], tokenizer: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Convert a tiny checkpoint."""
    folder = tmp_path_factory.mktemp("converted")
    torch.save({"model": published, "cfg": None}, folder / "final.pt")
    convert_files(folder / "final.pt", tokenizer, folder / "wavllm", sizes=TINY)
    return folder / "wavllm"


def noise(seconds: float) -> Audio:
    wave = np.random.default_rng(5).normal(0, 3_000, int(16_000 * seconds))
    return Audio(wave.astype(np.int16))


def answer(system: Any, audio: Audio, prompt: str, preset: str) -> Response:
    (response,) = system.answer_all([(audio, prompt)], preset)
    return response


def test_a_converted_model_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = load(folder, "cpu", torch.float32)
    for preset, settings in PRESETS.items():
        monkeypatch.setitem(PRESETS, preset, replace(settings, max_new_tokens=60))
        response = answer(system, noise(1.3), "What sound?", preset)
        assert response.finish_reason in ("stop", "length")
        assert 0 < response.usage["completion_tokens"] < 60
        assert response.usage["prompt_tokens"] > 16
        assert answer(system, noise(1.3), "What sound?", preset) == response


@pytest.mark.parametrize(("left", "finish"), [(0, "length"), (1, "stop"), (400, "stop")])
def test_an_answer_tells_how_it_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch, left: int, finish: str
) -> None:
    system = load(folder, "cpu", torch.float32)
    longest = system.prepare(system.encode(noise(1)), "?", "greedy").longest

    def say(llama: Any, prompts: Any, searches: Any, keep: Any) -> None:
        (search,) = searches
        assert search.preset == replace(PRESETS["greedy"], max_new_tokens=longest + 1)
        search.answer = (longest - left) * [40]

    monkeypatch.setattr("jasco.models.ports.wavllm.inference.decode", say)
    response = answer(system, noise(1), "?", "greedy")
    assert response.finish_reason == finish
    assert response.usage["completion_tokens"] == longest - left + (finish == "stop")


def test_in_half_precision_the_positions_stay_precise(folder: Path) -> None:
    whole, half = (
        load(folder, "cpu", torch.float32)._model,
        load(folder, "cpu", torch.bfloat16)._model,
    )
    assert half.llama.lm_head.weight.dtype == torch.bfloat16
    assert torch.equal(half.llama.model.rotary_emb.inv_freq, whole.llama.model.rotary_emb.inv_freq)
    assert not any(value.is_meta for value in (*half.parameters(), *half.buffers()))
    heard = half.audio_embeddings(noise(1).floats)
    assert heard.dtype == torch.bfloat16
    assert torch.isfinite(heard).all()


def test_the_scale_differs_between_questions(folder: Path) -> None:
    model = load(folder, "cpu", torch.float32)._model
    one, other = model.lora_scale([5, 9, 20]), model.lora_scale([7, 30])
    assert one.shape == (16,)
    assert not torch.allclose(one, other)
    assert float(min(one.min(), other.min())) >= 0
    assert float(max(one.max(), other.max())) <= 3


def test_questions_of_a_batch_keep_their_scales(folder: Path) -> None:
    """Each is answered as if it was asked alone, though the rows of a batch come and go."""
    system = load(folder, "cpu", torch.float32)
    model, ids = system._model, ([5, 9, 20], [7, 30], [1, 60, 61, 62])
    words = [splice(model.llama, [each]) for each in ids]
    scales = torch.stack([model.lora_scale(each) for each in ids])
    said, order = [], torch.tensor([2, 0])
    with torch.inference_mode():
        for row, scale in enumerate(scales):
            with scaled_lora(model.llama, scale[None]):
                said.append(model.llama(inputs_embeds=words[row]).logits[0, :2])
        with scaled_lora(model.llama, scales) as keep:
            short = torch.cat([each[:, :2] for each in words])
            every = model.llama(inputs_embeds=short).logits
            keep(order)
            kept = model.llama(inputs_embeds=short[order]).logits
    torch.testing.assert_close(every, torch.stack(said))
    torch.testing.assert_close(kept, torch.stack(said)[order])


def test_what_does_not_fit_is_refused(folder: Path) -> None:
    system = load(folder, "cpu", torch.float32)
    for seconds in (130, 600):
        with pytest.raises(InputError, match="the model has 2048"):
            answer(system, noise(seconds), "What sound?", "greedy")
    with pytest.raises(InputError, match="ask a shorter one"):
        answer(system, noise(1), "What sound? " * 300, "greedy")
    with pytest.raises(InputError, match="there are: official, greedy"):
        answer(system, noise(1), "What sound?", "beam")
