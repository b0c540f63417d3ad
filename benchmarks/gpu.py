"""Speed, memory and accuracy of local models on a GPU, with random weights.

The script prints a report in Markdown of

- the answers of a small Qwen2-Audio in float32, with prefix caching and without;
- the prompts per second and the peak memory of ``hf/MODEL`` with a Qwen2-Audio of the published
  sizes, in bfloat16;
- the accuracy of the ports of SALMONN, LTU-AS and WavLLM in float16, compared with float32 on the
  processor, in smaller sizes of the same proportions;
- the prompts per second and the peak memory of the ports in the published sizes.

Nothing is downloaded, and no weights are written to disk. Random weights never emit the end of an
answer here, so that all answers have the same number of tokens.

Usage: ``python benchmarks/gpu.py [--device DEVICE] [--size full|small|tiny] [--minutes N]``
"""

import argparse
import asyncio
import gc
import math
import platform
import shutil
import statistics
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

import torch
import transformers
from tabulate import tabulate

from jasco.backends.specs import open_spec
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.errors import one_line
from jasco.models.batches import Question
from jasco.models.ports.decoding import Preset, Sampler
from jasco.models.ports.inference import Inference, PreparedQuestion
from jasco.models.ports.ltu_as import model as ltu_as
from jasco.models.ports.ltu_as.inference import LtuAsInference
from jasco.models.ports.ltu_as.prompt import prompt_text
from jasco.models.ports.ltu_as.sizes import Sizes
from jasco.models.ports.salmonn.conversion import SETTINGS, network_shapes
from jasco.models.ports.salmonn.inference import SalmonnInference, assemble
from jasco.models.ports.salmonn.prompt import split_prompt
from jasco.models.ports.text import EOS, Tokenizer
from jasco.models.ports.wavllm import model as wavllm
from jasco.models.ports.wavllm.inference import WavLlmInference
from jasco.models.ports.wavllm.prompt import LEFT, RIGHT
from jasco.models.ports.wavllm.sizes import PUBLISHED
from jasco.models.transformers.families import FAMILIES
from jasco.models.transformers.loading import Loaded
from jasco.protocol.clips import Clip, Item
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.responses import Failure
from synthetic import tone
from tiny_tokenizer import train_tokenizer

SECONDS = (10, 8, 12, 9)
"""Lengths of the clips."""
SAME = "same answers as in batches of 8 without"
"""The heading of a column: without prefix caching."""


class Scale(NamedTuple):
    """Sizes of a model.

    Attributes
    ----------
    width, layers, heads, inner : int
        Those of the language model; ``inner`` is the width between the two parts of a layer's MLP.
    whisper : tuple of int
        Width, layers and heads of Whisper, or of the encoder of Qwen2-Audio.
    other : tuple of int
        Width, layers and heads of the other encoder of SALMONN (BEATs) and WavLLM (WavLM).
    """

    width: int
    layers: int
    heads: int
    inner: int
    whisper: tuple[int, int, int]
    other: tuple[int, int, int]


SCALES = {
    "full": Scale(4096, 32, 32, 11_008, whisper=(1280, 32, 20), other=(768, 12, 12)),
    "medium": Scale(2048, 16, 16, 5504, whisper=(640, 16, 10), other=(384, 6, 6)),
    "small": Scale(512, 8, 8, 1376, whisper=(256, 2, 4), other=(192, 2, 3)),
    "tiny": Scale(64, 2, 2, 128, whisper=(64, 2, 2), other=(64, 1, 2)),
}


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes
    ----------
    device, size : str
    tokens, clips, rounds : int
        Tokens of an answer, clips of a round, and rounds, of which the first of several warms up.
    end : float
        Time on the monotonic clock after which nothing is started.
    """

    device: str
    size: str
    tokens: int
    clips: int
    rounds: int
    end: float

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return time.monotonic() > self.end

    @property
    def is_cuda(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.startswith("cuda")

    @property
    def smaller(self) -> str:
        """The size in which ports are compared with the processor."""
        return "medium" if self.size == "full" else self.size

    @property
    def vocabulary(self) -> int:
        """Tokens of the ports' language models."""
        return 32_000 if self.size == "full" else 1000


