"""Strict JSON with checked fields."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.data.json_records import (
    is_flag,
    is_number,
    is_sha256,
    is_text,
    list_of,
    mapping_of,
    optional,
    read_json,
    read_lines,
    read_object,
    record_of,
    whole,
    write_json,
    write_lines,
)
from jasco.errors import InputError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(VALUES)
def test_what_is_written_is_read_again(value: object) -> None:
    assert read_json(write_json(value), "x") == value


def test_the_bytes_do_not_depend_on_the_order_of_fields() -> None:
    assert (
        write_json({"b": 1, "a": "ü"})
        == write_json({"a": "ü", "b": 1})
        == b'{"a":"\xc3\xbc","b":1}'
    )


@pytest.mark.parametrize(
    "text",
    [
        "NaN", "-Infinity", "1e999", "9" * 5000, "[" * 100_000, '{"a": 1, "a": 2}', '"\\ud800"',
        "", "{", "9223372036854775808",
    ],
)  # fmt: skip
def test_what_is_not_strict_json_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match=r"^x: not valid JSON") as error:
        read_json(text.encode(), "x")
    assert "\n" not in str(error.value)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        json.dumps(read_json(content, "x"))
    except InputError as error:
        assert str(error).startswith("x: ")


CHECKS = {"name": is_text, "number": optional(whole(1, 8))}


def test_fields_are_named_if_they_are_invalid_missing_or_unknown() -> None:
    assert read_object(b'{"name": "a"}', "x", CHECKS) == {"name": "a"}
    for text, problem in (
        ('{"name": 1}', "invalid field 'name'"),
        ("{}", "missing field 'name'"),
        ('{"name": "a", "more": 1}', "unknown field 'more'"),
        ('{"name": "a", "number": true}', "invalid field 'number'"),
        ('{"name": "a", "number": 9}', "invalid field 'number'"),
        ("[]", "not a JSON object"),
    ):
        with pytest.raises(InputError, match=problem):
            read_object(text.encode(), "x", CHECKS)


def test_a_line_is_named() -> None:
    content = write_lines([{"name": "a"}, {"name": 3}])
    with pytest.raises(InputError, match=r"^x: line 2: "):
        list(read_lines(content, "x", CHECKS))


def test_checks_distinguish_types() -> None:
    assert is_number(1.5)
    assert not is_number(True)
    assert is_flag(False)
    assert is_sha256("0" * 64)
    assert not is_sha256("0" * 64 + "\n")
    assert list_of(is_text)(["a"])
    assert not list_of(is_text)("a")
    assert mapping_of(whole(0))({"a": 1})
    assert not record_of(CHECKS)({"name": "a", "more": 1})
