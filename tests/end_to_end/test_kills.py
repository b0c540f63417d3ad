"""A run that is killed repeatedly has the same result as one that is not."""

import base64
import hashlib
import json
import random
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chat_server import Request, Serve
from command import Jasco, figures_in
from prompts import INSTRUCTIONS
from run_database import query
from synthetic import make_data

pytestmark = pytest.mark.slow

CLIPS, CONCURRENCY, KILLS = 60, 8, 20
JUDGES = ("strict", "kind")

Row = tuple[str, int, int]
"""The name of the model or judge, the clip and the instruction."""


def committed_rows(run: Path) -> set[Row]:
    """Return the rows of a run, and check that there are no duplicates."""
    if not (run / "run.db").is_file():
        return set()
    with closing(sqlite3.connect(run / "run.db", timeout=30)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return set()
        rows = connection.execute(
            "SELECT 'ears', clip, instruction FROM responses UNION ALL "
            "SELECT substr(label, 8), clip, instruction FROM verdicts JOIN judges USING (judge)"
        ).fetchall()
    assert len(rows) == len(set(rows))
    return set(rows)


def contents(run: Path) -> list[list[Any]]:
    """Return the contents of a run without times and spending."""
    return [
        query(run, "SELECT clip, instruction, text, finish_reason FROM responses ORDER BY 1, 2"),
        query(
            run,
            "SELECT label, clip, instruction, rating, orientation, attempts "
            "FROM verdicts JOIN judges USING (judge) ORDER BY 1, 2, 3",
        ),
        query(
            run,
            "SELECT * FROM facts WHERE name NOT LIKE 'created%' AND name != 'spent' ORDER BY name",
        ),
        query(run, "SELECT id, annotations_sha256, audio_sha256 FROM clips ORDER BY clip"),
    ]


def row_of(request: Request, clips: dict[str, int]) -> Row:
    """Return the row that a request is for."""
    content = request.body["messages"][-1]["content"]
    if request.kind == "answer":
        audio = base64.b64decode(content[0]["input_audio"]["data"])
        clip, question = clips[hashlib.sha256(audio).hexdigest()], content[1]["text"]
    else:
        clip_match = re.search(r"watching the weather, clip (\d+)\n", content)
        question_match = re.search(r"\[Question\]\n(.*)\n", content)
        assert clip_match
        assert question_match
        clip, question = int(clip_match[1]), question_match[1]
    return request.model, clip, INSTRUCTIONS.index(question) + 1


_KILLED_WHILE_WRITING = """
import os, signal, sqlite3, sys
run = sqlite3.connect(sys.argv[1])
run.execute("PRAGMA cache_size = 1")
run.execute("BEGIN")
run.execute("CREATE TABLE facts (name TEXT)")
run.executemany("INSERT INTO facts VALUES (?)", [("x" * 1000,)] * 1000)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_that_was_killed_during_its_creation_is_created_by_the_same_command(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    subprocess.run([sys.executable, "-c", _KILLED_WHILE_WRITING, run / "run.db"], check=False)
    assert (run / "run.db").stat().st_size > 0
    assert (run / "run.db-journal").exists()
    url = serve().url
    result = jasco("respond", f"openai/ears,base_url={url}", "--data", data, "--run", run)
    assert result.status == 0, result
    assert len(committed_rows(run)) == 32


@pytest.mark.timeout(600)
def test_killed_at_any_moment_a_run_repeats_only_what_was_in_flight_and_ends_the_same(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", CLIPS, seconds=0.02)
    wavs = (data / "dataset" / "v0").glob("*.wav")
    clips = {hashlib.sha256(wav.read_bytes()).hexdigest(): int(wav.stem) for wav in wavs}
    server = serve(bodies=True, latency=0.02)
    panel = [f"--judge=openai/{judge},base_url={server.url}" for judge in JUDGES]
    options = ["--data", data, *panel, "--json", "--concurrency", CONCURRENCY, "--no-preflight"]
    command = ["eval", f"openai/ears,base_url={server.url}", *options]
    run = tmp_path / "run"
    rng = random.Random(7)

    snapshots: list[tuple[int, set[Row]]] = []  # after each kill: number of requests, rows
    for kill in range(KILLS):
        process = jasco.start(*command, "--run", run)
        if kill % 5:  # during calls
            server.wait_for(len(server.requests()) + rng.randint(1, 60))
            time.sleep(rng.uniform(0, 0.05))
        else:  # usually during the start
            time.sleep(rng.uniform(0, 0.5))
        process.kill()
        time.sleep(0.1)  # requests in flight arrive
        snapshots.append((len(server.requests()), committed_rows(run)))
    finished = jasco(*command, "--run", run)
    requests = server.requests()

    assert finished.status == 0, finished
    all_rows = {
        (name, clip, number)
        for name in ("ears", *JUDGES)
        for clip in range(CLIPS)
        for number in range(1, 9)
    }
    assert committed_rows(run) == all_rows
    assert len(snapshots[-1][1]) < len(all_rows)  # there was work left at every kill

    requested = [row_of(request, clips) for request in requests]
    assert set(requested) == all_rows
    lost = []
    begin = 0
    for end, rows in snapshots:
        assert not rows & set(requested[end:])  # committed rows are never requested again
        lost.append(len(set(requested[begin:end]) - rows))
        begin = end
    assert 0 < max(lost) <= CONCURRENCY
    assert len(requested) - len(all_rows) <= sum(lost)

    unkilled = jasco(*command, "--run", tmp_path / "unkilled")
    assert unkilled.status == 0
    assert contents(run) == contents(tmp_path / "unkilled")
    assert figures_in(finished) == figures_in(unkilled)
    [spent] = [model["spent"] for model in json.loads(finished.stdout)["models"].values()]
    assert abs(spent["calls"] - len(requests)) <= KILLS * CONCURRENCY  # except for those in flight
