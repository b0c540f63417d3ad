"""The cost of ``jasco score RUN`` for runs of increasing size.

Synthetic runs of three judges, with verdicts of realistic length, are scored with intervals,
agreement and 10,000 resamples by the command in a process of its own. With ``--blocks``, the
figures of many clips are computed in memory, once per clip and once summed in blocks, and the ends
of the intervals are compared.

With ``--shards``, each run is divided into as many shards.

Usage: ``python benchmarks/scoring.py [--clips N ...] [--shards N] | --blocks CLIPS``
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
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
from jasco.runs.reader import RunReader
from jasco.runs.schema import response_row, verdict_row
from jasco.runs.shards import Shard, all_shards
from jasco.runs.spending import SPENT
from jasco.runs.writer import RunWriter

JUDGES, PROMPTS = 3, 8
SIZES = (80, 10_000, 30_000, 100_000, 300_000, 1_000_000)
WORDS = "The provided audio sound is [x], the provided spoken text is [y]. I think it fits. " * 2


class Cost(NamedTuple):
    """The resources that a command used."""

    cpu: float
    wall: float
    megabytes: float


def main() -> None:
    """Run the benchmark and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=SIZES)
    parser.add_argument("--shards", type=int, default=0)
    parser.add_argument("--blocks", type=int, metavar="CLIPS")
    options = parser.parse_args()
    if options.blocks:
        compare_blocks(options.blocks)
        return
    print(
        f"{'clips':>9} {'verdicts':>10} {'file MB':>8} {'CPU s':>7} {'wall s':>7} {'peak MB':>8} "
        f"{'µs a verdict':>13}"
    )
    for clips in options.clips:
        with tempfile.TemporaryDirectory() as folder:
            run = make_run(Path(folder) / "run", clips, options.shards)
            size = sum(path.stat().st_size for path in run.rglob("run.db")) / 1e6
            cost = score(run)
        verdicts = clips * PROMPTS * JUDGES
        print(
            f"{clips:>9} {verdicts:>10} {size:>8.0f} {cost.cpu:>7.2f} {cost.wall:>7.2f} "
            f"{cost.megabytes:>8.0f} {1e6 * cost.cpu / verdicts:>13.1f}",
            flush=True,
        )


def compare_blocks(clips: int) -> None:
    """Compare the figures of many clips with those of clips summed in blocks."""
    panel = {f"judge-{n}": _random_verdicts(n, clips) for n in range(JUDGES)}
    ends: list[list[tuple[float, float]]] = []
    for blocks in (clips, bootstrap.BLOCKS):
        bootstrap.BLOCKS = blocks
        cpu_start, wall_start = time.process_time(), time.perf_counter()
        scores = score_panel(panel)
        cpu, wall = time.process_time() - cpu_start, time.perf_counter() - wall_start
        print(f"{clips} clips, {blocks:>7} blocks: CPU {cpu:.1f} s, wall {wall:.1f} s", flush=True)
        ends.append(_ends(scores.panel))
    difference = np.abs(np.array(ends[0]) - np.array(ends[1])).max()
    width = np.ptp(np.array(ends[0]), axis=1).max()
    print(
        f"ends of {len(ends[0])} intervals differ by at most {difference:.5f} (width {width:.5f})"
    )


def _random_verdicts(seed: int, clips: int) -> VerdictMatrix:
    rng = np.random.default_rng(seed)
    return VerdictMatrix(
        rng.integers(0, 3, (clips, PROMPTS)).astype(np.float32),
        rng.integers(0, 4, (clips, PROMPTS)).astype(np.int8),
        np.zeros((clips, PROMPTS), bool),
    )


def _ends(score: Score) -> list[tuple[float, float]]:
    figures = [score.best_mean, score.mean, score.audio, score.both, score.speech, *score.best_at]
    return [figure.interval for figure in (*figures, score.sound_first) if figure.interval]


