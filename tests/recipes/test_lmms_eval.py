"""The recipe for lmms-eval: the documents of the task, and the conversion of its samples.

The samples are in the format that lmms-eval 0.7.3 wrote, which is not needed here.
"""

import base64
import importlib.util
import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco import DataSet, InputError, load_dataset
from jasco.data.audio import read_audio
from jasco.data.responses_csv import check_against, read_responses_csv
from places import ROOT

RECIPE = ROOT / "recipes" / "lmms_eval"
FAILED = "[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 400"
ONE_TOKEN = [{"input_tokens": 7, "output_tokens": 1, "reasoning_tokens": 0}]
MANY_TOKENS = [{"input_tokens": 7, "output_tokens": 50, "reasoning_tokens": 0}]
NOT_REPORTED = [{"input_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0}]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"lmms_eval_{name}", RECIPE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_items, to_responses, utils = map(script, ("make_items", "to_responses", "utils"))


@pytest.fixture
def clips(data: Path) -> DataSet:
    return load_dataset(data)


def documents_of(data: DataSet, folder: Path) -> list[dict[str, Any]]:
    make_items.write_items(data, folder)
    lines = (folder / "items.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def sample_of(doc: dict[str, Any], *answers: str, tokens: Any = MANY_TOKENS) -> dict[str, Any]:
    return {
        "doc_id": 0,
        "target": "",
        "filtered_resps": answers[0] if answers else "",
        "token_counts": tokens,
        "doc_hash": "74234e98",
        **utils.process_results(doc, answers),
        "input": doc["instruction"],
    }


def write_samples(path: Path, samples: list[dict[str, Any]]) -> Path:
    lines = [json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples]
    path.write_text("".join(lines), "utf-8", "surrogatepass")
    return path


# --- the task ---


def test_a_document_is_an_item_in_the_order_and_the_words_of_the_benchmark(
    clips: DataSet, tmp_path: Path
) -> None:
    documents = documents_of(clips, tmp_path / "items")
    assert [(doc["clip_sha256"], doc["instruction"]) for doc in documents] == [
        (item.clip.sha256, item.instruction) for item in clips.items()
    ]


def test_both_kinds_of_models_receive_the_audio_that_jasco_sends(
    clips: DataSet, tmp_path: Path
) -> None:
    for doc, item in zip(documents_of(clips, tmp_path / "items"), clips.items(), strict=True):
        path = clips.audio_path(item.clip)
        assert path
        audio = read_audio(path).wav
        [file] = utils.doc_to_visual(doc)
        assert Path(file).read_bytes() == audio
        [message] = utils.doc_to_messages(doc)
        sound, text = message["content"]  # in this order, for a server's prefix cache
        assert text == {"type": "text", "text": item.instruction}
        assert sound["type"] == "audio"
        header, _, content = sound["url"].partition(",")
        assert header == "data:audio/wav;base64"
        assert base64.b64decode(content) == audio


def test_the_task_names_functions_and_files_that_exist(
    clips: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = (RECIPE / "jasco.yaml").read_text("utf-8")
    names = re.findall(r"!function utils\.(\w+)", task)
    assert {"doc_to_messages", "doc_to_visual", "process_results"} <= set(names)
    assert all(callable(getattr(utils, name)) for name in names)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["make_items.py", str(tmp_path / "synthetic")])
    make_items.main()
    [items] = re.findall(r"test: (\S+\.jsonl)", task)
    assert len(Path(items).read_text("utf-8").splitlines()) == len(clips.items())


def test_items_replace_no_files(clips: DataSet, tmp_path: Path) -> None:
    make_items.write_items(clips, tmp_path / "items")
    with pytest.raises(InputError, match="already exists"):
        make_items.write_items(clips, tmp_path / "items")


# --- the conversion ---


def test_answers_are_assigned_by_clip_and_instruction_in_any_order(
    clips: DataSet, tmp_path: Path
) -> None:
    items = clips.items()
    texts = [f'They "run",\n\nin\r the {number} 犬 \u2028.' for number in range(len(items))]
    documents = documents_of(clips, tmp_path / "items")
    samples = [sample_of(doc, text) for doc, text in zip(documents, texts, strict=True)]
    answers, failures = to_responses.read_samples(
        write_samples(tmp_path / "samples.jsonl", samples[::-1]), clips
    )
    assert not failures
    to_responses.write_responses(tmp_path / "responses.csv", clips, answers)
    file = read_responses_csv(tmp_path / "responses.csv")
    check_against(file, clips)
    keys = [(item.clip.id, item.number) for item in items]
    assert file.answers() == dict(zip(keys, texts, strict=True))


@pytest.mark.parametrize(
    ("text", "tokens", "failure"),
    [
        (FAILED, [None], "request failed"),
        (FAILED, NOT_REPORTED, "request failed"),
        ("[LMMS_EVAL_BUDGET_EXCEEDED]", NOT_REPORTED, "budget exceeded"),
        ("", [None], "no text"),  # not sent
        ("", NOT_REPORTED, "no text"),
        ("", MANY_TOKENS, "no text"),  # reasoning only
    ],
)
def test_a_failure_is_no_answer(
    clips: DataSet, tmp_path: Path, text: str, tokens: Any, failure: str
) -> None:
    [first, second, *_] = documents_of(clips, tmp_path / "items")
    samples = [sample_of(first, text, tokens=tokens), sample_of(second, "They run.")]
    path = write_samples(tmp_path / "samples.jsonl", samples)
    answers, failures = to_responses.read_samples(path, clips)
    assert answers == {("0", 2): "They run."}
    assert failures == {failure: 1}
    to_responses.write_responses(tmp_path / "responses.csv", clips, answers)
    assert read_responses_csv(tmp_path / "responses.csv").answers() == answers


def test_an_empty_answer_is_an_answer(clips: DataSet, tmp_path: Path) -> None:
    [doc, *_] = documents_of(clips, tmp_path / "items")
    path = write_samples(tmp_path / "samples.jsonl", [sample_of(doc, "", tokens=ONE_TOKEN)])
    answers, failures = to_responses.read_samples(path, clips)
    assert not failures
    to_responses.write_responses(tmp_path / "responses.csv", clips, answers)
    [(key, text)] = read_responses_csv(tmp_path / "responses.csv").answers().items()
    assert key == ("0", 1)
    assert not text.strip()


def test_an_answer_that_no_file_can_contain_is_written_in_part(
    clips: DataSet, tmp_path: Path
) -> None:
    [doc, *_] = documents_of(clips, tmp_path / "items")
    path = tmp_path / "samples.jsonl"
    path.write_text(json.dumps(sample_of(doc, "They run \ud800 away.")))
    answers, _ = to_responses.read_samples(path, clips)
    assert answers == {("0", 1): "They run \ufffd away."}


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda item: item.update(clip_sha256="0" * 64), "not in the data set"),
        (lambda item: item.update(instruction="What is it?\n\x1b[31m"), "not in the data set"),
        (lambda item: item.update(answers=["one", "two"]), "2 answers"),
        (lambda item: item.update(answers=[]), "0 answers"),
        (lambda item: item.update(answers="one"), "not a sample of the task"),
        (lambda item: item.pop("clip_sha256"), "not a sample of the task"),
        (lambda item: item.update(instruction=["no", "text"]), "not a sample of the task"),
    ],
)
def test_what_does_not_match_is_refused_with_its_line(
    clips: DataSet, tmp_path: Path, change: Change, message: str
) -> None:
    [first, second, *_] = documents_of(clips, tmp_path / "items")
    samples = [sample_of(first, "They run."), sample_of(second, "They run.")]
    change(samples[1]["jasco"])
    path = write_samples(tmp_path / "samples.jsonl", samples)
    with pytest.raises(InputError, match=rf"line 2: .*{message}") as error:
        to_responses.read_samples(path, clips)
    assert str(error.value).isprintable()


