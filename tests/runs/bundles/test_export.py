"""The content of a bundle: complete, and without what must not leave the machine."""

import json
from pathlib import Path

import pytest

from divided_runs import write_shards
from jasco.api.data import load_dataset
from jasco.data.dataset import DataSet
from jasco.errors import InputError
from jasco.protocol.responses import Response
from jasco.runs.bundles.export import bundled
from jasco.runs.merge import merge
from jasco.runs.reader import RunReader
from jasco.runs.schema import response_row
from jasco.runs.writer import RunWriter
from made_bundles import small_data, small_run
from rows_of_runs import DATA, spec
from runs import verdict, write_run


def test_a_bundle_holds_all_answers_and_all_texts_of_the_judges(tmp_path: Path) -> None:
    content = bundled(small_run(tmp_path / "run", small_data(tmp_path / "data")))
    assert len(content.clips) == 3
    assert len(content.responses) == 24
    assert len(content.verdicts) == 2 * 23
    failed = next(row for row in content.responses if "failure_kind" in row)
    assert failed == {
        "clip": content.clips[0]["id"], "instruction": 8, "sample": 0, "failure_kind": "timeout",
        "failure_message": "too late", "final": False,
    }  # fmt: skip
    unreadable = next(
        row for row in content.verdicts if row.get("attempts") and "rating" not in row
    )
    assert unreadable["attempts"] == [{"asked": "verdict", "text": "Orientation: Both"}]
    answered = content.responses[0]
    assert (answered["text"], answered["finish_reason"]) == ("0 1", "stop")


def test_identities_are_those_of_the_run(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", small_data(tmp_path / "data"))
    with RunReader.open(run) as store:
        identities = [identity for _, _, identity in store.judges()]
    assert [judge["identity"] for judge in bundled(run).about["judges"]] == identities


def test_no_path_address_or_annotation_leaves_the_machine(tmp_path: Path) -> None:
    data = small_data(tmp_path / "data")
    run = small_run(tmp_path / "run", data, str(tmp_path / "models" / "answers.csv"))
    content = bundled(run)
    text = b"".join(content.to_members().values()).decode()
    assert str(tmp_path) not in text
    assert "10.0.0.7" not in text
    assert content.about["model"]["label"] == "csv/answers.csv"
    for clip in data.clips:
        assert clip.sha256 in text
        assert all(len(cell) < 9 or json.dumps(cell)[1:-1] not in text for cell in clip.cells[1:])


def test_the_annotations_of_mini_are_included(tmp_path: Path) -> None:
    data = load_dataset("mini")
    run = write_run(tmp_path / "run", data, lambda *_: "x", {"j": lambda *_: verdict(0, "Both")})
    content = bundled(run)
    assert content.clips[0]["annotations"]["reference"] == data.clips[0].reference


def test_a_key_in_an_answer_is_hidden_and_counted(tmp_path: Path) -> None:
    key = "sk-proj-0123456789abcdef"
    run = write_run(tmp_path / "run", small_data(tmp_path / "data"), lambda *_: f"Use {key}!", {})
    content = bundled(run)
    assert {row["text"] for row in content.responses} == {"Use ***!"}
    assert content.about["masked_texts"] == 24


def test_a_divided_run_gives_the_same_bundle_as_the_merged_one(tmp_path: Path) -> None:
    run = write_shards(tmp_path / "run")
    divided = bundled(run)
    merge(run)
    assert bundled(run) == divided
    assert len(divided.responses) == 24
    assert divided.about["audio"] is not None


def test_several_samples_are_included(tmp_path: Path) -> None:
    with RunWriter.open(tmp_path) as run:
        run.set_data(DATA)
        model = run.set_model(spec("m"))
        run.widen(3, 2)
        for sample in (0, 1):
            run.commit([response_row(model, 0, 1, Response(f"{sample}"), 0, sample=sample)])
    content = bundled(tmp_path)
    assert content.about["samples"] == 2
    assert [(row["sample"], row["text"]) for row in content.responses] == [(0, "0"), (1, "1")]


def test_clips_that_the_run_does_not_cover_are_left_out(tmp_path: Path) -> None:
    with RunWriter.open(tmp_path) as run:
        run.set_data(DATA)
        model = run.set_model(spec("m"))
        run.widen(1)
        run.commit([response_row(model, 0, 1, Response("a"), 0)])
    content = bundled(tmp_path)
    assert [clip["id"] for clip in content.clips] == ["0"]
    assert content.about["data"]["clips"] == 3


def test_judges_that_differ_only_in_folders_are_refused(tmp_path: Path) -> None:
    with RunWriter.open(tmp_path) as run:
        run.set_data(DATA)
        run.set_model(spec("m"))
        run.add_judges([spec("/a/judge"), spec("/b/judge")])
    with pytest.raises(InputError, match="same name"):
        bundled(tmp_path)


def test_a_run_without_answers_is_refused(tmp_path: Path) -> None:
    RunWriter.open(tmp_path).close()
    with pytest.raises(InputError, match="no answers"):
        bundled(tmp_path)


def test_a_data_set_without_audio_can_be_bundled(tmp_path: Path) -> None:
    run = write_run(tmp_path, DataSet("texts", DATA.clips), lambda *_: "a", {})
    assert "audio_sha256" not in bundled(run).clips[0]
