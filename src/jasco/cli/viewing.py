"""The local web app: ``view``."""

from pathlib import Path
from typing import Any

import click

from jasco.api.messages import write_message
from jasco.cli.options import flag, option
from jasco.errors import InputError


@click.command("view")
@click.argument("runs", nargs=-1, type=Path, metavar="[RUN...]")
@option("--port", type=click.IntRange(0, 65_535), default=8700, help="0 takes a free one")
@option("--host", default="127.0.0.1", help="to listen on; any other asks visitors for a token")
@option("--data", help="to listen to (default: that of the runs, or mini)")
@option("--human-runs", type=Path, default="runs/human", help="where listeners' runs are")
@flag("--no-browser", help="do not open a browser")
def view_command(runs: tuple[Path, ...], no_browser: bool, **settings: Any) -> None:
    """Look through runs, label answers, listen yourself.

    Serves a local web app: runs to look through while they go on (they need not be there yet),
    answers on which judges differ to label, clips to listen to and to guess about.
    """
    try:
        from jasco.viewer.app import view
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "jasco":
            raise
        raise InputError(f"view needs {missing}: pip install 'jasco[viewer]'") from None
    view(runs, write_message, browser=not no_browser, **settings)
