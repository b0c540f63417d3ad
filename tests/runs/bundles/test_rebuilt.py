"""The results of a bundle are those of its run."""

from dataclasses import replace
from pathlib import Path

import pytest

from divided_runs import write_shards
from jasco.human.listening_study import run_folder
from jasco.protocol.responses import Response
from jasco.protocol.verdicts import Attempt, Judgement, Orientation, Verdict
from jasco.reports.report import summarise
from jasco.runs.bundles.export import bundled
from jasco.runs.bundles.rebuilt import results_of_bundle
from jasco.runs.read_run import results_of_run
from jasco.runs.schema import response_row, verdict_row
from jasco.runs.writer import RunWriter
from made_bundles import small_data, small_run
from rows_of_runs import DATA, spec


def scores_of(run: Path) -> tuple[dict, dict]:
    """Return the scores of a run, and those of its bundle."""
    own, bundle = (
        summarise([results]).to_json()
        for results in (results_of_run(run), results_of_bundle(bundled(run)))
    )
    return own, bundle


def test_the_figures_are_those_of_the_run(tmp_path: Path) -> None:
    own, bundle = scores_of(small_run(tmp_path / "run", small_data(tmp_path / "data")))
    # A failure's message contained an address.
    for model in (own, bundle):
        for judge in model["models"]["csv/model"]["judges"].values():
            judge["reasons"] = []
    assert bundle == own
    assert bundle["models"]["csv/model"]["best_mean"] is not None


def test_the_figures_of_a_divided_run_are_those_of_the_run(tmp_path: Path) -> None:
    own, bundle = scores_of(write_shards(tmp_path / "run"))
    for scores in (own, bundle):
        del scores["models"]["p/m"]["spent"]  # in a bundle, computed from its rows
    assert bundle == own


def test_samples_and_repeated_verdicts_are_kept(tmp_path: Path) -> None:
    with RunWriter.open(tmp_path) as run:
        run.set_data(DATA)
        run.set_protocol("v2")
        model, [judge] = run.set_model(spec("m")), run.add_judges([spec("j")])
        run.widen(3, 2)
        rows = []
        for clip, number, sample in (
            (c, n, s) for c in range(3) for n in range(1, 9) for s in (0, 1)
        ):
            rows.append(response_row(model, clip, number, Response("a"), 0, sample=sample))
            for repeat in (0, 1) if clip == 0 else (0,):
                rating = (clip + number + repeat) % 3
                text = Attempt("verdict", f"Rating: {rating}\nOrientation: Both")
                outcome = Judgement(Verdict(rating, Orientation.BOTH), (text,))
                rows.append(
                    verdict_row(model, judge, "v2", repeat, clip, number, outcome, 0, sample=sample)
                )
        run.commit(rows)
    own, bundle = scores_of(tmp_path)
    assert bundle == own
    model_scores = bundle["models"]["p/m"]
    assert model_scores["samples"] == 2
    assert model_scores["judges"]["p/j"]["agreement_with_itself"] is not None


def test_a_participant_has_one_item_per_clip(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, "ann")
    identity = {"provider": "human", "name": "ann"}
    with RunWriter.open(folder) as run:
        run.set_data(DATA)
        model = run.set_model(replace(spec("ann"), identity=identity, label="human/ann"))
        run.widen(3)
        run.commit([response_row(model, clip, clip + 1, Response("a"), None) for clip in range(3)])
    own, bundle = scores_of(folder)
    assert bundle == own
    assert bundle["data"]["items"] == 3


def test_the_exams_of_this_user_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small_run(tmp_path / "run", small_data(tmp_path / "data"))
    exam = {"served": [], "known_answers": {}}
    monkeypatch.setattr("jasco.runs.part_facts.find_exam", lambda *_: exam)
    assert results_of_run(run).judges["openai/j"].exam == exam
    assert results_of_bundle(bundled(run)).judges["openai/j"].exam is None
