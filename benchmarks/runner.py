"""Calls per second of ``jasco eval`` and of a bare loop over the ``openai`` client; peak memory.

A local server without latency gets 640 items x (1 answer + 3 verdicts) = 2,560 calls with a
concurrency of 64: from the whole command, which starts, reads audio, fills prompts, parses
verdicts, commits every row and computes the figures; from ``run_job()``, which does the same
without start-up and figures; and from a loop that only sends the same prepared requests. Each
measurement runs in a separate process; the imports of the loop are not counted. ``--memory``
compares the peak memory of whole commands (one judge) on 8,000 and on 80 clips.

Usage: ``python benchmarks/runner.py [--rounds N] [--memory]``
"""

import argparse
import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from loopback import LoopbackServer, answer_to

from synthetic import make_data

CLIPS, JUDGES, CONCURRENCY = 80, 3, 64
CALLS = CLIPS * 8 * (1 + JUDGES)


def main() -> None:
    """Run the benchmark and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--memory", action="store_true", help="also measure peak memory (a few minutes)"
    )
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        kind, url, folder = options.measure
        print(json.dumps(MEASUREMENTS[kind](url, Path(folder))))
        return
    with tempfile.TemporaryDirectory() as folder, LoopbackServer() as server:
        seconds = measure_seconds(server.url, Path(folder), options.rounds)
        for kind in MEASUREMENTS:
            ratio = seconds["loop"] / seconds[kind]
            print(f"{kind}: {CALLS / seconds[kind]:.0f} calls/s, {ratio:.2f} times the loop")
        print("target: the command, at least 1.6 times")
        for part in PARTS:
            print(f"{part}: {seconds[part]:.2f} s of the command's {seconds['command']:.2f} s")
        if options.memory:
            small, large = (peak_memory(server.url, Path(folder), clips) for clips in (80, 8000))
            print(f"peak memory: {small:.0f} MB for 640 items, {large:.0f} MB for 64,000")
            print(f"ratio: {large / small:.2f} (target: at most 1.3)")


def measure_seconds(url: str, folder: Path, rounds: int) -> dict[str, float]:
    """Return the median seconds of each kind and part; they alternate."""
    make_data(folder / "data", CLIPS, seconds=0.1)
    seconds: dict[str, list[float]] = {kind: [] for kind in (*MEASUREMENTS, *PARTS)}
    for number in range(rounds):
        for kind in MEASUREMENTS:
            subfolder = folder / f"{kind}-{number}"
            subfolder.mkdir()
            (subfolder / "data").symlink_to(folder / "data")
            command = [sys.executable, __file__, "--measure", kind, url, str(subfolder)]
            result = subprocess.run(command, check=True, capture_output=True, text=True)
            for name, value in json.loads(result.stdout).items():
                seconds[name].append(value)
    return {kind: statistics.median(times) for kind, times in seconds.items()}


def time_command(url: str, folder: Path) -> dict[str, float]:
    """Return the seconds of the whole command, and of its parts when it has nothing to ask."""
    command = [
        sys.executable, "-m", "jasco", "eval", f"openai/ears,base_url={url}",
        "--data", str(folder / "data"), "--run", str(folder / "run"), "--json", "--no-preflight",
        "--concurrency", str(CONCURRENCY),
    ]  # fmt: skip
    for number in range(JUDGES):
        command += ["--judge", f"openai/judge-{number},base_url={url}"]
    start = time.perf_counter()
    output = subprocess.run(command, check=True, capture_output=True).stdout
    seconds = {"command": time.perf_counter() - start}
    assert json.loads(output)["models"]["openai/ears"]["complete"]

    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    seconds["start-up"] = time.perf_counter() - start

    from jasco.data.dataset import read_data_set
    from jasco.runs.audio_manifest import audio_facts

    data = read_data_set(folder / "data")
    start = time.perf_counter()
    audio_facts(data, data.clips)
    seconds["reading audio"] = time.perf_counter() - start

    import jasco.api.scores

    start = time.perf_counter()
    assert jasco.api.scores.score(folder / "run").to_json()
    seconds["figures"] = time.perf_counter() - start
    return seconds


def time_run(url: str, folder: Path) -> dict[str, float]:
    """Return the seconds that ``run_job()`` takes."""
    from jasco.backends.specs import open_spec
    from jasco.data.sources import find_data
    from jasco.evaluation.job import Job
    from jasco.evaluation.run_job import run_job
    from jasco.runs.read_run import results_of_run

    job = Job(
        run=folder / "run",
        data=find_data(str(folder / "data"), print),
        model=open_spec("model", f"openai/ears,base_url={url}"),
        judges=[open_spec("judge", f"openai/judge-{n},base_url={url}") for n in range(JUDGES)],
        concurrency=CONCURRENCY,
        preflight=False,
    )
    start = time.perf_counter()
    run_job(job, print)
    seconds = time.perf_counter() - start
    assert results_of_run(job.run).complete
    return {"run_job()": seconds}


def time_loop(url: str, folder: Path) -> dict[str, float]:
    """Return the seconds that the client alone takes."""
    import openai

    requests = payloads(folder / "data")
    assert len(requests) == CALLS

    async def loop() -> float:
        client = openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0)
        queue = iter(requests)

        async def work() -> None:
            for request in queue:
                # The raw response skips the client's parsing, for the fastest possible loop.
                answer = await client.chat.completions.with_raw_response.create(**request)
                assert json.loads(answer.content)["choices"][0]["message"]["content"]

        start = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        seconds = time.perf_counter() - start
        await client.close()
        return seconds

    return {"loop": asyncio.run(loop())}


MEASUREMENTS = {"loop": time_loop, "run_job()": time_run, "command": time_command}
PARTS = ("start-up", "reading audio", "figures")
IMPORTS = "import jasco.cli.main, jasco.api.evaluation, jasco.api.scores, jasco.models.chat_model"


def payloads(data: Path) -> list[dict[str, Any]]:
    """Return the requests that ``jasco eval`` sends."""
    from jasco.data.audio import read_audio
    from jasco.data.dataset import read_data_set
    from jasco.protocol.clips import items_of
    from jasco.protocol.protocols import PROTOCOLS, SYSTEM_MESSAGE

    data_set = read_data_set(data)
    requests: list[dict[str, Any]] = []
    for clip in data_set.clips:
        path = data_set.audio_path(clip)
        assert path is not None
        audio = {"data": base64.b64encode(read_audio(path).wav).decode(), "format": "wav"}
        for item in items_of(clip):
            parts = [
                {"type": "input_audio", "input_audio": audio},
                {"type": "text", "text": item.instruction},
            ]
            request = {"messages": [{"role": "user", "content": parts}], "max_tokens": 512}
            requests.append({"model": "ears", "temperature": 0.0, **request})
            prediction = answer_to(parts)
            messages = [
                {"role": "system", "content": SYSTEM_MESSAGE},
                {"role": "user", "content": PROTOCOLS["v2"].judge_prompt(item, prediction)},
            ]
            verdict_request = {"messages": messages, "max_tokens": 1000, "temperature": 0.0}
            requests.extend({"model": f"judge-{n}", **verdict_request} for n in range(JUDGES))
    return requests


def peak_memory(url: str, folder: Path, clips: int) -> float:
    """Return the peak memory of a whole command in MB."""
    audio_folder = make_data(folder / f"data-{clips}", 1, seconds=0.1) / "dataset" / "v0"
    header, row = (audio_folder / "v0.csv").read_text("utf-8").split("\n", 1)
    rows = [row.replace("0", str(clip)) for clip in range(clips)]
    (audio_folder / "v0.csv").write_text("".join([header, "\n", *rows]), "utf-8")
    for clip in range(1, clips):
        (audio_folder / f"{clip}.wav").hardlink_to(audio_folder / "0.wav")
    command = [
        sys.executable, "-m", "jasco", "eval", f"openai/ears,base_url={url}",
        "--data", str(folder / f"data-{clips}"), "--judge", f"openai/judge,base_url={url}",
        "--run", str(folder / f"run-{clips}"), "--concurrency", str(CONCURRENCY), "--json",
        "--no-preflight",
    ]  # fmt: skip
    with (folder / "score.json").open("w+") as output:
        process = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        output.seek(0)
        assert json.load(output)["data"]["clips"] == clips
    return usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
