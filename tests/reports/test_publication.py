"""What is required for publication, and what is refused."""

from typing import Any

import pytest

from jasco.errors import InputError
from jasco.reports.publication import Publication

EEE: dict[str, Any] = {"model_id": "Org/Model", "evaluator": "X", "relationship": "other"}


@pytest.mark.parametrize(("form", "complete"), [("eee", EEE), ("hf", {"hub_task": "a/b/c"})])
def test_each_missing_value_is_named(form: str, complete: dict[str, Any]) -> None:
    Publication(**complete).check(form)
    for name in complete:
        with pytest.raises(InputError, match=f"requires --{name.replace('_', '-')}"):
            Publication(**{**complete, name: None}).check(form)


@pytest.mark.parametrize(
    ("form", "unused"),
    [("csv", "model_id"), ("html", "hub_task"), ("eee", "hub_task"), ("hf", "model_id")],
)
def test_a_value_that_a_format_does_not_use_is_refused(form: str, unused: str) -> None:
    values = {"csv": {}, "html": {}, "eee": EEE, "hf": {"hub_task": "a/b/c"}}[form]
    with pytest.raises(InputError, match="has no effect"):
        Publication(**{**values, unused: "a/b"}).check(form)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("model_id", text) for text in ("Model", "a/b/c", "../b", "a/..", "data/b", "a/b c", "")),
        *(("model_id", text) for text in ("a/b\n", "é/b", "a/b.", "-a/b", "a" * 99 + "/b")),
        *(("evaluator", text) for text in ("", " ", "a\nb", "x" * 201, "\u202e")),
        ("relationship", "self"),
        *(
            ("source_url", text)
            for text in ("example.org", "javascript:x", "https://", "file:///x")
        ),
        *(("source_url", text) for text in ("https://u:p@a.b", "https://a.b/ c", "https://[", 5)),
    ],
)
def test_an_invalid_value_is_refused_in_one_line(name: str, value: Any) -> None:
    with pytest.raises(InputError, match="expected") as error:
        Publication(**{**EEE, name: value}).check("eee")
    assert "\n" not in str(error.value)


def test_the_evaluator_on_the_hub_needs_an_address() -> None:
    with pytest.raises(InputError, match="requires --source-url"):
        Publication(hub_task="a/b/c", evaluator="X").check("hf")
