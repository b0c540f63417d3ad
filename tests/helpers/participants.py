"""The participants of a listening study, from the runs in a folder."""

from pathlib import Path

from jasco.human.listening_study import run_folder
from jasco.runs.reader import RunReader


def participants(folder: Path) -> list[tuple[str, int]]:
    """Return the names of the participants and their numbers of answers, ordered by name."""
    names_and_counts = []
    for run in folder.iterdir() if folder.is_dir() else ():
        with RunReader.open(run) as store:
            [(model, _, identity)] = store.models()
            assert run == run_folder(folder, str(identity["name"]))
            names_and_counts.append((str(identity["name"]), store.count_responses(model)[0]))
    return sorted(names_and_counts)
