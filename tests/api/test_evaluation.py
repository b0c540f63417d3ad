"""The same from Python: in a notebook, in a training loop."""

import asyncio
import functools
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

import jasco
from chat_server import Serve
from jasco.backends.specs import open_spec
from jasco.data.dataset import read_data_set
from jasco.judges.panel import open_judges
from jasco.protocol.responses import Failure
from runs import verdict, write_run
from synthetic import make_data


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
    assert evaluation.model == "python/tests.api.test_evaluation:answer"
    assert evaluation.complete
    assert evaluation.figures["answers"]["answered"] == 32
    assert evaluation.best_mean == evaluation.figures["best_mean"]
    assert evaluation.summary["data"]["clips"] == 4
    again = jasco.score(tmp_path / "run")
    assert again == evaluation
    assert str(again) == repr(again) == str(evaluation)
    assert "python/tests.api.test_evaluation:answer" in str(evaluation)
    assert "<pre>" in evaluation._repr_html_()


def test_an_object_is_evaluated_under_a_name_of_its_own(data: Path, tmp_path: Path) -> None:
    ears = Ears()
    evaluation = jasco.evaluate(
        ears, data=read_data_set(data), judges="offline", run=tmp_path / "run", name="step-1000"
    )
    assert evaluation.model == "python/step-1000"
    assert max(ears.batches) == 8
    with pytest.raises(jasco.RunConflictError, match="the run holds answers of python/step-1000"):
        jasco.evaluate(Ears(), data=data, judges=[], run=tmp_path / "run", name="step-2000")


def test_a_spec_is_evaluated_as_on_the_command_line(data: Path, serve: Serve) -> None:
    spec = f"openai/m,base_url={serve().url}"
    one = jasco.evaluate(spec, data=str(data), judges=[], limit=2)
    other = jasco.evaluate(open_spec("model", spec), data=data, judges=[], limit=2)
    assert one.summary == other.summary
    assert one.figures["answers"]["answered"] == 16
    with pytest.raises(jasco.InputError, match="leave out name='mine'"):
        jasco.evaluate(spec, data=data, judges=[], name="mine")


def test_a_model_that_does_not_hear_is_refused(data: Path, tmp_path: Path) -> None:
    def deaf(audio: Any, sampling_rate: int, prompt: str) -> str:
        return f"I was asked {prompt}"

    with pytest.raises(
        jasco.RunConflictError, match="gives the same answer to a clip, to another one"
    ):
        jasco.evaluate(deaf, data=data, judges=[], run=tmp_path / "run", name="deaf")
    evaluation = jasco.evaluate(
        deaf, data=data, judges=[], run=tmp_path / "run", name="deaf", preflight=False
    )
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
            counting, data=data, judges=[], run=tmp_path / "run", name="counting",
            limit=np.int64(limit), preflight=False,
        )  # fmt: skip
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
        raise jasco.IncompleteError("the judge is gone")

    monkeypatch.setattr("jasco.judges.offline.Offline.judge", gone)
    with pytest.raises(jasco.IncompleteError, match="the judge is gone") as caught:
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
        jasco.evaluate(
            interrupting, data=data, judges=[], run=tmp_path / "run", name="x", concurrency=1
        )
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


