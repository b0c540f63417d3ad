"""Runs in shards: two workers against one, many small shards, and the cost of a local Ray.

Two workers against one: a Ray cluster of two nodes on this machine, 640 items, a server that takes
0.5 s for each answer, 16 calls in flight per worker. Many small shards: a trivial function as the
model. A local Ray: the time until a first task has run, and the memory of Ray's processes.

Usage: ``python benchmarks/shards.py [--shards N]``
"""

import argparse
import operator
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from chat_server import ChatServer
from ray_cluster import ray_cluster
from synthetic import make_data

CLIPS, SHARDS, CONCURRENCY, LATENCY = 80, 4, 16, 0.5
MODEL = "def answer(audio, sampling_rate, prompt):\n    return prompt\n"


def main() -> None:
    """Run the benchmark and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shards", type=int, default=1000, help="number of small shards")
    shards = parser.parse_args().shards
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one, two = measure_workers(folder, CLIPS)
        for workers, times in ((1, one), (2, two)):
            print(
                f"{workers} on Ray, {CLIPS * 8} items: {times.requests:.1f} s from the first to "
                f"the last request, {times.command:.1f} s for the command; {_load()}"
            )
        print(
            f"ratio: {one.requests / two.requests:.2f} for the requests (target: at least 1.8), "
            f"{one.command / two.command:.2f} for the command"
        )
        for on in ("local,workers=2", "ray,workers=2"):
            first, total = measure_small_shards(folder / on.partition(",")[0], on, shards)
            print(
                f"{shards} shards of 2 clips on {on}: the first starts after {first:.1f} s, the "
                f"last ends after {total:.1f} s; {_load()}"
            )
        seconds, megabytes = measure_local_ray(folder)
        print(f"local Ray: first task after {seconds:.1f} s, {megabytes:.0f} MB; {_load()}")


class Times(NamedTuple):
    """Seconds from the first to the last request, and for the whole command."""

    requests: float
    command: float


def measure_workers(folder: Path, clips: int) -> list[Times]:
    """Return the times of one worker and of two workers."""
    data = make_data(folder / "data", clips, seconds=0.1)
    times = []
    with ray_cluster() as cluster:
        for workers in (1, 2):
            log = folder / f"requests-{workers}.jsonl"
            with ChatServer(log=log, latency=LATENCY) as server:
                seconds = _respond(
                    f"openai/ears,base_url={server.url}",
                    *("--data", str(data), "--run", str(folder / f"run-{workers}")),
                    *("--shards", str(SHARDS), "--concurrency", str(CONCURRENCY)),
                    *("--on", f"ray,address={cluster.address},workers={workers}"),
                )
                requests = server.requests()
            assert len(requests) == clips * 8
            times.append(Times(requests[-1].at - requests[0].at + LATENCY, seconds))
    return times


def measure_small_shards(folder: Path, on: str, shards: int) -> tuple[float, float]:
    """Return the seconds until the first shard starts, and until the command ends."""
    data, run = make_data(folder / "data", 2 * shards, seconds=0.01), folder / "run"
    (folder / "small_model.py").write_text(MODEL)
    model = f"python/{folder}/small_model.py:answer"
    start, first = time.monotonic(), 0.0
    process = _start(
        *(model, "--data", str(data), "--run", str(run)),
        *("--shards", str(shards), "--on", on),
    )
    while process.poll() is None:
        if not first and (run / "shards").exists():
            first = time.monotonic() - start
        time.sleep(0.02)
    assert process.returncode == 0
    return first, time.monotonic() - start


def measure_local_ray(folder: Path) -> tuple[float, float]:
    """Return the seconds until a first task has run, and the memory of Ray's processes in MB."""
    from jasco.evaluation.distributed.executors import open_executor

    start = time.monotonic()
    results = open_executor("ray").run(operator.neg, [1, 2], folder, print)
    next(results)
    seconds = time.monotonic() - start
    processes = psutil.Process().children(recursive=True)
    megabytes = sum(process.memory_full_info().pss for process in processes) / 1e6
    assert len(list(results)) == 1
    return seconds, megabytes


def _respond(*arguments: str) -> float:
    """Run a command and return the seconds that it took."""
    start = time.monotonic()
    assert _start(*arguments).wait() == 0
    return time.monotonic() - start


def _start(*arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "jasco", "respond", *arguments, "--no-preflight"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
