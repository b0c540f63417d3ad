"""The exam of a judge: ``exam``."""

from pathlib import Path
from typing import Any

import click

from jasco.api.messages import write_message
from jasco.cli import options
from jasco.cli.output import print_result
from jasco.cli.streams import stdout_to_stderr
from jasco.errors import InputError


@click.command("exam")
@click.argument("judge")
@options.DATA
@options.option("--gold", type=Path, help="CSV of rows labelled by people, to compare with")
@options.PROTOCOL
@options.CONCURRENCY
@options.spending("this command")
@options.flag("--again", help="ask everything anew: the server has another model")
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
