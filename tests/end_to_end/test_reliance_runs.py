"""Conditions resume after any kill, and are processed in shards and by executors."""

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chat_server import ChatServer, Serve
from command import Jasco
from jasco.data.sources import find_data
from jasco.interventions.donors import donor_of
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.runs.condition_runs import donor_folder
from run_database import query

pytestmark = pytest.mark.slow

CLIPS = 2
FUNCTION = """
import time

def answer(audio, sampling_rate, prompt):
    time.sleep({pause})
    with open({log!r}, "a") as log:
        log.write("called\\n")
    if audio is None:
        return "They are talking."
    loud = float(abs(audio[8000:24000]).mean()) > 0.02
    return "They are taking a surfing lesson." if loud else "They hear waves on the beach."
"""


def command(folder: Path, run: Path, *, pause: float = 0.0, judge: str = "offline") -> list[str]:
    """Return the command; each call of the model is logged."""
    function = folder / "model.py"
    function.write_text(FUNCTION.format(pause=pause, log=str(folder / "calls.log")))
    names = "sound,none,swap-sound,text"
    settings = ["--conditions", names, "--draws", "1", "--limit", str(CLIPS), "--no-preflight"]
    spec = f"python/{function}:answer"
    return ["reliance", spec, "--data", "mini", "--judge", judge, "--run", str(run), *settings]


def calls(folder: Path) -> int:
    """Count the calls of the model so far."""
    log = folder / "calls.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def figures(printed: str) -> dict[str, Any]:
    """Return everything that is printed about the figures, but not where the run is."""
    result: dict[str, Any] = json.loads(printed)
    for name in ("run", "signature"):  # it names the path of the function
        del result[name]
    return {name: result[name] for name in ("figures", "judges", "clips", "conditions", "complete")}


def test_a_kill_in_each_phase_resumes(jasco: Jasco, tmp_path: Path) -> None:
    (plain := tmp_path / "plain").mkdir()
    expected = jasco(*command(plain, plain / "run"), "--json")
    (killed := tmp_path / "killed").mkdir()
    run = killed / "run"
    arguments = command(killed, run, pause=0.03)
    # In the original run, each condition with audio, and those without.
    for already in (4, 20, 40, 60):
        process = jasco.start(*arguments, "--json")
        deadline = time.monotonic() + 30
        while calls(killed) < already:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    result = jasco(*arguments, "--json")

    assert result.status == 0
    assert figures(result.stdout) == figures(expected.stdout)
    repeated = calls(killed) - calls(plain)
    assert 0 <= repeated <= 4 + 2  # a killed call, and the probes without audio
    assert jasco(*arguments, "--json").stdout == result.stdout
    assert calls(killed) == calls(plain) + repeated


