"""Reading logs of Inspect. The archives here are compressed in a way that needs no Inspect."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco import load_dataset
from jasco.data import inspect_log
from jasco.data.inspect_log import item_metadata, read_item, read_log, response_of_output
from jasco.data.responses_csv import responses_of_items
from jasco.errors import InputError
from jasco.plugins import Failure, Response

ITEMS = load_dataset("mini").items()


def output(text: Any = "They flee.", reason: str = "stop", **more: Any) -> dict[str, Any]:
    choice = {"message": {"role": "assistant", "content": text}, "stop_reason": reason}
    return {"model": "m", "choices": [choice], "completion": text, **more}


def sample(index: int, text: str = "They flee.", **changes: Any) -> dict[str, Any]:
    item = ITEMS[index]
    content = [{"type": "audio", "audio": "x.wav"}, {"type": "text", "text": item.instruction}]
    return {
        "metadata": item_metadata(item, index // 8),
        "input": [{"role": "user", "content": content}],
        "output": output(text),
        **changes,
    }


def write_log(path: Path, *samples: Any, header: Any = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps(header or {"eval": {"model": "org/name"}}))
        for number, content in enumerate(samples):
            text = content if isinstance(content, str) else json.dumps(content)
            archive.writestr(f"samples/{number}_epoch_1.json", text)
    return path


def test_answers_are_read_in_order_of_the_data_set(tmp_path: Path) -> None:
    errored = sample(8, error={"message": "timeout"})
    empty = sample(1, output={"model": "m", "choices": []})
    attached = sample(2, "attachment://1", attachments={"1": "a long answer"})
    log = read_log(write_log(tmp_path / "log.eval", errored, attached, empty, sample(0)))
    assert log.model == "org/name"
    assert list(log.answers.items()) == [
        (ITEMS[0], "They flee."),
        (ITEMS[1], ""),
        (ITEMS[2], "a long answer"),
        (ITEMS[8], ""),
    ]
    file = responses_of_items(tmp_path / "log.eval", log.answers, log.model)
    assert file.answers() == {("1", 1): "They flee.", ("1", 3): "a long answer"}
    assert file.keys == [("1", 1), ("1", 2), ("1", 3), ("2", 1)]
    assert file.clips == (ITEMS[0].clip, ITEMS[8].clip)


def test_empty_answers_are_counted(tmp_path: Path) -> None:
    failed = sample(1, output={"model": "m", "choices": []})
    log = read_log(write_log(tmp_path / "log.eval", sample(0, ""), failed, sample(2)))
    assert (log.answers[ITEMS[0]], log.answers[ITEMS[1]], log.empty) == ("", "", 1)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.eval: cannot be read"):
        read_log(tmp_path / "none.eval")


def with_metadata(index: int, **changes: Any) -> dict[str, Any]:
    content = sample(index)
    content["metadata"] |= changes
    return content


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        ([], "no samples"),
        ([sample(0), sample(0)], "several answers"),
        ([with_metadata(0, reference="They dance.")], "hash"),
        ([with_metadata(0, clip="../x")], "clip id"),
        ([with_metadata(0, instruction=9)], "instruction 9"),
        ([with_metadata(0, instruction=True)], "metadata"),
        ([with_metadata(0, sound=["rain"])], "metadata"),
        ([sample(0, metadata=None)], "metadata"),
        ([sample(0, input="What is 1 + 1?")], "instruction 1"),
        (["[1]"], "not an object"),
        (["{"], "JSON"),
        (["[" * 100_000], "JSON"),
    ],
)
def test_invalid_logs(tmp_path: Path, samples: list[Any], problem: str) -> None:
    path = write_log(tmp_path / "log.eval", *samples)
    with pytest.raises(InputError, match=problem) as error:
        read_log(path)
    assert "log.eval" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"id,audio\n", b"PK\x03\x04 damaged"])
def test_files_that_are_no_logs(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.eval"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a log"):
        read_log(path)


def test_damaged_member(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.eval", sample(0))
    content = bytearray(path.read_bytes())
    place = content.index(b"samples/0") + 100
    content[place : place + 40] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a log"):
        read_log(path)


def test_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_log, "_MOST_BYTES", 1 << 20)
    path = write_log(tmp_path / "log.eval", sample(0, store="x" * (4 << 20)))
    assert path.stat().st_size < 1 << 16
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_log(path)


@pytest.mark.parametrize(
    "header", [{"eval": {"model": "a\n\x1b[31mb" + "c" * 500}}, {"eval": 1}, {"eval": {}}]
)
def test_name_of_the_model_is_one_line(tmp_path: Path, header: Any) -> None:
    model = read_log(write_log(tmp_path / "log.eval", sample(0), header=header)).model
    assert model.isprintable()
    assert len(model) <= 200


def test_metadata_identify_the_item() -> None:
    metadata = json.loads(json.dumps(item_metadata(ITEMS[13], 1)))
    assert read_item(metadata, "here") == ITEMS[13]
    assert metadata["position"] == 1


def test_responses() -> None:
    usage = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    assert response_of_output(output(usage=usage)) == Response(
        "They flee.", "stop", {"prompt_tokens": 7, "completion_tokens": 5}, "m"
    )
    cut_off = response_of_output(output(reason="max_tokens"))
    assert isinstance(cut_off, Response)
    assert cut_off.finish_reason == "length"
    assert response_of_output(output("")) == Response("", "stop", {}, "m")  # also an answer


@pytest.mark.parametrize(
    ("given_output", "kind"),
    [
        (None, "no text"),
        ({"choices": [], "completion": ""}, "no text"),
        (output(reason="content_filter"), "content filter"),
        (output(error="blocked"), "moderation"),
        (output(None), "malformed"),
    ],
)
def test_outputs_without_an_answer(given_output: Any, kind: str) -> None:
    failure = response_of_output(given_output)
    assert isinstance(failure, Failure)
    assert failure.kind == kind


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("error", "choices", "completion", "usage", "model", "metadata", "clip", "instruction")


@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_any_json_is_read_or_refused(fields: dict[str, Any]) -> None:
    assert isinstance(response_of_output(fields), Response | Failure)
    with pytest.raises(InputError):
        read_item(fields, "here")
