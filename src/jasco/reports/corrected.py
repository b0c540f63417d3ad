"""Figures corrected with annotators' labels, as a table and in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from jasco.errors import count
from jasco.metrics.bootstrap import LEAST_CLIPS, Estimate
from jasco.metrics.corrected import Corrected, CorrectedFigure
from jasco.reports.columns import Column, Models, Table, TableRow, proxy_label
from jasco.reports.formats import signed_number
from jasco.reports.report import JudgeReport, ModelReport

CORRECTED_EXPLAINED = (
    "Corrected: what the annotators would have given, estimated from the judge's scores of all "
    "clips and the labels (prediction-powered inference). This assumes that the labelled clips are "
    "a random sample of all clips. Bias: the judge's score minus the annotators', averaged over "
    "the labelled clips, whose number is in the last column."
)


@dataclass(frozen=True)
class _Compared:
    """A figure of a judge, and the same figure corrected with labels."""

    raw: Estimate
    corrected: CorrectedFigure


_COLUMNS = (
    Column("raw", "raw [95%]", interval=True),
    Column("corrected.estimate", "corrected [95%]", interval=True),
    Column("corrected.bias", "bias", signed_number),
    Column("corrected.clips", "clips", str),
)
_NEEDED = {
    "best_mean": "labels of the answers to all instructions",
    "mean": "labels",
}


def corrected_figures(models: Models) -> Table:
    """Return a table of raw and corrected figures, of models and their judges."""
    rows = [
        TableRow(label, compared)
        for name, model in models.items()
        for figure in _figures_of(model)
        for label, compared in _rows(name, model, figure)
    ]
    return Table("figure", _COLUMNS, rows)


def label_lines(models: Models) -> Iterator[str]:
    """Yield which labels were used, and why figures have no estimate."""
    for name, model in models.items():
        if (labels := model.results.labels) is None:
            continue
        unused = labels.rows - labels.used
        others = f"{unused} of {count(labels.rows, 'row')} label other answers and are not used"
        yield (
            f"{name}: {count(labels.items, 'labelled item')} of {count(labels.clips, 'clip')}"
            + (f"; {others}" if unused else "")
        )
        reports: dict[str, ModelReport | JudgeReport] = {name: model, **model.judges}
        for label, report in reports.items():
            without = labels.clips - report.corrected.mean.clips if report.corrected else 0
            if without:
                yield (
                    f"{label}: {count(without, 'labelled clip')} without a verdict on a labelled "
                    "answer, not used; the others may not be a random sample"
                )
        for figure in _figures_of(model):
            for label, compared in _rows(name, model, figure):
                if compared.corrected.estimate.value is None:
                    subject = " ".join(label.split())
                    yield (
                        f"{subject}: no estimate; {count(compared.corrected.clips, 'clip')} with "
                        f"{_NEEDED[figure]}, at least {LEAST_CLIPS} are needed"
                    )


def _figures_of(model: ModelReport) -> tuple[str, ...]:
    return ("mean",) if model.results.single_prompt else ("best_mean", "mean")


def _rows(name: str, model: ModelReport, figure: str) -> Iterator[tuple[str, _Compared]]:
    title = f"{figure.replace('_', '-')} of"
    judges = {
        f"  by {proxy_label(judge, report)}": _compared(report, report.corrected, figure)
        for judge, report in model.judges.items()
        if report.corrected
    }
    if model.corrected and len(judges) > 1:
        panel = _compared(model, model.corrected, figure)
        yield f"{title} {proxy_label(name, model)}", panel
        yield from judges.items()
    else:
        for label, compared in judges.items():
            yield f"{title} {name}\n{label}", compared


def _compared(report: ModelReport | JudgeReport, corrected: Corrected, figure: str) -> _Compared:
    return _Compared(getattr(report.score, figure), getattr(corrected, figure))