def test_a_kill_during_the_second_judging_resumes(jasco: Jasco, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = command(tmp_path, run)
    expected = jasco(*arguments, "--json").stdout
    # As after a kill: the answers are there, but only some of the verdicts.
    donor = donor_folder(run, "swap-sound-1")
    with sqlite3.connect(donor / "run.db") as database:
        database.execute("DELETE FROM verdicts WHERE instruction > 3")
    before = calls(tmp_path)

    assert jasco(*arguments, "--json").stdout == expected
    assert calls(tmp_path) == before
    assert query(donor, "SELECT count(*) FROM verdicts") == [(CLIPS * 8,)]


def test_in_shards_the_figures_are_the_same(jasco: Jasco, tmp_path: Path) -> None:
    (plain := tmp_path / "plain").mkdir()
    expected = jasco(*command(plain, plain / "run"), "--json").stdout
    for name, more in (("here", []), ("workers", ["--on", "local,workers=2"])):
        (divided := tmp_path / name).mkdir()
        arguments = [*command(divided, divided / "run"), "--json"]
        # A process of its own: the fixture's may not have children.
        result = subprocess.run(
            [sys.executable, "-m", "jasco", *arguments, "--shards", "2", *more],
            capture_output=True,
            text=True,
            check=True,
        )

        assert figures(result.stdout) == figures(expected)
        assert calls(divided) <= calls(plain) + 2  # both workers may probe
        again = jasco(*arguments)  # it knows that it is divided
        assert figures(again.stdout) == figures(expected)
        assert (divided / "run/conditions/sound/shards/0001-of-0002/run.db").exists()
        assert jasco("merge", divided / "run").status == 0
        merged = jasco(*arguments)
        assert figures(merged.stdout) == figures(expected)
        assert jasco("merge", divided / "run/conditions/sound").status == 0
        assert figures(jasco(*arguments).stdout) == figures(expected)


def test_one_shard_of_all_conditions(jasco: Jasco, tmp_path: Path) -> None:
    arguments = command(tmp_path, tmp_path / "run")
    first = jasco(*arguments, "--shard", "1/2")
    assert first.status == 0
    assert "8 of 8" in first.stdout
    for number, complete in ((1, False), (2, True)):
        assert jasco(*arguments, "--shard", f"{number}/2").status == 0
        result = json.loads(jasco("reliance", tmp_path / "run", "--json").stdout)
        assert result["complete"] is complete
        coverage = {each["coverage"] for each in result["figures"]["conditions"].values()}
        assert coverage == {number / 2}


def served(server: ChatServer, run: Path, conditions: str) -> list[object]:
    """Return the command for a model and a judge on a server."""
    model, judge = (f"openai/{name},base_url={server.url}" for name in ("ears", "strict"))
    command: list[object] = ["reliance", model, "--data", "mini", "--judge", judge, "--run", run]
    return [*command, "--limit", 1, "--no-preflight", "--conditions", conditions, "--draws", 1]


def test_limits_apply_to_all_conditions_together(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    server = serve()
    arguments = served(server, tmp_path / "run", "sound,speech")

    limited = jasco(*arguments, "--max-calls", 40)
    assert limited.status == 4
    assert "speech" in limited.stdout  # what there is so far
    assert len(server.requests()) == 40
    assert jasco(*arguments).status == 0
    assert len(server.requests()) == 3 * 2 * 8


def test_a_model_gets_the_prompt_of_the_condition_and_judges_get_the_instruction(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    server, run = serve(bodies=True), tmp_path / "run"
    assert jasco(*served(server, run, "text,text-sound,swap-speech")).status == 0

    clip = find_data("mini", lambda _: None).clips[0]
    cues = f"Audio sound: {clip.sound}", f"Spoken text: {clip.speech}"
    bodies = [request.body for request in server.requests()]
    sent = [body["messages"][0]["content"] for body in bodies if body["model"] == "ears"]
    judged = [str(body["messages"]) for body in bodies if body["model"] == "strict"]
    without_audio = [content for content in sent if isinstance(content, str)]
    spoken = [
        content[1]["text"]
        for content in sent
        if isinstance(content, list) and content[1]["text"].startswith("Spoken text")
    ]
    assert {*without_audio} == {"\n".join([*cues, each]) for each in INSTRUCTIONS}
    assert sorted(spoken) == sorted(f"{cues[1]}\n{each}" for each in INSTRUCTIONS)
    assert len(without_audio) == 8 + 1  # with the probe
    assert len(judged) == 5 * 8  # original, text, text-sound, swap-speech, and with the donor's cue
    assert not any("Audio sound: " in prompt or "Spoken text: " in prompt for prompt in judged)
    donor = donor_of(clip, "speech", 1, find_data("mini", lambda _: None).clips)
    assert sum(donor.speech in prompt for prompt in judged) == 8
    assert sum(donor.speech_only in prompt for prompt in judged) == 8
    shown = jasco("show", run / "conditions" / "text", "--clip", 1, "--prompt", 1, "--json")
    record = json.loads(shown.stdout)
    assert record["condition"] == "text"
    [message] = record["model"]["request"]["messages"]
    assert message["content"] == "\n".join([*cues, INSTRUCTIONS[0]])
