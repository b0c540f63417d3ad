"""The same from Python: in a notebook, in a training loop."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_server import Serve
from synthetic import make_data

import jasco
from jasco.benchmark.dataset import read_data_set
from jasco.judges.panel import open_judges
from jasco.providers.specs import open_spec


def answer(audio: Any, sampling_rate: int, prompt: str) -> str:
    """Say what is heard, and what was asked."""
    assert sampling_rate == 16_000
    return f"A tone of {int(np.abs(np.fft.rfft(audio)).argmax())} for: {prompt[-20:]}"


class Ears:
    """Takes batches, and notes how many questions came at once."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def answer(self, audios: Any, sampling_rate: int, prompts: Any) -> list[str]:
        self.batches.append(len(prompts))
        return [answer(*each) for each in zip(audios, [sampling_rate] * 8, prompts, strict=False)]


def test_a_function_is_evaluated(data: Path, tmp_path: Path) -> None:
    evaluation = jasco.evaluate(answer, data=data, judges=["offline"], run=tmp_path / "run")
    assert evaluation.model == "python/test_api:answer"
    assert evaluation.complete
    assert evaluation.figures["answers"]["answered"] == 32
    assert evaluation.best_mean == evaluation.figures["best_mean"]
    assert evaluation.summary["data"]["clips"] == 4
    again = jasco.score(tmp_path / "run")
    assert again == evaluation
    assert str(again) == repr(again) == str(evaluation)
    assert "python/test_api:answer" in str(evaluation)
    assert "<pre>" in evaluation._repr_html_()


def test_an_object_is_evaluated_under_a_name_of_its_own(data: Path, tmp_path: Path) -> None:
    ears = Ears()
    evaluation = jasco.evaluate(
        ears, data=read_data_set(data), judges="offline", run=tmp_path / "run", name="step-1000"
    )
    assert evaluation.model == "python/step-1000"
    assert max(ears.batches) == 8
    with pytest.raises(jasco.Refused, match="the run holds answers of python/step-1000"):
        jasco.evaluate(Ears(), data=data, judges=[], run=tmp_path / "run", name="step-2000")


def test_a_spec_is_evaluated_as_on_the_command_line(data: Path, serve: Serve) -> None:
    spec = f"openai/m,base_url={serve().url}"
    one = jasco.evaluate(spec, data=str(data), judges=[], limit=2)
    other = jasco.evaluate(open_spec("model", spec), data=data, judges=[], limit=2)
    assert one.summary == other.summary
    assert one.figures["answers"]["answered"] == 16
    with pytest.raises(jasco.InputError, match="a spec is its own name"):
        jasco.evaluate(spec, data=data, judges=[], name="mine")


def test_a_model_that_does_not_hear_is_refused(data: Path, tmp_path: Path) -> None:
    def deaf(audio: Any, sampling_rate: int, prompt: str) -> str:
        return f"I was asked {prompt}"

    with pytest.raises(jasco.Refused, match="gives the same answer to a clip, to another one"):
        jasco.evaluate(deaf, data=data, judges=[], run=tmp_path / "run")
    evaluation = jasco.evaluate(deaf, data=data, judges=[], run=tmp_path / "run", preflight=False)
    assert evaluation.figures["answers"]["preflight"]["overridden"]


def test_judges_may_be_made_already(data: Path) -> None:
    judges = open_judges("offline")
    assert jasco.evaluate(answer, data=data, judges=judges).complete


def test_a_run_that_was_begun_goes_on(data: Path, tmp_path: Path) -> None:
    asked = []

    def counting(audio: Any, sampling_rate: int, prompt: str) -> str:
        asked.append(prompt)
        return answer(audio, sampling_rate, prompt)

    for limit in (1, 3):
        evaluation = jasco.evaluate(
            counting, data=data, judges=[], run=tmp_path / "run", limit=limit, preflight=False
        )
        assert evaluation.figures["answers"]["answered"] == 8 * limit
    assert len(asked) == 24


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Watch the place of temporary folders."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_without_a_run_nothing_is_left(data: Path, temporary: Path) -> None:
    evaluation = jasco.evaluate(answer, data=data, judges=["offline"], limit=1)
    assert list(temporary.iterdir()) == []
    assert len(evaluation.items_to_pandas()) == 8  # it knows all the same
    with pytest.raises(jasco.InputError, match="no-such-folder: "):
        jasco.evaluate(answer, data="no-such-folder", judges=[])
    assert list(temporary.iterdir()) == []


def test_what_was_done_is_kept_where_it_ends_early(
    data: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object) -> None:
        raise jasco.CannotGoOn("the judge is gone")

    monkeypatch.setattr("jasco.judges.offline.Offline.judge", gone)
    with pytest.raises(jasco.CannotGoOn, match="the judge is gone") as caught:
        jasco.evaluate(answer, data=data, judges=["offline"], limit=1)
    [note] = caught.value.__notes__
    [kept] = temporary.iterdir()
    assert note == f"What was done is kept: run={str(kept)!r} goes on with it."
    assert jasco.score(kept).figures["answers"]["answered"] == 8


