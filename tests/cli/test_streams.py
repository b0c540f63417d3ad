"""Output that cannot be written: closed streams, full disks, closed pipes, encodings."""

import json
from pathlib import Path

import pytest

from shell import shell


@pytest.mark.parametrize("command", ["score run", "--help"])
def test_a_reader_that_has_gone_is_no_error(run: Path, command: str) -> None:
    result = shell(f"jasco {command} | true", run)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "unbuffered"),
    [("score run", ""), ("score run --json", "1"), ("judges", ""), ("--help", ""), ("--help", "1")],
)
def test_a_full_disk_is_reported_in_one_line(run: Path, command: str, unbuffered: str) -> None:
    result = shell(f"jasco {command} > /dev/full", run, PYTHONUNBUFFERED=unbuffered)
    assert result.returncode == 4
    assert len(result.stderr.splitlines()) == 1
    assert "space" in result.stderr


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("jasco score run >&-", 0), ("jasco score run 2>&-", 0), ("jasco score run <&-", 0),
        ("jasco score nowhere 2>&-", 2), ("jasco score nowhere 2>/dev/full", 2),
        ("jasco score run <&- >&- 2>&-", 0),
    ],
)  # fmt: skip
def test_streams_may_be_closed(run: Path, line: str, status: int) -> None:
    result = shell(line, run)
    assert result.returncode == status
    assert "Traceback" not in result.stderr
    assert "jasco: " not in result.stdout  # messages never go to stdout


def test_a_run_is_whole_although_all_streams_are_closed(run: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    options = "--data mini --limit 1 --judge offline --no-preflight"
    result = shell(f"jasco eval python/my_model:answer {options} --run {new} <&- >&- 2>&-", run)
    assert result.returncode == 0
    assert json.loads(shell(f"jasco score {new} --json", run).stdout)["models"]


@pytest.mark.parametrize("encoding", ["ascii"])
def test_an_encoding_may_lack_our_characters(run: Path, encoding: str) -> None:
    for command in ("score run", "models"):
        result = shell(f"jasco {command}", run, PYTHONIOENCODING=encoding)
        assert result.returncode == 0, result.stderr
    in_utf8, in_encoding = (
        shell("jasco report run --format json", run, PYTHONIOENCODING=name).stdout
        for name in ("utf-8", encoding)
    )
    assert json.loads(in_encoding) == json.loads(in_utf8)