def make_run(folder: Path, clips: int, shards: int = 0) -> Path:
    """Write a synthetic run in which every answer is judged; 1% of the verdicts are unreadable."""
    data = DataSet(
        "made-up",
        tuple(Clip(str(n), f"sound {n}", f"speech {n}", "a", "b", "c", "d") for n in range(clips)),
    )
    with RunWriter.open(folder) as store:
        if shards:
            store.set_shards(shards)
        store.set_data(data)
        store.set_protocol("v2")
        store.set_facts({SPENT: "{}"})
        model = store.set_model(_spec("model"))
        judges = store.add_judges([_spec(f"judge-{n}") for n in range(JUDGES)])
        store.widen(clips)
    parts = [folder]
    if shards:
        parts = [_make_shard(shard, folder) for shard in all_shards(shards)]
    for part in parts:
        with closing(sqlite3.connect(part / "run.db")) as connection, connection:
            connection.execute("PRAGMA synchronous = OFF")
            _add_rows(connection, model, judges)
    return folder


def _make_shard(shard: Shard, run: Path) -> Path:
    with RunWriter.open(shard.folder(run)) as store, RunReader.open(run) as whole:
        store.become_shard(shard, whole)
    return shard.folder(run)


def _spec(name: str) -> Spec:
    identity = MappingProxyType({"provider": "openai", "name": name})
    return Spec("openai", name, MappingProxyType({}), identity, f"openai/{name}")


def _add_rows(connection: sqlite3.Connection, model: int, judges: list[int]) -> None:
    """Copy rows for the first clip to all clips, with random verdicts, in the order of a run."""
    [[first]] = connection.execute("SELECT min(clip) FROM clips")
    verdicts = [Verdict(rating, orientation) for rating in range(3) for orientation in Orientation]
    for number in range(1, PROMPTS + 1):
        connection.execute(*response_row(model, first, number, Response("They flee."), 1.0))
        for judge in judges:
            connection.execute(
                *verdict_row(model, judge, "v2", 0, first, number, _judgement(verdicts[0]), 1.0)
            )
    connection.execute("CREATE TEMP TABLE outcomes (code, rating, orientation, attempts)")
    readable = [_judgement(verdict) for verdict in verdicts]
    outcomes = readable * 8 + [_judgement(Verdict(None, None))]
    for code, outcome in enumerate(outcomes):
        _, values = verdict_row(model, judges[0], "v2", 0, 0, 1, outcome, 1.0)
        rating, orientation, *_, attempts, _, _ = values[7:]
        connection.execute(
            "INSERT INTO outcomes VALUES (?, ?, ?, ?)", (code, rating, orientation, attempts)
        )
    connection.execute("CREATE UNIQUE INDEX temp.by_code ON outcomes (code)")
    for table, columns in (
        ("responses", {}),
        ("verdicts", {name: f"outcomes.{name}" for name in ("rating", "orientation", "attempts")}),
    ):
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        chosen = {name: f"row.{name}" for name in names} | {"clip": "clips.clip"} | columns
        outcome = "CROSS JOIN outcomes ON code = abs(random()) % :outcomes" if columns else ""
        connection.execute(
            f"INSERT INTO {table} ({', '.join(chosen)}) SELECT {', '.join(chosen.values())} "
            f"FROM clips CROSS JOIN {table} AS row {outcome} "
            "WHERE clips.clip > :first AND row.clip = :first",
            {"outcomes": len(outcomes), "first": first},
        )


def _judgement(verdict: Verdict) -> Judgement:
    text = f"{WORDS}\nRating: {verdict.rating}\n{WORDS}\nOrientation: {verdict.orientation}"
    attempt = Attempt("verdict", text, "stop", {"prompt_tokens": 900}, "served")
    return Judgement(verdict, (attempt,))


def score(run: Path) -> Cost:
    """Score a run with the command and return its cost."""
    command = [sys.executable, "-c", _SCORE_AND_PRINT_MEMORY, "score", str(run), "--json"]
    before = os.times()
    stderr = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
    ).stderr
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return Cost(cpu, after.elapsed - before.elapsed, int(stderr.split()[-1]) / 1024)


# Not ru_maxrss of the child, which is at least the memory of its parent at the fork.
_SCORE_AND_PRINT_MEMORY = """
import re, sys
from pathlib import Path
from jasco.cli.main import main
status = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s*([0-9]+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
sys.exit(status)
"""


if __name__ == "__main__":
    main()