def test_an_item_that_occurs_twice_is_refused(clips: DataSet, tmp_path: Path) -> None:
    [doc, *_] = documents_of(clips, tmp_path / "items")
    samples = [sample_of(doc, "They run."), sample_of(doc, FAILED)]
    path = write_samples(tmp_path / "samples.jsonl", samples)
    with pytest.raises(InputError, match="line 2: duplicate of line 1"):
        to_responses.read_samples(path, clips)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"\xff\xfe{}",
        b"[" * 100_000,
        b"9" * 5_000,
        b'"text"',
        b"null",
        b'{"bypass": 1}',
        b"\n",
    ],
)
def test_another_file_is_refused(clips: DataSet, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match="line 1: not "):
        to_responses.read_samples(path, clips)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=5,
)


@given(
    answer=JSON, tokens=JSON | st.lists(st.dictionaries(st.sampled_from(list(ONE_TOKEN[0])), JSON))
)
def test_any_sample_is_an_answer_or_a_failure(
    tmp_path_factory: pytest.TempPathFactory, answer: Any, tokens: Any
) -> None:
    data = load_dataset("mini")
    item = data.items()[9]
    doc = {"clip_sha256": item.clip.sha256, "instruction": item.instruction}
    path = tmp_path_factory.getbasetemp() / "samples.jsonl"
    sample = sample_of(doc, answer, tokens=tokens)
    path.write_text(json.dumps(sample), "utf-8")
    answers, failures = to_responses.read_samples(path, data)
    assert len(answers) + failures.total() == 1
    assert all(answers.values())


# --- the guide ---


def test_the_scripts_of_the_guide_take_its_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = (ROOT / "docs" / "lmms-eval.md").read_text("utf-8")
    commands = re.findall(r"^\$ python recipes/lmms_eval/(\w+)\.py (.+)$", guide, re.MULTILINE)
    assert [name for name, _ in commands] == ["make_items", "to_responses"]
    monkeypatch.chdir(tmp_path)
    for name, words in commands:
        monkeypatch.setattr(sys, "argv", [name, *shlex.split(words.replace("watd", "mini"))])
        {"make_items": make_items, "to_responses": to_responses}[name].main()
        lines = Path("jasco_items", "items.jsonl").read_text("utf-8").splitlines()
        write_samples(Path("samples.jsonl"), [sample_of(json.loads(lines[0]), "They run.")])
    assert len(read_responses_csv(Path("responses.csv")).answers()) == 1
    assert "1 of 128 items have an answer; without answer: not in the file: 127" in (
        capsys.readouterr().err
    )


def test_an_error_is_one_line_with_the_documented_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["x", "missing.jsonl", "mini", "-o", "responses.csv"])
    with pytest.raises(SystemExit) as end:
        to_responses.main()
    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "missing.jsonl" in line
    assert not Path("responses.csv").exists()