def test_arguments_that_are_no_good_are_told_in_one_line(data: Path, temporary: Path) -> None:
    good: dict[str, Any] = {"data": data, "judges": []}
    for name, values, told in (
        ("limit", [0, -1, "3", 2.0, True, np.True_, [1], np.array([1, 2])], "positive integer or"),
        ("concurrency", [0, -1, "3", 2.5, None, False], "concurrency must be a positive integer"),
        ("protocol", ["v3", "", "V2"], "protocol '.*' is unknown; there are v2, v1"),
        ("protocol", [2, ["v2"], b"v2"], "protocol must be a name or None: got"),
        ("preflight", [None, 1, "no"], "preflight must be True or False: got"),
        ("judges", [None, 7, open_spec("judge", "offline")], "judges must be a list"),
        ("judges", [[None], ["offline", 7], b"x", [open_spec("model", "openai/m")]],
         "judges must be specs or judges: got"),
        ("judges", ["", ["nobody/j"]], "provider '.*' is unknown; see: jasco judges"),
        ("data", [None, 7, "", " ", b"mini", "a\0b"], "data must be a name, a folder or"),
        ("run", ["", 7, b"x", True, "a\0b"], "run must be a folder or None: got"),
        ("name", ["", "  ", 7, b"x"], "name must be a text that is not empty: got"),
    ):  # fmt: skip
        for value in values:
            with pytest.raises(jasco.InputError, match=told) as refusal:
                jasco.evaluate(answer, **{**good, name: value})
            assert "\n" not in str(refusal.value)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("target", [None, 7, [], "", [None], ["a", ""], b"run"])
def test_what_cannot_be_scored_is_told(target: Any) -> None:
    with pytest.raises(jasco.InputError, match="target must be a run or judged CSV files: got"):
        jasco.score(target)


def test_more_calls_at_once_than_there_are_will_do(data: Path) -> None:
    told: dict[str, Any] = {"data": data, "judges": ["offline"], "concurrency": np.int64(10**12)}
    assert jasco.evaluate(answer, **told).complete
    assert jasco.evaluate(answer, **told, limit=10**30).complete


# --- what a model is called ---


class Methods:
    """Holds functions in several ways."""

    @staticmethod
    def static(audio: Any, sampling_rate: int, prompt: str) -> str:
        return answer(audio, sampling_rate, prompt)

    @classmethod
    def of_class(cls, audio: Any, sampling_rate: int, prompt: str) -> str:
        return answer(audio, sampling_rate, prompt)

    def bound(self, audio: Any, sampling_rate: int, prompt: str) -> str:
        return answer(audio, sampling_rate, prompt)

    def __call__(self, audio: Any, sampling_rate: int, prompt: str) -> str:
        return answer(audio, sampling_rate, prompt)


class OtherMethods(Methods):
    @staticmethod
    def static(audio: Any, sampling_rate: int, prompt: str) -> str:
        return "?"


named_lambda = lambda audio, rate, prompt: answer(audio, rate, prompt)  # noqa: E731


def closure() -> Any:
    def answer(audio: Any, sampling_rate: int, prompt: str) -> str:
        return "?"

    return answer


@functools.wraps(answer)
def decorated(*arguments: Any) -> str:
    return answer(*arguments)


NAMELESS = [
    lambda audio, rate, prompt: "?", named_lambda, closure(), functools.partial(answer),
    functools.update_wrapper(functools.partial(answer), answer), Methods(), Methods().bound,
    Ears(), Ears().answer, decorated,
]  # fmt: skip


