"""Options: what they accept, and what they suggest for a mistyped one."""

from pathlib import Path

import pytest

from command import Jasco

EVAL = ["eval", "m", "--data", "d", "--judge", "j"]


def test_an_option_is_no_value(jasco: Jasco, tmp_path: Path) -> None:
    for words in (
        [*EVAL, "--run", "--dry-run"],
        [*EVAL, "--run", tmp_path / "run", "--judge", "-h"],
        ["exam", "offline", "--data", "mini", "--gold", "--json"],
    ):
        result = jasco(*words)
        assert (result.status, result.stdout) == (2, "")
        assert "an option, not a value" in result.stderr
    assert not (tmp_path / "run").exists()


def test_options_may_stand_anywhere(jasco: Jasco, tmp_path: Path) -> None:
    for words in (
        ["score", "--judge=x", "none.csv"],
        ["score", "none.csv", "--judge", "x", "--judge", "y"],
        ["score", "--json", "--", "none.csv"],
    ):
        result = jasco(*words)
        assert result.status == 2
        assert "none.csv: no such run or CSV file" in result.stderr


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["score", "x", "--jsno"], "--json"),
        (["report", "x", "--format", "markdwon"], "markdown"),
        (["report", "x", "--audio", "embd"], "embed"),
    ],
)
def test_near_names_are_suggested(jasco: Jasco, words: list[str], name: str) -> None:
    result = jasco(*words)
    assert result.status == 2
    assert name in result.stderr.partition("id you mean")[2]


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
        assert f"--{option}: 'x'" in result.stderr
