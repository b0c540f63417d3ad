"""What a user gives to be scored: runs, or judged CSV files."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from jasco.errors import InputError, did_you_mean_path, whole_text
from jasco.runs.read_csv import results_of_files
from jasco.runs.read_run import results_of_run
from jasco.runs.results import Results


def results_of(
    targets: Sequence[Path],
    *,
    together: bool = False,
    compat: bool = False,
    judges: Sequence[str] = (),
    read_run: Callable[[Path], Results] | None = None,
) -> list[Results]:
    """Score runs, or judged CSV files.

    Parameters
    ----------
    targets : sequence of Path
        Folders of runs, or files; ``NAME=A.csv+B.csv`` are the judges of one model.
    together : bool
        Whether all files are judges of one model; else each is a model.
    compat : bool
        Whether to take the arithmetic of the published script.
    judges : sequence of str
        Whose verdicts to count; all, where none is named.
    read_run : callable or None
        Reads the results of a run's folder; None for :func:`.results_of_run`.

    Raises
    ------
    InputError
        A target is given twice or cannot be read, there are runs and files, or a judge is not
        there.
    """
    check_targets(targets, together=together)
    paths = [os.path.realpath(target) for target in targets]
    for number, path in enumerate(paths):
        if path in paths[:number]:
            what = "run" if targets[number].is_dir() else "file"
            raise InputError(f"{targets[number]}: the same {what} is given twice")
    runs = [target for target in targets if target.is_dir()]
    files = [target for target in targets if not target.is_dir()]
    if runs and files:
        raise InputError(
            f"{runs[0]} is a folder, {files[0]} a file: give runs or judged CSV files, not both"
        )
    if runs:
        read = read_run or partial(results_of_run, compat=compat)
        results = list(map(read, runs))
    elif together:
        results = [results_of_files(files, compat=compat)]
    else:
        results = [results_of_model(file, compat=compat) for file in files]
    return [model.judged_by(judges) for model in results]


def check_targets(targets: Iterable[Path], *, together: bool = False) -> None:
    """Raise ``InputError``, with near names, for a target that is neither a folder nor a file.

    Unless they are ``together``, a target may be ``NAME=A.csv+B.csv``.
    """
    for target in targets:
        for path in [target] if together else files_of_model(target)[1]:
            if not path.exists():
                raise InputError(f"{path}: no such run or CSV file{did_you_mean_path(path)}")


def results_of_model(target: Path, *, compat: bool = False) -> Results:
    """Score one model's judged CSV file, or ``NAME=A.csv+B.csv``: several judges of one model."""
    name, paths = files_of_model(target)
    results = results_of_files(paths, compat=compat)
    return replace(results, model=name) if name else results


def files_of_model(target: Path) -> tuple[str, list[Path]]:
    """Split ``NAME=A.csv+B.csv``; a target that exists as a whole is one file without a name."""
    name, equals, files = str(target).partition("=")
    if target.exists() or not equals or not name or not files:
        return "", [target]
    return whole_text(name), [Path(file) for file in files.split("+")]
