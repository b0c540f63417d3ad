"""The figures of a run, or of judged CSV files, and how they print."""

import html
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jasco.api.arguments import as_paths
from jasco.api.messages import Notify, named_as_in_python
from jasco.backends.optional_imports import import_optional
from jasco.data.csv_files import whole_file
from jasco.errors import InputError, count
from jasco.reports.comparison import summarise_comparison, summarise_report
from jasco.reports.disagreements import write_disagreements
from jasco.reports.exports import export, figure_rows, item_rows
from jasco.reports.formats import failure_counts, reason_texts
from jasco.reports.notes import missing
from jasco.reports.report import Report, summarise
from jasco.reports.spending import spending_line
from jasco.reports.text import render
from jasco.runs.read_csv import judged_items_of_files, results_of_files
from jasco.runs.read_run import judged_items_of_run, read_run, results_of_run
from jasco.runs.results import JudgedItems
from jasco.runs.targets import check_targets, files_of_model, results_of

if TYPE_CHECKING:
    from pandas import DataFrame

_SUFFIXES = {
    ".html": "html", ".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json",
}  # fmt: skip


@dataclass(frozen=True, repr=False)
class Evaluation:
    """A model's figures. It prints as the command's table.

    Attributes
    ----------
    model : str
        The model's name.
    summary : dict
        All that ``jasco score --json`` prints, in the documented schema.
    """

    model: str
    summary: dict[str, Any]
    _report: Report = field(compare=False)
    _items: Callable[[], JudgedItems] = field(compare=False)

    @property
    def figures(self) -> dict[str, Any]:
        """The model's part of the summary: figures, judges, agreement, how the answering went."""
        figures: dict[str, Any] = self.summary["models"][self.model]
        return figures

    @property
    def best_mean(self) -> float | None:
        """A clip's best score over the instructions, averaged over the clips: 0 to 2."""
        best_mean: float | None = self.figures["best_mean"]
        return best_mean

    @property
    def complete(self) -> bool:
        """Whether every item is answered, and every answer has a readable verdict."""
        return bool(self.figures["complete"])

    def __str__(self) -> str:
        """Format the table."""
        return render(self._report)

    __repr__ = __str__  # what a notebook or a prompt shows of it

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def to_pandas(self) -> "DataFrame":
        """Return the figures as a data frame: a row for the model, and one for each judge.

        Columns: ``model``, ``judge`` (None for the model itself), ``best_mean``, ``mean``,
        ``audio``, ``both`` and ``speech`` (shares of 1), each with ``_low`` and ``_high`` (the
        ends of its 95 % interval), ``neither_rate``, ``unreadable_rate``, ``coverage``,
        ``complete``, ``proxy``, ``best_mean_at_worst`` and ``best_mean_at_best`` (what it would
        be with every missing verdict at its worst, or best), ``best_of_1`` to ``best_of_8``
        (prompts), ``mean_of_instruction_1`` to ``mean_of_instruction_8``.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return _data_frame(list(figure_rows(self._report)))

    def items_to_pandas(self) -> "DataFrame":
        """Return all answers and verdicts as a data frame: a row for each answer and judge.

        Columns: ``clip``, ``instruction`` (from 1), ``prompt``, ``sample`` (of several answers to
        the same item, from 1), ``reference``, ``answer``,
        ``failure`` (why there is no answer: kind and message), ``judge``, ``rating`` (0 to 2),
        ``orientation``, ``score`` (the rating where it counts, else 0), ``judge_output``,
        ``judge_failure`` (why there is no verdict). What is missing is None.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return _data_frame(list(item_rows(self._items())))


def _data_frame(rows: list[dict[str, Any]]) -> "DataFrame":
    try:
        from pandas import DataFrame
    except ImportError:
        raise InputError("pandas is not installed: pip install pandas") from None
    return DataFrame(rows)


@named_as_in_python()
def score(
    target: str | Path | Sequence[str | Path],
    *,
    compat: bool = False,
    judges: Sequence[str] = (),
) -> Evaluation:
    """Return the figures of a run, or of judged CSV files.

    Parameters
    ----------
    target : str, Path or sequence of them
        A run's folder; or a judged CSV file, or several, which are several judges of one model.
    compat : bool
        Whether to take the arithmetic of the published script, bug for bug.
    judges : sequence of str
        The judges whose verdicts count, as tables name them; all, where none is named.

    Returns
    -------
    Evaluation
        With the figures of what is there, complete or not.

    Raises
    ------
    InputError
        There is nothing to score, it cannot be read, or a judge is not there.
    """
    paths = as_paths(target)
    check_targets(paths, together=True)
    if len(paths) == 1 and paths[0].is_dir():
        results, items = read_run(paths[0], compat=compat)
    else:
        results, items = results_of_files(paths, compat=compat), None
    results = results.judged_by([judges] if isinstance(judges, str) else judges)

    def read_items() -> JudgedItems:
        # What the published script reads need not be a whole responses CSV: it is read on demand.
        return (items or judged_items_of_files(paths)).judged_by(
            [*results.judges, *results.without_verdict]
        )

    report = summarise([results])
    return Evaluation(results.model, report.to_json(), report, read_items)


