"""What a run holds, shown and removed: ``show`` and ``forget``."""

from pathlib import Path

import click

from jasco.api.messages import write_message
from jasco.cli.options import AS_JSON, flag, option
from jasco.errors import count


@click.command("show")
@click.argument("run", type=Path)
@option("--clip", required=True, metavar="ID", help="the clip's id")
@option("--prompt", required=True, metavar="N", help="1 to 8")
@AS_JSON
def show_command(run: Path, clip: str, prompt: str, as_json: bool) -> None:
    """Show what was sent and answered about one item of a run.

    That is all that the model and the judges were sent, and all that they answered.
    """
    from jasco.evaluation.item_record import show
    from jasco.reports.item_text import as_json as format_json
    from jasco.reports.item_text import render_item

    item = show(run, clip, prompt)
    print(format_json(item) if as_json else render_item(item))


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
