"""The runs of conditions, in the folder of the run whose clips and model they are about."""

from contextlib import suppress
from pathlib import Path

from jasco.errors import InputError
from jasco.protocol.conditions import ORIGINAL, SETS, Condition, condition_of
from jasco.runs.reader import is_run

CONDITIONS_FOLDER = "conditions"
"""The folder, in that of a run, with one run for each further condition."""
_DONOR_FOLDER = "donor"


def condition_folder(run: Path, key: str) -> Path:
    """Return the folder of the run of a condition; that of ``original`` is the run itself."""
    return run if key == ORIGINAL else run / CONDITIONS_FOLDER / key


def donor_folder(run: Path, key: str) -> Path:
    """Return the folder of the run that judges the answers according to the donors' cue."""
    return condition_folder(run, key) / _DONOR_FOLDER


def conditions_of(run: Path) -> list[Condition]:
    """Return the conditions for which there is a run, in their usual order."""
    found = [condition_of(ORIGINAL)] if is_run(run) else []
    folder = run / CONDITIONS_FOLDER
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(InputError):
            condition = condition_of(path.name)
            if is_run(path):
                found.append(condition)
    return sorted(found, key=lambda each: (SETS["all"].index(each.name), each.draw))
