"""The commands and examples of the documentation work."""

import functools
import re
import shlex
import sqlite3
from pathlib import Path

import click
import pytest

import jasco
from command import Jasco
from jasco.backends.specs import open_spec, parse_spec
from jasco.cli.main import main
from jasco.judges.panel import open_judges
from jasco.runs.reader import RunReader
from jasco.runs.writer import RunWriter
from places import ROOT


def code_blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


COMMANDS = [
    line.partition(" ")[2]
    for document in ("README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
    for block in [*code_blocks(document, "console"), *code_blocks(document, "bash")]
    for line in block.splitlines()
    if re.match(r"(\$|srun) (\.venv/bin/)?jasco ", line)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_the_documents_is_one_that_jasco_takes(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts: list[click.Context] = []
    monkeypatch.setattr(click.Command, "invoke", lambda self, context: contexts.append(context))
    _, *arguments = shlex.split(command)
    assert main(arguments) == 0
    options = contexts[-1].params
    if model := options.get("model"):
        open_spec("model", model)
    judges = options.get("judges") or options.get("judge") or ()
    for judge in [judges] if isinstance(judges, str) else judges:
        if "api_key_env" not in judge:
            open_judges(judge)


@pytest.mark.parametrize("query", code_blocks("docs/run-store.md", "sql"))
def test_every_query_in_the_documents_fits_the_schema(query: str, tmp_path: Path) -> None:
    RunWriter.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "run.db") as connection:
        connection.execute(query).fetchall()


def test_the_example_provider_of_the_documents_is_a_model(tmp_path: Path, monkeypatch) -> None:
    (source,) = (block for block in code_blocks("docs/providers.md", "python"))
    names: dict = {}
    exec(compile(source, "providers.md", "exec"), names)  # from this repository

    spec = parse_spec("whisperer/soft,volume=2", names["Whisperer"])
    assert names["Whisperer"](spec).spec.label == "whisperer/soft,volume=2"


def test_the_documents_name_no_file_that_is_not_there() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8")):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_the_function_of_the_readme_uses_the_audio(
    jasco: Jasco, data: Path, tmp_path: Path
) -> None:
    source, *_ = code_blocks("README.md", "python")
    (tmp_path / "my_model.py").write_text(source)
    model = f"python/{tmp_path / 'my_model.py'}:answer"
    result = jasco("respond", model, "--data", data, "--run", tmp_path / "run")
    assert result.status == 0, result


def test_the_example_from_python_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source, *_ = code_blocks("docs/python.md", "python")
    names: dict = {}
    exec(compile(source, "python.md", "exec"), names)  # from this repository
    assert names["evaluation"].complete
    assert (tmp_path / "runs" / "loudness" / "run.db").exists()


@pytest.mark.slow
def test_a_checkpoint_is_evaluated_every_so_many_steps_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="needs the extra transformers")
    transformers = pytest.importorskip("transformers", reason="needs the extra transformers")
    import tiny_models

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jasco, "evaluate", functools.partial(jasco.evaluate, limit=2))
    folder = tiny_models.qwen2_audio(tmp_path / "model")
    processor = transformers.AutoProcessor.from_pretrained(folder)
    model = transformers.Qwen2AudioForConditionalGeneration.from_pretrained(folder)
    model.train()

    names: dict = {}
    for source in code_blocks("docs/python.md", "python")[1:]:
        exec(compile(source, "python.md", "exec"), names)  # from this repository
    callback = names["JascoCallback"](processor, every=2)
    state = transformers.TrainerState()
    for state.global_step in (1, 2, 3, 4):
        callback.on_step_end(None, state, None, model=model)
        assert model.training
    assert [entry["step"] for entry in state.log_history] == [2, 4]
    assert all(entry["jasco/coverage"] == 1 for entry in state.log_history)
    with RunReader.open(tmp_path / "runs" / "step-4") as store:
        assert store.models()[0][1] == "python/step-4"
