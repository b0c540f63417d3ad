"""Data sets: ``data fetch``, ``data verify`` and ``data template``."""

from pathlib import Path

import click

from jasco.api.messages import write_message
from jasco.cli.groups import CommandGroup
from jasco.cli.options import DATA_HELP, option


@click.group("data", cls=CommandGroup)
def data_command() -> None:
    """Fetch, verify and lay out data sets."""


@data_command.command("fetch")
@click.argument("folder", type=Path, required=False, metavar="[DIR]")
def fetch_command(folder: Path | None) -> None:
    """Fetch the published data set (CC BY-NC 4.0), into the cache unless DIR is given."""
    from jasco.data.fetching import fetch

    print(fetch(folder, write_message))


@data_command.command("verify", epilog=f"DATA: {DATA_HELP}")
@click.argument("data", metavar="DATA")
def verify_command(data: str) -> None:
    """Check every clip of a data set."""
    from jasco.data.fetching import find_data, verify

    for line in verify(find_data(data, write_message)):
        print(line)


@data_command.command("template", epilog=f"DATA: {DATA_HELP}")
@click.argument("data", metavar="DATA")
@option("-o", "--output", type=Path, required=True, metavar="FILE.csv", help="the file to write")
def template_command(data: str, output: Path) -> None:
    """Write the CSV to fill in."""
    from jasco.api.evaluation import write_template
    from jasco.data.fetching import find_data

    write_template(find_data(data, write_message), output)
    write_message(f"{output}: fill in allm_output, then: jasco judge {output} --help")
