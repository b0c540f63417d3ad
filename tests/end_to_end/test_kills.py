"""A run that is killed again and again ends as one that never was."""

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
from places import PROMPTS
from synthetic import make_data

CLIPS, CONCURRENCY, KILLS = 60, 8, 20
JUDGES = ("strict", "kind")
INSTRUCTIONS = (PROMPTS / "instructions.txt").read_text("utf-8").splitlines()

Row = tuple[str, int, int]
"""Who answered or judged, the clip, the instruction."""


def query(run: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(run / "run.db", timeout=30)) as connection:
        return connection.execute(sql).fetchall()


def committed(run: Path) -> set[Row]:
    """Give the rows that a run holds, each of which is there once."""
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
    """Give all that a run holds but times, and what it took."""
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
    """Say which row a request is for."""
    content = request.body["messages"][-1]["content"]
    if request.kind == "answer":
        audio = base64.b64decode(content[0]["input_audio"]["data"])
        clip, question = clips[hashlib.sha256(audio).hexdigest()], content[1]["text"]
    else:
        found = re.search(r"watching the weather, clip (\d+)\n", content)
        asked = re.search(r"\[Question\]\n(.*)\n", content)
        assert found
        assert asked
        clip, question = int(found[1]), asked[1]
    return request.model, clip, INSTRUCTIONS.index(question) + 1


_KILLED_WHILE_IT_WROTE = """
import os, signal, sqlite3, sys
run = sqlite3.connect(sys.argv[1])
run.execute("PRAGMA cache_size = 1")
run.execute("BEGIN")
run.execute("CREATE TABLE facts (name TEXT)")
run.executemany("INSERT INTO facts VALUES (?)", [("x" * 1000,)] * 1000)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_that_was_killed_while_it_was_made_is_made_by_the_same_command(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    subprocess.run([sys.executable, "-c", _KILLED_WHILE_IT_WROTE, run / "run.db"], check=False)
    assert (run / "run.db").stat().st_size > 0
    assert (run / "run.db-journal").exists()
    url = serve().url
    result = jasco("respond", f"openai/ears,base_url={url}", "--data", data, "--run", run)
    assert result.status == 0, result
    assert len(committed(run)) == 32


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_any_moment_a_run_repeats_only_what_was_in_flight_and_ends_the_same(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", CLIPS, seconds=0.02)
    wavs = (data / "dataset" / "v0").glob("*.wav")
    clips = {hashlib.sha256(wav.read_bytes()).hexdigest(): int(wav.stem) for wav in wavs}
    server = serve(bodies=True, latency=0.02)
    panel = [f"--judge=openai/{judge},base_url={server.url}" for judge in JUDGES]
    given = ["--data", data, *panel, "--json", "--concurrency", CONCURRENCY, "--no-preflight"]
    command = ["eval", f"openai/ears,base_url={server.url}", *given]
    run = tmp_path / "run"
    chance = random.Random(7)

    kept: list[tuple[int, set[Row]]] = []  # after each kill: requests so far, rows on disk
    for kill in range(KILLS):
        process = jasco.start(*command, "--run", run)
        if kill % 5:  # while calls go on
            server.wait_for(len(server.requests()) + chance.randint(1, 60))
            time.sleep(chance.uniform(0, 0.05))
        else:  # while it starts, as a rule
            time.sleep(chance.uniform(0, 0.5))
        process.kill()
        time.sleep(0.1)  # what was sent, arrives
        kept.append((len(server.requests()), committed(run)))
    finished = jasco(*command, "--run", run)
    requests = server.requests()

    assert finished.status == 0, finished
    everything = {
        (who, clip, number)
        for who in ("ears", *JUDGES)
        for clip in range(CLIPS)
        for number in range(1, 9)
    }
    assert committed(run) == everything
    assert len(kept[-1][1]) < len(everything)  # there was work left at every kill

    asked = [row_of(request, clips) for request in requests]
    assert set(asked) == everything
    lost = []
    begin = 0
    for end, rows in kept:
        assert not rows & set(asked[end:])  # what is committed is never asked again
        lost.append(len(set(asked[begin:end]) - rows))
        begin = end
    assert 0 < max(lost) <= CONCURRENCY
    assert len(asked) - len(everything) <= sum(lost)

    unkilled = jasco(*command, "--run", tmp_path / "unkilled")
    assert unkilled.status == 0
    assert contents(run) == contents(tmp_path / "unkilled")
    assert figures_in(finished) == figures_in(unkilled)
    [spent] = [model["spent"] for model in json.loads(finished.stdout)["models"].values()]
    assert abs(spent["calls"] - len(requests)) <= KILLS * CONCURRENCY  # but for what was in flight
