"""The command ``reliance``."""

from pathlib import Path
from typing import Any

import click

from jasco.cli import completion
from jasco.cli.answering import answering, judging, pop_division, print_shard
from jasco.cli.options import AS_JSON, PATH, choice, flag, option
from jasco.cli.output import print_result
from jasco.cli.streams import stdout_to_stderr
from jasco.errors import IncompleteError, InputError, one_line
from jasco.terminal import write_line


@click.command("reliance")
@click.argument("targets", nargs=-1, metavar="[MODEL|RUN...]", shell_complete=completion.models)
@option(
    "--conditions",
    default="core",
    metavar="NAMES",
    help="core, all, or a comma-separated list, see: docs/reliance.md",
)
@option(
    "--draws",
    type=click.IntRange(1, 100),
    default=3,
    metavar="N",
    help="number of other clips from which a swapped cue is taken",
)
@option(
    "--stems",
    type=PATH,
    metavar="DIR",
    help="folder with sound/ID.wav and speech/ID.wav (default: those of the data set, or those "
    "made by: jasco data stems)",
)
@answering(required=False)
@judging(required=False)
@flag("--items", help="print what suffices for each clip, over the models of several runs")
@option(
    "--format",
    "form",
    type=choice("text", "markdown", "latex", "csv", "json"),
    default="text",
    help="text, markdown, latex or json; with --items: text, csv or json",
)
@AS_JSON
def reliance_command(
    targets: tuple[str, ...],
    items: bool,
    form: str,
    as_json: bool,
    judges: tuple[str, ...],
    dry_run: bool,
    **settings: Any,
) -> bool:
    """Measure which cues a model relies on, by removing, swapping or stating them.

    MODEL is provider/name[,key=value...]; RUN is its run, to which conditions are added. Given the
    folder of a run alone, the command prints its figures; with --judge, it judges all conditions.
    """
    from jasco.api.interventions import open_runner, reliance_items, reliance_of
    from jasco.evaluation.plan import plan

    form = "json" if as_json else form
    if items:
        print_result(reliance_items(list(map(Path, targets)), judges=judges).render(form))
        return True
    if form == "csv":
        raise InputError("--format csv: expected with --items only; use json")
    if len(targets) > 1:
        raise InputError(f"{targets[1]}: more than one MODEL or RUN; for several runs, use --items")
    division = pop_division(settings)
    run = settings.pop("run")
    model = next(iter(targets), None)
    if model and (Path(model) / "run.db").is_file():
        if run:
            raise InputError(f"{model}: a run, not a model; omit --run")
        run, model = Path(model), None
    if not run:
        raise InputError("missing --run: give the folder of the run, which is created if missing")
    complete = True
    if judges or model:
        with stdout_to_stderr():
            runner = open_runner(
                division, write_line, run=run, model=model, judges=judges, **settings
            )
        if dry_run:
            lines = list(plan(*runner.planned()))
            print_result({"schema": 1, "plan": lines} if as_json else "\n".join(lines))
            return True
        try:
            with stdout_to_stderr():
                complete = runner.run()
        except IncompleteError as error:
            write_line(one_line(error, 1000), "error")
            complete = False
    if division and division.shard:
        print_shard(division.folder(run), as_json=as_json)
        write_line(f"for the figures of the whole run: jasco reliance {run}")
        return complete
    print_result(reliance_of(run).render(form))
    return complete
