"""Results as one JSON object in the documented schema."""

import json
from typing import Any

import pytest

from jasco.errors import InputError
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.failure_reasons import Reason
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.reports.report import summarise
from jasco.runs.results import Answers, Data, JudgeFacts, Results
from matrices import repeated_matrix

FIGURES = {
    "best_mean", "best_mean_ci", "mean", "best_at_k", "modality_dependence", "neither_rate",
    "unreadable_rate", "coverage", "complete", "best_mean_bounds",
}  # fmt: skip
DATA = Data("two", "a" * 64, "b" * 64, 2, 16)
ANSWERED = Answers(16, 16)


COMPLETE = repeated_matrix(Verdict(2, Orientation.BOTH))
HALF_MISSING = repeated_matrix(Verdict(1, Orientation.AUDIO), cells=8)
UNREADABLE = repeated_matrix(Verdict(None, None))


def results(
    answers: Answers = ANSWERED,
    model: str = "openai/m",
    data: Data = DATA,
    **matrices: VerdictMatrix,
) -> Results:
    named_matrices = {f"openai/{name}": matrix for name, matrix in matrices.items()}
    return Results(
        model,
        data,
        "v2",
        answers,
        dict.fromkeys(named_matrices, JudgeFacts()),
        matrices=named_matrices,
    )


def model_json(model: Results) -> dict[str, Any]:
    summary = summarise([model]).to_json()
    json.dumps(summary, allow_nan=False)
    return summary["models"][model.model]


def test_the_documented_keys_are_there() -> None:
    summary = summarise([results(a=COMPLETE, b=HALF_MISSING)]).to_json()
    assert summary.keys() >= {"schema", "signature", "protocol", "data", "models"}
    assert (summary["schema"], summary["protocol"]) == (1, "v2")
    assert summary["data"] == {
        "name": "two",
        "annotations_sha256": "a" * 64,
        "audio_sha256": "b" * 64,
        "clips": 2,
        "items": 16,
    }
    [(name, model)] = summary["models"].items()
    assert name == "openai/m"
    assert FIGURES | {"judges", "agreement"} <= model.keys()
    assert model["judges"].keys() == {"openai/a", "openai/b"}
    for figures in (model, *model["judges"].values()):
        assert figures.keys() >= FIGURES
        assert figures["modality_dependence"].keys() == {"audio", "both", "speech"}


def test_the_models_figures_are_its_panels() -> None:
    model = model_json(results(a=COMPLETE, b=HALF_MISSING))
    assert model["best_mean"] == (2 + 0) / 2
    assert model["modality_dependence"] == {"audio": 0.5, "both": 0.5, "speech": 0}
    assert model["coverage"] == (1 + 0.5) / 2
    assert model["best_mean_bounds"] == [(2 + 0) / 2, (2 + 1) / 2]
    assert model["judges"]["openai/a"]["best_mean"] == 2
    assert model["judges"]["openai/b"]["best_mean_bounds"] == [0, 1]


def test_complete_means_all_answered_and_all_readable() -> None:
    assert model_json(results(a=COMPLETE))["complete"] is True
    assert model_json(results(a=COMPLETE, b=HALF_MISSING))["complete"] is False
    assert model_json(results(Answers(16, 15), a=COMPLETE))["complete"] is False
    assert model_json(results())["complete"] is False


def test_what_cannot_be_computed_is_null() -> None:
    model = model_json(results(a=UNREADABLE))
    for figures in (model, model["judges"]["openai/a"]):
        for name in ("best_mean", "best_mean_ci", "mean", "best_at_k", "neither_rate"):
            assert figures[name] is None, name
        assert set(figures["modality_dependence"].values()) == {None}
        assert figures["coverage"] == 0
        assert figures["unreadable_rate"] == 1
        assert figures["best_mean_bounds"] == [0, 2]


def test_without_judges_there_are_no_figures() -> None:
    model = model_json(results(Answers(16, 3, 1, 2, reasons=[Reason("timeout", "late", 13, 13)])))
    assert model["best_mean"] is None
    assert model["judges"] == {}
    assert model["coverage"] == 0
    assert model["answers"] == {
        "expected": 16,
        "answered": 3,
        "truncated": 1,
        "failed": {"timeout": 13},
        "reasons": [{"kind": "timeout", "message": "late", "count": 13, "of": 13, "final": 0}],
        "converted_clips": 2,
        "clipped_clips": None,
        "most_clipped": None,
        "audio_warnings": {},
        "max_audio_seconds": None,
        "cut_clips": 0,
        "runtime": [],
        "preflight": None,
    }


