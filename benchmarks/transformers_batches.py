"""The throughput of ``hf/MODEL`` with batches of 8 and of 1.

A Qwen2-Audio with random weights in the proportions of the real one (28 M parameters in the
language model, 2.5 M in the audio encoder) answers the eight instructions about some synthetic
clips of 1 to 4 s with up to 48 tokens each, on the CPU, in float32. The two sizes alternate. The
script prints the medians, their ratio (target: at least 2) and the number of identical answers.

Usage: ``python benchmarks/transformers_batches.py [--clips N] [--rounds N]``
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

import tiny_models
from jasco.backends.specs import open_spec
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.models.transformers import HuggingFace
from jasco.protocol.clips import Clip, items_of
from jasco.protocol.responses import Failure, Response
from synthetic import tone

SIZES = (8, 1)
TOKENS = 48


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(measure(options.clips, options.rounds))


async def measure(clips: int, rounds: int) -> None:
    """Measure both batch sizes in alternation and print the figures."""
    data = DataSet("tones", tuple(Clip(str(index), *"abcdef") for index in range(clips)))
    rates: dict[int, list[float]] = {size: [] for size in SIZES}
    answers: dict[int, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = tiny_models.qwen2_audio(
            Path(folder) / "model", hidden=512, layers=12, audio_hidden=256
        )
        models: dict[int, HuggingFace] = {}
        for size in SIZES:
            text = f"hf/{checkpoint},max_tokens={TOKENS},device=cpu,dtype=float32,batch={size}"
            models[size] = open_spec("model", text)
            await models[size].prepare(data)
            await answer_all(models[size], DataSet("one", data.clips[:1]))  # warm up
        for _ in range(rounds):
            for size, model in models.items():
                start = time.perf_counter()
                answers[size] = await answer_all(model, data)
                rates[size].append(len(answers[size]) / (time.perf_counter() - start))
        for model in models.values():
            await model.close()
    medians = {size: statistics.median(values) for size, values in rates.items()}
    for size, median in medians.items():
        all_rates = ", ".join(f"{rate:.2f}" for rate in rates[size])
        print(f"batches of {size}: {median:.2f} prompts per second ({all_rates})")
    print(f"ratio: {medians[8] / medians[1]:.2f} (target: at least 2)")
    same = sum(one == other for one, other in zip(answers[8], answers[1], strict=True))
    print(f"identical answers: {same} of {len(answers[1])}")


async def answer_all(model: HuggingFace, data: DataSet) -> list[str]:
    """Answer all items concurrently; the model forms the batches."""
    outcomes: list[Response | Failure] = await asyncio.gather(
        *(
            model.answer(item, Audio(tone(index, 1 + index % 4)))
            for index, clip in enumerate(data.clips)
            for item in items_of(clip)
        )
    )
    texts = [outcome.text for outcome in outcomes if isinstance(outcome, Response)]
    assert len(texts) == len(outcomes), outcomes
    return texts


if __name__ == "__main__":
    main()
