"""Messages about a run that does not exist or cannot be written."""

from pathlib import Path

from jasco.errors import did_you_mean_path

_MOST_NAMED = 3


def no_run(folder: Path) -> str:
    """Return the message: what is there instead, and the runs that may be meant."""
    if folder.is_dir():
        inside = f"; did you mean {_within(folder)}?" if _within(folder) else ""
        return f"{folder}: no run there (no run.db in it){inside}"
    if folder.exists():
        of_run = f"; did you mean {folder.parent}?" if folder.name == "run.db" else ""
        return f"{folder}: no run there: it is a file, and a run is a folder{of_run}"
    return f"{folder}: no run there, nor any folder{did_you_mean_path(folder, folders=True)}"


def what_to_do(error: object) -> str:
    """Return the next step for what SQLite says, for the end of a message; nothing if unknown."""
    text = str(error)
    for said, step in _STEPS.items():
        if said in text:
            return f"; {step}"
    return ""


_STEPS = {
    "disk is full": "free some disk space and repeat the command",
    "readonly database": "make the folder and its files writable",
    "database is locked": "another program has the file open; close it, and give the same command "
    "again",
    "disk I/O error": "check the disk and its free space, and repeat the command",
    "unable to open": "check that the folder exists and is readable and writable",
}


def _within(folder: Path) -> str:
    """Name the runs that lie in a folder."""
    try:
        runs = sorted(str(each.parent) for each in folder.glob("*/run.db"))
    except OSError:
        return ""
    return " or ".join(runs[:_MOST_NAMED])