def score_report(targets: Sequence[Path], *, published: bool = False, **settings: Any) -> Report:
    """Return the report of runs, or of the judged CSV files of one model.

    Parameters
    ----------
    targets : sequence of pathlib.Path
        Folders of runs, or files: a judge each.
    published : bool
        Whether it shows the published results as well.
    **settings
        ``compat`` and ``judges``, as of :func:`score`.

    Raises
    ------
    InputError
        As of :func:`score`, or the runs are about different data.
    """
    return summarise(results_of(targets, together=True, **settings), published=published)


def notify_missing(report: Report, notify: Notify) -> None:
    """Write one message on what a report lacks."""
    if parts := "; ".join(missing(report)):
        notify(f"incomplete: {parts}")


def answer_lines(run: Path) -> list[str]:
    """Return lines on how the answering of a run went: answers, reasons of failures, spending."""
    results = results_of_run(run)
    answers = results.answers
    failures = f" ({failure_counts(answers.failed)})" if answers.failed else ""
    expected = count(answers.expected, results.unit)
    lines = [
        f"{answers.answered} of {expected} are answered in {run}{failures}",
        *(f"{results.model}: {text}" for text in reason_texts(answers.reasons)),
    ]
    if line := spending_line(results.spent):
        lines.append(line)
    return lines


def export_disagreements(targets: Sequence[Path], output: Path) -> int:
    """Write a CSV of the items on which judges differ, and return their number.

    Parameters
    ----------
    targets : sequence of pathlib.Path
        One run, or the judged CSV files of one model.
    output : pathlib.Path
        The file to write.

    Raises
    ------
    InputError
        There are several runs, or fewer than two judges.
    """
    check_targets(targets, together=True)
    if not targets[0].is_dir():
        return write_disagreements(output, judged_items_of_files(targets))
    if len(targets) > 1:
        raise InputError("--disagreements takes one run, or the judged CSV files of one model")
    return write_disagreements(output, judged_items_of_run(targets[0]))


def compare_models(
    targets: Sequence[Path], *, judges: Sequence[str] = (), allow_mismatch: bool = False
) -> Report:
    """Return the report of a comparison of models, paired over clips.

    Parameters
    ----------
    targets : sequence of pathlib.Path
        Runs, or judged CSV files: a model each; ``NAME=A.csv+B.csv`` is one with two judges.
    judges : sequence of str
        The judges whose verdicts count; all, where none is named.
    allow_mismatch : bool
        Whether to compare even if data, protocol or judges differ.

    Raises
    ------
    InputError
        There are fewer than two models, or one cannot be read.
    RunConflictError
        Data, protocol or judges differ.
    """
    if len(targets) < 2:
        raise InputError(
            f"compare takes two models or more, {targets[0]} is one; give another run or "
            "CSV file beside it"
        )
    results = results_of(targets, judges=judges)
    return summarise_comparison(results, allow_mismatch=allow_mismatch)


def write_report(
    targets: Sequence[Path],
    form: str | None,
    output: Path | None,
    *,
    audio: bool,
    judges: Sequence[str],
    notify: Notify,
) -> str:
    """Write a report of models into a file, or return its text.

    Parameters
    ----------
    targets, judges : sequence
        As of :func:`compare_models`.
    form : str or None
        ``html``, ``markdown``, ``latex``, ``csv`` or ``json``; None takes what the file's name
        ends in, or ``html``.
    output : pathlib.Path or None
        The file; None returns the text, of every format but ``html``.
    audio : bool
        Whether the clips can be played in the page.
    notify : callable
        Takes messages to the user.

    Returns
    -------
    str
        Empty where a file was written.

    Raises
    ------
    InputError
        The format is not known, the output cannot be written, or the models cannot be read or are
        about different data.
    """
    if output:
        _check_output(output, targets)
    form = form or (_SUFFIXES.get(output.suffix.lower(), "") if output else "html")
    if not form:
        suffixes = ", ".join(_SUFFIXES)
        raise InputError(
            f"{output}: its ending names no format; end it in {suffixes}, or give --format"
        )
    if form == "html":
        if not output:
            raise InputError("the page is a file: name it, -o PAGE.html; other formats are printed")
        text = _page(targets, judges, audio, notify)
    elif not audio:
        raise InputError(f"--audio is for the page, not for --format {form}; leave it out")
    else:
        report = summarise_report(results_of(targets, judges=judges))
        text = export(report, form)
        notify_missing(report, notify)
    if output is None:
        return text
    with whole_file(Path(os.path.realpath(output))) as file:  # a link stays one
        file.write(text)
    if form == "html":
        size = output.stat().st_size / 1e6
        notify(f"{output}: {size:.1f} MB; open it in a browser, or send it")
    return ""


def _check_output(output: Path, targets: Sequence[Path]) -> None:
    if not output.parent.is_dir():
        raise InputError(f"{output}: there is no folder {output.parent}; make it first")
    if output.exists() and not output.is_file():
        raise InputError(f"{output}: no file, and not to be replaced by one; name another -o")
    check_targets(targets)
    sources = [path for target in targets for path in files_of_model(target)[1]]
    if os.path.realpath(output) in map(os.path.realpath, sources):
        raise InputError(f"{output}: the report would replace what it is about; name another -o")


def _page(targets: Sequence[Path], judges: Sequence[str], audio: bool, notify: Notify) -> str:
    page = import_optional("jasco.reports.page.render", "the page", "viewer")
    from jasco.reports.page.content import open_shown

    models = open_shown(targets, judges)
    for name, model in models.items():
        if not model.results.complete:
            notify(f"{name}: incomplete; the page names what is missing")
    html_page: str = page.render_page(models, audio=audio)
    return html_page
