"""The command ``sweep``."""

from contextlib import suppress
from pathlib import Path

import click

from jasco.cli.options import AS_JSON, ON, PATH, flag, option
from jasco.cli.output import print_result
from jasco.cli.streams import stdout_to_stderr
from jasco.errors import InputError
from jasco.terminal import write_line


@click.command("sweep")
@click.argument("plan", type=PATH, metavar="PLAN.toml")
@ON
@flag("--status", help="print the state of all runs, without starting anything")
@flag("--watch", help="evaluate each new checkpoint once it is written, until interrupted")
@AS_JSON
@option(
    "-o",
    "--output",
    type=PATH,
    metavar="PAGE.html",
    help="also write a page with the tables and the curves over checkpoints",
)
def sweep_command(
    plan: Path, on: str | None, status: bool, watch: bool, as_json: bool, output: Path | None
) -> None:
    """Evaluate several models or checkpoints on several data sets.

    PLAN.toml lists models, data sets and judges. Each model and data set has its own run, and the
    same command does what is missing. The scores are printed as one table, and as a curve over
    the checkpoints of a model.
    """
    from jasco.api.reports import check_output
    from jasco.api.scores import notify_missing
    from jasco.api.sweeps import Sweep, run_sweep
    from jasco.backends.optional_imports import import_optional
    from jasco.evaluation.distributed.sweep_plan import read_plan

    opened = read_plan(plan)
    if status:
        if watch or on or output:
            raise InputError("--status starts nothing; omit --watch, --on and --output")
        found = Sweep.open(opened, write_line)
        print_result(found.status_json() if as_json else found.status())
        return
    if output:
        check_output(output)
        import_optional("jasco.reports.page.render", "the page", "viewer")

    def write_page() -> None:
        if output:
            Sweep.open(opened, lambda _: None).write_page(output)

    def show() -> None:
        found = Sweep.open(opened, lambda _: None)
        print_result(found.to_json() if as_json else str(found))
        with suppress(InputError):  # there may be no results yet
            notify_missing(found.scores.reports, write_line)
        if output:
            found.write_page(output)
            write_line(f"{output}: open it in a browser")

    try:
        with stdout_to_stderr():
            outcome = run_sweep(opened, on, watch=watch, notify=write_line, after_round=write_page)
    except KeyboardInterrupt:
        if watch:  # this is how it ends
            show()
        raise
    show()
    if error := outcome.error():
        raise error
