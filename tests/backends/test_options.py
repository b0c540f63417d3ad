"""Options of a spec: single ones, those that repeat, and families."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.backends.options import (
    SERVE,
    Option,
    address,
    at_least,
    canonical,
    defaults,
    one_of,
    read_options,
    true_or_false,
)
from jasco.errors import InputError

KNOWN = {
    option.name: option
    for option in (
        Option("length", "", at_least(1, int), 5, identity=True),
        Option("url", "", repeatable=True),
        Option("extra", "", identity=True, family=True, reserved=("model",)),
        SERVE,
    )
}


def read(*pairs: str) -> dict[str, Any]:
    return read_options("a/spec", pairs, KNOWN)


def test_what_is_not_given_has_its_default() -> None:
    assert read() == defaults(KNOWN) == {"length": 5, "url": (), "extra": None, "serve": {}}


def test_a_family_of_the_identity_nests_and_parses_json() -> None:
    extra = read("extra.a.b=5", "extra.a.c=[1]", "extra.d=low", "extra.e=-0.0")["extra"]
    assert extra == {"a": {"b": 5, "c": [1]}, "d": "low", "e": 0.0}
    assert str(extra["e"]) == "0.0"


def test_another_family_is_handed_on_as_it_stands() -> None:
    assert read("serve.a.b=5", "serve.a.b.c=x=y")["serve"] == {"a.b": "5", "a.b.c": "x=y"}
    assert read("serve.api-key=abcd")["serve"] == {"api-key": "abcd"}


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["extra=1"], "unknown key 'extra'"),
        (["length.x=1"], "unknown key 'length.x'"),
        (["extra.=1"], "empty"),
        (["extra.a..b=1"], "empty"),
        (["extra.a=1", "extra.a=2"], "given twice"),
        (["extra.a=1", "extra.a.b=2"], "extra.a.b: a already has a value"),
        (["extra.model=x"], "extra.model: set by jasco"),
        (["extra.a=1e999"], "finite"),
        (["serve.a=1", "serve.a=1"], "given twice"),
        (["serve.--a=1"], "letters, digits"),
        (["serve.a"], "missing value"),
        (["length=1", "length=1"], "given twice"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(pairs: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(*pairs)


@pytest.mark.parametrize("value", ['{"api_key":"sk-1"}', '[{"token":"sk-1"}]'])
def test_an_identity_holds_no_secrets(value: str) -> None:
    with pytest.raises(InputError, match="api_key_env"):
        read(f"extra.meta={value}")
    with pytest.raises(InputError):
        read("extra.api_key=sk-1")


def test_readers_name_what_is_needed() -> None:
    assert (at_least(0, float)("0.5"), one_of("a", "b")("b")) == (0.5, "b")
    assert (true_or_false("true"), true_or_false("false")) == (True, False)
    assert address("https://h:1/v1") == "https://h:1/v1"
    for reader, text, need in (
        (at_least(1, int), "0", "integer >= 1"),
        (at_least(1, int), "x", "integer"),
        (one_of("a", "b"), "c", "a, b"),
        (true_or_false, "1", "true, false"),
        (address, "h:1/v1", "http://"),
    ):
        with pytest.raises(ValueError, match=need):
            reader(text)


@given(st.recursive(st.floats(allow_nan=False, allow_infinity=False), st.lists, max_leaves=5))
def test_equal_values_are_written_alike(value: Any) -> None:
    assert canonical(value) == value
    assert "-0.0" not in re.split(r"[\[\], ]+", str(canonical(value)))
