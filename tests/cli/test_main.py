"""The command line: help that is quick, JSON that is only JSON, a dry run that does nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chat_server import Serve
from command import Jasco
from jasco import __version__
from synthetic import make_data

COMMANDS = [
    (), ("eval",), ("respond",), ("judge",), ("score",), ("data",), ("data", "fetch"),
    ("data", "verify"), ("data", "template"), ("models",), ("judges",), ("report",),
    ("view",),
]  # fmt: skip
HEAVY = {
    "numpy", "openai", "httpx", "soundfile", "soxr", "pooch", "requests", "tqdm", "tabulate",
    "jinja2", "starlette", "uvicorn",
}  # fmt: skip
PROBE = """
import sys, time
from jasco.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(time.process_time(), *sys.modules, file=sys.stderr)
"""


def probed(*arguments: str) -> tuple[float, set[str], str]:
    """Run the command in a fresh interpreter: its CPU seconds, its modules, its output."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True
    )
    seconds, *modules = done.stderr.splitlines()[-1].split()
    return float(seconds), set(modules), done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    from jasco.cli.main import main

    with pytest.raises(SystemExit) as leaving:
        main([*command, "--help"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out.startswith(" ".join(["usage: jasco", *command]))


@pytest.mark.parametrize(
    "command", [("--help",), ("eval", "--help"), ("view", "--help"), ("--version",)]
)
def test_help_is_quick_and_loads_nothing_heavy(command: tuple[str, ...]) -> None:
    seconds, modules, output = probed(*command)
    assert output
    assert not modules & HEAVY
    assert seconds < 0.25


def test_importing_and_scoring_do_not_load_the_chat_client(tmp_path: Path) -> None:
    _, modules, _ = probed("score", str(tmp_path / "none.csv"))
    assert "jasco.runs.results" in modules
    assert "openai" not in modules


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jasco", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"jasco {__version__}\n"


def test_models_and_judges_list_what_can_be_named(jasco: Jasco) -> None:
    models, judges = jasco("models"), jasco("judges")
    assert (models.status, judges.status) == (0, 0)
    for name in ("csv/RESPONSES.csv", "openai/MODEL", "python/module:function", "base_url="):
        assert name in models.stdout
    for name in ("csv/JUDGED.csv", "openai/MODEL", "max_tokens=...  longest answer (default 1000)"):
        assert name in judges.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("no-such",), ("score",), ("score", "x", "--no-such"), ("data",),
        ("eval", "m", "--data", "d", "--run", "r"),
        ("eval", "m", "--data", "d", "--run", "r", "--judge", "j", "--limit", "0"),
        ("eval", "m", "--data", "d", "--run", "r", "--judge", "j", "--concurrency", "many"),
        ("judge", "x.csv", "-o", "y.csv"), ("data", "template", "d"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_told_in_one_line(
    jasco: Jasco, arguments: tuple[str, ...]
) -> None:
    result = jasco(*arguments)
    assert (result.status, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    assert "--help" in line


def servers(serve: Serve, data: Path, run: Path, **behaviour: Any) -> tuple[Any, list[object]]:
    server = serve(**behaviour)
    address = f"base_url={server.url}"
    told = [f"openai/m,{address}", "--data", data, "--run", run, "--judge", f"openai/j,{address}"]
    return server, told


def test_json_is_one_object_and_nothing_else(jasco: Jasco, serve: Serve, tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", clips=1)
    _, told = servers(serve, data, tmp_path / "run")
    whole = jasco("eval", *told, "--json")
    assert whole.status == 0
    assert json.loads(whole.stdout)["models"]["openai/m"]["complete"] is True
    again = jasco("score", tmp_path / "run", "--json")
    assert (again.status, again.stderr) == (0, "")
    assert json.loads(again.stdout) == json.loads(whole.stdout)


def test_json_is_printed_where_the_run_is_incomplete_too(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", clips=2)
    _, told = servers(serve, data, tmp_path / "run", judge_says={"clip 1": "I cannot tell."})
    result = jasco("eval", *told, "--json")
    assert result.status == 0  # the same command could do no more
    assert "incomplete" in result.stderr
    summary = json.loads(result.stdout)
    [model] = summary["models"].values()
    assert model["complete"] is False
    assert model["coverage"] == 0.5
    assert model["unreadable_rate"] == 0.5
    assert "NaN" not in result.stdout
    table = jasco("score", tmp_path / "run")
    assert table.status == 0
    assert "INCOMPLETE" in table.stdout


def test_a_dry_run_writes_nothing_and_calls_nothing(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server, told = servers(serve, data, tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    result = jasco("eval", *told, "--dry-run")
    assert result.status == 0
    assert "4 of 4 clips, 32 items" in result.stdout
    assert "openai/m: 32 calls to make" in result.stdout
    assert "preflight: 12 calls to make" in result.stdout
    assert "openai/j: 32 calls to make" in result.stdout
    answers_only = jasco("respond", *told[:5], "--dry-run", "--limit", 2)
    assert "openai/m: 16 calls to make" in answers_only.stdout
    assert "judge" not in answers_only.stdout
    new = set(tmp_path.rglob("*")) - set(before)
    assert {path.name.partition("-")[0] for path in new} <= {"command"}  # the outputs themselves
    assert server.requests() == []


def test_a_dry_run_on_a_run_counts_what_is_left(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server, told = servers(serve, data, tmp_path / "run")
    jasco("eval", *told, "--limit", 1)
    asked = len(server.requests())
    held = (tmp_path / "run" / "run.db").read_bytes()
    result = jasco("eval", *told, "--dry-run")
    assert "openai/m: 24 calls to make, 8 done" in result.stdout
    assert "openai/j: 24 calls to make" in result.stdout
    assert len(server.requests()) == asked
    assert (tmp_path / "run" / "run.db").read_bytes() == held


def test_a_function_and_a_judged_file_make_a_whole_evaluation(
    jasco: Jasco, data: Path, tmp_path: Path
) -> None:
    """The ``python`` model end to end, judged by a ``csv`` judge, without any network."""
    (tmp_path / "mine.py").write_text(
        "def answer(audios, sampling_rate, prompts):\n"
        "    heard = [len(audio) * audio.any() for audio in audios]\n"
        "    return [f'{each} {prompt[:10]}' for each, prompt in zip(heard, prompts)]\n"
    )
    model = f"python/{tmp_path / 'mine.py'}:answer"
    run, judged = tmp_path / "run", tmp_path / "judged.csv"
    told = jasco("data", "template", data, "-o", tmp_path / "template.csv")
    assert told.status == 0
    answered = jasco("respond", model, "--data", data, "--run", run)
    assert answered.status == 0
    assert "32 of 32 items are answered" in answered.stderr

    from jasco.data.csv_files import read_table, write_table

    table = read_table(tmp_path / "template.csv")
    rows = [
        row
        | {"allm_output": f"4000 {row['prompt'][:10]}"}
        | {"judge_output": "Rating: 2\nOrientation: Both"}
        for row in table.rows
    ]
    write_table(judged, [*table.columns, "judge_output"], rows)
    result = jasco(
        "eval", model, "--data", data, "--run", run, "--judge", f"csv/{judged}", "--json"
    )
    assert result.status == 0
    summary = json.loads(result.stdout)
    assert summary["models"][model]["best_mean"] == 2
    assert summary["data"]["clips"] == 4
    assert summary["data"]["audio_sha256"]
    rejudged = jasco("judge", run, "--judge", f"csv/{judged}")
    assert rejudged.status == 0
    assert "2.00" in rejudged.stdout
