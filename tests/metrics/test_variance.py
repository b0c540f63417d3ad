"""Variance components: simulations with known components, and mean squares by least squares."""

import itertools
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from jasco.metrics.variance import COMPONENTS, mean_square, variance_components

Array = NDArray[np.float64]
AXES = "cpjs"
INDICES = dict(
    zip(COMPONENTS, ("c", "p", "j", "cp", "cj", "pj", "cpj", "cps", "cpjs"), strict=True)
)
SIZE = 6, 4, 3, 3
RNG = np.random.default_rng(7)


def simulated(components: dict[str, float], size: tuple[int, ...] = SIZE) -> Array:
    """Return scores that are a sum of normal effects with these variances."""
    scores = np.zeros(size)
    for name, variance in components.items():
        shape = [
            length if axis in INDICES[name] else 1 for axis, length in zip(AXES, size, strict=True)
        ]
        scores = scores + RNG.normal(0, variance**0.5, shape)
    return scores


def columns(source: str, size: tuple[int, ...]) -> Array:
    """Return a column of zeros and ones for each level of a source."""
    cells = list(itertools.product(*map(range, size)))
    levels = [
        tuple(place for axis, place in zip(AXES, cell, strict=True) if axis in source)
        for cell in cells
    ]
    return np.array([[level == other for other in sorted(set(levels))] for level in levels], float)


def explained(design: Array, scores: Array) -> tuple[float, int]:
    """Return the sum of squares that least squares explain, and the rank of the design."""
    fitted = design @ np.linalg.lstsq(design, scores, rcond=None)[0]
    return float((fitted**2).sum()), int(np.linalg.matrix_rank(design))


@pytest.mark.parametrize("size", [(3, 2, 2, 2), (4, 3, 2, 1), (3, 2, 1, 3), (2, 3, 3, 2)])
def test_mean_squares_are_what_least_squares_explain_beyond_the_sources_within(
    size: tuple[int, ...],
) -> None:
    scores = RNG.normal(size=size)
    for source in INDICES.values():
        within = [other for other in INDICES.values() if other != source and {*other} <= {*source}]
        smaller = np.hstack([np.ones((prod(size), 1)), *(columns(each, size) for each in within)])
        larger = np.hstack([smaller, columns(source, size)])
        (without, rank), (with_it, full_rank) = (
            explained(design, scores.ravel()) for design in (smaller, larger)
        )
        if full_rank > rank:
            expected = (with_it - without) / (full_rank - rank)
            assert mean_square(scores, source) == pytest.approx(expected)


@pytest.mark.parametrize(
    "known",
    [
        dict(zip(COMPONENTS, (1.0, 0.2, 0.1, 0.5, 0.3, 0.05, 0.2, 0.8, 0.4), strict=True)),
        {"clip": 2.0, "sample": 0.5, "residual": 0.1},
        {"residual": 1.0},
    ],
)
def test_known_components_are_estimated_without_bias(known: dict[str, float]) -> None:
    tables = [variance_components(simulated(known)) for _ in range(400)]
    for name in COMPONENTS:
        raw = np.array([table.raw[name] for table in tables if table], float)
        error = raw.std(ddof=1) / len(raw) ** 0.5
        assert abs(raw.mean() - known.get(name, 0)) < 4 * error


def test_with_one_sample_its_variance_is_part_of_clip_x_prompt() -> None:
    known = {
        "clip": 1.0,
        "clip_prompt": 0.3,
        "sample": 0.5,
        "clip_prompt_judge": 0.2,
        "residual": 1,
    }
    tables = [variance_components(simulated(known, (6, 4, 3, 1))) for _ in range(400)]
    means = {
        name: np.mean([table.raw[name] for table in tables if table])
        for name in ("clip", "clip_prompt", "residual")
    }
    assert means == pytest.approx({"clip": 1, "clip_prompt": 0.8, "residual": 1.2}, abs=0.15)
    assert tables[0]
    assert tables[0].raw["sample"] is tables[0].raw["clip_prompt_judge"] is None
    assert tables[0].includes == {"clip_prompt": ("sample",), "residual": ("clip_prompt_judge",)}


def test_with_one_judge_the_residual_is_part_of_the_samples() -> None:
    table = variance_components(simulated({"sample": 1.0, "residual": 1.0}, (200, 8, 1, 3)))
    assert table
    assert table.raw["sample"] == pytest.approx(2, abs=0.2)
    assert [name for name in COMPONENTS if table.raw[name] is None] == [
        "judge", "clip_judge", "prompt_judge", "clip_prompt_judge", "residual",
    ]  # fmt: skip
    assert table.includes["sample"] == ("residual",)
    assert "judge" not in {name for names in table.includes.values() for name in names}


@pytest.mark.parametrize("size", [(2, 1, 1, 1), (2, 1, 1, 3), (2, 1, 3, 1), (2, 8, 1, 1)])
def test_degenerate_designs_have_the_components_that_can_be_separated(
    size: tuple[int, ...],
) -> None:
    table = variance_components(RNG.normal(size=size))
    assert table
    assert table.raw["clip"] is not None
    separate = [name for name in COMPONENTS if table.raw[name] is not None]
    merged = [name for names in table.includes.values() for name in names]
    assert len(merged) == len(set(merged))
    assert not {*separate} & {*merged}


def test_negative_estimates_are_reported_as_zero_and_kept() -> None:
    scores = np.array([[0, 2], [2, 0]], float)[:, :, None, None]
    table = variance_components(scores)
    assert table
    assert table.raw["clip"] == -2
    assert table.components["clip"] == 0
    assert table.shares == {**dict.fromkeys(COMPONENTS), "clip": 0, "prompt": 0, "clip_prompt": 1}


def test_equal_scores_have_no_shares() -> None:
    table = variance_components(np.ones((3, 2, 2, 2)))
    assert table
    assert set(table.components.values()) == {0}
    assert set(table.shares.values()) == {None}


@given(arrays.arrays(bool, (5, 3, 2, 2), elements=st.booleans(), fill=st.just(False)))
def test_only_clips_without_a_missing_score_count(missing: NDArray[np.bool_]) -> None:
    scores = np.where(missing, np.nan, np.arange(60).reshape(5, 3, 2, 2) % 7)
    complete = ~missing.any(axis=(1, 2, 3))
    table = variance_components(scores)
    if complete.sum() < 2:
        assert table is None
    else:
        assert table
        assert table.clips == complete.sum()
        assert table == variance_components(scores[complete])
        assert sum(share or 0 for share in table.shares.values()) == pytest.approx(1)


def test_many_clips_are_analysed_for_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = RNG.normal(size=(50, 4, 3, 2))
    scores[7, 1, 2, 0] = np.nan
    whole = variance_components(scores)
    monkeypatch.setattr("jasco.metrics.variance._CHUNK", 7)
    parts = variance_components(scores)
    assert whole and parts
    assert parts.clips == whole.clips == 49
    assert parts.raw == pytest.approx(whole.raw)


def test_scores_in_single_precision_are_analysed_in_double_precision() -> None:
    scores = RNG.integers(0, 3, size=(60, 8, 3, 1)).astype(np.float32)
    assert variance_components(scores) == variance_components(scores.astype(float))
