"""Runs as objects: answering and judging in steps, names, tags, and lists of runs."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import jasco
from audible import answer
from command import Jasco
from jasco.data.csv_files import write_table
from jasco.runs.writer import RunWriter


def test_answering_and_judging_are_separate_steps(data: Path, tmp_path: Path) -> None:
    run = jasco.respond(
        answer, data=data, run=tmp_path / "run", tags={"step": 1000}, preflight=False
    )
    assert (run.answered, run.items, run.coverage, run.state) == (32, 32, None, "incomplete")
    assert run.tags == {"step": 1000}
    scores = jasco.judge(run.folder, judges="offline")
    assert scores.complete
    assert scores.tags == {"step": 1000}
    again = jasco.open_run(str(run.folder))
    assert again.complete
    assert again.coverage == 1
    assert again.judges == ("offline",)
    assert again.scores() == scores == jasco.score(run.folder)
    assert len(again.items_to_pandas()) == 32
    assert again.show("0", 1)["model"]["reply"]["text"].startswith("A tone")


def test_answers_of_a_file_are_judged_into_another(data: Path, tmp_path: Path) -> None:
    template, judged = tmp_path / "answers.csv", tmp_path / "judged.csv"
    jasco.write_template(data, template)
    with pytest.raises(jasco.InputError, match=r"output=JUDGED\.csv"):
        jasco.judge(template, judges=["offline"])
    scores = jasco.judge(template, judges=["offline"], output=judged)
    assert scores.coverage == 0
    assert judged.is_file()


def test_what_is_forgotten_is_asked_again(data: Path, tmp_path: Path) -> None:
    settings = {"data": data, "judges": ["offline"], "run": tmp_path / "run", "preflight": False}
    jasco.evaluate(answer, **settings)  # type: ignore[arg-type]
    run = jasco.open_run(tmp_path / "run")
    forgotten = run.forget(clips=["0"])
    assert forgotten.answers == 8
    assert jasco.open_run(run.folder).answered == 24
    assert jasco.evaluate(answer, **settings).complete  # type: ignore[arg-type]


def test_a_name_is_shown_in_every_table_and_may_change(
    data: Path, tmp_path: Path, jasco: Jasco
) -> None:
    run = tmp_path / "run"
    begin = ["eval", "python/audible:answer", "--data", data, "--judge", "offline", "--run", run]
    for name in ("First Try", "Tones"):
        result = jasco(*begin, "--name", name, "--tag", "step=1", "--tag", f"by={name}")
        assert result.status == 0, result.stderr
        assert name in result.stdout
    figures = json.loads(jasco("score", run, "--json").stdout)["models"]["Tones"]
    assert figures["model"] == "python/audible:answer"
    assert figures["tags"] == {"step": 1, "by": "Tones"}
    for form in ("markdown", "latex", "csv"):
        assert "Tones" in jasco("report", run, "--format", form).stdout
    assert "tag_step" in jasco("report", run, "--format", "csv").stdout
    assert jasco(*begin, "--tag", "step").status == 2


def test_runs_in_a_folder_are_listed(data: Path, tmp_path: Path, jasco: Jasco) -> None:
    import jasco as package

    folder = tmp_path / "runs"
    package.evaluate(answer, data=data, judges=["offline"], run=folder / "a" / "done", name="Done")
    package.respond(answer, data=data, run=folder / "begun", limit=1, preflight=False)
    (folder / "broken").mkdir()
    (folder / "broken" / "run.db").write_text("no database")
    with RunWriter.open(folder / "empty"):
        runs = {run.folder.name: run for run in package.list_runs(folder)}
    assert list(runs) == ["done", "begun", "broken", "empty"]
    states = [run.state for run in runs.values()]
    assert states == ["complete", "incomplete", "unreadable", "empty"]
    assert runs["done"].name == "Done"
    assert runs["broken"].problem
    with pytest.raises(package.InputError):
        package.open_run(folder / "broken")
    with pytest.raises(package.InputError, match="no such folder"):
        package.list_runs(tmp_path / "missing")
    listed = jasco("runs", folder)
    assert listed.status == 0
    assert "Done" in listed.stdout
    assert "100.0%" in listed.stdout
    summaries = json.loads(jasco("runs", folder, "--json").stdout)["runs"]
    assert [summary["state"] for summary in summaries] == states
    assert summaries[0]["data"] == "synthetic"


def test_a_run_that_is_being_written_is_running(data: Path, tmp_path: Path) -> None:
    states = []

    def watching(audio: object, sampling_rate: int, prompt: str) -> str:
        states.append(jasco.open_run(tmp_path / "run").state)
        return prompt

    jasco.respond(watching, data=data, run=tmp_path / "run", name="w", limit=1, preflight=False)
    assert set(states) == {"running"}
    assert jasco.open_run(tmp_path / "run").state == "incomplete"


def test_a_refused_attempt_leaves_an_empty_run(data: Path, tmp_path: Path) -> None:
    def nothing(audio: object, sampling_rate: int, prompt: str) -> None: ...

    with pytest.raises(jasco.RunConflictError, match="NoneType, not str") as error:
        jasco.respond(nothing, data=data, run=tmp_path / "run", name="nothing")
    assert not getattr(error.value, "__notes__", [])
    assert jasco.open_run(tmp_path / "run").state == "empty"


def test_probes_that_fail_are_reported(data: Path, tmp_path: Path, caplog: Any) -> None:
    def hears(audio: Any, sampling_rate: int, prompt: str) -> str:
        if not audio.any():
            raise ValueError("silence")
        return answer(audio, sampling_rate, prompt)

    with caplog.at_level("INFO", logger="jasco"):
        jasco.respond(hears, data=data, run=tmp_path / "run", name="hears")
    [line] = [text for text in caplog.messages if "3 of 12 probes" in text]
    assert "ValueError: silence" in line


def test_a_changed_answer_in_a_file_needs_another_output(data: Path, tmp_path: Path) -> None:
    template, judged = tmp_path / "answers.csv", tmp_path / "judged.csv"
    jasco.write_template(data, template)
    with template.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for text in ("They flee.", "They stay."):
        rows[0]["allm_output"] = text
        write_table(template, list(rows[0]), rows)
        if text == "They flee.":
            jasco.judge(template, judges=["offline"], output=judged)
    with pytest.raises(jasco.RunConflictError, match=r"use a different output=, or delete .*run"):
        jasco.judge(template, judges=["offline"], output=judged)
    with pytest.raises(jasco.InputError, match="overwrite the input"):
        jasco.judge(template, judges=["offline"], output=template)
