"""A model or judge that has changed since a run began is refused."""

import csv
from pathlib import Path
from typing import Any

import pytest

import jasco as package
from chat_server import Serve
from command import Jasco
from jasco.backends.specs import open_spec
from jasco.data.csv_files import read_table, write_table
from jasco.errors import RunConflictError
from jasco.runs.read_run import judged_items_of_run
from runs import verdict
from synthetic import make_data

AUDIO_MODEL = """
import hashlib

def answer(audio, sampling_rate, prompt):
    return {extra!r} + hashlib.sha256(audio.tobytes() + prompt.encode()).hexdigest()
"""


def respond(jasco: Jasco, model: str, tmp_path: Path, *more: object) -> Any:
    """Run ``respond`` on the data set of the fixture ``data``."""
    return jasco(
        "respond", model, "--data", tmp_path / "synthetic", "--run", tmp_path / "run", *more
    )


def test_an_edited_function_is_refused(jasco: Jasco, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(AUDIO_MODEL.format(extra=""))
    assert respond(jasco, f"python/{path}:answer", tmp_path, "--limit", 2).status == 0
    path.write_text(AUDIO_MODEL.format(extra="x"))
    for more in ([], ["--limit", 2]):  # whether there is anything left to answer or not
        result = respond(jasco, f"python/{path}:answer", tmp_path, *more)
        assert result.status == 3
        assert "has changed" in result.stderr
    path.write_text(AUDIO_MODEL.format(extra=""))
    assert respond(jasco, f"python/{path}:answer", tmp_path).status == 0


def test_an_edited_function_is_accepted_if_the_run_has_no_answers(
    jasco: Jasco, data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def answer(audio, sampling_rate, prompt):\n    return 'always this'\n")
    assert respond(jasco, f"python/{path}:answer", tmp_path).status == 3  # it ignores the audio
    path.write_text(AUDIO_MODEL.format(extra=""))
    assert respond(jasco, f"python/{path}:answer", tmp_path).status == 0


def test_a_function_that_is_redefined_is_refused(data: Path, tmp_path: Path) -> None:
    def define(extra: str) -> Any:
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(AUDIO_MODEL.format(extra=extra), names)
        return names["answer"]

    options: dict[str, Any] = {"data": data, "judges": ["offline"], "run": tmp_path / "run"}
    package.evaluate(define(""), name="mine", **options)
    package.evaluate(define(""), name="mine", **options)
    with pytest.raises(RunConflictError, match="has changed"):
        package.evaluate(define("x"), name="mine", **options)


def test_a_workers_program_that_changed_is_refused(
    jasco: Jasco, data: Path, tmp_path: Path
) -> None:
    from jasco.backends.specs import parse_spec
    from jasco.models.worker import Worker

    path = tmp_path / "worker.py"
    path.write_text("print(1)")
    worker = Worker(parse_spec(f"worker/python {path} --log {tmp_path / 'log'}", Worker))
    before = worker.fingerprint()
    (tmp_path / "log").touch()  # an output file is not part of it
    assert worker.fingerprint() == before
    path.write_text("print(2)")
    assert worker.fingerprint() != before


@pytest.mark.parametrize("change", ["text", "cell", "row gone"])
def test_an_edited_file_of_verdicts_is_refused(
    change: str, jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "synthetic", 2)
    run, path = tmp_path / "run", tmp_path / "judged.csv"
    options = ["--data", data, "--run", run]
    jasco("respond", f"openai/ears,base_url={serve().url}", *options)
    template = tmp_path / "answers.csv"
    jasco("data", "template", data, "-o", template)
    answers = answers_of_run(run)
    table = read_table(template)
    rows: list[dict[str, object]] = [
        {**row, "allm_output": answers[n], "judge_output": verdict(2, "Both")}
        if n
        else {**row, "allm_output": answers[n], "judge_output": "Rating: 2", "orientation": "Both"}
        for n, row in enumerate(table.rows)
    ]
    columns = [*table.columns, "judge_output", "orientation"]

    def write() -> None:
        write_table(path, columns, [{"orientation": "", **row} for row in rows])

    write()
    assert jasco("judge", run, "--judge", f"csv/{path}").status == 0
    assert jasco("judge", run, "--judge", f"csv/{path}").status == 0
    if change == "text":
        rows[3]["judge_output"] = verdict(0, "Neither")
    elif change == "cell":
        rows[0]["orientation"] = "Neither"
    else:
        del rows[3]
    write()
    result = jasco("judge", run, "--judge", f"csv/{path}")
    assert result.status == 3
    assert "the verdict in the run differs" in result.stderr


def answers_of_run(run: Path) -> list[str]:
    """Return the answers of a run in the order of the items."""
    return list(judged_items_of_run(run).answers.values())


def test_a_file_of_verdicts_may_grow(jasco: Jasco, serve: Serve, tmp_path: Path) -> None:
    data = make_data(tmp_path / "synthetic", 2)
    run, path = tmp_path / "run", tmp_path / "judged.csv"
    jasco("respond", f"openai/ears,base_url={serve().url}", "--data", data, "--run", run)
    jasco("data", "template", data, "-o", path)
    answers = answers_of_run(run)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [*rows[0], "judge_output"]
    judged: list[dict[str, object]] = [
        {**row, "allm_output": answers[n], "judge_output": verdict(1, "Both")}
        for n, row in enumerate(rows)
    ]
    write_table(path, columns, judged[:9])
    assert jasco("judge", run, "--judge", f"csv/{path}").status == 4
    write_table(path, columns, judged)
    assert jasco("judge", run, "--judge", f"csv/{path}").status == 0


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("model", "hf/{folder}"),
        ("model", "vllm/{folder}"),
        ("model", "salmonn/{folder}"),
        ("model", "ltu-as/{folder}"),
        ("model", "wavllm/{folder}"),
        ("judge", "vllm/{folder}"),
    ],
)
def test_the_fingerprint_of_a_checkpoint_covers_its_files(
    kind: Any, spec: str, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    provider = open_spec(kind, spec.format(folder=folder))
    before = provider.fingerprint()
    assert before == provider.fingerprint() != ""
    (folder / "model.safetensors").write_bytes(b"weightz")
    assert provider.fingerprint() != before


def test_the_fingerprint_of_a_module_covers_its_file(
    jasco: Jasco, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_alone.py").write_text("raise RuntimeError('not to be imported')")
    function = open_spec("model", "python/mine_alone:answer")
    before = function.fingerprint()
    assert before
    (tmp_path / "mine_alone.py").write_text("")
    assert function.fingerprint() != before
    assert open_spec("model", "python/no_such_module:answer").fingerprint() == ""
