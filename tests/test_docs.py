"""What the documents tell people to type works."""

import re
import shlex
import sqlite3
from pathlib import Path

import pytest

from jasco.cli import _parser
from jasco.evaluation.store import Store
from jasco.judges.panel import open_judges

ROOT = Path(__file__).parents[1]


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


COMMANDS = [
    line.partition(" ")[2]
    for document in ("README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
    for block in [*blocks(document, "console"), *blocks(document, "bash")]
    for line in block.splitlines()
    if re.match(r"(\$|srun) (\.venv/bin/)?jasco ", line)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_the_documents_is_one_that_jasco_takes(command: str) -> None:
    _, *arguments = shlex.split(command)
    options = _parser().parse_args(arguments)
    judges = getattr(options, "judge", None) or []
    for judge in [judges] if isinstance(judges, str) else judges:
        if "api_key_env" not in judge:
            open_judges(judge)


@pytest.mark.parametrize("query", blocks("docs/run-store.md", "sql"))
def test_every_query_in_the_documents_fits_the_schema(query: str, tmp_path: Path) -> None:
    Store.to_write(tmp_path).close()
    with sqlite3.connect(tmp_path / "run.db") as connection:
        connection.execute(query).fetchall()


def test_the_example_provider_of_the_documents_is_a_model(tmp_path: Path, monkeypatch) -> None:
    (source,) = (block for block in blocks("docs/providers.md", "python"))
    names: dict = {}
    exec(compile(source, "providers.md", "exec"), names)  # our own document

    from jasco.providers.specs import parse_spec

    spec = parse_spec("whisperer/soft,volume=2", names["Whisperer"])
    assert names["Whisperer"](spec).spec.label == "whisperer/soft,volume=2"


def test_the_documents_name_no_file_that_is_not_there() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8")):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"
