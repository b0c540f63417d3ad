"""The same evaluation with jasco, with Inspect and with a bare loop over the ``openai`` client.

80 clips of 5 s with 8 instructions each: 640 items get one answer (the audio is sent as
``input_audio``) and one verdict of a judge, 1,280 calls with a concurrency of 64, from a server on
this machine that answers at once. All three send the same prompts and must compute the same mean
score. They alternate, each in a separate process; the script prints the medians as a table in
Markdown.

Requires ``pip install inspect-ai openai psutil``; what is not installed is skipped.

Usage: ``python benchmarks/peers.py [--rounds N]``
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
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from loopback import LoopbackServer

from jasco import Clip, Item, load_dataset, read_verdict
from jasco.protocol.clips import items_of
from jasco.protocol.protocols import PROTOCOLS, SYSTEM_MESSAGE
from synthetic import make_data

CLIPS, SECONDS, CONCURRENCY = 80, 5, 64
CALLS = CLIPS * 8 * 2
ANSWER, VERDICT = {"temperature": 0.0, "max_tokens": 512}, {"temperature": 0.0, "max_tokens": 1000}


class Cost(NamedTuple):
    """The resources that a process used.

    Attributes
    ----------
    seconds, cpu : float
        Wall time and CPU time of the evaluation.
    start : float
        CPU time of everything else: imports, and a first evaluation of one clip.
    megabytes : float
        Peak memory.
    stored : float
        Megabytes of the files that the evaluation wrote.
    served : float
        CPU time of the server.
    mean : float
        The mean score, to check that the work was the same.
    """

    seconds: float
    cpu: float
    start: float
    megabytes: float
    stored: float
    served: float
    mean: float


def main() -> None:
    """Run the benchmark and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        tool, url, folder = options.measure
        print(json.dumps(measure_here(tool, url, Path(folder))))
        return
    costs: dict[str, list[Cost]] = {tool: [] for tool in TOOLS if _is_installed(tool)}
    with tempfile.TemporaryDirectory() as name, LoopbackServer() as server:
        folder = Path(name)
        make_data(folder / "data", CLIPS, seconds=SECONDS)
        for number in range(options.rounds):
            for tool in costs:
                costs[tool].append(measure(tool, server, folder / f"{tool}-{number}"))
    means = {cost.mean for rounds in costs.values() for cost in rounds}
    assert len(means) == 1, means
    medians = {
        tool: Cost(*map(statistics.median, zip(*rounds, strict=True)))
        for tool, rounds in costs.items()
    }
    print_table(medians)


def _is_installed(tool: str) -> bool:
    missing = [module for module in PACKAGES[tool] if not find_spec(module)]
    if missing:
        names = ", ".join(missing)
        print(f"{tool}: skipped, {names} is not installed; run: pip install inspect-ai openai")
    return not missing


def measure_here(tool: str, url: str, folder: Path) -> tuple[float, float, float, float]:
    """Return wall time, CPU time, megabytes written and mean score of an evaluation."""
    TOOLS[tool](url, folder, "first", 1)  # a library imports some modules when it needs them
    before, start, cpu_start = _size(folder), time.perf_counter(), time.process_time()
    mean = TOOLS[tool](url, folder, "all", CLIPS)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    return seconds, cpu, (_size(folder) - before) / 1e6, mean()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(tool: str, server: LoopbackServer, folder: Path) -> Cost:
    """Run an evaluation in a separate process."""
    folder.mkdir()
    (folder / "data").symlink_to(folder.parent / "data")
    command = [sys.executable, __file__, "--measure", tool, server.url, str(folder)]
    # What a tool writes to the home folder is also counted.
    environment = os.environ | {
        variable: str(folder / variable) for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME")
    }
    served = server.cpu_seconds
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, output
    seconds, cpu, stored, mean = json.loads(output.splitlines()[-1])
    return Cost(
        seconds,
        cpu,
        usage.ru_utime + usage.ru_stime - cpu,
        usage.ru_maxrss / 1024,
        stored,
        server.cpu_seconds - served,
        mean,
    )


