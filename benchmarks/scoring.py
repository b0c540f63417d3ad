"""How the cost of ``jasco score RUN`` grows: three judges, intervals, agreement, 10,000 resamples.

Runs of more and more clips are made up, with verdicts as long as a judge's; each is scored by the
command in a process of its own. With ``--blocks``, figures of many clips alone, in memory: with the
clips summed in blocks and one by one, and by how much the ends of intervals differ.

Usage: ``python benchmarks/scoring.py [--verdicts N ... | --blocks CLIPS]``
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from jasco.backends.specs import Spec
from jasco.data.dataset import DataSet
from jasco.metrics import bootstrap
from jasco.metrics.scoring import Score, score_panel
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.clips import Clip
from jasco.protocol.responses import Response
from jasco.protocol.verdicts import Attempt, Judgement, Orientation, Verdict
from jasco.runs.schema import Row, response_row, verdict_row
from jasco.runs.writer import RunWriter

JUDGES, PROMPTS = 3, 8
PUBLISHED = 80 * PROMPTS * JUDGES
SIZES = (PUBLISHED, 10_000, 100_000, 300_000, 1_000_000)
WORDS = "The provided audio sound is [x], the provided spoken text is [y]. I think it fits. " * 8


class Cost(NamedTuple):
    """What a command took."""

    cpu: float
    wall: float
    megabytes: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--verdicts", type=int, nargs="+", default=SIZES)
    parser.add_argument("--blocks", type=int, metavar="CLIPS")
    options = parser.parse_args()
    if options.blocks:
        compare_blocks(options.blocks)
        return
    print(f"{'verdicts':>10} {'CPU s':>7} {'wall s':>7} {'peak MB':>8} {'µs a verdict':>13}")
    for verdicts in options.verdicts:
        with tempfile.TemporaryDirectory() as folder:
            run = make_run(Path(folder) / "run", clips=verdicts // (JUDGES * PROMPTS))
            cost = score(run)
        rate = 1e6 * cost.cpu / verdicts
        print(
            f"{verdicts:>10} {cost.cpu:>7.2f} {cost.wall:>7.2f} "
            f"{cost.megabytes:>8.0f} {rate:>13.1f}",
            flush=True,
        )


def compare_blocks(clips: int) -> None:
    """Compute the figures of many clips, one by one and in blocks."""
    panel = {f"judge-{n}": _marks(n, clips) for n in range(JUDGES)}
    ends: list[list[tuple[float, float]]] = []
    for blocks in (clips, bootstrap.BLOCKS):
        bootstrap.BLOCKS = blocks
        before = time.process_time(), time.perf_counter()
        scored = score_panel(panel)
        cpu, wall = time.process_time() - before[0], time.perf_counter() - before[1]
        print(f"{clips} clips, {blocks:>7} blocks: CPU {cpu:.1f} s, wall {wall:.1f} s", flush=True)
        ends.append(_ends(scored.panel))
    furthest = np.abs(np.array(ends[0]) - np.array(ends[1])).max()
    widest = np.ptp(np.array(ends[0]), axis=1).max()
    print(f"ends of {len(ends[0])} intervals differ by at most {furthest:.5f} (width {widest:.5f})")


def _marks(seed: int, clips: int) -> VerdictMatrix:
    draw = np.random.default_rng(seed)
    return VerdictMatrix(
        draw.integers(0, 3, (clips, PROMPTS)).astype(np.float32),
        draw.integers(0, 4, (clips, PROMPTS)).astype(np.int8),
        np.zeros((clips, PROMPTS), bool),
    )


def _ends(score: Score) -> list[tuple[float, float]]:
    figures = [score.best_mean, score.mean, score.audio, score.both, score.speech, *score.best_at]
    return [each.interval for each in (*figures, score.sound_first) if each.interval]


def make_run(folder: Path, clips: int) -> Path:
    """Make a complete run up."""
    draw = random.Random(1)
    data = DataSet(
        "made-up",
        tuple(Clip(str(n), f"sound {n}", f"speech {n}", "a", "b", "c", "d") for n in range(clips)),
    )
    with RunWriter.open(folder) as store:
        store.set_data(data)
        store.set_protocol("v2")
        model = store.set_model(_spec("model"))
        judges = store.add_judges([_spec(f"judge-{n}") for n in range(JUDGES)])
        store.widen(clips)
        rows: list[Row] = []
        for row in _rows(draw, clips, model, judges):
            rows.append(row)
            if len(rows) == 20_000:
                store.commit(rows)
                rows = []
        store.commit(rows)
    return folder


def _spec(name: str) -> Spec:
    identity = MappingProxyType({"provider": "openai", "name": name})
    return Spec("openai", name, MappingProxyType({}), identity, f"openai/{name}")


def _rows(draw: random.Random, clips: int, model: int, judges: list[int]) -> Iterator[Row]:
    orientations = list(Orientation)
    for clip in range(clips):
        for prompt in range(1, PROMPTS + 1):
            yield response_row(model, clip, prompt, Response("They flee."), 1.0)
            for judge in judges:
                rating, orientation = draw.randrange(3), draw.choice(orientations)
                text = f"{WORDS}\nRating: {rating}\n{WORDS}\nOrientation: {orientation}"
                attempt = Attempt("verdict", text, "stop", {"prompt_tokens": 900}, "served")
                outcome = Judgement(Verdict(rating, orientation), (attempt,))
                yield verdict_row(model, judge, "v2", 0, clip, prompt, outcome, 1.0)


def score(run: Path) -> Cost:
    """Score a run as a user does."""
    command = [sys.executable, "-c", _SCORE_AND_TELL, "score", str(run), "--json"]
    before = os.times()
    told = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
    ).stderr
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return Cost(cpu, after.elapsed - before.elapsed, int(told.split()[-1]) / 1024)


# The peak that the system tells of a child begins with what its parent had in memory.
_SCORE_AND_TELL = """
import re, sys
from pathlib import Path
from jasco.cli.main import main
status = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s*([0-9]+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
sys.exit(status)
"""


if __name__ == "__main__":
    main()
