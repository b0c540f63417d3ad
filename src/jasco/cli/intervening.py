"""The command ``reliance``."""

from contextlib import suppress
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
    from jasco.api.interventions import audit_of, open_runner, reliance_of
    from jasco.evaluation.plan import plan

    if as_json and _is_given("form") and form != "json":
        raise InputError(f"--json and --format {form}: give one of them")
    form = "json" if as_json else form
    if items:
        _refuse_others("with --items", "judges", "items", "form", "as_json", "targets")
        print_result(audit_of(list(map(Path, targets)), judges=judges).render(form))
        return True
    if form == "csv":
        raise InputError("--format csv: expected with --items only; use json")
    if len(targets) > 1:
        raise InputError(f"{targets[1]}: more than one MODEL or RUN; for several runs, use --items")
    model, run = next(iter(targets), None), settings.pop("run")
    if model and (Path(model) / "run.db").is_file():
        if run:
            raise InputError(f"{model}: a run, not a model; omit --run")
        run, model = Path(model), None
    if model and not run:
        raise InputError(
            f"{model}: no such run; to measure a model, give the folder of its run with --run"
        )
    if not run:
        raise InputError("missing MODEL or RUN: give a model with --run, or the folder of a run")
    if model and not judges:
        raise InputError(
            "missing --judge: give at least one judge; further ones can be added later"
        )
    if not model:
        of_model = ("data", "conditions", "draws", "stems", "limit", "samples", "instructions")
        reading = ("targets", "run", "form", "as_json")
        allowed = [name for name in _given() if judges and name not in of_model]
        _refuse_others("without MODEL", *allowed, *reading)
    division = pop_division(settings)
    complete = True
    if judges:
        with stdout_to_stderr():
            runner = open_runner(
                division, write_line, run=run, model=model, judges=judges, **settings
            )
        if dry_run:
            runner.check()
            lines = list(plan(*runner.planned()))
            print_result({"schema": 1, "plan": lines} if as_json else "\n".join(lines))
            return True
        try:
            with stdout_to_stderr():
                complete = runner.run()
        except IncompleteError as error:
            with suppress(InputError):  # there may be no verdicts yet
                print_result(reliance_of(run).render(form))
            write_line(one_line(error, 1000), "error")
            return False
    if division and division.shard:
        print_shard(division.folder(run), as_json=as_json)
        write_line(f"for the figures of the whole run: jasco reliance {run}")
        return complete
    print_result(reliance_of(run).render(form))
    return complete


def _is_given(name: str) -> bool:
    """Return whether a parameter was given on the command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _given() -> list[str]:
    return [name for name in click.get_current_context().params if _is_given(name)]


def _refuse_others(how: str, *allowed: str) -> None:
    """Raise ``InputError`` if a parameter is given that would be ignored."""
    parameters = {each.name: each for each in click.get_current_context().command.params}
    for name in _given():
        if name not in allowed:
            option = parameters[name].opts[0]
            raise InputError(
                f"{option} has no effect {how}; to add conditions, give the model: "
                "jasco reliance MODEL --run RUN"
            )
