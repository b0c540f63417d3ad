"""The runs of conditions, in the folder of the run whose clips and model they are about."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from jasco.errors import InputError
from jasco.metrics.attribution import Gates
from jasco.protocol.conditions import CUES, ORIGINAL, SETS, Condition, condition_of
from jasco.runs.reader import is_run
from jasco.runs.shards import shards_in

CONDITIONS_FOLDER = "conditions"
"""The folder, in that of a run, with one run for each further condition."""
_DONOR_FOLDER = "donor"


def condition_folder(run: Path, key: str) -> Path:
    """Return the folder of the run of a condition; that of ``original`` is the run itself."""
    return run if key == ORIGINAL else run / CONDITIONS_FOLDER / key


def donor_folder(run: Path, key: str) -> Path:
    """Return the folder of the run that judges the answers according to the donors' cue."""
    return condition_folder(run, key) / _DONOR_FOLDER


def has_conditions(run: Path) -> bool:
    """Return whether there is a run of a condition other than ``original``."""
    return any(condition.key != ORIGINAL for condition in conditions_of(run))


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


def conditions_in(run: Path) -> list[Path]:
    """Return the folders in that of the conditions of a run, with their donors and shards.

    No file is opened.
    """
    conditions = list((run / CONDITIONS_FOLDER).glob("*"))
    donors = [folder / _DONOR_FOLDER for folder in conditions]
    return sorted(
        each for folder in (*conditions, *donors) for each in (folder, *shards_in(folder))
    )


def gates_of(stems: Mapping[str, Any], ids: Sequence[str]) -> Gates | None:
    """Return which stems pass their gates; None if the stems are exact, or the gates unknown.

    Parameters
    ----------
    stems : mapping
        How the stems were made, as stored in the run.
    ids : sequence of str
        The ids of the clips. Clips whose stems were not checked do not pass.
    """
    by_clip = stems.get("gates")
    if stems.get("exact") or not by_clip:
        return None
    return {
        cue: np.array([bool(by_clip.get(id_, {}).get(cue)) for id_ in ids], bool) for cue in CUES
    }
