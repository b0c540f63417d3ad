"""The place in the user's own code where an exception was raised."""

import functools
import json
from typing import Any

from jasco.models.user_code import file_of, raised_at


def fails(text: str) -> Any:
    return json.loads(text)  # raised in a library


class Calls:
    def __call__(self) -> None:
        fails("{")


def exception_of(call: Any) -> BaseException:
    """Return the exception that a call raises."""
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError


def test_the_innermost_line_of_the_users_file_is_named() -> None:
    place = raised_at(exception_of(lambda: fails("{")), __file__)
    assert place.endswith("return json.loads(text) # raised in a library")
    assert "test_user_code.py:" in place
    assert raised_at(exception_of(lambda: fails("{"))) == place  # lines of libraries are skipped


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert raised_at(ValueError("never raised")) == ""


def test_the_file_of_a_callable() -> None:
    for function in (fails, functools.partial(fails, "{"), Calls(), Calls().__call__):
        assert file_of(function) == __file__
    assert file_of(len) == ""


def test_a_file_name_that_is_not_text_is_escaped() -> None:
    namespace: dict[str, Any] = {}
    exec(compile("def f():\n    raise ValueError\n", "my\udcff\n.py", "exec"), namespace)
    assert raised_at(exception_of(namespace["f"])).encode() == b"my? .py:2"


def test_code_without_a_file_is_named_by_its_line() -> None:
    code = compile("def f():\n    raise ValueError\n", "<cell 3>", "exec")
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    assert raised_at(exception_of(namespace["f"]), file_of(namespace["f"])) == "<cell 3>:2"
