"""The score of a participant, next to those of models on the same items."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from jasco.data.dataset import DataSet, read_data_set
from jasco.metrics.bootstrap import LEAST_CLIPS
from jasco.protocol.clips import Item
from jasco.protocol.verdicts import Orientation
from jasco.reports.page.shown import Shown
from jasco.runs.read_run import read_run
from runs import verdict, write_run
from synthetic import make_data

pytest.importorskip("starlette", reason="needs the extra viewer")

from jasco.viewer.listening_score import listening_score

Judges = Mapping[str, Callable[[int, int], str]]


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return read_data_set(make_data(tmp_path / "data", clips=8))


@pytest.fixture
def items(data: DataSet) -> list[Item]:
    """Return a participant's items: a different prompt for each clip."""
    return [Item(clip, number) for number, clip in enumerate(data.clips, start=1)]


@pytest.fixture
def open_run(data: DataSet, tmp_path: Path) -> Callable[..., Shown]:
    """Return a function that writes a run and returns its content."""

    def make(
        name: str,
        judges: Judges | None = None,
        answer: Callable[[int, int], str | None] = lambda c, n: f"answer {c}.{n}",
    ) -> Shown:
        folder = write_run(tmp_path / name, data, answer, judges or {}, name)
        return Shown(folder, *read_run(folder))

    return make


def right_reference(items: Sequence[Item]) -> Callable[[int, int], str]:
    return lambda clip, _number: items[clip].clip.reference


def test_judges_of_both_sides_are_used(open_run: Callable[..., Shown], items: list[Item]) -> None:
    kind = {
        "kind": lambda _c, _n: verdict(2, "Both"),
        "only-here": lambda _c, _n: verdict(0, "Both"),
    }
    stern = {"kind": lambda clip, _n: verdict(1, "Both" if clip < 4 else "Audio-Oriented")}
    you, model = open_run("you", kind), open_run("model", stern)
    score = listening_score(items, you, {"m": model})
    assert (score.judges, score.proxy) == (("openai/kind",), False)
    assert (score.you.mean.value, score.models["m"].mean.value) == (2, 0.5)
    assert score.models["m"].clips == (1, 1, 1, 1, 0, 0, 0, 0)
    assert score.models["m"].orientations[-1] is Orientation.AUDIO
    assert score.models["m"].difference is not None
    assert score.models["m"].difference.value == 1.5
    assert score.compared("higher") == ["m"]


def test_otherwise_the_offline_judge_judges_and_nothing_is_stored(
    open_run: Callable[..., Shown], items: list[Item]
) -> None:
    you = open_run("you", answer=right_reference(items))
    model = open_run(
        "model", {"kind": lambda _c, _n: verdict(2, "Both")}, lambda _c, _n: "I cannot tell."
    )
    before = [(side.source / "run.db").read_bytes() for side in (you, model)]
    score = listening_score(items, you, {"m": model})
    assert (score.judges, score.proxy) == (("offline",), True)
    assert score.models["m"].mean.value == 0
    assert (score.you.mean.value or 0) > 1
    assert score.compared("higher") == ["m"]
    assert [(side.source / "run.db").read_bytes() for side in (you, model)] == before


def test_a_judge_must_have_judged_every_answer_by_the_same_protocol(
    open_run: Callable[..., Shown], items: list[Item]
) -> None:
    judges = {"kind": lambda _c, _n: verdict(2, "Both")}
    some = {"kind": lambda clip, _n: verdict(2, "Both") if clip else None}
    you = open_run("you", judges)
    assert listening_score(items, you, {"m": open_run("partly", some)}).proxy
    full = open_run("full", judges)
    assert not listening_score(items, you, {"m": full}).proxy
    facts = full.results.judges["openai/kind"]
    for changes in (
        {"protocol": "v1"},
        {"judges": {"openai/kind": replace(facts, identity={"another": "judge"})}},
    ):
        changed = replace(full, results=replace(full.results, **changes))  # type: ignore[arg-type]
        assert listening_score(items, you, {"m": changed}).proxy


def test_models_are_scored_on_what_they_have_answered(
    open_run: Callable[..., Shown], items: list[Item]
) -> None:
    judges = {"kind": lambda clip, _n: verdict(clip % 3, "Both")}
    you = open_run("you", judges)
    begun = open_run("begun", judges, lambda clip, _n: "they flee" if clip < 2 else None)
    empty = open_run("empty", judges, lambda clip, n: "they flee" if n == clip + 2 else None)
    score = listening_score(items, you, {"begun": begun, "empty": empty})
    assert list(score.models) == ["begun"]  # the other one was asked other prompts
    assert score.models["begun"].judged == 2
    assert score.models["begun"].clips == (0, 1, *[None] * 6)
    assert score.models["begun"].difference is not None
    assert score.models["begun"].difference.value == 0  # on the same two clips
    assert score.models["begun"].comparison == ""


def test_few_clips_have_no_interval(open_run: Callable[..., Shown], items: list[Item]) -> None:
    you = open_run("you", {"kind": lambda _c, _n: verdict(2, "Both")})
    assert listening_score(items[: LEAST_CLIPS - 1], you, {}).you.mean.interval is None
    assert listening_score(items[:LEAST_CLIPS], you, {}).you.mean.interval is not None


def test_the_best_model_comes_first_and_equal_ones_are_similar(
    open_run: Callable[..., Shown], items: list[Item]
) -> None:
    judges = {"kind": lambda _c, _n: verdict(2, "Both")}
    zero = {"kind": lambda _c, _n: verdict(0, "Both")}
    you, same, worse = open_run("you", judges), open_run("same", judges), open_run("worse", zero)
    score = listening_score(items, you, {"worse": worse, "same": same})
    assert list(score.models) == ["same", "worse"]
    assert score.compared("similar") == ["same"]
