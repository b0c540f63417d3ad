"""What batches gain in ``hf/MODEL``: questions a second in batches of 8 and of 1.

A Qwen2-Audio with random weights in the proportions of the real one (28 M parameters in the
language model, 2.5 M in the audio encoder) answers the eight instructions about some synthetic
clips of 1 to 4 s with up to 48 tokens each, on the processor, in float32. The two sizes take
turns. Besides the medians and their ratio (target: at least 2), it says how many answers are the
same.

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
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(measure(options.clips, options.rounds))


async def measure(clips: int, rounds: int) -> None:
    """Let the two sizes take turns."""
    data = DataSet("tones", tuple(Clip(str(at), *"abcdef") for at in range(clips)))
    rates: dict[int, list[float]] = {size: [] for size in SIZES}
    answers: dict[int, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = tiny_models.qwen2_audio(
            Path(folder) / "model", hidden=512, layers=12, ears=256
        )
        models: dict[int, HuggingFace] = {}
        for size in SIZES:
            text = f"hf/{checkpoint},max_tokens={TOKENS},device=cpu,dtype=float32,batch={size}"
            models[size] = open_spec("model", text)
            await models[size].prepare(data)
            await ask(models[size], DataSet("one", data.clips[:1]))  # warm
        for _ in range(rounds):
            for size, model in models.items():
                start = time.perf_counter()
                answers[size] = await ask(model, data)
                rates[size].append(len(answers[size]) / (time.perf_counter() - start))
        for model in models.values():
            await model.close()
    medians = {size: statistics.median(each) for size, each in rates.items()}
    for size, median in medians.items():
        told = ", ".join(f"{rate:.2f}" for rate in rates[size])
        print(f"batches of {size}: {median:.2f} questions a second ({told})")
    print(f"ratio: {medians[8] / medians[1]:.2f} (target: at least 2)")
    same = sum(one == other for one, other in zip(answers[8], answers[1], strict=True))
    print(f"the same answer: {same} of {len(answers[1])}")


async def ask(model: HuggingFace, data: DataSet) -> list[str]:
    """Ask everything at once; the model makes its batches of it."""
    outcomes: list[Response | Failure] = await asyncio.gather(
        *(
            model.answer(item, Audio(tone(at, 1 + at % 4)))
            for at, clip in enumerate(data.clips)
            for item in items_of(clip)
        )
    )
    texts = [outcome.text for outcome in outcomes if isinstance(outcome, Response)]
    assert len(texts) == len(outcomes), outcomes
    return texts


if __name__ == "__main__":
    main()
