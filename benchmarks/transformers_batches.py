"""The throughput of ``hf/MODEL`` with prefix caching, without it, and of one question at a time.

A Qwen2-Audio with random weights in the proportions of the real one (28 M parameters in the
language model, 2.5 M in the audio encoder) answers the eight instructions about some synthetic
clips of 5 to 15 s with up to 40 tokens each, on one core. Each word of the instructions is a token,
so that, as in the real one, most tokens of a prompt are audio. The ways alternate:

- ``model card``: the code of the model's page, one question at a time, without jasco;
- ``batch=8,prefix_cache=false``: jasco, each question with its own clip;
- ``batch=8`` and ``batch=32``: jasco, each clip once per batch.

The script prints the medians of the answers per second of CPU time, their ratios to the first way
(target for ``batch=8``: at least 3), and how many answers are identical to those of the first two.

Usage: ``python benchmarks/transformers_batches.py [--clips N] [--rounds N] [--dtype bfloat16]``
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

import tiny_models
from jasco.backends.specs import open_spec
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.models.transformers import HuggingFace
from jasco.protocol.clips import Clip, Item, items_of
from synthetic import tone

BATCHES = ("batch=8,prefix_cache=false", "batch=8", "batch=32")
TOKENS = 40

Questions = list[tuple[Item, Audio]]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    asyncio.run(measure(options.clips, options.rounds, options.dtype))


async def measure(clips: int, rounds: int, dtype: str) -> None:
    """Measure the ways in alternation and print the figures."""
    import torch

    torch.set_num_threads(1)
    questions = [
        (item, audio)
        for index in range(clips)
        for audio in [Audio(tone(index, 5 + 10 * index / max(clips - 1, 1)))]
        for item in items_of(Clip(str(index), *"abcdef"))
    ]
    words = {word for item, _ in questions for word in item.instruction.split()}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = tiny_models.qwen2_audio(
            Path(folder) / "model",
            hidden=512,
            layers=12,
            audio_hidden=256,
            words=sorted({f" {word}" for word in words} | words),
            spread=0.05,
        )
        models = [await prepared(f"hf/{checkpoint},dtype={dtype},{way}") for way in BATCHES]
        ways: dict[str, Callable[[Questions], Awaitable[list[str]]]] = {
            "model card": model_card(checkpoint, dtype),
            **{way: answers_of(model) for way, model in zip(BATCHES, models, strict=True)},
        }
        rates: dict[str, list[float]] = {way: [] for way in ways}
        answers: dict[str, list[str]] = {}
        for answer_all in ways.values():
            await answer_all(questions[:8])  # warm up
        for _ in range(rounds):
            for way, answer_all in ways.items():
                start = time.process_time()
                answers[way] = await answer_all(questions)
                rates[way].append(len(questions) / (time.process_time() - start))
        for model in models:
            await model.close()
    first, *_ = ways
    base = statistics.median(rates[first])
    print(f"{len(questions)} questions, {len(set(answers[first]))} distinct answers")
    for way, values in rates.items():
        median, all_rates = statistics.median(values), ", ".join(f"{rate:.2f}" for rate in values)
        same, same_as_plain = (
            sum(one == other for one, other in zip(answers[way], answers[reference], strict=True))
            for reference in (first, BATCHES[0])
        )
        print(
            f"{way}: {median:.2f} answers per second ({all_rates}), ratio {median / base:.2f}, "
            f"identical to {first}: {same}, to {BATCHES[0]}: {same_as_plain}"
        )


async def prepared(spec: str) -> HuggingFace:
    """Return a model of jasco that is ready for questions."""
    model: HuggingFace = open_spec("model", f"{spec},device=cpu,max_tokens={TOKENS}")
    await model.prepare(DataSet("none", ()))
    print(f"{spec.rpartition('/')[2]}: prefix cache {model.facts['prefix_cache']}")
    return model


def answers_of(model: HuggingFace) -> Callable[[Questions], Awaitable[list[str]]]:
    """Return a function that asks a model of jasco all questions at once; it forms the batches."""

    async def answer_all(questions: Questions) -> list[str]:
        outcomes: list[Any] = await asyncio.gather(*(model.answer(*one) for one in questions))
        return [outcome.text for outcome in outcomes]

    return answer_all


def model_card(checkpoint: Path, dtype: str) -> Callable[[Questions], Awaitable[list[str]]]:
    """Return a function that answers one question after the other, as on the model's page."""
    import torch
    from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

    processor = AutoProcessor.from_pretrained(checkpoint)
    model = Qwen2AudioForConditionalGeneration.from_pretrained(
        checkpoint, dtype=getattr(torch, dtype)
    )

    async def answer_all(questions: Questions) -> list[str]:
        return [answer(item.instruction, audio) for item, audio in questions]

    def answer(prompt: str, audio: Audio) -> str:
        content = [{"type": "audio", "audio_url": "clip.wav"}, {"type": "text", "text": prompt}]
        text = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        inputs = processor(
            text=text, audio=[audio.floats], sampling_rate=16_000, return_tensors="pt", padding=True
        )
        inputs["input_features"] = inputs["input_features"].to(model.dtype)
        tokens = model.generate(**inputs, do_sample=False, max_new_tokens=TOKENS)
        new = tokens[:, inputs["input_ids"].size(1) :]
        [decoded] = processor.batch_decode(
            new, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return str(decoded)

    return answer_all


if __name__ == "__main__":
    main()
