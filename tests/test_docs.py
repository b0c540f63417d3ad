"""The commands and examples of the documentation work, and its links lead somewhere."""

import functools
import json
import re
import shlex
import sqlite3
from pathlib import Path
from typing import Any

import click
import pytest

import jasco
from command import Jasco
from jasco.backends.specs import open_spec, parse_spec
from jasco.cli.main import main
from jasco.evaluation.distributed.executors import open_executor
from jasco.evaluation.distributed.sweep_plan import OPTION_KEYS, PLAN_KEYS, read_plan
from jasco.judges.panel import open_judges
from jasco.reports.report import ModelReport
from jasco.runs.reader import RunReader
from jasco.runs.results import AnswerLabels
from jasco.runs.writer import RunWriter
from made_bundles import members_of, small_bundle, with_rows
from made_results import results
from matrices import random_matrix
from places import ROOT

NOTEBOOKS = [*(ROOT / "docs").glob("*.ipynb")]
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *NOTEBOOKS]


def text_of(page: Path) -> str:
    """Return the text of a page; of a notebook, that of its Markdown cells."""
    text = page.read_text("utf-8")
    if page not in NOTEBOOKS:
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def code_blocks(document: str, language: str) -> list[str]:
    """Return the code blocks of a page, without those about what is still to come."""
    text = text_of(ROOT / document)
    return re.findall(rf"(?<!<!-- api -->\n)```{language}\n(.*?)```", text, re.DOTALL)


def commands_of(page: Path) -> list[str]:
    document = str(page.relative_to(ROOT))
    return [
        re.sub(r"^(\$|srun) ", "", line)
        for block in [*code_blocks(document, "console"), *code_blocks(document, "bash")]
        for line in block.splitlines()
        if re.match(r"(\$|srun) jasco ", line)
    ]


@pytest.mark.parametrize(
    "command", dict.fromkeys(command for page in PAGES for command in commands_of(page))
)
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


def test_the_example_plug_in_is_a_model() -> None:
    names: dict = {}
    for source in code_blocks("docs/plugins.md", "python"):
        exec(compile(source, "plugins.md", "exec"), names)  # from this repository

    spec = parse_spec("whisperer/soft,volume=2", names["Whisperer"])
    assert names["Whisperer"](spec).spec.label == "whisperer/soft,volume=2"


@pytest.mark.parametrize(
    ("name", "library"), [("local", ""), ("slurm", "submitit"), ("ray", "ray")]
)
def test_the_options_of_an_executor_are_documented_with_their_help(name: str, library: str) -> None:
    if library:
        pytest.importorskip(library)
    section = text_of(ROOT / "docs" / "scaling.md").partition(f"\n### {name}\n")[2]
    rows = re.findall(r"^\| (\S+) \| (.+) \|$", section.partition("\n#")[0], re.MULTILINE)
    documented = dict(rows[2:])  # without the header and the line below it
    options = {
        option.name + ".KEY" * option.family: option.help for option in open_executor(name).OPTIONS
    }
    assert documented.keys() == options.keys()
    for key, text in options.items():
        assert documented[key].startswith(text)  # a default may follow


def test_every_file_that_a_page_includes_exists() -> None:
    for page in PAGES:
        for name in re.findall(r"^```{literalinclude} (\S+)$", text_of(page), re.MULTILINE):
            assert (page.parent / name).is_file(), name


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site name them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s:]+)\)", text_of(page)):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_contains_a_merge_conflict(page: Path) -> None:
    assert not re.search("^(<<<<<<<|=======|>>>>>>>)", page.read_text(), re.MULTILINE)


def test_every_page_is_in_the_table_of_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    listed = [
        entry.rpartition("<")[2].rstrip(">")
        for block in re.findall(r"```{toctree}\n(.*?)```", index, re.DOTALL)
        for entry in block.split("\n\n")[-1].splitlines()
    ]
    pages = {page.stem for page in PAGES if page.parent.name == "docs"} - {"index"}
    assert sorted(listed) == sorted(pages)


