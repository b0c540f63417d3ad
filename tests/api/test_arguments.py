"""Arguments of the public functions: what they accept, and the names of models."""

import asyncio
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jasco
from audible import BatchModel, answer
from jasco.api.arguments import as_tags, read_tags
from jasco.backends.specs import open_spec


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (7, "int is not a function"),
        (lambda audio: "x", r"must take \(audio, sampling_rate, prompt\)"),
        (asyncio.sleep, "is async"),
        ("nonsense/x", "provider 'nonsense' is unknown"),
    ],
)
def test_what_is_no_model_is_refused(data: Path, model: Any, message: str) -> None:
    with pytest.raises(jasco.InputError, match=message):
        jasco.evaluate(model, data=data, judges=[])


def test_wrong_arguments_are_reported_in_one_line(data: Path, temporary_folder: Path) -> None:
    arguments: dict[str, Any] = {"data": data, "judges": []}
    for name, values, message in (
        ("limit", [0, -1, "3", 2.0, True, np.True_, [1], np.array([1, 2])], "positive integer or"),
        ("concurrency", [0, -1, "3", 2.5, None, False], "concurrency must be a positive integer"),
        ("protocol", ["v3", "", "V2"], "protocol '.*' is unknown .expected v2 or v1"),
        ("protocol", [2, ["v2"], b"v2"], "protocol must be a name or None: got"),
        ("preflight", [None, 1, "no"], "preflight must be True or False: got"),
        ("judges", [None, 7, open_spec("judge", "offline")], "judges must be a list"),
        ("judges", [[None], ["offline", 7], b"x", [open_spec("model", "openai/m")]],
         "judges must be specs or judges: got"),
        ("judges", ["", ["nobody/j"]], "provider '.*' is unknown; see: jasco judges"),
        ("data", [None, 7, "", " ", b"mini", "a\0b"], "data must be a name, a folder or"),
        ("run", ["", 7, b"x", True, "a\0b"], "run must be a folder or None: got"),
        ("name", ["", "  ", 7, b"x", "a\nb", "x" * 201], "name must be one line of 1 to 200"),
        ("tags", [7, "a=b", ["a"]], "tags must be a mapping"),
        ("tags", [{"a b": 1}, {"": 1}, {7: 1}], "tag key must be a letter"),
        ("tags", [{"a": "b\nc"}, {"a": "x" * 201}], "tag a must be one line of at most 200"),
    ):  # fmt: skip
        for value in values:
            with pytest.raises(jasco.InputError, match=message) as error:
                jasco.evaluate(answer, **{**arguments, name: value})
            assert "\n" not in str(error.value)
    assert list(temporary_folder.iterdir()) == []


def test_more_calls_at_once_than_there_are_will_do(data: Path) -> None:
    options: dict[str, Any] = {"data": data, "judges": ["offline"], "concurrency": np.int64(10**12)}
    assert jasco.evaluate(answer, **options).complete
    assert jasco.evaluate(answer, **options, limit=10**30).complete


# --- the name of a model ---


class Methods:
    """Functions as methods of each kind, and as the object itself."""

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
    BatchModel(), BatchModel().answer, decorated,
]  # fmt: skip


@pytest.mark.parametrize("model", NAMELESS)
def test_what_shares_its_name_with_others_needs_one_of_its_own_for_a_run(
    model: Any, data: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"data": data, "judges": [], "limit": 1, "preflight": False}
    with pytest.raises(jasco.InputError, match="name=") as error:
        jasco.evaluate(model, run=tmp_path / "run", **options)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()
    jasco.evaluate(model, **options)  # a temporary run holds no other model
    scores = jasco.evaluate(model, run=tmp_path / "run", name="mine", **options)
    assert scores.model == "mine"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (answer, "audible:answer"),
        (Methods.static, "tests.api.test_arguments:Methods.static"),
        (OtherMethods.static, "tests.api.test_arguments:OtherMethods.static"),
        (Methods.of_class, "tests.api.test_arguments:Methods.of_class"),
    ],
)
def test_what_is_found_by_its_name_needs_no_other(
    model: Any, name: str, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    scores = jasco.evaluate(model, data=data, judges=[], run=run, limit=1, preflight=False)
    assert scores.model == f"python/{name}"


def test_a_function_of_a_notebook_is_found_by_its_name(data: Path, tmp_path: Path) -> None:
    cell: dict[str, Any] = {"audible": answer}
    exec(  # like a notebook's cell
        "import functools\ndef louder(f):\n"
        "    return functools.wraps(f)(lambda *arguments: f(*arguments))\n"
        "def plain(audio, rate, prompt): return audible(audio, rate, prompt)\n"
        "@louder\ndef loud(audio, rate, prompt): return audible(audio, rate, prompt)\n",
        cell,
    )
    options: dict[str, Any] = {"data": data, "judges": [], "limit": 1, "preflight": False}
    for name in ("plain", "loud"):
        scores = jasco.evaluate(cell[name], run=tmp_path / name, **options)
        assert scores.model.endswith(f":{name}")
    with pytest.raises(jasco.InputError, match="name="):
        jasco.evaluate(cell["louder"](cell["plain"]), run=tmp_path / "other", **options)


def test_an_object_may_have_a_name_of_its_own(data: Path, tmp_path: Path) -> None:
    model = BatchModel()
    model.__name__ = "step-7"  # type: ignore[attr-defined]
    scores = jasco.evaluate(model, data=data, judges=[], run=tmp_path / "run", limit=1)
    assert scores.model == "python/audible:step-7"


def test_a_second_lambda_does_not_get_the_answers_of_the_first(data: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"data": data, "judges": [], "preflight": False, "limit": 1}
    jasco.evaluate(lambda audio, rate, prompt: "1", run=tmp_path / "run", name="one", **options)
    with pytest.raises(jasco.RunConflictError, match="python/one"):
        jasco.evaluate(lambda audio, rate, prompt: "2", run=tmp_path / "run", name="two", **options)


def test_a_judge_is_not_a_model(data: Path) -> None:
    with pytest.raises(jasco.InputError, match="Offline is not a function"):
        jasco.evaluate(open_spec("judge", "offline"), data=data, judges=[])


def test_numbers_in_tags_stay_numbers() -> None:
    tags = {"step": np.int64(7), "loss": np.float32(0.5), "note": "a b", "flag": True, "nan": NAN}
    assert as_tags(tags) == {"step": 7, "loss": 0.5, "note": "a b", "flag": "True", "nan": "nan"}
    assert read_tags(["a=1", "b=-1.5e3", "c=007", "d=", "e=x=y", "f=1_0", "g=1e999"]) == {
        "a": 1, "b": -1500.0, "c": "007", "d": "", "e": "x=y", "f": "1_0", "g": "1e999",
    }  # fmt: skip
    for wrong in ({"a": None}, {"a": ["x\ny"] * 100}):
        with pytest.raises(jasco.InputError, match="tag a"):
            as_tags(wrong)


NAN = float("nan")
