"""The command line: fast help, and one line for each error of the user."""

import subprocess
import sys
from pathlib import Path

import pytest

from command import Jasco
from jasco import __version__
from shell import shell

COMMANDS = [
    (), ("eval",), ("respond",), ("judge",), ("score",), ("data",), ("data", "fetch"),
    ("data", "verify"), ("data", "template"), ("data", "stems"), ("models",), ("judges",),
    ("report",), ("view",), ("bundle",), ("verify",), ("leaderboard",),
]  # fmt: skip
HEAVY = {
    "numpy", "openai", "httpx", "soundfile", "soxr", "pooch", "requests", "rich", "tabulate",
    "jinja2", "starlette", "uvicorn",
}  # fmt: skip
PROBE = """
import sys, time
from jasco.cli.main import main
main(sys.argv[1:])
print(time.process_time(), *sys.modules, file=sys.stderr)
"""


def run_probe(*arguments: str) -> tuple[float, set[str], str]:
    """Run the command in a new interpreter; return its CPU seconds, modules and stdout."""
    result = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True
    )
    seconds, *modules = result.stderr.splitlines()[-1].split()
    return float(seconds), set(modules), result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    from jasco.cli.main import main

    assert main([*command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(" ".join(["Usage: jasco", *command]))


@pytest.mark.parametrize(
    "command", [("--help",), ("eval", "--help"), ("view", "--help"), ("--version",)]
)
def test_help_is_quick_and_loads_nothing_heavy(command: tuple[str, ...]) -> None:
    seconds, modules, output = run_probe(*command)
    assert output
    assert not modules & HEAVY
    assert seconds < 0.25


def test_importing_and_scoring_do_not_load_the_chat_client(tmp_path: Path) -> None:
    _, modules, _ = run_probe("score", str(tmp_path / "none.csv"))
    assert "jasco.runs.results" in modules
    assert "openai" not in modules


def test_scoring_a_run_loads_neither_models_nor_the_parser_of_verdicts(run: Path) -> None:
    _, modules, output = run_probe("score", str(run))
    assert output
    assert "jasco.runs.reader" in modules
    assert not modules & {
        "aiohttp", "jasco.evaluation.session", "jasco.models.model",
        "jasco.protocol.verdict_parser", "soundfile", "soxr",
    }  # fmt: skip


def test_the_module_is_the_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "jasco", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout == f"jasco {__version__}\n"


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
def test_wrong_arguments_are_reported_in_one_line(jasco: Jasco, arguments: tuple[str, ...]) -> None:
    result = jasco(*arguments)
    assert (result.status, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    assert "--help" in line


@pytest.mark.parametrize(
    "line",
    [
        "jasco data template mini -o ''", "jasco data template mini -o /",
        "jasco view --no-browser --host $(printf 'x%.0s' {1..300})",
        "jasco score /dev/full", "jasco score /dev/zero",
    ],
)  # fmt: skip
def test_odd_arguments_are_reported_in_one_line(run: Path, line: str) -> None:
    result = shell(line, run)
    assert result.returncode == 2, result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_key_in_a_mistyped_command_is_not_quoted(run: Path) -> None:
    result = shell("jasco score run --api-key 9fQ2xLw7TbV0zKdR4", run)
    assert result.returncode == 2
    assert "--api-key" in result.stderr
    assert "9fQ2xL" not in result.stderr
