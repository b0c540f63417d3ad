"""The commands ``bundle``, ``verify`` and ``leaderboard``: outputs and exit statuses."""

import hashlib
import json
from pathlib import Path

import pytest

from jasco.cli.main import main
from made_bundles import small_bundle, with_rows


@pytest.fixture
def bundle(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Write the bundle of a run with the command; check what it prints."""
    path = tmp_path / "b.zip"
    assert main(["bundle", str(run), "-o", str(path)]) == 0
    digest, name = capsys.readouterr().out.split()
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert name == str(path)
    return path


def test_a_bundle_is_verified(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(bundle), "--data", "mini"]) == 0
    assert "consistent: " in capsys.readouterr().out
    assert main(["verify", str(bundle), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["consistent"], found["differences"]) == (1, True, [])
    assert (found["answers"], found["verdicts"], found["complete"]) == (8, 8, True)


def test_a_forged_bundle_ends_with_status_2(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = with_rows(bundle, "verdicts.jsonl", lambda rows: rows[0].update(rating=2))
    assert main(["verify", str(forged), "--json"]) == 2
    output = capsys.readouterr()
    [difference] = json.loads(output.out)["differences"]
    assert (difference["member"], difference["instruction"]) == ("verdicts.jsonl", 1)
    [line] = output.err.splitlines()
    assert "forged.zip: not consistent: 1 difference" in line
    assert main(["verify", str(forged)]) == 2
    assert "NOT CONSISTENT" in capsys.readouterr().out


def test_what_is_not_a_bundle_is_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["verify", str(run)],
        ["bundle", str(run), "-o", "x.tar"],
        ["bundle", "none"],
    ):
        assert main(arguments) == 2
        output = capsys.readouterr()
        assert output.out == ""
        assert len(output.err.splitlines()) == 1


def test_an_incomplete_run_is_bundled_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(small_bundle(tmp_path))]) == 0
    assert "incomplete run" in capsys.readouterr().out


def test_a_leaderboard_is_printed_or_written(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaderboard", str(bundle)]) == 0
    assert capsys.readouterr().out.startswith("# JASCO leaderboard")
    pytest.importorskip("jinja2", reason="needs the extra viewer")
    assert main(["leaderboard", str(bundle), "-o", str(tmp_path / "page.html")]) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