@dataclass
class Cell:
    """The measurements of one configuration.

    Attributes
    ----------
    rates : list of float
        Prompts per second, by round.
    answers : dict of int to sequence
        The answers of each round.
    gibibytes : float
        Peak memory of the device.
    problem : str
        Why there are no measurements; empty if there are.
    """

    rates: list[float] = field(default_factory=list)
    answers: dict[int, Sequence[Hashable]] = field(default_factory=dict)
    gibibytes: float = 0.0
    problem: str = ""

    def row(self, other: "Cell") -> list[str]:
        """Return prompts per second, memory and answers identical to another cell's, as text."""
        if not self.rates:
            return [self.problem, "", ""]
        memory = f"{self.gibibytes:.1f} GiB" if self.gibibytes else ""
        return [f"{statistics.median(self.rates):.2f}", memory, self.identical(other)]

    def identical(self, other: "Cell") -> str:
        """Format the number of answers that are the same as in another cell."""
        pairs = [
            pair
            for number in self.answers.keys() & other.answers.keys()
            # One may have fewer clips.
            for pair in zip(self.answers[number], other.answers[number], strict=False)
        ]
        same = sum(one == another for one, another in pairs)
        return f"{same} of {len(pairs)}" if pairs else ""


def measure(
    plan: Plan, configurations: Mapping[Any, Callable[[int], Sequence[Hashable]]]
) -> dict[Any, Cell]:
    """Measure configurations in alternating rounds.

    Parameters
    ----------
    plan : Plan
    configurations : mapping
        By label: a function that returns the answers of a round, given its number.
    """
    cells = {label: Cell() for label in configurations}
    for number in range(plan.rounds):
        for label, answer in configurations.items():
            cell = cells[label]
            if cell.problem or plan.is_over:
                cell.problem = cell.problem or "out of time"
                continue
            if plan.is_cuda:
                torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            try:
                answers = answer(number)
            except Exception as error:  # the other cells are measured nevertheless
                cell.problem = problem_of(error)
            else:
                if number or plan.rounds == 1:
                    cell.rates.append(len(answers) / (time.perf_counter() - start))
                cell.answers[number] = answers
                if plan.is_cuda:
                    cell.gibibytes = torch.cuda.max_memory_allocated() / 2**30
            if cell.problem:
                release()
    return cells


def problem_of(error: Exception) -> str:
    """Format an error for a cell of a table."""
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory"
    return one_line(f"{type(error).__name__}: {error}", 80)


def name_of(dtype: torch.dtype) -> str:
    """Return the name of a precision, such as ``float16``."""
    return str(dtype).removeprefix("torch.")


def release() -> None:
    """Release the memory of unused objects."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def clips_of(number: int, count: int) -> list[Audio]:
    """Return the clips of a round; those of other rounds differ, so that no result is cached."""
    return [Audio(tone(10 * number + clip, SECONDS[clip % 4])) for clip in range(count)]


def questions_about(clips: Sequence[Audio]) -> list[Question]:
    """Return the eight questions about each clip."""
    return [Question(clip, text) for clip in clips for text in INSTRUCTIONS]


def whisper_sizes(scale: Scale) -> dict[str, int]:
    """Return the sizes of Whisper's encoder, or that of Qwen2-Audio, by transformers' names."""
    width, layers, heads = scale.whisper
    return {
        "d_model": width,
        "encoder_layers": layers,
        "encoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width,
    }


def language_sizes(scale: Scale, vocabulary: int, positions: int) -> dict[str, float]:
    """Return the sizes of a language model by transformers' names."""
    return {
        "hidden_size": scale.width,
        "num_hidden_layers": scale.layers,
        "num_attention_heads": scale.heads,
        "num_key_value_heads": scale.heads,
        "intermediate_size": scale.inner,
        "vocab_size": vocabulary,
        "max_position_embeddings": positions,
        "rms_norm_eps": 1e-5,
    }


