"""The main figures of runs in the list."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra viewer")

from jasco.metrics.bootstrap import Estimate
from jasco.viewer import run_scores
from jasco.viewer.run_scores import RunScore, RunScores, score_of
from processes import wait_until
from runs import verdict

MakeRun = Callable[..., Path]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_scores, "_PAUSE", 0.0)


def test_scores_are_computed_in_the_background_and_again_when_a_run_grows(
    make_run: MakeRun,
) -> None:
    run = make_run("a", answer=lambda clip, _: "said" if clip < 2 else None)
    scores = RunScores(print)
    scores.renew({run: "first"})
    wait_until(lambda: scores.of(run) is not None)
    found = scores.of(run)
    assert found
    assert found.estimate
    assert (found.figure, found.estimate.value) == ("best-mean", 2.0)
    make_run("a", judges={"kind": lambda clip, _: verdict(2 if clip < 2 else 0, "Both")})
    scores.renew({run: "second"})
    wait_until(lambda: scores.of(run) != found)
    scores.renew({})
    assert scores.of(run) is None


def test_runs_without_verdicts_or_that_cannot_be_read_have_no_score(
    make_run: MakeRun, tmp_path: Path
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.db").write_text("no database" * 500)
    for folder in (make_run("a", judges={}), tmp_path / "broken", tmp_path / "none"):
        assert (score_of(folder).figure, score_of(folder).estimate) == ("", None)


def test_an_error_in_one_run_affects_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {Path(name): "stamp" for name in "abc"}
    scored: list[Path] = []

    def score(folder: Path) -> RunScore:
        scored.append(folder)
        if folder == Path("a"):
            raise ZeroDivisionError("division by\nzero")
        return RunScore("mean", Estimate(1.0), proxy=False)

    monkeypatch.setattr(run_scores, "score_of", score)
    messages: list[str] = []
    scores = RunScores(messages.append)
    scores.renew(runs)
    wait_until(lambda: all(map(scores.of, runs)))
    scores.renew(runs)
    assert messages == ["a: cannot compute its score: division by zero"]
    assert [getattr(scores.of(run), "estimate", None) for run in runs] == [
        None, Estimate(1.0), Estimate(1.0),
    ]  # fmt: skip
    assert scored == list(runs)  # once each
