"""Paired differences between models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jasco.api import arguments
from jasco.api.messages import named_as_in_python
from jasco.errors import InputError
from jasco.reports.comparison import summarise_comparison
from jasco.reports.exports import data_frame, pair_rows
from jasco.reports.html_table import differences_html
from jasco.reports.report import Pair, Report
from jasco.reports.text import render_comparison
from jasco.runs.targets import results_of

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, repr=False)
class Comparisons:
    """Paired differences between models; ``print`` shows the table of ``jasco compare``.

    A sequence of pairs: it has a length and can be iterated over.

    Attributes
    ----------
    report : Report
        The models and their differences.
    """

    report: Report

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs, each with ``first`` and ``second``, ``comparison`` and ``p_holm``."""
        return tuple(self.report.pairs or ())

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``jasco compare --json`` prints, in its documented schema."""
        return self.report.to_json()

    def to_pandas(self) -> "DataFrame":
        """Return the differences as a data frame, with one row per pair.

        The columns are ``first``, ``second``, ``clips`` and ``items`` (the numbers of those that
        are compared), ``best_mean``, ``mean``, ``audio``, ``both`` and ``speech``, each with
        ``_low`` and ``_high`` (the ends of its 95% interval), ``tested`` (the figure that was
        tested), ``p``, ``p_holm`` (corrected for the number of pairs) and ``detectable`` (the
        minimum detectable difference).

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame(list(pair_rows(self.pairs)))

    def __str__(self) -> str:
        """Return the text of ``jasco compare``."""
        return self.to_text()

    def to_text(self, width: int | None = None) -> str:
        """Return the text of ``jasco compare``: differences, findings in words, cautions, details.

        Parameters
        ----------
        width : int, optional
            The width of the terminal. If not given, tables and sentences have at most 80
            characters per line, and each detail is one line.
        """
        return render_comparison(self.report, width)

    def __repr__(self) -> str:
        pairs = ", ".join(
            f"{pair.first} minus {pair.second}: {pair.comparison.best_mean}" for pair in self.pairs
        )
        return f"Comparisons({pairs})"

    def _repr_html_(self) -> str:
        return differences_html(self.report)


@named_as_in_python()
def compare(
    targets: Sequence[str | Path],
    *,
    judges: Sequence[str] = (),
    allow_mismatch: bool = False,
) -> Comparisons:
    """Compute the paired differences between models, clip by clip.

    Parameters
    ----------
    targets : sequence of str or Path
        At least two runs or judged CSV files, one per model. ``"NAME=a.csv+b.csv"`` is one model
        with two judges.
    judges : sequence of str
        The judges whose verdicts are used; all judges if empty.
    allow_mismatch : bool
        Whether to compare models even if data, protocol or judges differ, on their common clips.

    Returns
    -------
    Comparisons
        The differences of each pair of models, with intervals and p-values.

    Raises
    ------
    InputError
        There are fewer than two models, or a target cannot be read.
    RunConflictError
        Data, protocol or judges differ.

    Examples
    --------
    >>> import tempfile
    >>> import jasco
    >>> def castle(audio, sampling_rate, prompt):
    ...     return "They are building a sandcastle."
    >>> def concert(audio, sampling_rate, prompt):
    ...     return "They are listening to a concert."
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for model in (castle, concert):
    ...         scores = jasco.evaluate(
    ...             model,
    ...             data="mini",
    ...             judges=["offline"],
    ...             run=f"{folder}/{model.__name__}",
    ...             name=model.__name__,
    ...             limit=2,
    ...             preflight=False,
    ...         )
    ...     comparisons = jasco.compare([f"{folder}/castle", f"{folder}/concert"])
    >>> [pair] = comparisons
    >>> pair.first, pair.second, pair.comparison.clips
    ('castle', 'concert', 2)
    """
    paths = arguments.as_paths(targets)
    names = arguments.as_names("judges", judges)
    arguments.as_boolean("allow_mismatch", allow_mismatch)
    return comparisons_of(paths, judges=names, allow_mismatch=allow_mismatch)


def comparisons_of(
    targets: Sequence[Path], *, judges: Sequence[str] = (), allow_mismatch: bool = False
) -> Comparisons:
    """Return the paired differences that ``jasco compare`` prints."""
    if len(targets) < 2:
        raise InputError(
            f"compare requires at least two models: got only {targets[0]}; add a run or a CSV file"
        )
    results = results_of(targets, judges=judges)
    return Comparisons(summarise_comparison(results, allow_mismatch=allow_mismatch))
