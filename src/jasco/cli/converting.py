"""The published files of a model, made into one folder: ``convert``."""

from pathlib import Path
from typing import Any

import click

from jasco.api.messages import write_message
from jasco.cli.options import flag, option
from jasco.errors import InputError


@click.command("convert")
@click.argument("system", required=False)
@option("--from", "sources", multiple=True, metavar="PART=PATH", help="a part; none lists them")
@option("--out", "folder", type=Path, metavar="DIR", help="a new folder")
@flag("--trust-pickle", "trusted", help="let files run code of their own when read")
@option("--check", "checked", type=Path, metavar="DIR", help="check that a folder is whole")
def convert_command(system: str, checked: Path | None, folder: Path, **settings: Any) -> None:
    """Make a folder of a published system's files.

    SYSTEM is salmonn, ltu-as or wavllm; salmonn/DIR, ltu-as/DIR and wavllm/DIR run such folders.
    """
    from jasco.data.dataset import MINI
    from jasco.data.fetching import find_data
    from jasco.models.ports.checkpoint import check, convert

    if checked:
        for line in check(checked, find_data(MINI, write_message)):
            print(line)
        return
    if not system:
        raise InputError("write: jasco convert SYSTEM --from PART=PATH ... --out DIR")
    convert(system, folder=folder, **settings)
    write_message(f"{folder}: converted; check that it is whole: jasco convert --check {folder}")
