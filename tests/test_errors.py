"""Numbers, durations and near matches in messages."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.errors import count, did_you_mean, did_you_mean_path, duration, near


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "clip", "0 clips"),
        (1, "clip", "1 clip"),
        (2, "clip", "2 clips"),
        (1, "unreadable reply", "1 unreadable reply"),
        (3, "unreadable reply", "3 unreadable replies"),
        (2, "day", "2 days"),
        (2, "guess", "2 guesses"),
        (2, "match", "2 matches"),
        (2, "box", "2 boxes"),
    ],
)
def test_a_noun_has_the_number_that_stands_before_it(number: int, noun: str, text: str) -> None:
    assert count(number, noun) == text


def test_an_irregular_plural_is_given() -> None:
    assert count(2, "person", "people") == "2 people"
    assert count(1, "person", "people") == "1 person"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (9000, "2.5 h")],
)
def test_a_duration_is_written_in_the_largest_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("name", "known", "suggestions"),
    [
        ("opnai", ["openai", "offline", "hf"], ["openai"]),
        ("base_ur", ["base_url", "seed"], ["base_url"]),
        ("V2", ["v2", "v1"], ["v2"]),
        ("gpt-4o", ["openai", "offline", "hf", "vllm"], []),
        ("", ["openai"], []),
        ("x", [], []),
    ],
)
def test_only_near_names_are_suggested(name: str, known: list[str], suggestions: list[str]) -> None:
    assert near(name, known) == suggestions
    assert did_you_mean(name, known) == (f"; did you mean {suggestions[0]}?" if suggestions else "")


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=8))
def test_what_is_suggested_is_known_and_in_one_line(name: str, known: list[str]) -> None:
    assert set(near(name, known)) <= set(known)
    assert len(near(name, known)) <= 3
    assert did_you_mean(name, known).isprintable()


def test_files_are_near_whatever_they_end_in(tmp_path: Path) -> None:
    for name in ("first.csv", "second.csv", ".first.csv"):
        (tmp_path / name).touch()
    assert did_you_mean_path(tmp_path / "frist") == f"; did you mean {tmp_path / 'first.csv'}?"
    (tmp_path / "first").mkdir()
    for name, nearest in (("frist", "first"), ("frist.csv", "first.csv")):
        assert did_you_mean_path(tmp_path / name).startswith(
            f"; did you mean {tmp_path / nearest} or "
        )
    assert did_you_mean_path(tmp_path / "frist", folders=True) == (
        f"; did you mean {tmp_path / 'first'}?"
    )


def test_a_folder_that_cannot_be_listed_suggests_nothing(tmp_path: Path) -> None:
    assert did_you_mean_path(tmp_path / "none" / "first") == ""
