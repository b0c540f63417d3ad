"""The results of a sweep: one table over models and data sets, and curves over checkpoints."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from jasco.errors import InputError, RunConflictError, one_line
from jasco.evaluation.distributed.sweep_status import CellStatus
from jasco.metrics.bootstrap import NO_ESTIMATE, Estimate
from jasco.metrics.scoring import Score
from jasco.reports import formats
from jasco.reports.columns import Column, Table, TableRow, proxy_label
from jasco.reports.comparison import summarise_comparison
from jasco.reports.exports import DataRow, figure_rows
from jasco.reports.html_table import table_html
from jasco.reports.report import ModelReport, Report, as_json
from jasco.reports.text import title

_LONGEST_CELL = 60


def _answered(status: CellStatus) -> str:
    return f"{status.answered} of {status.items}" if status.items else ""


def _coverage(coverage: float | None) -> str:
    return "" if coverage is None else formats.percent(coverage)


def _updated(updated: str | None) -> str:
    return (updated or "")[:16].replace("T", " ")


# Figures of a CellStatus.
STATUS = (
    Column("cell.data", "data", one_line),
    Column("state", "state", str),
    Column("", "answered", _answered),
    Column("coverage", "coverage", _coverage),
    Column("updated", "updated", _updated),
)
# Figures of a CurvePoint.
BEST_MEAN = Column("score.best_mean", "best-mean [95%]", interval=True)
CURVE = (
    BEST_MEAN,
    Column("change", "change to the first [95%]", formats.signed_number, interval=True),
    Column("score.coverage", "coverage", formats.percent, omitted=formats.percent(1.0)),
)


@dataclass(frozen=True)
class Scored:
    """A cell with its figures; without a report if nothing can be scored yet."""

    status: CellStatus
    model: ModelReport | None = None


@dataclass(frozen=True)
class _OfData(Column):
    """The best-mean on a data set, for a mapping of data sets to cells."""

    def value(self, figures: object) -> Estimate:
        """Return the estimate."""
        scored = self._cell_of(figures)
        return scored.model.score.best_mean if scored and scored.model else NO_ESTIMATE

    def cell(self, figures: object) -> str:
        """Format the figure, with the coverage if it is incomplete; or the state of the cell."""
        scored = self._cell_of(figures)
        if scored is None:
            return ""
        if scored.model is None or not scored.model.judges:
            return scored.status.state
        coverage = scored.model.score.coverage
        missing = "" if coverage == 1 else f" (coverage {formats.percent(coverage)})"
        return super().cell(figures) + missing

    def _cell_of(self, figures: object) -> Scored | None:
        assert isinstance(figures, Mapping)
        return figures.get(self.key)


@dataclass(frozen=True)
class CurvePoint:
    """A checkpoint on a curve.

    Attributes
    ----------
    step : int
        Its step.
    name : str
        Its name in tables.
    model : ModelReport
        Its figures.
    change : Estimate
        The paired difference of best-mean to the first checkpoint; undefined for the first one, or
        if they cannot be compared.
    """

    step: int
    name: str
    model: ModelReport
    change: Estimate = NO_ESTIMATE

    @property
    def score(self) -> Score:
        """The figures of the panel."""
        return self.model.score


@dataclass(frozen=True)
class Curve:
    """The figures of the checkpoints of a model on a data set, in order of their steps."""

    data: str
    series: str
    points: Sequence[CurvePoint]

    @property
    def table(self) -> Table:
        """The curve as a table, with one row per checkpoint."""
        rows = [TableRow(str(point.step), point) for point in self.points]
        return Table("step", CURVE, rows)

    @property
    def label(self) -> str:
        """The name of the series, marked if the figures are those of a proxy."""
        return proxy_label(self.series, self.points[0].model)


@dataclass(frozen=True)
class SweepResults:
    """The cells of a sweep, and the reports about those that have results.

    Attributes
    ----------
    statuses : sequence of CellStatus
        All cells, model by model.
    reports : sequence of Report
        The reports of :class:`jasco.Scores`, which hold the figures.
    """

    statuses: Sequence[CellStatus]
    reports: Sequence[Report] = ()

    @property
    def data(self) -> list[str]:
        """The names of the data sets, as in the plan."""
        return list(dict.fromkeys(status.cell.data for status in self.statuses))

    @cached_property
    def cells(self) -> list[Scored]:
        """All cells with their figures."""
        models = {
            model.results.source[0]: model
            for report in self.reports
            for model in report.models.values()
        }
        return [Scored(status, models.get(status.cell.folder)) for status in self.statuses]

    @property
    def table(self) -> Table:
        """The table of best-mean: one row per model, one column per data set."""
        by_model: dict[str, dict[str, Scored]] = {}
        for scored in self.cells:
            cell = scored.status.cell
            by_model.setdefault(cell.model, {})[cell.data] = scored
        rows = [TableRow(_row_name(name, cells), cells) for name, cells in by_model.items()]
        columns = [_OfData(data, f"{data} [95%]", interval=True) for data in self.data]
        return Table("model", columns, rows)

    @cached_property
    def curves(self) -> list[Curve]:
        """The curves over checkpoints, for each data set."""
        points: dict[tuple[str, str], list[CurvePoint]] = {}
        for scored in self.cells:
            cell, model = scored.status.cell, scored.model
            if cell.series and cell.step is not None and model and model.judges:
                point = CurvePoint(cell.step, cell.model, model)
                points.setdefault((cell.data, cell.series), []).append(point)
        return [
            Curve(*key, _with_changes(each))
            for key, each in sorted(points.items(), key=lambda item: self.data.index(item[0][0]))
        ]

    def rows(self) -> Iterator[DataRow]:
        """Yield the figures, with one row per cell and one per judge of a cell."""
        statuses = {status.cell.folder: status for status in self.statuses}
        for report in self.reports:
            for row in figure_rows(report):
                status = statuses[report.models[row["model"]].results.source[0]]
                cell = status.cell
                yield {
                    "model": cell.model,
                    "judge": row["judge"],
                    "data": cell.data,
                    "step": cell.step,
                    "state": status.state,
                    **{key: row[key] for key in row if key not in ("model", "judge", "data")},
                }


def _row_name(name: str, cells: Mapping[str, Scored]) -> str:
    models = [scored.model for scored in cells.values() if scored.model]
    marked = next((proxy_label(name, model) for model in models if model.proxy), name)
    return one_line(marked, _LONGEST_CELL)


def _with_changes(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    first, *others = sorted(points, key=lambda point: point.step)
    return [first, *(replace(each, change=_change(each, first)) for each in others)]


def _change(point: CurvePoint, first: CurvePoint) -> Estimate:
    """Return the paired difference of best-mean, as ``jasco compare`` prints it."""
    try:
        report = summarise_comparison([point.model.results, first.model.results])
    except (InputError, RunConflictError):  # data or judges differ, or verdicts are missing
        return NO_ESTIMATE
    return next((pair.comparison.best_mean for pair in report.pairs or ()), NO_ESTIMATE)


# --- as text ---


def status_table(statuses: Sequence[CellStatus]) -> Table:
    """Return a table of the states of cells."""
    rows = [
        TableRow(one_line(status.cell.model, _LONGEST_CELL), status, status.state)
        for status in statuses
    ]
    return Table("model", STATUS, rows)


def reasons(statuses: Sequence[CellStatus]) -> list[str]:
    """Return a line for each reason for which the runs of a model failed."""
    data: dict[tuple[str, str], list[str]] = {}
    for status in statuses:
        if status.reason:
            data.setdefault((status.cell.model, status.reason), []).append(status.cell.data)
    return [
        f"{one_line(model, _LONGEST_CELL)} on {', '.join(names)}: {reason}"
        for (model, reason), names in data.items()
    ]


def render_status(statuses: Sequence[CellStatus]) -> str:
    """Format the states of cells as a table, followed by the reasons of failures."""
    if not statuses:
        return "no models found"
    table = status_table(statuses)
    rows = [table.cells(row) for row in table.rows]
    text = formats.table(table.header, rows, left=len(table.header))
    return "\n".join([text, *reasons(statuses)])


def render_sweep(results: SweepResults) -> str:
    """Format the table over models and data sets, the curves, and the reasons of failures."""
    if not results.statuses:
        return "no models found"
    parts = ["\n".join(map(title, results.reports)), results.table.to_text()]
    parts += [
        f"{curve.label} on {curve.data}\n\n{curve.table.to_text()}" for curve in results.curves
    ]
    parts.append("\n".join(reasons(results.statuses)))
    return "\n\n".join(filter(None, parts))


def sweep_html(results: SweepResults) -> str:
    """Format the table of a sweep and the reasons of failures as HTML."""
    signatures = " ".join(report.signature for report in results.reports)
    return table_html("Best-mean", results.table, reasons(results.statuses), signatures)


# --- as JSON ---


def cells_json(statuses: Sequence[CellStatus]) -> list[dict[str, Any]]:
    """Return the entries of ``cells`` in the documented JSON object."""
    return [
        {
            "model": status.cell.model,
            "data": status.cell.data,
            "run": str(status.cell.folder),
            "step": status.cell.step,
            "series": status.cell.series or None,
            "state": status.state,
            "reason": status.reason or None,
            "items": status.items,
            "answered": status.answered,
            "coverage": status.coverage,
            "updated": status.updated,
        }
        for status in statuses
    ]


def curves_json(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Return the entries of ``curves`` in the documented JSON object."""
    return [
        {
            "data": curve.data,
            "series": curve.series,
            "points": [
                as_json(
                    {
                        "step": point.step,
                        "model": point.name,
                        "best_mean": point.score.best_mean,
                        "change": point.change,
                        "coverage": point.score.coverage,
                    }
                )
                for point in curve.points
            ],
        }
        for curve in curves
    ]


def folders_with_results(statuses: Sequence[CellStatus]) -> list[Path]:
    """Return the folders of the cells that can be scored: those with an answer."""
    return [status.cell.folder for status in statuses if status.answered]
