"""What a run holds, shown and removed: ``show``, ``view`` and ``forget``."""

import json
from pathlib import Path
from typing import Any

import click

from jasco.api.messages import write_message
from jasco.cli.options import AS_JSON, flag, option, switch
from jasco.errors import count


@click.command("show")
@click.argument("run", type=Path)
@option("--clip", required=True, metavar="ID", help="the clip's id")
@option("--prompt", required=True, metavar="N", help="from 1")
@option("--sample", default="1", metavar="N", help="of several answers, from 1")
@AS_JSON
def show_command(run: Path, clip: str, prompt: str, sample: str, as_json: bool) -> None:
    """Show what was sent and answered about one item of a run.

    That is all that the model and the judges were sent, and all that they answered.
    """
    from jasco.evaluation.item_record import show
    from jasco.reports.item_text import render_item

    item = show(run, clip, prompt, sample)
    # In ASCII: whatever a model wrote, a terminal takes it as text.
    print(json.dumps(item, indent=2) if as_json else render_item(item))


@click.command("view")
@click.argument("runs", nargs=-1, type=Path, metavar="[RUN...]")
@option("--port", type=click.IntRange(0, 65_535), default=8700, help="0 takes a free one")
@option("--host", default="127.0.0.1", help="to listen on; any other asks visitors for a token")
@option("--data", help="to listen to (default: that of the runs, or mini)")
@option("--human-runs", type=Path, default="runs/human", help="where listeners' runs are")
@switch("--no-browser", "browser", help="do not open a browser")
def view_command(runs: tuple[Path, ...], **settings: Any) -> None:
    """Look through runs, label answers, listen yourself.

    Serves a local web app: runs to look through while they go on (they need not be there yet),
    answers on which judges differ to label, clips to listen to and to guess about.
    """
    from jasco.backends.optional_imports import import_optional

    app = import_optional("jasco.viewer.app", "view", "viewer")
    app.view(runs, write_message, **settings)


@click.command("forget")
@click.argument("run", type=Path)
@option("--judge", help="as tables name it; with --clip or --failed, only those")
@option("--clip", "clips", multiple=True, help="answers and verdicts of a clip; may be repeated")
@flag("--failed", help="failures, final ones too, and unreadable verdicts")
def forget_command(run: Path, judge: str | None, clips: tuple[str, ...], failed: bool) -> None:
    """Remove a judge, or answers and verdicts, from a run.

    The same command makes removed answers and verdicts again. A copy of the run as it was is kept
    beside it.
    """
    from jasco.runs.forget import forget

    forgotten = forget(run, judge, clips=clips, failed=failed)
    if forgotten.backup is None:
        write_message(f"{run}: there is nothing to remove; the run stays as it is")
        return
    removed = count(forgotten.rows, "verdict")
    if judge is None:
        removed = f"{count(forgotten.answers, 'answer')} and {removed}"
    elif clips or failed:
        removed = f"{removed} of {forgotten.judge}"
    else:
        removed = f"{forgotten.judge} with {removed}"
    write_message(f"{run}: removed {removed}; the run as it was is {forgotten.backup}")
