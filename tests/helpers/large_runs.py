"""Runs as large as the published benchmark: 80 clips, four models, three verbose judges."""

import random
from pathlib import Path

from jasco.data.dataset import read_data_set
from runs import verdict, write_run
from synthetic import make_data

_TEXT = (
    "the audio holds a sound of waves and gulls while somebody says that they build castle over "
    "there so answer rests on both cues but names no place which reference does and prediction is "
    "partly right because people play near water with sand rain wind train station dog door bell"
)
_WORDS = _TEXT.split(" ")


def write_large_runs(folder: Path, clips: int = 80, models: int = 4, judges: int = 3) -> list[Path]:
    """Write the runs and return their folders."""
    data = read_data_set(make_data(folder / "data", clips, seconds=2.0))
    rng = random.Random(1)

    def text(length: int) -> str:
        return " ".join(rng.choices(_WORDS, k=length // 5))[:length]

    def judge(clip: int, prompt: int) -> str:
        rating, orientation = rng.choice([(0, "Neither"), (1, "Both"), (2, "Both")])
        return verdict(rating, orientation, text(1170))

    return [
        write_run(
            folder / f"model-{number}",
            data,
            lambda clip, prompt: text(rng.randint(60, 300)),
            {f"judge-{judge_number}": judge for judge_number in range(judges)},
            f"model-{number}",
        )
        for number in range(models)
    ]
