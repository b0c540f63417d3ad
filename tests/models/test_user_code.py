"""The user's own code: where an exception was raised in it."""

import functools
import json
from typing import Any

from jasco.models.user_code import file_of, raised_at


def fails(text: str) -> Any:
    return json.loads(text)  # raised in a library


class Calls:
    def __call__(self) -> None:
        fails("{")


def caught(call: Any) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError


def test_the_innermost_line_of_the_users_file_is_named() -> None:
    place = raised_at(caught(lambda: fails("{")), __file__)
    assert place.endswith("return json.loads(text) # raised in a library")
    assert "test_user_code.py:" in place
    assert raised_at(caught(lambda: fails("{"))) == place  # libraries are not the user's


def test_what_is_raised_outside_of_any_code_has_no_place() -> None:
    assert raised_at(ValueError("never raised")) == ""


def test_the_file_of_anything_that_can_be_called() -> None:
    for function in (fails, functools.partial(fails, "{"), Calls(), Calls().__call__):
        assert file_of(function) == __file__
    assert file_of(len) == ""


def test_a_file_name_that_is_no_text_is_written_as_text() -> None:
    names: dict[str, Any] = {}
    exec(compile("def f():\n    raise ValueError\n", "my\udcff\n.py", "exec"), names)
    assert raised_at(caught(names["f"])).encode() == b"my? .py:2"


def test_code_without_a_file_is_named_by_its_line() -> None:
    code = compile("def f():\n    raise ValueError\n", "<cell 3>", "exec")
    names: dict[str, Any] = {}
    exec(code, names)
    assert raised_at(caught(names["f"]), file_of(names["f"])) == "<cell 3>:2"
