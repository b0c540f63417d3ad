"""Preparation of data sets and checkpoints: ``data`` with its commands, and ``convert``."""

from pathlib import Path
from typing import Any

import click

from jasco.cli.groups import CommandGroup
from jasco.cli.options import DATA_HELP, PATH, flag, option
from jasco.errors import InputError
from jasco.terminal import write_line

data_command = CommandGroup(
    "data",
    modules={"preparing": ["fetch", "verify", "template"]},
    help="Fetch, verify and lay out data sets.",
)


@click.command("fetch")
@click.argument("folder", type=PATH, required=False, metavar="[DIR]")
def fetch_command(folder: Path | None) -> None:
    """Fetch the published data set (CC BY-NC 4.0), into the cache unless DIR is given."""
    from jasco.data.sources import fetch

    print(fetch(folder, write_line))


@click.command("verify", epilog=f"DATA: {DATA_HELP}")
@click.argument("data", metavar="DATA")
def verify_command(data: str) -> None:
    """Check every clip of a data set."""
    from jasco.data.sources import find_data, verify

    for line in verify(find_data(data, write_line)):
        print(line)


@click.command("template", epilog=f"DATA: {DATA_HELP}")
@click.argument("data", metavar="DATA")
@option("-o", "--output", type=PATH, required=True, metavar="FILE.csv", help="the file to write")
def template_command(data: str, output: Path) -> None:
    """Write the CSV to fill in."""
    from jasco.api.data import write_template
    from jasco.data.sources import find_data

    write_template(find_data(data, write_line), output)
    write_line(f"{output}: fill in allm_output, then: jasco judge {output} --help")


@click.command("convert")
@click.argument("port", required=False)
@option("--from", "sources", multiple=True, metavar="PART=PATH", help="a part; none lists them")
@option("--out", "folder", type=PATH, metavar="DIR", help="a new folder")
@flag("--trust-pickle", "trusted", help="let files execute code when read")
@option("--check", "checked", type=PATH, metavar="DIR", help="check that a folder is whole")
def convert_command(port: str, checked: Path | None, folder: Path, **settings: Any) -> None:
    """Convert a published checkpoint into a port's folder.

    PORT is salmonn, ltu-as or wavllm; salmonn/DIR, ltu-as/DIR and wavllm/DIR run such folders.
    """
    from jasco.data.dataset import MINI
    from jasco.data.sources import find_data
    from jasco.models.ports.checkpoint import check, convert

    if checked:
        for line in check(checked, find_data(MINI, write_line)):
            print(line)
        return
    if not port:
        raise InputError("write: jasco convert PORT --from PART=PATH ... --out DIR")
    convert(port, folder=folder, **settings)
    write_line(f"{folder}: converted; check that it is whole: jasco convert --check {folder}")