@pytest.mark.parametrize("model", NAMELESS)
def test_what_shares_its_name_with_others_needs_one_of_its_own_for_a_run(
    model: Any, data: Path, tmp_path: Path
) -> None:
    told: dict[str, Any] = {"data": data, "judges": [], "limit": 1, "preflight": False}
    with pytest.raises(jasco.InputError, match="give it one of its own: name=") as refusal:
        jasco.evaluate(model, run=tmp_path / "run", **told)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "run").exists()
    jasco.evaluate(model, **told)  # a temporary run holds no other
    evaluation = jasco.evaluate(model, run=tmp_path / "run", name="mine", **told)
    assert evaluation.model == "python/mine"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (answer, "tests.api.test_evaluation:answer"),
        (Methods.static, "tests.api.test_evaluation:Methods.static"),
        (OtherMethods.static, "tests.api.test_evaluation:OtherMethods.static"),
        (Methods.of_class, "tests.api.test_evaluation:Methods.of_class"),
    ],
)
def test_what_is_found_by_its_name_needs_no_other(
    model: Any, name: str, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    evaluation = jasco.evaluate(model, data=data, judges=[], run=run, limit=1, preflight=False)
    assert evaluation.model == f"python/{name}"


def test_a_function_of_a_notebook_is_found_by_its_name(data: Path, tmp_path: Path) -> None:
    cell: dict[str, Any] = {"audible": answer}
    exec(  # as a cell is, in a module or in none
        "import functools\ndef louder(f):\n"
        "    return functools.wraps(f)(lambda *arguments: f(*arguments))\n"
        "def plain(audio, rate, prompt): return audible(audio, rate, prompt)\n"
        "@louder\ndef loud(audio, rate, prompt): return audible(audio, rate, prompt)\n",
        cell,
    )
    told: dict[str, Any] = {"data": data, "judges": [], "limit": 1, "preflight": False}
    for name in ("plain", "loud"):
        evaluation = jasco.evaluate(cell[name], run=tmp_path / name, **told)
        assert evaluation.model.endswith(f":{name}")
    with pytest.raises(jasco.InputError, match="give it one of its own: name="):
        jasco.evaluate(cell["louder"](cell["plain"]), run=tmp_path / "other", **told)


def test_an_object_may_have_a_name_of_its_own(data: Path, tmp_path: Path) -> None:
    ears = Ears()
    ears.__name__ = "step-7"  # type: ignore[attr-defined]
    evaluation = jasco.evaluate(ears, data=data, judges=[], run=tmp_path / "run", limit=1)
    assert evaluation.model == "python/tests.api.test_evaluation:step-7"


def test_a_second_lambda_does_not_get_the_answers_of_the_first(data: Path, tmp_path: Path) -> None:
    told: dict[str, Any] = {"data": data, "judges": [], "preflight": False, "limit": 1}
    jasco.evaluate(lambda audio, rate, prompt: "1", run=tmp_path / "run", name="one", **told)
    with pytest.raises(jasco.RunConflictError, match="the run holds answers of python/one"):
        jasco.evaluate(lambda audio, rate, prompt: "2", run=tmp_path / "run", name="two", **told)


def test_a_model_of_a_spec_takes_no_other_name(data: Path) -> None:
    with pytest.raises(jasco.InputError, match="openai/m: it has a name; leave out name='mine'"):
        jasco.evaluate(open_spec("model", "openai/m"), data=data, judges=[], name="mine")
    with pytest.raises(jasco.InputError, match="Offline is no function"):
        jasco.evaluate(open_spec("judge", "offline"), data=data, judges=[])


def test_figures_become_a_data_frame(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", clips=5)  # fewer have no intervals
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

    told = {"data": data, "run": tmp_path / "run", "name": "failing"}
    bare = jasco.evaluate(failing, judges=[], **told).items_to_pandas()
    assert len(bare) == 32
    assert bare["judge"].isna().all()
    evaluation = jasco.evaluate(failing, judges=["offline"], **told)
    frame = evaluation.items_to_pandas()
    unanswered = frame["answer"].isna()
    assert evaluation.figures["answers"]["answered"] == (~unanswered).sum() < 32
    assert frame[unanswered]["rating"].isna().all()
    assert frame[unanswered]["failure"].str.startswith("error: ValueError: no").all()
    assert frame[unanswered]["failure"].str.contains("test_evaluation.py:").all()
    assert frame[~unanswered]["failure"].isna().all()
    assert not evaluation.complete
    marked = frame[~unanswered]
    assert set(marked["rating"]) <= {0, 1, 2}
    assert (marked["score"] == marked["rating"].where(marked["orientation"] == "Both", 0)).all()
    assert marked["judge_output"].str.startswith("Proxy verdict").all()
    best = frame.groupby("clip")["score"].max().mean()
    assert best == pytest.approx(evaluation.best_mean)


def test_a_data_frame_says_why_there_is_no_verdict(data: Path, tmp_path: Path) -> None:
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
    chosen = jasco.score(run, judges="openai/some").items_to_pandas()
    assert set(chosen["judge"]) == {"openai/some"}


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
