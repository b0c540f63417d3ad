"""Conditions resume after any kill, and are processed in shards and by executors."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from command import Jasco
from run_database import query

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
    donor = run / "conditions" / "swap-sound-1" / "donor" / "run.db"
    # As after a kill: the answers are there, but only some of the verdicts.
    import sqlite3

    with sqlite3.connect(donor) as database:
        database.execute("DELETE FROM verdicts WHERE instruction > 3")
    before = calls(tmp_path)

    assert jasco(*arguments, "--json").stdout == expected
    assert calls(tmp_path) == before
    assert query(donor, "SELECT count(*) FROM verdicts") == [(CLIPS * 8,)]


@pytest.mark.parametrize("more", [["--shards", "2"], ["--shards", "2", "--on", "local,workers=2"]])
def test_in_shards_the_figures_are_the_same(jasco: Jasco, tmp_path: Path, more: list[str]) -> None:
    (plain := tmp_path / "plain").mkdir()
    expected = jasco(*command(plain, plain / "run"), "--json").stdout
    (divided := tmp_path / "divided").mkdir()
    run = divided / "run"

    result = jasco(*command(divided, run), *more, "--json")

    assert result.status == 0
    assert figures(result.stdout) == figures(expected)
    assert calls(divided) <= calls(plain) + 2
    again = jasco(*command(divided, run), "--json")  # it knows that it is divided
    assert again.stdout == result.stdout
    assert (run / "conditions" / "sound" / "shards" / "0001-of-0002" / "run.db").exists()


def test_one_shard_of_all_conditions(jasco: Jasco, tmp_path: Path) -> None:
    arguments = command(tmp_path, tmp_path / "run")
    first = jasco(*arguments, "--shard", "1/2")
    assert first.status == 0
    assert "8 of 8" in first.stdout or "complete" in first.stdout
    jasco(*arguments, "--shard", "2/2")
    assert jasco("reliance", tmp_path / "run", "--json").status == 0
    assert json.loads(jasco("reliance", tmp_path / "run", "--json").stdout)["complete"]


def test_limits_apply_to_all_conditions_together(jasco: Jasco, tmp_path: Path) -> None:
    arguments = command(tmp_path, tmp_path / "run")
    result = jasco(*arguments, "--max-calls", "5")
    assert result.status == 0  # a function and the offline judge make no metered calls