def test_it_works_where_a_loop_of_events_is_running(data: Path) -> None:
    async def notebook() -> jasco.Evaluation:
        return jasco.evaluate(answer, data=data, judges=["offline"], limit=1)

    assert asyncio.run(notebook()).complete


def test_signals_stay_the_callers(data: Path) -> None:
    def mine(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, mine)
    try:
        jasco.evaluate(answer, data=data, judges=[], limit=1)
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_ctrl_c_ends_it_in_good_order(data: Path, tmp_path: Path) -> None:
    asked = []

    def interrupting(audio: Any, sampling_rate: int, prompt: str) -> str:
        asked.append(prompt)
        if len(asked) == 20:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(0.5)
        return answer(audio, sampling_rate, prompt)

    with pytest.raises(KeyboardInterrupt):
        jasco.evaluate(interrupting, data=data, judges=[], run=tmp_path / "run", concurrency=1)
    kept = jasco.score(tmp_path / "run").figures["answers"]["answered"]
    assert 0 < kept < 32


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (7, "int is no function"),
        (lambda audio: "x", r"must take \(audio, sampling_rate, prompt\)"),
        (asyncio.sleep, "is async"),
        ("nonsense/x", "provider 'nonsense' is unknown"),
    ],
)
def test_what_is_no_model_is_told(data: Path, model: Any, told: str) -> None:
    with pytest.raises(jasco.InputError, match=told):
        jasco.evaluate(model, data=data, judges=[])


def test_figures_become_a_data_frame(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", 5)  # fewer have no intervals
    evaluation = jasco.evaluate(answer, data=data, judges=["offline"])
    frame = evaluation.to_pandas()
    assert list(frame["judge"].isna()) == [True, False]
    assert frame["judge"][1] == "offline"
    assert (frame["model"] == evaluation.model).all()
    for column in ("best_mean", "mean", "neither_rate", "coverage"):
        assert frame[column][0] == evaluation.figures[column]
    low, high = evaluation.figures["best_mean_ci"]
    assert (frame["best_mean_low"][0], frame["best_mean_high"][0]) == (low, high)


def test_items_become_a_data_frame(data: Path, tmp_path: Path) -> None:
    def failing(audio: Any, sampling_rate: int, prompt: str) -> str:
        if "infer" in prompt:
            raise ValueError("no")
        return answer(audio, sampling_rate, prompt)

    bare = jasco.evaluate(failing, data=data, judges=[], run=tmp_path / "run").items_to_pandas()
    assert len(bare) == 32
    assert bare["judge"].isna().all()
    evaluation = jasco.evaluate(failing, data=data, judges=["offline"], run=tmp_path / "run")
    frame = evaluation.items_to_pandas()
    unanswered = frame["answer"].isna()
    assert evaluation.figures["answers"]["answered"] == (~unanswered).sum() < 32
    assert frame[unanswered]["rating"].isna().all()
    assert not evaluation.complete
    marked = frame[~unanswered]
    assert set(marked["rating"]) <= {0, 1, 2}
    assert (marked["score"] == marked["rating"].where(marked["orientation"] == "Both", 0)).all()
    assert marked["judge_output"].str.startswith("Proxy verdict").all()
    best = frame.groupby("clip")["score"].max().mean()
    assert best == pytest.approx(evaluation.best_mean)


def test_judged_files_are_scored(data: Path, tmp_path: Path) -> None:
    from jasco.benchmark.filled import COLUMNS, template_rows
    from jasco.benchmark.tables import write_table

    rows = [
        {**row, "judge_output": "Rating: 2\nOrientation: Both", "allm_output": "They flee."}
        for row in template_rows(read_data_set(data), dict.fromkeys("0123", 4000))
    ]
    for name in ("one", "other"):
        write_table(tmp_path / f"{name}.csv", [*COLUMNS, "judge_output"], rows)
    one = jasco.score(tmp_path / "one.csv")
    assert one.best_mean == 2
    both = jasco.score([tmp_path / "one.csv", str(tmp_path / "other.csv")])
    assert list(both.figures["judges"]) == ["one", "other"]
    assert len(both.items_to_pandas()) == 64


def test_without_pandas_that_is_said(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = jasco.evaluate(answer, data=data, judges=[], limit=1)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(jasco.InputError, match="pip install pandas"):
        evaluation.to_pandas()


def test_importing_it_loads_no_library() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import jasco, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for library in ("numpy", "openai", "pandas", "tqdm", "sqlite3", "asyncio"):
        assert library not in told