def test_the_api_reference_lists_every_public_name_once() -> None:
    text = (ROOT / "docs" / "api.md").read_text("utf-8")
    listed = re.findall(r"^\.\. auto(?:function|class|exception):: (\w+)$", text, re.MULTILINE)
    assert sorted(listed) == sorted(set(jasco.__all__) - {"__version__"})


def names_in(value: Any) -> set[str]:
    """Return the names of the fields of an object and of those within it."""
    if isinstance(value, list):
        return set().union(*map(names_in, value))
    if not isinstance(value, dict):
        return set()
    by_label = {"prices", "providers", "versions", "failed", "credited", "runtime"}
    below = (names_in(part) for name, part in value.items() if name not in by_label)
    return set(value).union(*below)


def test_every_field_of_the_json_is_documented(jasco: Jasco, data: Path, tmp_path: Path) -> None:
    (tmp_path / "my_model.py").write_text(code_blocks("README.md", "python")[0])
    for run in ("a", "b"):
        model = f"python/{tmp_path / 'my_model.py'}:answer"
        options = ("--data", data, "--run", tmp_path / run)
        assert jasco("eval", model, "--judge", "offline", *options).status == 0
    compared = json.loads(jasco("compare", tmp_path / "a", tmp_path / "b", "--json").stdout)
    exam = json.loads(jasco("exam", "offline", "--data", data, "--json").stdout)
    [model, *_] = compared["models"].values()
    [judge] = model.pop("judges").values()
    preflight = model["answers"].pop("preflight")
    documented = set(re.findall(r"`(\w+)`", text_of(ROOT / "docs" / "output.md")))
    for part in (compared | {"models": [model]}, judge, exam):
        names = {name.removesuffix("_ci") for name in names_in(part)}
        assert names <= documented, names - documented
    in_run = set(re.findall(r"`(\w+)`", text_of(ROOT / "docs" / "run-store.md")))
    assert set(preflight) <= in_run


def test_every_field_of_corrected_figures_is_documented() -> None:
    labels = AnswerLabels(random_matrix(2).gated()[None].astype(float), 320, 320, "a" * 64)
    model = ModelReport.of(results("model", random_matrix(1), labels=labels)).to_json()
    fields = names_in({name: model[name] for name in ("labels", "corrected")})
    documented = set(re.findall(r"`(\w+)`", text_of(ROOT / "docs" / "output.md")))
    assert {name.removesuffix("_ci") for name in fields} <= documented


def test_every_field_of_the_json_of_a_sweep_is_documented(jasco: Jasco, tmp_path: Path) -> None:
    for step in (1, 2):
        (tmp_path / f"step-{step}").mkdir()
        (tmp_path / f"step-{step}" / "m.py").write_text(code_blocks("README.md", "python")[0])
    (tmp_path / "plan.toml").write_text(
        'run_root = "runs"\njudges = ["offline"]\ndata = [{data = "mini", limit = 2}]\n'
        'models = [{spec = "python/{checkpoint}/m.py:answer", checkpoints = "step-*"}]\n'
        "settle = 0\n"
    )
    result = json.loads(jasco("sweep", tmp_path / "plan.toml", "--json").stdout)
    assert result.pop("scores")["models"]
    assert len(result["curves"][0]["points"]) == 2
    text = text_of(ROOT / "docs" / "output.md").partition("## A sweep")[2].partition("## CSV")[0]
    names = {name.removesuffix("_ci") for name in names_in(result)}
    assert names <= set(re.findall(r"`(\w+)`", text))


def test_the_plan_of_a_sweep_in_the_documents_is_valid(tmp_path: Path) -> None:
    [plan] = code_blocks("docs/sweeps.md", "toml")
    (tmp_path / "plan.toml").write_text(plan)
    opened = read_plan(tmp_path / "plan.toml")
    assert len(opened.models) == 2
    text = text_of(ROOT / "docs" / "sweeps.md")
    assert {*PLAN_KEYS, *OPTION_KEYS} <= set(re.findall(r"`(\w+)`", text))