def print_table(medians: dict[str, Cost]) -> None:
    """Print the medians in Markdown."""
    print("| | calls/s | CPU, evaluation | CPU, start | peak memory | stored |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for tool, cost in medians.items():
        name = " ".join([NAMES[tool], *(version(package) for package in PACKAGES[tool][:1])])
        print(
            f"| {name} | {CALLS / cost.seconds:.0f} | {cost.cpu:.2f} s | {cost.start:.2f} s "
            f"| {cost.megabytes:.0f} MB | {cost.stored:.1f} MB |"
        )
    packages = sorted({package for tool in medians for package in PACKAGES[tool]})
    print(f"\nPython {sys.version.split()[0]}", *(f"{name} {version(name)}" for name in packages))
    for tool, cost in medians.items():
        print(f"{tool}: the server used {cost.served / cost.seconds:.0%} of a core")


# --- the tools: each runs the evaluation and returns a function that computes the mean score ---


def evaluate_with_jasco(url: str, folder: Path, name: str, clips: int) -> Callable[[], float]:
    """Evaluate with ``jasco.evaluate()``, including figures with intervals."""
    import jasco

    scores = jasco.evaluate(
        f"openai/ears,base_url={url}",
        data=folder / "data",
        judges=[f"openai/judge,base_url={url}"],
        run=folder / name,
        limit=clips,
        concurrency=CONCURRENCY,
        preflight=False,
    )
    assert scores.complete
    return lambda: float(scores.mean)


def evaluate_with_inspect(url: str, folder: Path, name: str, clips: int) -> Callable[[], float]:
    """Evaluate with ``inspect_ai.eval()`` and a scorer that calls the judge."""
    import inspect_ai
    from inspect_ai.dataset import Sample
    from inspect_ai.model import (
        ChatMessageSystem,
        ChatMessageUser,
        ContentAudio,
        ContentText,
        GenerateConfig,
        get_model,
    )
    from inspect_ai.scorer import Score, Scorer, Target, mean, scorer
    from inspect_ai.solver import TaskState, generate

    server = {"base_url": url, "api_key": "none"}
    model, judge = (
        get_model(
            f"openai-api/loopback/{served}",
            config=GenerateConfig(max_connections=CONCURRENCY, **decoding),
            **server,
        )
        for served, decoding in (("ears", ANSWER), ("judge", VERDICT))
    )
    items = {
        f"{item.clip.id}-{number}": (item, path) for item, number, path in _items(folder, clips)
    }

    @scorer(metrics=[mean()])
    def judged() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001
            item, _ = items[str(state.sample_id)]
            prompt = PROTOCOLS["v2"].judge_prompt(item, state.output.completion)
            messages = [ChatMessageSystem(content=SYSTEM_MESSAGE), ChatMessageUser(content=prompt)]
            reply = (await judge.generate(messages)).completion
            return Score(value=_gated(reply), explanation=reply)

        return score

    task = inspect_ai.Task(
        dataset=[
            Sample(
                id=id_,
                input=[
                    ChatMessageUser(
                        content=[
                            ContentAudio(audio=str(path), format="wav"),
                            ContentText(text=item.instruction),
                        ]
                    )
                ],
                target=item.clip.reference,
            )
            for id_, (item, path) in items.items()
        ],
        solver=generate(),
        scorer=judged(),
    )
    [log] = inspect_ai.eval(
        task,
        model=model,
        max_samples=CONCURRENCY,
        display="none",
        score_display=False,
        log_dir=str(folder / name),
        log_images=False,  # the audio
        log_model_api=False,
        log_realtime=False,  # no second copy of all events, in a database
        ctl_server=False,
    )
    assert log.status == "success"
    assert log.results is not None
    assert log.results.completed_samples == len(items)
    return lambda: float(log.results.scores[0].metrics["mean"].value)


def evaluate_in_a_loop(
    url: str,
    folder: Path,
    name: str,  # noqa: ARG001
    clips: int,
) -> Callable[[], float]:
    """Send the requests with the client of the ``openai`` package, and keep the replies only."""
    import openai

    replies: list[str] = []

    async def loop() -> None:
        client = openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0)
        queue = iter(_items(folder, clips))
        audio: dict[str, str] = {}

        async def complete(model: str, messages: list[Any], decoding: dict[str, Any]) -> str:
            reply = await client.chat.completions.create(model=model, messages=messages, **decoding)
            return reply.choices[0].message.content or ""

        async def work() -> None:
            for item, _, path in queue:
                if item.clip.id not in audio:
                    audio[item.clip.id] = base64.b64encode(path.read_bytes()).decode()
                part = {"data": audio[item.clip.id], "format": "wav"}
                content = [
                    {"type": "input_audio", "input_audio": part},
                    {"type": "text", "text": item.instruction},
                ]
                answer = await complete("ears", [{"role": "user", "content": content}], ANSWER)
                prompt = PROTOCOLS["v2"].judge_prompt(item, answer)
                messages = [
                    {"role": "system", "content": SYSTEM_MESSAGE},
                    {"role": "user", "content": prompt},
                ]
                replies.append(await complete("judge", messages, VERDICT))

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        await client.close()

    asyncio.run(loop())
    return lambda: statistics.mean(map(_gated, replies))


NAMES = {"jasco": "jasco", "inspect": "Inspect", "loop": "loop over `openai`"}
TOOLS: dict[str, Callable[[str, Path, str, int], Callable[[], float]]] = {
    "jasco": evaluate_with_jasco,
    "inspect": evaluate_with_inspect,
    "loop": evaluate_in_a_loop,
}
PACKAGES = {"jasco": ["jasco"], "inspect": ["inspect_ai", "openai"], "loop": ["openai"]}


def _items(folder: Path, clips: int) -> list[tuple[Item, int, Path]]:
    """Return each item with the number of its instruction and the path of its audio."""
    data = load_dataset(folder / "data")

    def audio_path(clip: Clip) -> Path:
        path = data.audio_path(clip)
        assert path is not None
        return path

    return [
        (item, number, audio_path(clip))
        for clip in data.clips[:clips]
        for number, item in enumerate(items_of(clip), start=1)
    ]


def _gated(reply: str) -> float:
    verdict = read_verdict(reply)
    assert verdict.rating is not None
    return float(verdict.rating) if verdict.orientation == "Both" else 0.0


if __name__ == "__main__":
    main()
