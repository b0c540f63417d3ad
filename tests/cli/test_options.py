"""Options: the values they accept, and suggestions for a mistyped name."""

from pathlib import Path

import pytest

from command import Jasco

EVAL = ["eval", "m", "--data", "d", "--judge", "j"]


def test_an_option_is_no_value(jasco: Jasco, tmp_path: Path) -> None:
    for arguments in (
        [*EVAL, "--run", "--dry-run"],
        [*EVAL, "--run", tmp_path / "run", "--judge", "-h"],
        ["exam", "offline", "--data", "mini", "--gold", "--json"],
    ):
        result = jasco(*arguments)
        assert (result.status, result.stdout) == (2, "")
        assert "not a value" in result.stderr
    assert not (tmp_path / "run").exists()


def test_options_may_stand_anywhere(jasco: Jasco, tmp_path: Path) -> None:
    for arguments in (
        ["score", "--judge=x", "none.csv"],
        ["score", "none.csv", "--judge", "x", "--judge", "y"],
        ["score", "--json", "--", "none.csv"],
    ):
        result = jasco(*arguments)
        assert result.status == 2
        assert "none.csv" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["score", "x", "--jsno"], "--json"),
        (["report", "x", "--format", "markdwon"], "markdown"),
        (["report", "x", "--audio", "embd"], "embed"),
    ],
)
def test_near_names_are_suggested(jasco: Jasco, arguments: list[str], suggestion: str) -> None:
    result = jasco(*arguments)
    assert result.status == 2
    assert suggestion in result.stderr.partition("id you mean")[2]


@pytest.mark.parametrize("value", ["0", "-3", "many", "1.5", ""])
@pytest.mark.parametrize("option", ["--limit", "--concurrency"])
def test_numbers_are_positive(jasco: Jasco, option: str, value: str) -> None:
    result = jasco(*EVAL, "--run", "r", option, value)
    assert result.status == 2
    assert option in result.stderr


@pytest.mark.parametrize("option", ["max-calls", "max-tokens", "max-cost", "price-in", "price-out"])
def test_amounts_are_numbers(jasco: Jasco, option: str) -> None:
    for command in ([*EVAL, "--run", "r"], ["exam", "offline", "--data", "mini"]):
        result = jasco(*command, f"--{option}", "x")
        assert result.status == 2
        assert f"--{option}: invalid value 'x'" in result.stderr
