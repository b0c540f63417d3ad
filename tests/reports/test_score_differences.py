"""Stored figures and the same figures, computed again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.reports.score_differences import score_differences

SCORES: dict[str, Any] = {
    "schema": 1,
    "signature": "jasco:0.1.0|protocol:v2",
    "versions": {"jasco": "0.1.0", "numpy": "2.0"},
    "models": {
        "m": {"best_mean": 1.25, "best_mean_ci": [1.0, 1.5], "complete": True, "exam": None}
    },
}


def found(**model: object) -> list[str]:
    stored = {**SCORES, "models": {"m": {**SCORES["models"]["m"], **model}}}
    return list(map(str, score_differences(stored, SCORES).differences))


def test_equal_figures_do_not_differ() -> None:
    assert found() == []
    assert found(best_mean=1.25 + 1e-8) == []  # another order of summation


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ({"best_mean": 1.2501}, "models.m.best_mean: stored 1.2501, recomputed 1.25"),
        ({"best_mean": None}, "models.m.best_mean: stored null, recomputed 1.25"),
        ({"best_mean": "1.25"}, "models.m.best_mean: stored 1.25, recomputed 1.25"),
        ({"best_mean_ci": [1.0, 1.6]}, "models.m.best_mean_ci[1]: stored 1.6, recomputed 1.5"),
        ({"best_mean_ci": [1.0]}, "models.m.best_mean_ci (number of entries): stored 1"),
        ({"complete": 1}, "models.m.complete: stored 1, recomputed true"),
        ({"more": 3}, "models.m.more: stored 3, recomputed null"),
        ({"exam": {"accuracy": 1}}, "models.m.exam"),
    ],
)
def test_each_changed_figure_is_one_line(model: dict[str, object], line: str) -> None:
    [shown] = found(**model)
    assert shown.startswith(f"scores.json: {line}")
    assert "\n" not in shown


def test_the_main_figures_cannot_be_left_out_by_naming_another_version() -> None:
    for stored in ({}, {**SCORES, "versions": {"jasco": "0.0.9"}, "models": {}}):
        assert score_differences(stored, SCORES).differences
    stored = {**SCORES, "versions": {}, "models": {"m": {**SCORES["models"]["m"], "wins": 9}}}
    found = score_differences(stored, SCORES)
    assert (found.differences, found.unknown) == ([], ["models.m.wins"])


def test_versions_are_not_compared_and_may_add_fields() -> None:
    older = {
        **SCORES,
        "signature": "jasco:0.0.9|protocol:v2",
        "versions": {"jasco": "0.0.9"},
        "models": {
            "m": {
                name: SCORES["models"]["m"][name]
                for name in ("best_mean", "best_mean_ci", "complete")
            }
        },
    }
    assert score_differences(older, SCORES).differences == []
    forged = {**older, "signature": "jasco:0.0.9|protocol:v1"}
    assert len(score_differences(forged, SCORES).differences) == 1


@given(
    st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=3) | st.lists(st.integers()))
)
def test_any_object_can_be_compared(stored: dict[str, object]) -> None:
    assert all(map(str, score_differences(stored, SCORES).differences))
