"""Records for Every Eval Ever: figures, samples, ids, and texts that stay out."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import jasco
from jasco.data.dataset import DataSet, read_data_set
from jasco.data.sources import find_data
from jasco.errors import InputError
from jasco.protocol.responses import Failure
from runs import verdict, write_run
from synthetic import make_data

WHO: dict[str, Any] = {
    "model_id": "Org/Model-7B",
    "evaluator": "A University",
    "relationship": "third_party",
}
J, K = "openai/org/j", "openai/k"
LATE = Failure("timeout", "late", final=False)


@pytest.fixture
def own(tmp_path: Path) -> DataSet:
    """Return a data set of the user's, of three clips."""
    return read_data_set(make_data(tmp_path / "own", clips=3))


def exported(run: Path, folder: Path, **options: Any) -> tuple[dict[str, Any], list[Any]]:
    """Write a record and return its figures and its samples."""
    assert jasco.report(run, folder, format="eee", **{**WHO, **options}) == ""
    [figures] = folder.rglob("*.json")
    [samples] = folder.rglob("*_samples.jsonl")
    record = json.loads(figures.read_text("utf-8"))
    detail = record["detailed_evaluation_results"]
    assert samples.stem == f"{figures.stem}_samples"
    assert detail["file_path"] == samples.relative_to(folder).as_posix()
    assert detail["checksum"] == hashlib.sha256(samples.read_bytes()).hexdigest()
    lines = samples.read_text("ascii").splitlines()
    assert detail["total_rows"] == len(lines) > 0
    return record, [json.loads(line) for line in lines]


def figures_of(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["evaluation_result_id"]: each for each in record["evaluation_results"]}


def test_the_headline_has_its_interval_its_clips_and_its_judge(
    tmp_path: Path, own: DataSet
) -> None:
    run = write_run(tmp_path / "run", own, lambda *_: "x", {"org/j": lambda *_: verdict(1, "Both")})
    record, samples = exported(run, tmp_path / "out", source_url="https://example.org/logs")
    best = record["evaluation_results"][0]
    assert best["evaluation_result_id"] == "best_mean"
    config, score = best["metric_config"], best["score_details"]
    assert (config["min_score"], config["max_score"], score["score"]) == (0, 2, 1.0)
    [judge] = config["llm_scoring"]["judges"]
    assert judge["model_info"]["id"] == "org/j"
    assert judge["temperature"] == 0
    assert "{prediction}" in config["llm_scoring"]["input_prompt"]
    assert score["details"] | {"clips": "3", "complete": "true"} == score["details"]
    assert score["details"]["whole_data_set"] == "true"
    assert record["eval_library"]["additional_details"]["signature"].startswith("jasco:")
    assert record["source_metadata"]["additional_details"] == {"url": "https://example.org/logs"}
    assert {each["evaluation_result_id"] for each in samples} == {"mean"}
    assert len(samples) == 3 * 8
    assert {each["evaluation_id"] for each in samples} == {record["evaluation_id"]}


def test_figures_have_their_intervals(tmp_path: Path) -> None:
    data = find_data("mini", print)
    judges = {"org/j": lambda clip, number: verdict((clip + number) % 3, "Both")}
    run = write_run(tmp_path / "run", data, lambda *_: "x", judges)
    figures = figures_of(exported(run, tmp_path / "out")[0])
    scores = jasco.score(run)["csv/model"]
    for name, estimate in (("best_mean", scores.best_mean), ("mean", scores.mean)):
        details = figures[name]["score_details"]
        interval = details["uncertainty"]["confidence_interval"]
        assert details["score"] == estimate.value
        assert (interval["lower"], interval["upper"]) == estimate.interval
        assert (interval["confidence_level"], details["uncertainty"]["num_samples"]) == (0.95, 16)


def test_each_of_several_judges_has_figures_to_which_its_samples_belong(
    tmp_path: Path, own: DataSet
) -> None:
    judges = {"org/j": lambda *_: verdict(2, "Both"), "k": lambda *_: verdict(0, "Neither")}
    run = write_run(tmp_path / "run", own, lambda *_: "x", judges)
    record, samples = exported(run, tmp_path / "out")
    figures = figures_of(record)
    means = [figures[id_]["score_details"]["score"] for id_ in ("mean", f"mean@{J}", f"mean@{K}")]
    assert means == [1.0, 2.0, 0.0]
    panel = figures["mean"]["metric_config"]["llm_scoring"]
    assert (len(panel["judges"]), panel["aggregation_method"]) == (2, "average")
    for label in (J, K):
        of_judge = [each for each in samples if each["evaluation_result_id"] == f"mean@{label}"]
        mean = sum(each["evaluation"]["score"] for each in of_judge) / len(of_judge)
        assert mean == figures[f"mean@{label}"]["score_details"]["score"]
    assert {each["evaluation"]["is_correct"] for each in samples} == {True, False}