def test_clipped_samples_that_were_not_counted_are_null_not_0() -> None:
    def clipped_fields(**findings: Any) -> tuple[Any, Any]:
        answers = model_json(results(Answers(16, 3, **findings)))["answers"]
        return answers["clipped_clips"], answers["most_clipped"]

    assert clipped_fields() == (None, None)
    assert clipped_fields(clipped={}) == (0, None)
    assert clipped_fields(clipped={"5": 3, "2": 9}) == (2, {"clip": "2", "samples": 9})


def test_several_models_are_side_by_side_if_the_data_are_the_same() -> None:
    one, other = results(a=COMPLETE), results(model="openai/n", a=HALF_MISSING)
    assert list(summarise([one, other]).models) == ["openai/m", "openai/n"]
    with pytest.raises(InputError, match=r"openai/m and openai/n differ in data \(aaaaaaaaaaaa"):
        summarise([one, results(model="openai/n", data=Data("x", "c", None, 2, 16), a=COMPLETE)])


def test_several_runs_of_a_model_are_numbered() -> None:
    runs = [results(a=COMPLETE), results(model="openai/n", a=COMPLETE), results(a=HALF_MISSING)]
    models = summarise(runs).models
    assert list(models) == ["openai/m (1)", "openai/n", "openai/m (3)"]
    assert models["openai/m (3)"].score.coverage == 0.5


def test_the_signature_holds_what_went_into_the_numbers() -> None:
    parts = summarise([results(a=COMPLETE, b=HALF_MISSING)]).signature.split("|")
    assert parts[0].startswith("jasco:")
    assert parts[1:] == [
        "protocol:v2",
        "data:two[2x8]",
        "text:aaaaaaaaaaaa",
        "audio:bbbbbbbbbbbb",
        "models:openai/m",
        "judges:openai/a+openai/b",
        "bootstrap:10000,seed=20240923,percentile_from=40",
    ]
    unknown = summarise([results(data=Data("x", None, None, 2, 16))]).signature
    assert "text:" not in unknown
    assert "|judges:none|" in unknown


# --- participants ---

PARTICIPANT = {"provider": "human", "name": "Anna"}
ITEMS = Data("two", "a" * 64, "b" * 64, 2, 2)


def participant_results(cells: int = 2, **matrices: VerdictMatrix) -> Results:
    named_matrices = matrices or {"a": single_prompt_matrix(cells)}
    return Results(
        "human/Anna", ITEMS, "v2", Answers(2, cells), dict.fromkeys(named_matrices, JudgeFacts()),
        matrices=named_matrices, identity=PARTICIPANT,
    )  # fmt: skip


def single_prompt_matrix(cells: int) -> VerdictMatrix:
    matrix = VerdictMatrix.none_yet(2, single_prompt=True)
    for clip in range(cells):
        matrix.enter(clip, 3 * clip + 1, Verdict(2 * clip, Orientation.BOTH))
    return matrix


def test_of_a_participant_what_needs_several_items_a_clip_is_null() -> None:
    assert model_json(results(a=COMPLETE))["items_a_clip"] == 8
    model = model_json(participant_results())
    assert model["items_a_clip"] == 1
    assert model["complete"] is True
    for figures in (model, model["judges"]["a"]):
        assert figures.keys() >= FIGURES
        for name in ("best_mean", "best_mean_ci", "best_mean_bounds", "best_at_k", "best_at_k_ci"):
            assert figures[name] is None, name
        assert figures["mean"] == 1
        assert figures["mean_ci"] is None  # two clips are too few
        assert figures["mean_bounds"] == [1, 1]
        assert figures["coverage"] == 1
        assert set(figures["instructions"]["means"]) == {None}
        assert figures["instructions"]["spread"] is None
        assert figures["instructions"]["sound_first_minus_speech_first"] is None


def test_a_participant_who_has_not_answered_all_is_incomplete() -> None:
    model = model_json(participant_results(1))
    assert model["complete"] is False
    assert (model["coverage"], model["mean"], model["mean_bounds"]) == (0.5, 0, [0, 1])
    unjudged = model_json(Results("human/Anna", ITEMS, "", Answers(2, 2), {}, identity=PARTICIPANT))
    assert unjudged["complete"] is False
    assert (unjudged["best_mean_bounds"], unjudged["mean_bounds"]) == (None, [0, 2])


def test_a_participant_is_shown_with_models_on_the_same_data() -> None:
    for order in (
        [results(a=COMPLETE), participant_results()],
        [participant_results(), results(a=COMPLETE)],
    ):
        report = summarise(order)
        assert report.data.items == 16
        assert "|data:two[2x8]|" in report.signature
    participant_only = summarise([participant_results()])
    assert participant_only.data.items == 2
    assert "|data:two[2x1]|" in participant_only.signature
    assert "|models:human/Anna|" in participant_only.signature
