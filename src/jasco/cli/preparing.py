"""The commands ``data fetch``, ``verify``, ``template``, ``export`` and ``stems``; ``convert``."""

from pathlib import Path
from typing import Any

import click

from jasco.cli.groups import CommandGroup
from jasco.cli.options import AS_JSON, DATA_HELP, PATH, choice, flag, option
from jasco.cli.output import print_result
from jasco.errors import InputError
from jasco.terminal import write_line

data_command = CommandGroup(
    "data",
    modules={"preparing": ["fetch", "verify", "template", "export", "stems"]},
    help="Download, verify and export data sets, write CSV templates, and estimate or check stems.",
)


@click.command("fetch")
@click.argument("folder", type=PATH, required=False, metavar="[DIR]")
def fetch_command(folder: Path | None) -> None:
    """Download the published data set (CC BY-NC 4.0) to the cache, or to DIR."""
    from jasco.data.sources import fetch

    print(fetch(folder, write_line))


@click.command("verify", epilog=f"DATA: {DATA_HELP}")
@click.argument("data", metavar="DATA")
def verify_command(data: str) -> None:
    """Check the annotations and the audio of a data set."""
    from jasco.data.sources import find_data, verify

    for line in verify(find_data(data, write_line)):
        print(line)


@click.command("template", epilog=f"DATA: {DATA_HELP}")
@click.argument("data", metavar="DATA")
@option("-o", "--output", type=PATH, required=True, metavar="FILE.csv", help="file to write")
def template_command(data: str, output: Path) -> None:
    """Write a CSV file with one row per item, to be filled in with answers."""
    from jasco.api.data import write_template
    from jasco.data.sources import find_data

    write_template(find_data(data, write_line), output)
    write_line(f"{output}: fill in the column allm_output, then see: jasco judge --help")


@click.command("export", epilog=f"DATA: {DATA_HELP}")
@click.argument("data", metavar="DATA")
@option(
    "--as",
    "form",
    type=choice("croissant", "audiofolder"),
    required=True,
    metavar="FORMAT",
    help="croissant (metadata) or audiofolder (a copy with the audio)",
)
@option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    metavar="FILE|FOLDER",
    help="file (croissant) or folder (audiofolder) to write; it must not exist",
)
def export_command(data: str, form: Any, output: Path) -> None:
    """Write a data set in a format of other libraries.

    The licence of your own data set is not known: add it before you publish the output.
    """
    from jasco.api.data import export
    from jasco.data.sources import find_data

    export(find_data(data, write_line), output, form)
    write_line(f"{output}: written; check the licence before you publish it")


@click.command("stems", epilog=f"DATA: {DATA_HELP}")
@click.argument("data", metavar="DATA")
@click.argument("folder", type=PATH, required=False, metavar="[DIR]")
@flag("--check", help="check stems in DIR that were made with another program; none are written")
@AS_JSON
def stems_command(data: str, folder: Path | None, check: bool, as_json: bool) -> None:
    """Estimate the sound and the speech of each clip, in the cache or in DIR."""
    from jasco.api.data import stem_report
    from jasco.data.sources import find_data

    report = stem_report(find_data(data, write_line), folder, check, write_line)
    print_result(report.to_json() if as_json else str(report))


@click.command("convert")
@click.argument("port", required=False)
@option(
    "--from",
    "sources",
    multiple=True,
    metavar="PART=PATH",
    help="file or folder of a part; if omitted, the parts are listed",
)
@option("--out", "folder", type=PATH, metavar="DIR", help="folder to create")
@flag("--trust-pickle", "trusted", help="allow checkpoints that can execute code when loaded")
@option(
    "--check", "checked", type=PATH, metavar="DIR", help="check that a converted folder is complete"
)
def convert_command(port: str, checked: Path | None, folder: Path, **settings: Any) -> None:
    """Convert a published checkpoint to the format of a port.

    PORT is salmonn, ltu-as or wavllm. The converted model is PORT/DIR, for example salmonn/DIR.
    """
    from jasco.data.dataset import MINI
    from jasco.data.sources import find_data
    from jasco.models.ports.checkpoint import check, convert

    if checked:
        for line in check(checked, find_data(MINI, write_line)):
            print(line)
        return
    if not port:
        raise InputError("missing port; usage: jasco convert PORT --from PART=PATH ... --out DIR")
    convert(port, folder=folder, **settings)
    write_line(f"{folder}: converted; to check it, run: jasco convert --check {folder}")
