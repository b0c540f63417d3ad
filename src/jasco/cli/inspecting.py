"""The commands ``runs``, ``show``, ``view``, ``forget`` and ``merge``."""

import json
from pathlib import Path
from typing import Any

import click

from jasco.cli.options import AS_JSON, PATH, flag, option, switch
from jasco.cli.output import print_result
from jasco.errors import InputError, count
from jasco.terminal import write_line


@click.command("show")
@click.argument("run", type=PATH)
@option("--clip", metavar="ID", help="id of the clip")
@option("--prompt", metavar="N", help="number of the instruction, from 1")
@option("--sample", default="1", metavar="N", help="number of the answer to the item, from 1")
@flag("--failed", help="list failed answers and verdicts instead, with the reason of each")
@AS_JSON
def show_command(
    run: Path, clip: str | None, prompt: str | None, sample: str, failed: bool, as_json: bool
) -> None:
    """Print all requests and replies of one item of a run, or list what failed.

    These are the requests to the model and the judges, and everything that they returned.
    """
    from jasco.evaluation.item_record import show
    from jasco.reports.item_text import render_item

    if failed:
        _show_failed(run, as_json=as_json)
        return
    if clip is None or prompt is None:
        raise InputError("show requires --clip ID and --prompt N, or --failed")
    item = show(run, clip, prompt, sample)
    # In ASCII, so that a terminal interprets nothing that a model wrote.
    print(json.dumps(item, indent=2) if as_json else render_item(item))


def _show_failed(run: Path, *, as_json: bool) -> None:
    from jasco.api.runs import Run
    from jasco.reports.item_text import render_failed

    rows = Run.open(run).failures()
    if as_json:
        print(json.dumps({"schema": 1, "failed": rows}, indent=2))
    elif rows:
        print(render_failed(rows))
    else:
        write_line(f"{run}: no failed answers or unreadable verdicts")


@click.command("runs")
@click.argument("folder", type=PATH, default=Path())
@AS_JSON
def runs_command(folder: Path, as_json: bool) -> None:
    """List the runs in a folder and its subfolders.

    The list shows the name, data, judges, coverage, date and state of each run.
    """
    from jasco.api.runs import list_runs
    from jasco.reports.text import render_runs

    runs = list_runs(folder)
    if as_json:
        print_result({"schema": 1, "runs": [run.to_json() for run in runs]})
    else:
        print(render_runs(runs))


@click.command("view")
@click.argument("runs", nargs=-1, type=PATH, metavar="[RUN|FOLDER...]")
@option("--port", type=click.IntRange(0, 65_535), default=8700, help="port; 0 selects a free one")
@option(
    "--host", default="127.0.0.1", help="address to listen on; any but the default requires a token"
)
@option("--data", help="data set of the listening study (default: that of the runs, or mini)")
@option("--human-runs", type=PATH, default="runs/human", help="folder of the participants' runs")
@switch("--no-browser", "browser", help="do not open a browser")
def view_command(runs: tuple[Path, ...], **settings: Any) -> None:
    """Serve a local web app to browse runs, label answers, and take part in a listening study.

    Runs may be in progress or start later. With a FOLDER (by default, runs), the app lists all runs
    in it.
    """
    from jasco.api.reports import serve_app

    serve_app(runs, write_line, **settings)


@click.command("forget")
@click.argument("run", type=PATH)
@option(
    "--judge",
    help="remove this judge; with --clip or --failed, only its verdicts selected by these",
)
@option(
    "--clip",
    "clips",
    multiple=True,
    help="remove the answers and verdicts of this clip; may be repeated",
)
@flag("--failed", help="remove failures, including final ones, and unreadable verdicts")
def forget_command(run: Path, judge: str | None, clips: tuple[str, ...], failed: bool) -> None:
    """Remove answers or verdicts from a run, so that they are requested again.

    A copy of the original run is saved next to it. To request the removed answers and verdicts
    again, repeat the command that created the run.
    """
    from jasco.runs.forget import forget

    forgotten = forget(run, judge, clips=clips, failed=failed)
    if forgotten.backup is None:
        write_line(f"{run}: nothing to remove; the run is unchanged")
        return
    removed = count(forgotten.rows, "verdict")
    if judge is None:
        removed = f"{count(forgotten.answers, 'answer')} and {removed}"
    elif clips or failed:
        removed = f"{removed} of {forgotten.judge}"
    else:
        removed = f"{forgotten.judge} with {removed}"
    write_line(f"{run}: removed {removed}; the original run is saved as {forgotten.backup}")


@click.command("merge")
@click.argument("run", type=PATH)
def merge_command(run: Path) -> None:
    """Merge the shards of a run into one file.

    All commands read a run that is divided into shards as one, so merging is optional: it saves
    files, and allows the run to be continued without shards.
    """
    from jasco.runs.merge import merge
    from jasco.runs.summary import summarise_run

    before = summarise_run(run)
    write_line(f"{run}: merged {merge(run)} of {count(before.shards, 'shard')}")
    if before.answered < before.items:
        write_line(
            f"{run}: incomplete: {before.answered} of {count(before.items, 'item')} answered; the "
            "same command without --shards and --on continues it"
        )
