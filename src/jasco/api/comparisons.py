"""Paired differences of models, as an object."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jasco.api import arguments
from jasco.api.messages import named_as_in_python
from jasco.api.scores import data_frame
from jasco.errors import InputError
from jasco.reports.comparison import summarise_comparison
from jasco.reports.exports import pair_rows
from jasco.reports.html_table import differences_html
from jasco.reports.report import Pair, Report
from jasco.reports.text import render_comparison
from jasco.runs.targets import results_of

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, repr=False)
class Comparisons:
    """Paired differences of models; it prints as the table of ``jasco compare``.

    Attributes
    ----------
    report : Report
        The models and their differences.
    """

    report: Report

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The differences: ``first`` minus ``second``, their ``comparison``, and ``p_holm``."""
        return tuple(self.report.pairs or ())

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)

    def to_json(self) -> dict[str, Any]:
        """Return what ``jasco compare --json`` prints, in its documented schema."""
        return self.report.to_json()

    def to_pandas(self) -> "DataFrame":
        """Return the differences as a data frame: a row for each pair.

        Columns: ``first``, ``second``, ``clips`` and ``items`` that both have, ``best_mean``,
        ``mean``, ``audio``, ``both`` and ``speech``, each with ``_low`` and ``_high`` (the ends of
        its 95 % interval), ``tested`` (the figure that was tested), ``p``, ``p_holm`` (corrected
        for the number of pairs) and ``detectable`` (the minimum detectable difference).

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame(list(pair_rows(self.pairs)))

    def __str__(self) -> str:
        """Format the table of ``jasco compare``."""
        return render_comparison(self.report)

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
    """Compare models, paired over clips.

    Parameters
    ----------
    targets : sequence of str or Path
        At least two runs, or judged CSV files: a model each. ``"NAME=a.csv+b.csv"`` is one model
        with two judges.
    judges : sequence of str
        The judges whose verdicts count; all if empty.
    allow_mismatch : bool
        Whether to compare even if data, protocol or judges differ, on the clips that both have.

    Returns
    -------
    Comparisons
        The difference of each pair, with intervals and p-values.

    Raises
    ------
    InputError
        There are fewer than two models, or one cannot be read.
    RunConflictError
        Data, protocol or judges differ.

    Examples
    --------
    >>> import jasco
    >>> print(jasco.compare(["run-a", "run-b"]))  # doctest: +SKIP
    """
    paths = arguments.as_paths(targets)
    names = arguments.as_names("judges", judges)
    arguments.as_boolean("allow_mismatch", allow_mismatch)
    return comparisons_of(paths, judges=names, allow_mismatch=allow_mismatch)


def comparisons_of(
    targets: Sequence[Path], *, judges: Sequence[str] = (), allow_mismatch: bool = False
) -> Comparisons:
    """Return the differences of models; ``jasco compare`` prints them."""
    if len(targets) < 2:
        raise InputError(
            f"compare needs at least two models: {targets[0]} is one; add another run or CSV file"
        )
    results = results_of(targets, judges=judges)
    return Comparisons(summarise_comparison(results, allow_mismatch=allow_mismatch))