def test_failures_and_unreadable_verdicts_are_counted_and_are_not_zeros(
    tmp_path: Path, own: DataSet
) -> None:
    run = write_run(
        tmp_path / "run",
        own,
        lambda clip, number: LATE if (clip, number) == (0, 1) else "x",
        {"org/j": lambda clip, _: "no idea" if clip == 2 else verdict(1, "Both")},
    )
    record, samples = exported(run, tmp_path / "out")
    assert len(samples) == 24 - 1 - 8
    assert {each["evaluation"]["score"] for each in samples} == {1}
    counts = record["detailed_evaluation_results"]["additional_details"]
    assert (counts["verdicts_expected"], counts["without_score"]) == ("24", "9")
    details = figures_of(record)["mean"]["score_details"]
    assert details["score"] == 1.0
    assert details["details"]["complete"] == "false"
    assert json.loads(details["details"]["bounds"]) == [
        pytest.approx(15 / 24),
        pytest.approx(33 / 24),
    ]


def test_a_proxy_is_not_described_as_a_language_model(tmp_path: Path) -> None:
    def answer(audio: Any, sampling_rate: int, prompt: str) -> str:
        return "They run."

    settings = {"data": "mini", "name": "runner", "limit": 1, "preflight": False}
    jasco.evaluate(answer, judges=["offline"], run=tmp_path / "run", **settings)  # type: ignore[arg-type]
    record, samples = exported(tmp_path / "run", tmp_path / "out")
    config = record["evaluation_results"][0]["metric_config"]
    assert "llm_scoring" not in config
    assert config["additional_details"]["proxy"] == "true"
    details = record["evaluation_results"][0]["score_details"]["details"]
    assert (details["clips"], details["whole_data_set"]) == ("1", "false")
    assert samples[0]["answer_attribution"][0]["extraction_method"] == "proxy_judge"


@pytest.mark.parametrize("name", ["mini", "own", "other"])
def test_only_texts_with_a_free_licence_are_published(
    tmp_path: Path, own: DataSet, name: str
) -> None:
    free = name == "mini"
    # Other clips do not get a licence by the name of their folder.
    data = {"mini": find_data("mini", print), "own": own, "other": DataSet("mini", own.clips)}[name]
    judges = {"org/j": lambda *_: verdict(1, "Both", f"It says: {data.clips[0].speech}")}
    run = write_run(tmp_path / "run", data, lambda *_: "They flee.", judges)
    exported(run, tmp_path / "out")
    clip = data.clips[0]
    texts = clip.speech, clip.sound, clip.reference, clip.audio_only
    text = "".join(path.read_text() for path in (tmp_path / "out").rglob("*.json*"))
    shown = [json.dumps(each)[1:-1] in text or each in text for each in texts]
    assert shown == [free, free, free, False]
    assert clip.sha256 in text
    assert "They flee." in text


def test_samples_of_different_clips_have_different_hashes(tmp_path: Path, own: DataSet) -> None:
    judges = {"org/j": lambda *_: verdict(1, "Both")}
    run = write_run(tmp_path / "run", own, lambda *_: "x", judges)
    _, samples = exported(run, tmp_path / "out")
    assert len({each["sample_hash"] for each in samples}) == len(samples) == 24
    first = samples[0]
    raw, reference = first["input"]["raw"], first["input"]["reference"]
    text = json.dumps({"raw": raw, "reference": reference}, sort_keys=True, separators=(",", ":"))
    assert first["sample_hash"] == hashlib.sha256(text.encode()).hexdigest()


def test_the_same_evaluation_has_the_same_files(tmp_path: Path, own: DataSet) -> None:
    judges = {"org/j": lambda *_: verdict(1, "Both")}
    run = write_run(tmp_path / "run", own, lambda *_: "a\u2028b", judges)
    first, _ = exported(run, tmp_path / "out")
    second, samples = exported(run, tmp_path / "out")
    assert first["evaluation_id"] == second["evaluation_id"]
    assert samples[0]["output"]["raw"] == ["a\u2028b"]
    other, _ = exported(run, tmp_path / "other", evaluator="Another University")
    assert other["evaluation_id"] != first["evaluation_id"]


def test_the_folder_of_a_record_stays_in_its_place(tmp_path: Path) -> None:
    data = read_data_set(make_data(tmp_path / "..data: {x}\u202e CON", clips=1))
    run = write_run(tmp_path / "run", data, lambda *_: "x", {"k": lambda *_: verdict(1, "Both")})
    record, _ = exported(run, tmp_path / "out")
    [path] = (tmp_path / "out").rglob("*.json")
    *_, collection, organisation, model, _ = path.parts
    assert (collection, organisation, model) == ("jasco-data-x-con", "Org", "Model-7B")
    assert record["evaluation_results"][0]["evaluation_name"] == "jasco.data-x-con"


def test_a_record_is_about_one_model_and_is_written_to_a_folder(
    tmp_path: Path, own: DataSet
) -> None:
    judges = {"org/j": lambda *_: verdict(1, "Both")}
    run = write_run(tmp_path / "run", own, lambda *_: "x", judges)
    other = write_run(tmp_path / "other", own, lambda *_: "x", judges, "b")
    with pytest.raises(InputError, match="one model"):
        jasco.report([run, other], tmp_path / "out", format="eee", **WHO)
    with pytest.raises(InputError, match="output="):
        jasco.report(run, format="eee", **WHO)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="not a folder"):
        jasco.report(run, tmp_path / "file", format="eee", **WHO)
    assert (tmp_path / "file").read_text() == "x"
