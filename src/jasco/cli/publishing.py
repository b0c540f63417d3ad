"""The commands ``bundle``, ``verify`` and ``leaderboard``."""

from pathlib import Path

import click

from jasco.cli.options import AS_JSON, DATA_HELP, PATH, option
from jasco.cli.output import print_result
from jasco.errors import InputError, count
from jasco.terminal import write_line


@click.command("bundle")
@click.argument("run", type=PATH)
@option("-o", "--output", type=PATH, required=True, metavar="FILE.zip", help="file to write")
def bundle_command(run: Path, output: Path) -> None:
    """Write a run as a file that others can check, and print its SHA-256.

    The file contains answers, judges' texts, verdicts and figures; no audio, keys or paths.
    """
    from jasco.api.bundles import write_bundle

    written = write_bundle(run, output, write_line)
    print(f"{written.sha256}  {written.path}")


@click.command("verify")
@click.argument("bundle", type=PATH)
@option("--data", help=f"also compare the clips with this {DATA_HELP}")
@AS_JSON
def verify_command(bundle: Path, data: str | None, as_json: bool) -> None:
    """Check a bundle: read all verdicts again, and compute all figures again.

    The exit status is 2 if anything differs.
    """
    from jasco.api.bundles import verify_bundle
    from jasco.data.sources import find_data

    found = verify_bundle(bundle, None if data is None else find_data(data, write_line))
    print_result(found.to_json() if as_json else str(found))
    if not found.consistent:
        raise InputError(
            f"{bundle}: not consistent: {count(len(found.differences), 'difference')}; do not use "
            "its figures"
        )


@click.command("leaderboard")
@click.argument("targets", nargs=-1, required=True, type=PATH, metavar="BUNDLE.zip|RUN...")
@option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE",
    help="file to write: PAGE.html or FILE.md (default: print Markdown)",
)
def leaderboard_command(targets: tuple[Path, ...], output: Path | None) -> None:
    """Rank models, with ties where a paired test cannot distinguish them.

    Bundles are verified first. Results that cannot be compared are in separate tables.
    """
    from jasco.api.leaderboards import write_leaderboard

    print(write_leaderboard(targets, output, form=None, notify=write_line), end="")
