"""The commands ``score``, ``compare`` and ``report``."""

import json
from pathlib import Path
from typing import Any

import click

from jasco.cli.options import AS_JSON, PATH, PUBLISHED, TARGETS, choice, combined, flag, option
from jasco.cli.output import print_result, print_scores, terminal_width
from jasco.errors import count
from jasco.terminal import write_line

_FORMAT = choice("html", "markdown", "latex", "csv", "json", "eee", "hf")
_FORMAT_HELP = (
    "html, markdown, latex, csv or json; to publish one model: eee (Every Eval Ever) or hf "
    "(.eval_results on the Hugging Face Hub); default: by the extension of FILE"
)
_PUBLICATION = combined(
    option("--model-id", metavar="ORG/NAME", help="eee: the model on the Hugging Face Hub"),
    option("--evaluator", metavar="NAME", help="eee, hf: the organisation that evaluated"),
    option(
        "--relationship",
        metavar="KIND",
        help="eee: of the evaluator to the developer of the model: first_party, third_party, "
        "collaborative or other",
    ),
    option("--source-url", metavar="URL", help="eee, hf: address with more about the evaluation"),
    option("--hub-task", metavar="ORG/DATASET/TASK", help="hf: the benchmark and its task"),
)
_JUDGES = option(
    "--judge",
    "judges",
    multiple=True,
    help="use only the verdicts of this judge; may be repeated",
)


@click.command("score")
@TARGETS
@AS_JSON
@PUBLISHED
@flag("--compat", help="use the arithmetic of the published script, including its bugs")
@_JUDGES
@option(
    "--gold",
    type=PATH,
    metavar="GOLD.csv",
    help="also estimate best-mean and mean by annotators' labels of answers (see docs/exam.md)",
)
@option(
    "--disagreements",
    type=PATH,
    metavar="OUT.csv",
    help="write the items on which judges disagree to a CSV file, the largest difference first",
)
def score_command(targets: tuple[Path, ...], disagreements: Path | None, **settings: Any) -> None:
    """Print the scores of runs or judged CSV files.

    Each run is a model; several CSV files are several judges of one model.
    """
    if disagreements:
        from jasco.api.disagreements import export_disagreements

        written = export_disagreements(targets, disagreements)
        write_line(f"{disagreements}: {count(written, 'item')} on which the judges disagree")
    print_scores(targets, **settings)


@click.command("compare")
@TARGETS
@AS_JSON
@flag("--allow-mismatch", help="compare even if data, protocol or judges differ")
@_JUDGES
def compare_command(targets: tuple[Path, ...], as_json: bool, **settings: Any) -> None:
    """Print paired differences between models.

    Each run or judged CSV file is a model; NAME=A.csv+B.csv is one model with two judges.
    """
    from jasco.api.comparisons import comparisons_of
    from jasco.api.scores import notify_missing

    comparisons = comparisons_of(targets, **settings)
    print_result(comparisons.to_json() if as_json else comparisons.to_text(terminal_width()))
    notify_missing([comparisons.report], write_line)


@click.command("report")
@TARGETS
@option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE",
    help="file to write; its extension selects the format. With --format eee: a folder",
)
@option("--format", "form", type=_FORMAT, help=_FORMAT_HELP)
@option(
    "--audio",
    type=choice("none", "embed"),
    default="embed",
    help="audio in the page: embed or none",
)
@_JUDGES
@_PUBLICATION
def report_command(
    targets: tuple[Path, ...],
    output: Path | None,
    form: str | None,
    audio: str,
    judges: tuple[str, ...],
    **publication: Any,
) -> None:
    """Write a page, tables for a paper, data files, or a result to publish.

    Each run or judged CSV file is a model; NAME=A.csv+B.csv is one model with two judges.
    """
    from jasco.api.reports import write_report
    from jasco.reports.publication import Publication

    text = write_report(
        targets,
        output,
        form=form,
        judges=judges,
        audio=audio == "embed",
        publication=Publication(**publication),
        notify=write_line,
    )
    if text and form == "json":
        print_result(json.loads(text))
    else:
        print(text, end="")
