"""Answering, judging, and the exam of a judge: ``eval``, ``respond``, ``judge`` and ``exam``.

Each command returns whether nothing is left that the same command could finish.
"""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jasco.api.messages import write_message
from jasco.cli import options
from jasco.cli.options import flag, option
from jasco.cli.output import print_result, print_score
from jasco.cli.streams import stdout_to_stderr
from jasco.errors import IncompleteError, InputError, one_line

if TYPE_CHECKING:
    from jasco.evaluation.job import Job

_JUDGE_HELP = "provider/name[,key=value...]; may be repeated: a panel; see: jasco judges"
_OUTPUT_HELP = "of a responses CSV: its columns and verdicts (a run keeps its own)"
_RUN_HELP = "folder for all answers and verdicts; created if missing, continued if it exists"
_RUNNING = options.combined(
    options.CONCURRENCY,
    options.switch(
        "--no-preflight",
        "preflight",
        help="skip the checks that the model uses the audio and judges work",
    ),
    flag("--retry-final", help="ask again what is final: unreadable, filtered, refused"),
    options.spending("the run, earlier commands included,"),
)
_JUDGING = options.combined(
    option("--judge", "judges", multiple=True, required=True, help=_JUDGE_HELP), options.PROTOCOL
)
_ANSWERING = options.combined(
    click.argument("model"),
    options.DATA,
    option("--run", required=True, type=Path, help=_RUN_HELP),
    option("--limit", type=options.POSITIVE, metavar="CLIPS", help="use only the first so many"),
    option("--instructions", type=Path, help="file of other instructions, one per line"),
    option("--samples", type=options.POSITIVE, metavar="N", help="answers to each item"),
    _RUNNING,
    flag("--dry-run", help="print what would be done, and do nothing"),
)


@click.command("eval")
@_ANSWERING
@_JUDGING
@options.AS_JSON
@options.PUBLISHED
def eval_command(dry_run: bool, as_json: bool, published: bool, **settings: Any) -> bool:
    """Evaluate a model: collect its answers, judge them, print the scores.

    MODEL is provider/name[,key=value...]; see: jasco models
    """
    from jasco.api.evaluation import open_job

    job = open_job(notify=write_message, **settings)
    if dry_run:
        return _print_plan(job, as_json=as_json)
    return _run_and_score(job, as_json=as_json, published=published)


@click.command("respond")
@_ANSWERING
def respond_command(dry_run: bool, **settings: Any) -> bool:
    """Collect the answers of a model, without judging.

    MODEL is provider/name[,key=value...]; see: jasco models
    """
    from jasco.api.evaluation import open_job
    from jasco.api.results import answer_lines

    job = open_job(notify=write_message, **settings)
    if dry_run:
        return _print_plan(job)
    complete = _run(job)
    for line in answer_lines(job.run):
        write_message(line)
    return complete


@click.command("judge")
@click.argument("target", type=Path, metavar="RUN|RESPONSES.csv")
@_JUDGING
@_RUNNING
@option("-o", "--output", type=Path, metavar="JUDGED.csv", help=_OUTPUT_HELP)
def judge_command(target: Path, output: Path | None, **settings: Any) -> bool:
    """Judge the answers of a run or of a responses CSV.

    The first is the folder of a run, the second a CSV file with answers in the column allm_output.
    """
    from jasco.api.evaluation import judge_responses_csv, open_job
    from jasco.runs.targets import check_targets

    check_targets([target], together=True)
    if target.is_dir():
        if output:
            raise InputError(
                f"-o goes with a responses CSV; {target} is a run, which keeps its verdicts: "
                "leave out -o"
            )
        return _run_and_score(open_job(run=target, notify=write_message, **settings))
    with stdout_to_stderr():
        run, complete = judge_responses_csv(target, output, notify=write_message, **settings)
    print_score([run])
    return complete


@click.command("exam")
@click.argument("judge")
@options.DATA
@option("--gold", type=Path, help="CSV of rows labelled by people, to compare with")
@options.PROTOCOL
@options.CONCURRENCY
@options.spending("this command")
@flag("--again", help="ask everything anew: the server has another model")
@options.AS_JSON
def exam_command(judge: str, as_json: bool, limits: Any, prices: Any, **settings: Any) -> bool:
    """Examine a judge.

    It is asked about a data set's own answers, about answers that deserve nothing, and about
    labelled rows. Its verdicts are kept; asking again costs nothing. JUDGE is
    provider/name[,key=value...]; see: jasco judges
    """
    from jasco.api.evaluation import examine
    from jasco.judges.panel import open_judges
    from jasco.reports.exam import render_exam
    from jasco.runs.spending import open_budget

    judges = open_judges(judge)
    if as_json and len(judges) > 1:
        raise InputError("--json takes one judge; examine the panel's one by one")
    budget = open_budget(limits, prices, judges)
    complete = True
    for examined in judges:
        with stdout_to_stderr():
            summary, nothing_left = examine(examined, budget, notify=write_message, **settings)
        print_result(summary if as_json else render_exam(summary))
        complete = complete and nothing_left
    return complete


def _print_plan(job: "Job", *, as_json: bool = False) -> bool:
    from jasco.evaluation.plan import plan

    lines = list(plan(job))
    print_result({"schema": 1, "plan": lines} if as_json else "\n".join(lines))
    return True


def _run(job: "Job") -> bool:
    from jasco.evaluation.run_job import run_job

    with stdout_to_stderr():
        return run_job(job, write_message)


def _run_and_score(job: "Job", *, as_json: bool = False, published: bool = False) -> bool:
    try:
        complete = _run(job)
    except IncompleteError as error:
        write_message(one_line(error, 1000))
        with suppress(InputError, IncompleteError):  # there may be nothing to show yet
            print_score([job.run], as_json=as_json, published=published, brief=True)
        return False
    print_score([job.run], as_json=as_json, published=published)
    return complete
