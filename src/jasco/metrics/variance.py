"""Variance components of scores due to clips, instructions, judges and samples.

Conventions
-----------
Scores have the shape (clips, instructions, judges, samples). Clips, instructions and judges are
crossed; the samples, a model's repeated responses to an item, are nested in clip x instruction and
crossed with the judges. All effects are random. Only clips without missing scores are used, so that
the design is balanced. In the names of components, an instruction is a ``prompt``.

Method
------
The method of moments: the mean squares of the analysis of variance are set equal to their expected
values, which are linear in the components. The expected mean square of a source A is the sum of
the variances of all sources B whose indices include those of A, each multiplied by the number of
scores per level of B. The estimates are unbiased and may be negative; negative estimates are
reported as 0.

Searle, Casella and McCulloch, *Variance Components* (1992), chapter 4; Brennan, *Generalizability
Theory* (2001), chapter 3.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_CLIPS = 2
_CHUNK = 10_000  # clips at once
_AXES = "cpjs"
# The indices of each component, from main effects to the residual.
_SOURCES = {
    "clip": "c",
    "prompt": "p",
    "judge": "j",
    "clip_prompt": "cp",
    "clip_judge": "cj",
    "prompt_judge": "pj",
    "clip_prompt_judge": "cpj",
    "sample": "cps",
    "residual": "cpjs",
}
COMPONENTS = tuple(_SOURCES)


@dataclass(frozen=True)
class VarianceComponents:
    """The variance components of a model's gated scores.

    Attributes
    ----------
    clips, prompts, judges, samples : int
        The size of the design; only clips without missing scores are counted.
    raw : mapping of str to float or None
        The estimates by component, in squared units of the score, including negative ones; None
        if a component cannot be separated from another.
    includes : mapping of str to tuple of str
        By component, those that cannot be separated from it and are included in it. With one
        sample, for example, the variance of samples is included in ``clip_prompt``.
    """

    clips: int
    prompts: int
    judges: int
    samples: int
    raw: Mapping[str, float | None]
    includes: Mapping[str, tuple[str, ...]]

    @property
    def components(self) -> dict[str, float | None]:
        """The estimates by component; negative ones are replaced by 0."""
        return {name: None if raw is None else max(raw, 0.0) for name, raw in self.raw.items()}

    @property
    def shares(self) -> dict[str, float | None]:
        """The share of each component in the sum of all; None if the sum is 0."""
        components = self.components
        total = sum(value for value in components.values() if value is not None)
        return {
            name: None if value is None or not total else value / total
            for name, value in components.items()
        }


def variance_components(scores: NDArray[Any]) -> VarianceComponents | None:
    """Compute the variance components of scores.

    Parameters
    ----------
    scores : ndarray, shape (clips, instructions, judges, samples)
        The scores; NaN if a score is missing.

    Returns
    -------
    VarianceComponents or None
        The components; None if there are fewer than two clips without missing scores.

    Examples
    --------
    >>> scores = np.array([[0, 1], [2, 2]], float)[:, :, None, None]
    >>> variance_components(scores).raw["clip"]
    1.0
    """
    scores = np.asarray(scores)
    complete = scores[~np.isnan(scores).any(axis=(1, 2, 3))]
    if len(complete) < LEAST_CLIPS:
        return None
    sizes = dict(zip(_AXES, complete.shape, strict=True))
    sources = dict(_SOURCES)
    if sizes["s"] == 1:  # the residual is the interaction of clip, instruction and judge
        sources["residual"] = sources.pop("clip_prompt_judge")
    names = [name for name, indices in sources.items() if _freedom(indices, sizes)]
    mean_squares = [mean_square(complete, sources[name]) for name in names]
    expected = [
        [
            prod(sizes[axis] for axis in _AXES if axis not in sources[other])
            if {*sources[name]} <= {*sources[other]}
            else 0
            for other in names
        ]
        for name in names
    ]
    estimates = dict(zip(names, np.linalg.solve(expected, mean_squares).tolist(), strict=True))
    clips, prompts, judges, samples = complete.shape
    return VarianceComponents(
        clips,
        prompts,
        judges,
        samples,
        raw={name: estimates.get(name) for name in COMPONENTS},
        includes=_includes(sources, names, sizes),
    )


def mean_square(scores: NDArray[Any], source: str) -> float:
    """Compute the mean square of a source of variation.

    Parameters
    ----------
    scores : ndarray, shape (clips, instructions, judges, samples)
        The scores, without missing values.
    source : str
        The indices of the source: some of ``c``, ``p``, ``j`` and ``s``.
    """
    sizes = dict(zip(_AXES, scores.shape, strict=True))
    levels = prod(sizes[axis] for axis in source)
    squares = sum((effect**2).sum() for effect in _effects(scores, source))
    return float(squares * scores.size / levels / _freedom(source, sizes))


def _effects(scores: NDArray[Any], source: str) -> Iterator[NDArray[np.float64]]:
    """Yield the effects of a source, for some clips at a time if they differ between clips."""
    mean = scores.mean(axis=0, keepdims=True, dtype=float)
    if "c" not in source:
        yield _effects_within_clips(mean, source)
        return
    for start in range(0, len(scores), _CHUNK):
        chunk = scores[start : start + _CHUNK].astype(float)
        centred = chunk if _is_nesting("c", source) else chunk - mean
        yield _effects_within_clips(centred, source)


def _effects_within_clips(effect: NDArray[np.float64], source: str) -> NDArray[np.float64]:
    for place, axis in enumerate(_AXES[1:], start=1):
        mean = effect.mean(axis=place, keepdims=True)
        if axis not in source:
            effect = mean
        elif not _is_nesting(axis, source):
            effect = effect - mean
    return effect


def _is_nesting(axis: str, source: str) -> bool:
    """Return whether an index only identifies the item in which a sample is nested."""
    return "s" in source and axis in "cp"


def _freedom(source: str, sizes: Mapping[str, int]) -> int:
    """Compute the degrees of freedom of a source."""
    return prod(sizes[axis] - (not _is_nesting(axis, source)) for axis in source)


def _includes(
    sources: Mapping[str, str], names: list[str], sizes: Mapping[str, int]
) -> dict[str, tuple[str, ...]]:
    """Return the components that differ from another only in axes with one level, by the other."""
    by_indices = {sources[name]: name for name in names}
    includes: dict[str, tuple[str, ...]] = {}
    for component in COMPONENTS:
        if component in names:
            continue
        indices = "".join(axis for axis in _SOURCES[component] if sizes[axis] > 1)
        if name := by_indices.get(indices):
            includes[name] = (*includes.get(name, ()), component)
    return includes