def test_the_function_of_the_readme_uses_the_audio(
    jasco: Jasco, data: Path, tmp_path: Path
) -> None:
    source, *_ = code_blocks("README.md", "python")
    (tmp_path / "my_model.py").write_text(source)
    model = f"python/{tmp_path / 'my_model.py'}:answer"
    result = jasco("respond", model, "--data", data, "--run", tmp_path / "run")
    assert result.status == 0, result


def test_the_examples_from_python_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code_blocks("README.md", "python")[0], "README.md", "exec"), names)
    jasco.evaluate(names["answer"], data="mini", judges=["offline"], run="runs/function", name="f")
    for source in code_blocks("docs/python.md", "python"):
        exec(compile(source, "python.md", "exec"), names)  # from this repository
    assert names["scores"].complete
    assert (tmp_path / "runs" / "loudness" / "run.db").exists()


def test_the_readme_works_as_pasted(
    jasco: Jasco, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs no server and no weights is run in order; a function replaces the cascade."""
    monkeypatch.chdir(tmp_path)
    function, call = code_blocks("README.md", "python")
    (tmp_path / "my_model.py").write_text(function)
    names = ("jasco eval cascade", "jasco report runs/first", "jasco eval python")
    commands = [line for line in commands_of(ROOT / "README.md") if line.startswith(names)]
    assert len(commands) == len(names)
    for command in commands:
        result = jasco(*shlex.split(command.replace("cascade", "python/my_model:answer"))[1:])
        assert result.status == 0, result
    assert (tmp_path / "first.html").exists()
    monkeypatch.syspath_prepend(tmp_path)
    exec(compile(call, "README.md", "exec"), {})  # from this repository


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
    for source in code_blocks("docs/training.md", "python"):
        exec(compile(source, "training.md", "exec"), names)  # from this repository
    logged = {}
    for step in (999, 1000):
        names["after_step"](
            model, processor, step, lambda figures, at: logged.update({at: figures})
        )
        assert model.training
    assert [(step, figures["jasco/coverage"]) for step, figures in logged.items()] == [(1000, 1)]
    with RunReader.open(tmp_path / "runs" / "step-1000") as store:
        assert store.models()[0][1] == "python/step-1000"


def test_every_field_of_a_bundle_is_documented(tmp_path: Path) -> None:
    path = small_bundle(tmp_path)
    text = text_of(ROOT / "docs" / "bundles.md")
    documented = set(re.findall(r"`([\w.]+)`", text))
    members = members_of(path)
    assert {*members, "manifest.json"} <= documented
    own = set()
    for name in ("run.json", "clips.jsonl", "responses.jsonl", "verdicts.jsonl"):
        for line in members[name].splitlines():
            row = json.loads(line)
            for part in ("identity", "usage"):
                row.pop(part, None)
            for provider in (row.get("model"), *(row.get("judges") or ())):
                if provider:
                    del provider["identity"]
                    provider.pop("adaptations", None)
            row.pop("attempts", None)
            own |= names_in(row) if name != "run.json" else names_in(row) - {*row["tags"]}
    assert own <= documented, own - documented
    section = text_of(ROOT / "docs" / "output.md").partition("## A verification")[2]
    fields = set(re.findall(r"`(\w+)`", section.partition("\n## ")[0]))
    changed = with_rows(path, "verdicts.jsonl", lambda rows: rows[0].update(rating=0))
    assert names_in(jasco.verify(changed).to_json()) <= fields


def test_the_example_of_bundles_from_python_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second"):
        jasco.evaluate(
            lambda audio, sampling_rate, prompt, name=name: f"They are {name}.",
            data="mini", judges=["offline"], run=f"runs/{name}", name=name, limit=2,
            preflight=False,
        )  # fmt: skip
    jasco.bundle("runs/second", "second.zip")
    [source] = code_blocks("docs/bundles.md", "python")
    exec(compile(source, "bundles.md", "exec"), {})  # from this repository
    assert capsys.readouterr().out == "True True\n"
    assert (tmp_path / "leaderboard.html").exists()
