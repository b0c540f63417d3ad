"""The figures of runs and judged CSV files, from Python."""

import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

import jasco
from audible import answer
from figures import figures_of
from jasco.data.dataset import read_data_set
from jasco.protocol.clips import Clip
from jasco.protocol.responses import Failure
from judged_files import write_judged_file
from labelled_files import Label, write_gold
from runs import verdict, write_run
from synthetic import make_data


@pytest.mark.parametrize("target", [None, 7, [], "", [None], ["a", ""], b"run"])
def test_what_cannot_be_scored_is_refused(target: Any) -> None:
    with pytest.raises(jasco.InputError, match="target must be"):
        jasco.score(target)


def test_figures_become_a_data_frame(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", clips=5)  # fewer have no intervals
    scores = jasco.evaluate(answer, data=data, judges=["offline"])
    frame = scores.to_pandas()
    assert list(frame["judge"].isna()) == [True, False]
    assert frame["judge"][1] == "offline"
    assert (frame["model"] == scores.model).all()
    for column in ("best_mean", "mean", "neither_rate", "coverage"):
        assert frame[column][0] == figures_of(scores)[column]
    low, high = figures_of(scores)["best_mean_ci"]
    assert (frame["best_mean_low"][0], frame["best_mean_high"][0]) == (low, high)


def test_params_say_how_the_figures_of_a_model_were_produced(data: Path) -> None:
    settings = {"data": data, "judges": ["offline"], "tags": {"step": 5}, "samples": 2}
    scores = jasco.evaluate(answer, name="mine", **settings)
    params = scores.params()
    described = scores.to_json()["data"]
    assert params["signature"] == scores.signature
    assert (params["data"], params["clips"], params["items"]) == (described["name"], 4, 32)
    assert params["annotations_sha256"] == described["annotations_sha256"]
    assert (params["judges"], params["proxy"], params["samples"]) == ("offline", True, 2)
    assert (params["model"], params["tag_step"]) == ("python/mine", 5)
    assert all(isinstance(value, str | int | float) for value in params.values())


def test_items_become_a_data_frame(data: Path, tmp_path: Path) -> None:
    def failing(audio: Any, sampling_rate: int, prompt: str) -> str:
        if "infer" in prompt:
            raise ValueError("no")
        return answer(audio, sampling_rate, prompt)

    options = {"data": data, "run": tmp_path / "run", "name": "failing"}
    unjudged = jasco.evaluate(failing, judges=[], **options).items_to_pandas()
    assert len(unjudged) == 32
    assert unjudged["judge"].isna().all()
    scores = jasco.evaluate(failing, judges=["offline"], **options)
    frame = scores.items_to_pandas()
    unanswered = frame["answer"].isna()
    assert figures_of(scores)["answers"]["answered"] == (~unanswered).sum() < 32
    assert frame[unanswered]["rating"].isna().all()
    assert frame[unanswered]["failure"].str.startswith("error: ValueError: no").all()
    assert frame[unanswered]["failure"].str.contains("test_scores.py:").all()
    assert frame[~unanswered]["failure"].isna().all()
    assert not scores.complete
    judged = frame[~unanswered]
    assert set(judged["rating"]) <= {0, 1, 2}
    assert (judged["score"] == judged["rating"].where(judged["orientation"] == "Both", 0)).all()
    assert judged["judge_output"].str.startswith("Proxy verdict").all()
    best = frame.groupby("clip")["score"].max().mean()
    assert best == pytest.approx(scores.best_mean.value)


def test_a_data_frame_holds_the_reason_of_a_missing_verdict(data: Path, tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run",
        read_data_set(data),
        lambda *_: "They flee.",
        {
            "some": lambda clip, _: verdict(2, "Both") if clip else Failure("server", "HTTP 500"),
            "none": lambda *_: Failure("rejected", "HTTP 400: no"),
        },
    )
    frame = jasco.score(run).items_to_pandas()
    some, none = (frame[frame["judge"] == f"openai/{name}"] for name in ("some", "none"))
    assert len(some) == len(none) == 32
    assert (none["judge_failure"] == "rejected: HTTP 400: no").all()
    assert none["rating"].isna().all()
    assert (some["judge_failure"] == "server: HTTP 500").sum() == 8
    assert some["judge_failure"].isna().sum() == 24
    frame_of_one = jasco.score(run, judges="openai/some").items_to_pandas()
    assert set(frame_of_one["judge"]) == {"openai/some"}


def test_judged_files_are_scored(data: Path, tmp_path: Path) -> None:
    from jasco.data.csv_files import write_table
    from jasco.data.responses_csv import COLUMNS, template_rows

    rows = [
        {**row, "judge_output": "Rating: 2\nOrientation: Both", "allm_output": "They flee."}
        for row in template_rows(read_data_set(data), dict.fromkeys("0123", 4000))
    ]
    for name in ("one", "other"):
        write_table(tmp_path / f"{name}.csv", [*COLUMNS, "judge_output"], rows)
    one = jasco.score(tmp_path / "one.csv")
    assert one.best_mean.value == 2
    both = jasco.score([tmp_path / "one.csv", str(tmp_path / "other.csv")])
    assert list(figures_of(both)["judges"]) == ["one", "other"]
    assert len(both.items_to_pandas()) == 64


def test_missing_pandas_is_reported(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = jasco.evaluate(answer, data=data, judges=[], limit=1)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(jasco.InputError, match="pip install pandas"):
        scores.to_pandas()


def test_scores_move_between_processes(data: Path, tmp_path: Path) -> None:
    scores = jasco.evaluate(answer, data=data, judges=["offline"], limit=2)  # its run is deleted
    copied = pickle.loads(pickle.dumps(scores))
    assert copied == scores
    assert hash(copied) == hash(scores)
    assert copied.items_to_pandas().equals(scores.items_to_pandas())
    assert len({scores, copied, jasco.evaluate(answer, data=data, judges=[], limit=2)}) == 2


# --- figures corrected with labels ---


def labelled_run(folder: Path, clips: int = 12, credit: int = 2) -> tuple[Path, list[Label]]:
    """Write a run whose judge gives every answer credit, and labels of half of the clips."""
    data = read_data_set(make_data(folder / "labelled", clips))
    run = write_run(
        folder / "run",
        data,
        lambda clip, number: f"answer {clip}-{number}",
        {"lenient": lambda *_: verdict(credit, "Both")},
    )
    labels = [
        (clip, number, f"answer {place}-{number}", place % 2)
        for place, clip in enumerate(data.clips[: clips // 2])
        for number in range(1, 9)
    ]
    return run, labels


def test_figures_are_corrected_with_labels(tmp_path: Path) -> None:
    run, labels = labelled_run(tmp_path)
    others = [(clip, number, "another answer", 2) for clip, number, _, _ in labels[:5]]
    gold = write_gold(tmp_path / "gold.csv", labels + others)
    scores = jasco.score(run, gold=gold)
    assert scores.corrected
    corrected = scores.corrected.best_mean
    assert (scores.best_mean.value, corrected.estimate.value) == (2, 0.5)
    assert (corrected.bias, corrected.clips) == (1.5, 6)
    assert corrected.estimate.interval
    frame = scores.to_pandas()
    assert frame["corrected_best_mean"].tolist() == [0.5, 0.5]
    assert frame["corrected_mean_clips"].tolist() == [6, 6]
    assert figures_of(scores)["labels"]["rows_used"] == 48
    # Everything else is as without labels.
    plain = jasco.score(run)
    assert plain.corrected is None
    figures = figures_of(scores)
    added = [figures, figures["judges"]["openai/lenient"]]
    for part in added:
        part.pop("corrected")
    figures.pop("labels")
    assert figures == figures_of(plain)
    assert scores.signature == plain.signature


def test_judged_files_are_corrected_too(tmp_path: Path) -> None:
    clips = tuple(Clip(str(n), "rain", "run", "a", "b", "c", "d") for n in range(6))
    judged = write_judged_file(tmp_path / "judged.csv", clips=clips)
    labels = [(clip, number, "an answer", 1) for clip in clips for number in range(1, 9)]
    scores = jasco.score(judged, gold=write_gold(tmp_path / "gold.csv", labels))
    assert scores.corrected
    assert scores.corrected.mean.estimate.value == 1


def test_one_file_of_labels_serves_several_models(tmp_path: Path) -> None:
    run, labels = labelled_run(tmp_path / "a")
    other, _ = labelled_run(tmp_path / "b", credit=1)
    unlabelled = write_run(
        tmp_path / "c",
        read_data_set(tmp_path / "a" / "labelled"),
        lambda *_: "something else",
        {"lenient": lambda *_: verdict(2, "Both")},
        model="unlabelled",
    )
    gold = write_gold(tmp_path / "gold.csv", labels)
    models = list(jasco.score([run, other, unlabelled], gold=gold))
    corrected = [model.corrected.mean for model in models if model.corrected]
    assert [figure.estimate.value for figure in corrected] == [0.5, 0.5, None]
    assert [figure.clips for figure in corrected] == [6, 6, 0]


def test_labels_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    run, labels = labelled_run(tmp_path)
    others = [(clip, number, "another answer", 2) for clip, number, _, _ in labels]
    gold = write_gold(tmp_path / "others.csv", others)
    with pytest.raises(jasco.InputError, match=r"others\.csv: no row labels an answer of"):
        jasco.score(run, gold=gold)
    with pytest.raises(jasco.InputError, match=r"gold= cannot correct .* compat=True"):
        jasco.score(run, gold=write_gold(tmp_path / "gold.csv", labels), compat=True)
    jasco.evaluate(
        answer,
        data=tmp_path / "labelled",
        judges=["offline"],
        run=tmp_path / "custom",
        limit=1,
        instructions=["What do they do?"],
        preflight=False,
    )
    with pytest.raises(jasco.InputError, match="custom instructions"):
        jasco.score(tmp_path / "custom", gold=tmp_path / "gold.csv")
    with pytest.raises(jasco.InputError, match="gold must be"):
        jasco.score(run, gold=7)  # type: ignore[arg-type]