# Qwen2-Audio


def load_qwen(scale: Scale, vocabulary: int, device: str, dtype: torch.dtype) -> Loaded:
    """Return a Qwen2-Audio with random weights, created on its device."""
    processor = make_processor()
    tokenizer = processor.tokenizer
    config = transformers.Qwen2AudioConfig(
        audio_config=whisper_sizes(scale),
        text_config={
            "model_type": "qwen2",
            **language_sizes(scale, vocabulary, 8192),
        },
        audio_token_index=processor.audio_token_id,
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = transformers.AutoModelForMultimodalLM.from_config(config, dtype=dtype)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(std=math.prod(weight.shape[1:]) ** -0.5)
        # Tokens of other than letters have a logit of 0, and are never the most likely.
        others = torch.ones(vocabulary, dtype=torch.bool, device=device)
        others[tokenizer.convert_tokens_to_ids(list(string.ascii_letters))] = False
        model.lm_head.weight[others] = 0
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    facts = {"dtype": name_of(dtype), "device": device}
    return Loaded(processor, model.eval(), FAMILIES["qwen2_audio"], facts)


def make_processor() -> Any:
    """Return a processor whose tokenizer knows the words of the instructions."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers, trainers

    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=alphabet, show_progress=False, min_frequency=1
    )
    backend.train_from_iterator(INSTRUCTIONS, trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    special = ["<|im_start|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    extractor = transformers.WhisperFeatureExtractor(feature_size=128)
    return transformers.Qwen2AudioProcessor(extractor, tokenizer)


def open_qwen(plan: Plan, loaded: Loaded, batch: int, prefix_cache: str) -> Any:
    """Return a model as ``hf/MODEL``, which is loaded already."""
    spec = f"hf/random,max_tokens={plan.tokens},batch={batch},prefix_cache={prefix_cache}"
    model = open_spec("model", spec)
    with patch("jasco.models.transformers.load", return_value=loaded):
        asyncio.run(model.prepare(DataSet("tones", ())))
    return model


def answers_of(model: Any, clips: int) -> Callable[[int], list[str]]:
    """Return a function that returns the answers of a round."""
    batch = model.batch_size

    async def answer_all(number: int) -> list[str]:
        outcomes = await asyncio.gather(
            *(
                model.answer(Item(Clip("0", *"abcdef"), 0, text), audio)
                for audio, text, _ in questions_about(clips_of(number, clips))
            )
        )
        failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        if model.batch_size < batch or any(failure.kind == "memory" for failure in failures):
            raise torch.OutOfMemoryError  # a batch was split, or does not fit even then
        if failures:
            raise RuntimeError(failures[0].message)
        return [outcome.text for outcome in outcomes]

    return lambda number: asyncio.run(answer_all(number))


def report_same_answers(plan: Plan) -> None:
    """Print how many answers of a small Qwen2-Audio are the same with prefix caching."""
    small = "small" if plan.size == "full" else plan.size
    loaded = load_qwen(SCALES[small], 1000, plan.device, torch.float32)
    models = {state: open_qwen(plan, loaded, 8, state) for state in ("true", "false")}
    cells = measure(plan, {state: answers_of(model, 1) for state, model in models.items()})
    same = cells["true"].identical(cells["false"]) or cells["true"].problem
    state = models["true"].facts["prefix_cache"]
    print(f"Qwen2-Audio ({small}) in float32: same answers with prefix cache {state}: {same}\n")


def report_qwen(plan: Plan) -> None:
    """Print the speed and memory of Qwen2-Audio."""
    dtype = torch.bfloat16 if plan.is_cuda else torch.float32
    vocabulary = 156_032 if plan.size == "full" else 1000
    loaded = load_qwen(SCALES[plan.size], vocabulary, plan.device, dtype)
    billions = sum(weight.numel() for weight in loaded.model.parameters()) / 1e9
    models = {
        (batch, state): open_qwen(plan, loaded, batch, state)
        for batch, state in ((1, "false"), (8, "false"), (8, "true"), (32, "false"), (32, "true"))
    }
    cells = measure(
        plan,
        {
            (batch, state): answers_of(model, 1 if batch == 1 else plan.clips)
            for (batch, state), model in models.items()
        },
    )
    rows = [
        [batch, models[batch, state].facts["prefix_cache"], *cell.row(cells[8, "false"])]
        for (batch, state), cell in cells.items()
    ]
    print(f"Qwen2-Audio ({plan.size}, {billions:.2f} billion weights) in {name_of(dtype)}:\n")
    print_table(rows, ["batch", "prefix cache", "prompts/s", "peak memory", SAME])


# The ports


class Port(NamedTuple):
    """A port of given sizes.

    Attributes
    ----------
    shapes : mapping
        The shapes of its weights, by name.
    load : callable
        Returns the network, given weights, device and precision.
    inference : callable
        Returns the inference with a network and a tokenizer.
    """

    shapes: Mapping[str, torch.Size]
    load: Callable[[dict[str, torch.Tensor], str, torch.dtype], Any]
    inference: Callable[[Any, Tokenizer], Inference[Any, Any]]


def ports_of(scale: Scale, vocabulary: int) -> dict[str, Port]:
    """Return the ports in given sizes; all else is as published."""
    llama = language_sizes(scale, vocabulary, 2048)
    whisper = whisper_sizes(scale) | {"num_mel_bins": 80, "max_source_positions": 1500}
    width, layers, heads = scale.other
    other = {"hidden_size": width, "num_attention_heads": heads, "intermediate_size": 4 * width}
    salmonn = {
        **SETTINGS,
        "qformer": SETTINGS["qformer"] | other,
        "llama": llama,
        "whisper": whisper,
        "beats": {
            "input_patch_size": 16,
            "embed_dim": 2 * width // 3,
            "encoder_layers": layers,
            "encoder_embed_dim": width,
            "encoder_ffn_embed_dim": 4 * width,
            "encoder_attention_heads": heads,
            "deep_norm": True,
            "relative_position_embedding": True,
            "max_distance": 800,
            "gru_rel_pos": True,
        },
    }
    sizes_of_ltu_as = Sizes(
        llama,
        {
            "n_mels": 80,
            "n_audio_ctx": 1500,
            "n_audio_state": scale.whisper[0],
            "n_audio_head": scale.whisper[2],
            "n_audio_layer": scale.whisper[1],
        },
    )
    sizes_of_wavllm = {
        **PUBLISHED,
        "llama": llama,
        "whisper": whisper,
        "wavlm": PUBLISHED["wavlm"]
        | other
        | {"num_hidden_layers": layers, "conv_dim": [2 * width // 3] * 7},
        "connectors": {
            "whisper_middle": scale.whisper[0],
            "wavlm_middle": 2 * width // 3,
            "width": scale.width // 4,
            "bottleneck": scale.width // 8,
            "out": scale.width // 2,
        },
        "scale": PUBLISHED["scale"] | {"bottleneck": scale.width // 4},
    }
    return {
        "salmonn": Port(
            network_shapes(salmonn),
            lambda weights, device, dtype: assemble(salmonn, weights, Path(), dtype).to(device),
            SalmonnInference,
        ),
        "ltu-as": Port(
            ltu_as.shapes_of(sizes_of_ltu_as),
            lambda weights, device, dtype: ltu_as.assemble(sizes_of_ltu_as, weights, dtype).to(
                device
            ),
            LtuAsInference,
        ),
        "wavllm": Port(
            wavllm.shapes_of(sizes_of_wavllm),
            lambda weights, device, dtype: wavllm.assemble(
                sizes_of_wavllm, weights, torch.device(device), dtype
            ),
            WavLlmInference,
        ),
    }


@cache
def make_tokenizer() -> Tokenizer:
    """Return a tokenizer that knows the words of the prompts."""
    sentences = [*INSTRUCTIONS, *split_prompt(""), prompt_text("", ""), LEFT, RIGHT]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.model"
        path.write_bytes(train_tokenizer(sentences * 5, 800))
        return Tokenizer(path)


def random_weights(
    shapes: Mapping[str, torch.Size], device: str, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Return random matrices that keep the scale of their inputs; vectors change nothing."""
    generator = torch.Generator(device).manual_seed(0)
    weights = {}
    for key, shape in shapes.items():
        if len(shape) > 1:
            weight = torch.randn(shape, generator=generator, device=device, dtype=dtype)
            gain = 0.1 if key.endswith("lora_B") else 1.0  # the smaller part of a projection
            weights[key] = weight * gain * math.prod(shape[1:]) ** -0.5
        else:
            value = float(key.endswith("weight"))
            weights[key] = torch.full(shape, value, device=device, dtype=dtype)
    weights["llama.lm_head.weight"][EOS] = 0  # its logit is never the largest
    return weights


class RecordingSampler(Sampler):
    """A greedy search that records logits, and follows a given answer if there is one."""

    def __init__(self, tokens: int, given: Sequence[int] = ()) -> None:
        super().__init__(Preset(tokens))
        self.logits: list[torch.Tensor] = []
        self._given = given

    def scores(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the logits, or scores by which the given token is next."""
        self.logits.append(logits[0].cpu())
        if not self._given:
            return logits
        scores = torch.zeros_like(logits)
        scores[0, self._given[len(self.answer)]] = 1
        return scores


def run_port(
    inference: Inference[Any, Any],
    questions: Sequence[Question],
    searches: Sequence[Sampler],
    batch: int,
    prefix_cache: bool,
) -> list[tuple[int, ...]]:
    """Run a search for each question; return the tokens of the answers."""
    with torch.inference_mode():
        for start in range(0, len(questions), batch):
            part = slice(start, start + batch)
            clips = [inference.encode_once(audio) for audio, *_ in questions[part]]
            prepared: list[PreparedQuestion] = [
                replace(inference.prepare(clip, question.prompt, "greedy"), search=search)
                for clip, question, search in zip(
                    clips, questions[part], searches[part], strict=True
                )
            ]
            inference.decode(prepared, [id(clip) for clip in clips] if prefix_cache else None)
    return [tuple(search.answer) for search in searches]


def compare_with_processor(plan: Plan, port: Port, dtype: torch.dtype) -> list[str]:
    """Return the differences of logits, and identical answers, of a port on the device."""
    questions, tokenizer = questions_about(clips_of(0, 1)), make_tokenizer()
    weights = random_weights(port.shapes, "cpu", torch.float32)

    def run(device: str, dtype: torch.dtype, searches: Sequence[Sampler]) -> Cell:
        inference = port.inference(port.load(weights, device, dtype), tokenizer)
        prefix_cache = (device, dtype) != ("cpu", torch.float32)
        return Cell(answers={0: run_port(inference, questions, searches, 8, prefix_cache)})

    exact = [RecordingSampler(plan.tokens) for _ in questions]
    expected = run("cpu", torch.float32, exact)
    cell = run(plan.device, dtype, [Sampler(Preset(plan.tokens)) for _ in questions])
    same_tokens = [RecordingSampler(plan.tokens, search.answer) for search in exact]
    run(plan.device, dtype, same_tokens)
    ours, theirs = (
        torch.stack([torch.stack(search.logits) for search in searches])
        for searches in (same_tokens, exact)
    )
    largest, deviation = (ours - theirs).abs().max(), theirs.std()
    return [f"{largest:.3f}", f"{deviation:.2f}", cell.identical(expected)]


def report_accuracy(plan: Plan) -> None:
    """Print the accuracy of the ports in half precision."""
    half = torch.float16 if plan.is_cuda else torch.bfloat16
    rows = []
    for name, port in ports_of(SCALES[plan.smaller], plan.vocabulary).items():
        figures = ["out of time", "", ""]
        try:
            if not plan.is_over:
                figures = compare_with_processor(plan, port, half)
        except Exception as error:
            figures = [problem_of(error), "", ""]
        release()
        rows.append([name, *figures])
    print(f"Ports ({plan.smaller}) in {name_of(half)}, compared with float32 on the processor:\n")
    headings = ["maximum difference of logits", "standard deviation of logits", "same answers"]
    print_table(rows, ["port", *headings])


def report_ports(plan: Plan) -> None:
    """Print the speed and memory of the ports."""
    dtype = torch.float16 if plan.is_cuda else torch.float32
    rows = []
    for name, port in ports_of(SCALES[plan.size], plan.vocabulary).items():
        try:
            cells = measure_port(plan, port, dtype, can_share=name != "wavllm")
        except Exception as error:
            rows.append([name, "", "", problem_of(error), "", ""])
        else:
            rows += [
                [name, batch, "on" if prefix_cache else "off", *cell.row(cells[8, False])]
                for (batch, prefix_cache), cell in cells.items()
            ]
        release()
    print(f"Ports ({plan.size}) in {name_of(dtype)}:\n")
    print_table(rows, ["port", "batch", "prefix cache", "prompts/s", "peak memory", SAME])


def measure_port(
    plan: Plan, port: Port, dtype: torch.dtype, *, can_share: bool
) -> dict[tuple[int, bool], Cell]:
    """Measure a port, by size of the batch and whether prefixes are shared."""
    labels = [(1, False), (8, False), *([(8, True)] if can_share else [])]
    if plan.is_over:
        return {label: Cell(problem="out of time") for label in labels}
    network = port.load(random_weights(port.shapes, plan.device, dtype), plan.device, dtype)
    tokenizer = make_tokenizer()

    def answer(label: tuple[int, bool], number: int) -> list[tuple[int, ...]]:
        batch, prefix_cache = label
        questions = questions_about(clips_of(number, 1 if batch == 1 else plan.clips))
        searches = [Sampler(Preset(plan.tokens)) for _ in questions]
        inference = port.inference(network, tokenizer)  # which has no clips in its cache
        return run_port(inference, questions, searches, batch, prefix_cache)

    return measure(plan, {label: partial(answer, label) for label in labels})


def print_table(rows: Sequence[Sequence[object]], headings: Sequence[str]) -> None:
    """Print a table in Markdown."""
    print(tabulate(rows, headings, tablefmt="github", disable_numparse=True), "\n", flush=True)


def device_name(device: str) -> str:
    """Return the name of the device, and the version of its driver."""
    if not device.startswith("cuda"):
        return device
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    found = shutil.which("nvidia-smi")
    drivers = subprocess.run(query, capture_output=True, text=True).stdout.split() if found else []
    return f"{torch.cuda.get_device_name(device)}, driver {', '.join(set(drivers)) or 'unknown'}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--size", choices=("full", "small", "tiny"))
    parser.add_argument("--minutes", type=float, default=8.0)
    options = parser.parse_args(arguments)
    size = options.size or ("full" if options.device.startswith("cuda") else "small")
    tokens, clips, rounds = {"full": (32, 4, 4), "small": (16, 2, 4), "tiny": (4, 1, 1)}[size]
    end = time.monotonic() + 60 * options.minutes
    plan = Plan(options.device, size, tokens, clips, rounds, end)
    print(
        f"Device: {device_name(plan.device)}\n\nPython {platform.python_version()}, "
        f"torch {torch.__version__}, transformers {transformers.__version__}; {tokens} tokens per "
        f"answer; medians of {max(rounds - 1, 1)} rounds\n",
        flush=True,
    )
    transformers.utils.logging.set_verbosity_error()
    for report in (report_same_answers, report_qwen, report_accuracy, report_ports):
        try:
            report(plan)
        except Exception as error:
            print(f"{report.__name__}: {problem_of(error)}\n", flush=True)
        release()


if __name__ == "__main__":
    main()
