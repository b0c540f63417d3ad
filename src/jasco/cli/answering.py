"""The commands ``eval``, ``respond``, ``judge`` and ``exam``.

Each command returns whether no work is left that the same command could finish.
"""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jasco.cli import completion, options
from jasco.cli.options import PATH, flag, option
from jasco.cli.output import print_result, print_scores
from jasco.cli.streams import stdout_to_stderr
from jasco.errors import IncompleteError, InputError, one_line
from jasco.terminal import write_line

if TYPE_CHECKING:
    from jasco.evaluation.distributed.divided_run import Division

_DATA = option("--data", required=True, help=options.DATA_HELP, shell_complete=completion.data_sets)
_JUDGE_HELP = (
    "judge as provider/name[,key=value...], see: jasco judges; may be repeated, for a panel"
)
_OUTPUT_HELP = "for a responses CSV or a log: CSV file to write, with its columns and the verdicts"
_RUN_HELP = "folder of the run; created if missing, resumed if it exists"
_RUNNING = options.combined(
    options.CONCURRENCY,
    options.switch(
        "--no-preflight",
        "preflight",
        help="skip the checks that the model uses the audio and that the judges work",
    ),
    flag(
        "--retry-final", help="retry final outcomes: unreadable verdicts, filtered or refused items"
    ),
    options.spending("the run in total, including earlier commands"),
)
_SHARDS = options.combined(
    option(
        "--shard", metavar="K/N", help="process only shard K of N, such as in a job of a cluster"
    ),
    options.ON,
)


def judging(*, required: bool = True) -> options.Decorator:
    """Declare the options of judging."""
    return options.combined(
        option(
            "--judge",
            "judges",
            multiple=True,
            required=required,
            help=_JUDGE_HELP,
            shell_complete=completion.judges,
        ),
        options.PROTOCOL,
    )


def answering(*, required: bool = True) -> options.Decorator:
    """Declare the options of collecting answers; whether data and run must be given."""
    return options.combined(
        option(
            "--data",
            required=required,
            help=options.DATA_HELP,
            shell_complete=completion.data_sets,
        ),
        option("--run", required=required, type=PATH, help=_RUN_HELP),
        option(
            "--limit",
            type=options.POSITIVE,
            metavar="CLIPS",
            help="number of clips to use, counted from the first (default: all)",
        ),
        option(
            "--samples",
            type=options.POSITIVE,
            metavar="N",
            help="number of answers to each item (default: that of the run, or 1)",
        ),
        option(
            "--instructions",
            type=PATH,
            metavar="FILE",
            help="use the instructions in FILE, one per line, instead of the published ones",
        ),
        option("--name", metavar="NAME", help="name of the model in tables"),
        options.TAGS,
        _RUNNING,
        option(
            "--shards",
            type=options.POSITIVE,
            metavar="N",
            help="divide a new run into N shards (default: that of the run)",
        ),
        _SHARDS,
        flag("--dry-run", help="print the plan with its estimated cost, without making any call"),
    )


_MODEL = click.argument("model", shell_complete=completion.models)


@click.command("eval")
@_MODEL
@answering()
@judging()
@options.AS_JSON
@options.PUBLISHED
def eval_command(dry_run: bool, as_json: bool, published: bool, **settings: Any) -> bool:
    """Collect the answers of a model, judge them, and print the scores.

    MODEL is provider/name[,key=value...]; jasco models lists the providers.
    """
    if dry_run:
        return _print_plan(settings, as_json=as_json)
    return _run_and_score(settings, as_json=as_json, published=published)


@click.command("respond")
@_MODEL
@answering()
def respond_command(dry_run: bool, **settings: Any) -> bool:
    """Collect the answers of a model without judging them.

    MODEL is provider/name[,key=value...]; jasco models lists the providers.
    """
    from jasco.reports.text import answer_lines
    from jasco.runs.read_run import results_of_run

    if dry_run:
        return _print_plan(settings)
    division, run = pop_division(settings), settings["run"]
    complete = _run(division, settings)
    for line in answer_lines(results_of_run(division.folder(run) if division else run)):
        write_line(line)
    return complete


