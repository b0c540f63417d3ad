"""Reports (a page, tables for a paper, data for other programs), and the local app."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jasco.api import arguments
from jasco.api.messages import Notify, log_message, named_as_in_python
from jasco.api.scores import notify_missing
from jasco.backends.optional_imports import import_optional
from jasco.data.csv_files import whole_file
from jasco.errors import InputError, count
from jasco.reports.comparison import summarise_report
from jasco.reports.eee import to_record
from jasco.reports.exports import export
from jasco.reports.hub_results import to_hub_results
from jasco.reports.publication import Evaluation, Publication, Relationship
from jasco.reports.reliance_report import reliance_if_measured
from jasco.reports.report import by_data_set
from jasco.runs.targets import check_targets, files_of_model, results_of

Format = Literal["html", "markdown", "latex", "csv", "json", "hf", "eee"]
FORMATS: dict[Format, str] = {
    "html": ".html", "markdown": ".md", "latex": ".tex", "csv": ".csv", "json": ".json",
    "hf": ".yaml", "eee": "",
}  # fmt: skip
"""The formats of reports and their file extensions; ``eee`` is a folder."""


@named_as_in_python()
def report(
    targets: str | Path | Sequence[str | Path],
    output: str | Path | None = None,
    *,
    format: Format | None = None,  # noqa: A002
    judges: Sequence[str] = (),
    audio: bool = True,
    model_id: str | None = None,
    evaluator: str | None = None,
    relationship: Relationship | None = None,
    source_url: str | None = None,
    hub_task: str | None = None,
) -> str:
    """Write a report to a file, or return its text: a page, tables, data, or a published result.

    Parameters
    ----------
    targets : str, Path or sequence of them
        Runs or judged CSV files, one per model. ``"NAME=a.csv+b.csv"`` is one model with two
        judges. Models on several data sets are shown in one table per data set; the page supports
        a single data set. Markdown and LaTeX include the tables of modality reliance of runs with
        conditions.
    output : str, Path or None
        The file to write; None returns the text. The page requires a file, and ``"eee"`` a folder.
    format : str or None
        ``"html"``, ``"markdown"``, ``"latex"``, ``"csv"`` or ``"json"``; ``"eee"`` for Every Eval
        Ever, or ``"hf"`` for ``.eval_results`` on the Hugging Face Hub, each of one model; None
        selects it by the extension of ``output`` (``.yaml``: ``"hf"``).
    judges : sequence of str
        The judges whose verdicts are used; all judges if empty.
    audio : bool
        Whether the page includes the audio of the clips.
    model_id : str or None
        ``"ORG/NAME"`` of the model on the Hub. Required by ``"eee"``.
    evaluator : str or None
        The organisation that evaluated the model. Required by ``"eee"``; optional for ``"hf"``.
    relationship : str or None
        Its relationship to the developer of the model: ``"first_party"``, ``"third_party"``,
        ``"collaborative"`` or ``"other"``. Required by ``"eee"``.
    source_url : str or None
        An address with more about the evaluation; optional for ``"eee"`` and ``"hf"``.
    hub_task : str or None
        ``"ORG/DATASET/TASK"``: a benchmark on the Hub and its task. Required by ``"hf"``.

    Returns
    -------
    str
        The text of the report; empty if it was written to a file.

    Raises
    ------
    InputError
        The format is unknown, the output cannot be written, a target cannot be read, or an argument
        is missing for the format or not used by it. With ``"hf"``: the figures are those of a
        proxy, incomplete, or about a part of the data set.

    Examples
    --------
    >>> import tempfile
    >>> import jasco
    >>> def answer(audio, sampling_rate, prompt):
    ...     return "They are building a sandcastle."
    >>> settings = {"data": "mini", "name": "castle", "limit": 2, "preflight": False}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scores = jasco.evaluate(answer, judges=["offline"], run=f"{folder}/run", **settings)
    ...     text = jasco.report(f"{folder}/run", format="csv")
    >>> text[:21]
    'model,judge,best_mean'

    Write a page that opens in a browser:

    >>> jasco.report("runs/first", "first.html")  # doctest: +SKIP
    """
    paths = arguments.as_paths(targets)
    arguments.check("output", output, output is None or arguments.is_path(output), "a file or None")
    arguments.check("format", format, format is None or format in FORMATS, " or ".join(FORMATS))
    return write_report(
        paths,
        None if output is None else Path(output),
        form=format,
        judges=arguments.as_names("judges", judges),
        audio=arguments.as_boolean("audio", audio),
        publication=Publication(model_id, evaluator, relationship, source_url, hub_task),
        notify=log_message,
    )


def write_report(
    targets: Sequence[Path],
    output: Path | None,
    *,
    form: str | None,
    judges: Sequence[str],
    audio: bool,
    publication: Publication,
    notify: Notify,
) -> str:
    """Write a report to a file, or return its text; parameters as in :func:`report`."""
    form = form or (_format_of(output) if output else "html")
    publication.check(form)
    if form != "html" and not audio:
        raise InputError(f"--audio applies to the page only, not to --format {form}; remove it")
    if form == "eee":
        _write_record(targets, output, judges, publication, notify)
        return ""
    if output:
        check_output(output, targets)
    if form == "html":
        if not output:
            raise InputError(
                "the page requires a file; give -o PAGE.html, or --format to print another format"
            )
        text = _page(targets, judges, audio, notify)
    elif form == "hf":
        text = to_hub_results(_evaluation(targets, judges, form), publication)
    else:
        models = results_of(targets, judges=judges)
        reports = [summarise_report(results) for results in by_data_set(models)]
        text = export(reports, form)
        if form in ("markdown", "latex"):
            judged = [target for target, model in zip(targets, models, strict=True) if model.judges]
            reliance = filter(None, (reliance_if_measured(target, judges) for target in judged))
            text = "\n".join([text, *(str(each.render(form)) for each in reliance)])
        notify_missing(reports, notify)
    if output is None:
        return text
    with whole_file(Path(os.path.realpath(output))) as file:  # a symbolic link is kept
        file.write(text)
    if form == "html":
        notify(f"{output}: {output.stat().st_size / 1e6:.1f} MB; open it in a browser")
    return ""


def _evaluation(targets: Sequence[Path], judges: Sequence[str], form: str) -> Evaluation:
    if len(targets) != 1:
        raise InputError(
            f"--format {form} is about one model, and {len(targets)} are given; give one run"
        )
    check_targets(targets)
    return Evaluation.read(targets[0], judges)


def _write_record(
    targets: Sequence[Path],
    folder: Path | None,
    judges: Sequence[str],
    publication: Publication,
    notify: Notify,
) -> None:
    """Write the files of a record for Every Eval Ever into a folder."""
    if folder is None:
        raise InputError("--format eee writes several files; give -o FOLDER")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: not a folder; use a different -o")
    evaluation = _evaluation(targets, judges, "eee")
    record = to_record(evaluation, publication, int(time.time()))
    for name, content in record.files.items():
        with whole_file(folder / name) as file:
            file.write(content)
    notify(f"{folder / record.folder}: a record with {count(record.lines, 'sample')}")
    if evaluation.model.proxy:
        notify("it contains figures of a proxy, marked as such; do not publish them")
    if record.left_out:
        notify(f"{count(record.left_out, 'verdict')} missing or unreadable: without a sample")
    notify_missing([evaluation.report], notify)


def _format_of(output: Path) -> str:
    suffixes = {suffix: form for form, suffix in FORMATS.items() if suffix}
    if form := suffixes.get(output.suffix.lower()):
        return form
    raise InputError(
        f"{output}: unknown extension (expected {', '.join(suffixes)}); or give --format"
    )


def check_output(output: Path, targets: Sequence[Path] = ()) -> None:
    """Raise ``InputError`` if a report cannot be written, or would overwrite one of its inputs."""
    if not output.parent.is_dir():
        raise InputError(f"{output}: no such folder: {output.parent}; create it first")
    if output.exists() and not output.is_file():
        raise InputError(f"{output}: not a regular file; use a different -o")
    check_targets(targets)
    sources = [path for target in targets for path in files_of_model(target)[1]]
    if os.path.realpath(output) in map(os.path.realpath, sources):
        raise InputError(f"{output}: the report would overwrite its input; use a different -o")


def _page(targets: Sequence[Path], judges: Sequence[str], audio: bool, notify: Notify) -> str:
    page = import_optional("jasco.reports.page.render", "the page", "viewer")
    from jasco.reports.page.shown import open_shown

    models = open_shown(targets, judges)
    for name, model in models.items():
        if not model.results.complete:
            notify(f"{name}: incomplete; the page states what is missing")
    html_page: str = page.render_page(models, audio=audio)
    return html_page


@named_as_in_python()
def view(
    runs: str | Path | Sequence[str | Path] = (),
    *,
    data: str | None = None,
    human_runs: str | Path = "runs/human",
    host: str = "127.0.0.1",
    port: int = 8700,
    browser: bool = True,
) -> None:
    """Serve the local app until it is interrupted.

    Parameters
    ----------
    runs : str, Path or sequence of them
        The runs to show, or folders that contain runs. Runs may be in progress or start later.
        If empty, the runs in the folder ``runs``, if there is one.
    data : str or None
        The data set of the listening study; None selects that of the runs, or ``"mini"``.
    human_runs : str or Path
        The folder of the participants' runs.
    host : str
        The address to listen on; any but the default requires a token from visitors.
    port : int
        The port to listen on; 0 selects a free one.
    browser : bool
        Whether to open a browser.

    Raises
    ------
    InputError
        A run is not on ``data``, or the host or port is not available.

    Examples
    --------
    >>> import jasco
    >>> jasco.view("runs/first")  # doctest: +SKIP
    """
    paths = arguments.as_paths(runs) if runs else []
    serve_app(
        paths,
        log_message,
        data=data,
        human_runs=Path(human_runs),
        host=host,
        port=port,
        browser=browser,
    )


def serve_app(runs: Sequence[Path], notify: Notify, **settings: object) -> None:
    """Serve the local app; parameters as in :func:`view`."""
    app = import_optional("jasco.viewer.app", "view", "viewer")
    app.view(runs, notify, **settings)
