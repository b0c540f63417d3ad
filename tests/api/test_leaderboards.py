"""Leaderboards over bundles and runs."""

from pathlib import Path

import pytest

import jasco
from made_bundles import small_bundle, small_data, small_run, with_object


@pytest.fixture
def targets(tmp_path: Path) -> list[Path]:
    """Write a bundle and a run of different models on the same data."""
    bundle = small_bundle(tmp_path)
    run = small_run(tmp_path / "other", small_data(tmp_path / "data2"), "other", rating=2)
    return [bundle, run]


def test_bundles_and_runs_are_ranked_together(targets: list[Path], tmp_path: Path) -> None:
    text = jasco.leaderboard(targets)
    assert "Not comparable" not in text, text
    assert text.count("\n## JASCO on") == 1
    assert "`csv/model`" in text
    assert "`csv/other`" in text
    assert jasco.verify(targets[0]).sha256 in text
    page = tmp_path / "page.html"
    assert jasco.leaderboard(targets, page) == ""
    assert "csv/other" in page.read_text()
    assert jasco.leaderboard(targets, tmp_path / "board.md") == ""
    assert (tmp_path / "board.md").read_text() == text


def test_a_bundle_that_fails_is_not_listed(
    targets: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "jasco")
    forged = with_object(
        targets[0], "scores.json", lambda scores: scores["models"]["csv/model"].update(mean=2)
    )
    broken = forged.with_name("broken.zip")
    broken.write_bytes(b"PK")
    text = jasco.leaderboard([forged, broken, targets[1]])
    assert "csv/model`" not in text
    lines = [line for line in caplog.messages if "not listed" in line]
    assert len(lines) == 2
    assert "forged.zip: not listed: not consistent: 1 difference" in lines[0]
    assert "forged.zip: not consistent" in text.replace("\\", "")
    with pytest.raises(jasco.InputError, match="nothing can be listed"):
        jasco.leaderboard([forged, broken])


def test_the_same_result_cannot_be_listed_twice(targets: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy.zip"
    copy.write_bytes(targets[0].read_bytes())
    for twice in ([targets[0], copy], [targets[1], targets[1]]):
        with pytest.raises(jasco.InputError, match="give it once"):
            jasco.leaderboard(twice)


def test_wrong_targets_and_outputs_are_refused(targets: list[Path], tmp_path: Path) -> None:
    table = tmp_path / "judged.csv"
    table.write_text("a,b\n")
    for arguments, problem in (
        (([tmp_path / "none.zip"],), "no such bundle"),
        (([table],), "nothing can be listed"),
        ((targets, tmp_path / "page.txt"), "extension"),
        ((targets, targets[0]), "overwrite"),
        ((targets, None, "pdf"), "format"),
    ):
        with pytest.raises((jasco.InputError, TypeError), match=problem):
            if len(arguments) == 3:
                jasco.leaderboard(targets, format="pdf")  # type: ignore[arg-type]
            jasco.leaderboard(*arguments[:2])