@click.command("judge")
@click.argument("target", type=PATH, metavar="RUN|RESPONSES.csv|LOG.eval")
@judging()
@_RUNNING
@_SHARDS
@option("-o", "--output", type=PATH, metavar="JUDGED.csv", help=_OUTPUT_HELP)
def judge_command(target: Path, output: Path | None, **settings: Any) -> bool:
    """Judge the answers of a run, of a CSV file or of a log of Inspect.

    RUN is the folder of a run, RESPONSES.csv a file with answers in the column allm_output, and
    LOG.eval a log of the task jasco/jasco.
    """
    from jasco.api.conversions import as_division
    from jasco.api.evaluation import check_no_output, check_not_divided, judge_responses_csv
    from jasco.runs.targets import check_targets

    check_targets([target], together=True)
    if target.is_dir():
        check_no_output(target, output)
        return _run_and_score({"run": target, **settings})
    check_not_divided(target, as_division(settings.pop("shard"), None, settings.pop("on")))
    with stdout_to_stderr():
        run, complete = judge_responses_csv(target, output, notify=write_line, **settings)
    print_scores([run])
    return complete


@click.command("exam")
@click.argument("judge", shell_complete=completion.judges)
@_DATA
@option("--gold", type=PATH, help="CSV file of answers labelled by annotators")
@option("--protocol", metavar="NAME", help="judging protocol: v2 or v1 (default: v2)")
@options.CONCURRENCY
@options.spending("this command")
@flag("--again", help="ask every question again, for example after the served model changed")
@options.AS_JSON
def exam_command(
    judge: str, data: str, as_json: bool, limits: Any, prices: Any, **settings: Any
) -> bool:
    """Examine a judge with questions whose verdicts are known.

    The questions are the data set's own answers, answers that should score 0, and labelled
    answers. Verdicts are stored, so repeating the command requests only missing ones. JUDGE is
    provider/name[,key=value...]; jasco judges lists the providers.
    """
    from jasco.api.exams import examine
    from jasco.data.sources import find_data
    from jasco.judges.panel import open_judges
    from jasco.runs.spending import open_budget

    judges = open_judges(judge)
    if as_json and len(judges) > 1:
        raise InputError("--json takes one judge; examine the judges of a panel one by one")
    budget = open_budget(limits, prices, judges)
    data_set = find_data(data, write_line)
    complete = True
    for examined in judges:
        with stdout_to_stderr():
            report = examine(examined, budget, data=data_set, notify=write_line, **settings)
        print_result(report.to_json() if as_json else str(report))
        complete = complete and not report.resumable
    return complete


def _print_plan(settings: dict[str, Any], *, as_json: bool = False) -> bool:
    from jasco.api.evaluation import open_job
    from jasco.evaluation.plan import plan

    division = pop_division(settings)
    lines = list(plan(open_job(notify=write_line, **settings)))
    if division and division.count:
        lines.append(f"shards: {division.count}")
    print_result({"schema": 1, "plan": lines} if as_json else "\n".join(lines))
    return True


def pop_division(settings: dict[str, Any]) -> "Division | None":
    """Remove the options about shards from the settings, and return what they mean."""
    from jasco.api.conversions import as_division

    return as_division(settings.pop("shard"), settings.pop("shards", None), settings.pop("on"))


def _run(division: "Division | None", settings: dict[str, Any]) -> bool:
    from jasco.api.evaluation import run_command

    with stdout_to_stderr():
        return run_command(division, write_line, **settings)


def _run_and_score(
    settings: dict[str, Any], *, as_json: bool = False, published: bool = False
) -> bool:
    from jasco.runs.summary import summarise_run

    division, run = pop_division(settings), settings["run"]
    if division and division.shard:
        complete = _run(division, settings)
        print_shard(division.folder(run), as_json=as_json)
        write_line(f"for the figures of the whole run: jasco score {run}")
        return complete
    try:
        complete = _run(division, settings)
    except IncompleteError as error:
        with suppress(InputError, IncompleteError):  # the run may have no results yet
            if as_json or summarise_run(run).answered:
                print_scores([run], as_json=as_json, published=published, brief=True)
        write_line(one_line(error, 1000), "error")
        return False
    print_scores([run], as_json=as_json, published=published)
    return complete


def print_shard(folder: Path, *, as_json: bool) -> None:
    """Print the state of a shard; its figures would say little."""
    from jasco.reports.text import render_runs
    from jasco.runs.summary import summarise_run

    shard = summarise_run(folder)
    print_result({"schema": 1, **shard.to_json()} if as_json else render_runs([shard]))
