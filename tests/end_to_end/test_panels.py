"""Panels of judges: which verdicts count, and which are never averaged."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from chat_server import Serve
from command import HASTY, Jasco, figures_in
from jasco.data.dataset import read_data_set
from jasco.protocol.responses import Failure
from runs import verdict, write_run

pytestmark = pytest.mark.slow

GOOD, POOR = verdict(2, "Both"), verdict(0, "Neither")
HALF = verdict(0, "Audio-Oriented")


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    """Write a run of two judges: the second has judged one clip only."""
    return write_run(
        tmp_path / "run",
        read_data_set(data),
        lambda clip, _: f"They are fleeing from what the sound of clip {clip} is.",
        {"whole": lambda *_: GOOD, "half": lambda clip, _: HALF if clip == 0 else None},
    )


def score(jasco: Jasco, *arguments: object) -> dict[str, Any]:
    """Return the only model in the JSON output of ``score``."""
    result = jasco("score", *arguments, "--json")
    assert result.status == 0, result.stderr
    [model] = json.loads(result.stdout)["models"].values()
    return model


# --- equal names ---


@pytest.mark.parametrize("command", ["eval", "judge", "dry run"])
def test_two_judges_of_one_identity_are_refused(
    command: str, jasco: Jasco, serve: Serve, data: Path, tmp_path: Path, run: Path
) -> None:
    judges = [f"--judge=openai/m,base_url={serve().url}" for _ in range(2)]
    if command == "judge":
        result = jasco("judge", run, *judges)
    else:
        more = ["--dry-run"] if command == "dry run" else []
        ears = f"openai/ears,base_url={serve().url}"
        result = jasco("eval", ears, "--data", data, "--run", tmp_path / "new", *judges, *more)
    assert result.status == 2
    assert "openai/m is given twice" in result.stderr
    assert "label=" in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_label_distinguishes_two_judges_of_one_name(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    servers = serve(judge_says={"[Model": GOOD}), serve(judge_says={"[Model": POOR})
    judges = [
        f"--judge=openai/m,base_url={server.url}{label}"
        for server, label in zip(servers, ("", ",label=second"), strict=True)
    ]
    result = jasco(
        "eval", f"openai/ears,base_url={serve().url}", "--data", data, "--run", tmp_path / "run",
        *judges, "--json",
    )  # fmt: skip
    assert result.status == 0, result.stderr
    summary = json.loads(result.stdout)
    [model] = summary["models"].values()
    assert {name: judge["best_mean"] for name, judge in model["judges"].items()} == {
        "openai/m": 2, "openai/m,label=second": 0,
    }  # fmt: skip
    assert model["best_mean"] == 1
    assert "label=second" in summary["signature"]
    assert [len(server.requests()) for server in servers] == [1 + 32] * 2


@pytest.mark.parametrize("label", ["", "a\tb", "x" * 41, " a"])
def test_an_invalid_label_is_refused(label: str, jasco: Jasco, data: Path, tmp_path: Path) -> None:
    result = jasco("eval", f"openai/m,base_url=http://127.0.0.1:9/v1,label={label}",
                 "--data", data, "--run", tmp_path / "r", "--judge", "offline")  # fmt: skip
    assert result.status == 2
    assert "label" in result.stderr


# --- which judges count ---


def test_a_judge_counts_from_its_first_verdict(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert jasco(
        "eval", f"openai/ears,base_url={serve().url}", "--data", data, "--run", run,
        "--judge", f"openai/m,base_url={serve().url}",
    ).status == 0  # fmt: skip
    before = figures_in(jasco("score", run, "--json"))
    missing = jasco("judge", run, "--judge", "three-judges,serve.command=/nowhere/vllm")
    assert missing.status != 0
    dead = serve()
    dead.kill()
    unreachable = jasco("judge", run, "--judge", f"openai/gone,base_url={dead.url}", patch=HASTY)
    assert unreachable.status == 4
    result = jasco("score", run, "--json")
    assert (result.status, figures_in(result)) == (0, before)


def test_a_judge_whose_calls_all_failed_is_named_and_left_out(
    jasco: Jasco, data: Path, tmp_path: Path
) -> None:
    run = write_run(
        tmp_path / "run",
        read_data_set(data),
        lambda clip, prompt: f"{clip} {prompt}",
        {"well": lambda *_: GOOD, "refuses": lambda *_: Failure("rejected", "HTTP 400")},
    )
    model = score(jasco, run)
    assert list(model["judges"]) == ["openai/well"]
    assert (model["best_mean"], model["complete"]) == (2, True)
    assert model["judges_without_verdict"] == {"openai/refuses": {"rejected": 32}}
    assert "openai/refuses: no verdicts (32 rejected)" in jasco("score", run).stdout


def test_a_judge_without_some_verdicts_makes_the_panel_incomplete_and_remedies_are_named(
    jasco: Jasco, run: Path
) -> None:
    model = score(jasco, run)
    assert not model["complete"]
    assert model["coverage"] == (1 + 1 / 4) / 2
    table = jasco("score", run).stdout
    [line] = [line for line in table.splitlines() if line.startswith("- openai/half: 24 of 32")]
    for remedy in ("repeat", "--judge", "jasco forget RUN --judge openai/half"):
        assert remedy in line


@pytest.mark.parametrize("command", ["score", "report"])
def test_the_judges_whose_verdicts_count_can_be_chosen(
    command: str, jasco: Jasco, run: Path
) -> None:
    more = ["--format", "json"] if command == "report" else ["--json"]
    result = jasco(command, run, "--judge", "openai/whole", *more)
    assert result.status == 0
    [model] = json.loads(result.stdout)["models"].values()
    assert list(model["judges"]) == ["openai/whole"]
    assert (model["best_mean"], model["complete"]) == (2, True)
    unknown = jasco(command, run, "--judge", "openai/unknown", *more)
    assert unknown.status == 2
    assert "openai/whole, openai/half" in unknown.stderr


def test_the_page_shows_the_chosen_judges_only(jasco: Jasco, run: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    result = jasco("report", run, "--judge", "openai/whole", "-o", tmp_path / "page.html")
    assert result.status == 0, result.stderr
    html = (tmp_path / "page.html").read_text("utf-8")
    assert "openai/whole" in html
    assert "openai/half" not in html


def test_judging_again_keeps_the_other_judges(jasco: Jasco, serve: Serve, run: Path) -> None:
    result = jasco("judge", run, "--judge", f"openai/third,base_url={serve().url}")
    assert result.status == 0, result.stderr  # verdicts missing from another judge do not count
    assert list(score(jasco, run)["judges"]) == ["openai/whole", "openai/half", "openai/third"]


def test_a_judge_is_removed_and_a_backup_is_kept(jasco: Jasco, run: Path) -> None:
    result = jasco("forget", run, "--judge", "openai/half")
    assert result.status == 0, result.stderr
    [backup] = run.glob("run-*.db")
    assert str(backup) in result.stderr
    with sqlite3.connect(backup) as copy:
        assert copy.execute("SELECT count(*) FROM verdicts").fetchone() == (40,)
    assert list(score(jasco, run)["judges"]) == ["openai/whole"]
    assert score(jasco, run)["complete"]
    again = jasco("forget", run, "--judge", "openai/half")
    assert again.status == 2
    assert "no such judge" in again.stderr
    assert jasco("forget", run.with_name("none"), "--judge", "x").status == 2
    assert not run.with_name("none").exists()


# --- proxies ---


def test_a_proxy_and_a_judge_are_never_averaged(jasco: Jasco, run: Path, tmp_path: Path) -> None:
    assert jasco("judge", run, "--judge", "offline").status == 0
    result = jasco("score", run, "--judge", "offline", "--judge", "openai/whole", "--json")
    [model] = json.loads(result.stdout)["models"].values()
    assert model["mixed"]
    assert (model["best_mean"], model["mean"], model["best_mean_ci"]) == (None, None, None)
    assert (model["best_mean_bounds"], model["neither_rate"]) == (None, None)
    assert set(model["modality_dependence"].values()) == {None}
    assert model["judges"]["openai/whole"]["best_mean"] == 2
    assert model["judges"]["offline"]["best_mean"] is not None
    for command in (
        ["score", run],
        ["score", run, "--compat", "--judge", "offline", "--judge", "openai/whole"],
        ["report", run, "--format", "markdown"],
        ["report", run, "--format", "latex"],
    ):
        result = jasco(*command)
        assert result.status == 0, result.stderr
        assert "never averaged" in result.stdout
    comparison = jasco("compare", run, run.with_name("run2"))
    assert comparison.status == 2


def test_models_with_a_mixed_panel_are_compared_by_chosen_judges_only(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    url = serve().url
    for name in "ab":
        assert jasco(
            "eval", f"openai/{name},base_url={url}", "--data", data, "--run", tmp_path / name,
            "--judge", f"openai/m,base_url={url}", "--judge", "offline",
        ).status == 0  # fmt: skip
    mixed = jasco("compare", tmp_path / "a", tmp_path / "b", "--allow-mismatch")
    assert mixed.status == 2
    assert "--judge" in mixed.stderr
    for judge in ("openai/m", "offline"):
        result = jasco("compare", tmp_path / "a", tmp_path / "b", "--judge", judge)
        assert result.status == 0, result.stderr
        assert ("PROXY" in result.stdout) == (judge == "offline")
    report = json.loads(jasco("report", tmp_path / "a", tmp_path / "b", "--format", "json").stdout)
    assert report["pairs"] == []
    assert "never averaged" in report["not_compared"][0]["why"]
