"""The inputs of scoring: runs, or judged CSV files."""

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
        Whether all files are judges of one model; otherwise, each file is a model.
    compat : bool
        Whether to use the arithmetic of the published script.
    judges : sequence of str
        The judges whose verdicts count; all if none is named.
    read_run : callable or None
        Reads the results of a run's folder; None for :func:`.results_of_run`.

    Raises
    ------
    InputError
        A target is given twice or cannot be read, runs and files are mixed, or a judge is unknown.
    """
    check_targets(targets, together=together)
    paths = [os.path.realpath(target) for target in targets]
    for number, path in enumerate(paths):
        if path in paths[:number]:
            what = "run" if targets[number].is_dir() else "file"
            raise InputError(f"{targets[number]}: the same {what} is given twice; give it once")
    runs = [target for target in targets if target.is_dir()]
    files = [target for target in targets if not target.is_dir()]
    if runs and files:
        raise InputError(
            f"{runs[0]} is a folder, but {files[0]} is a file; give runs or judged CSV files, not "
            "both"
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
    """Raise ``InputError``, with similar names, for a target that is neither a folder nor a file.

    Without ``together``, a target may be ``NAME=A.csv+B.csv``.
    """
    for target in targets:
        name, paths = ("", [target]) if together else files_of_model(target)
        for path in paths:
            if name and path.is_dir():
                raise InputError(
                    f"{target}: {path} is a run, and NAME= is for judged CSV files; give the run's "
                    "folder alone, and its name with: jasco eval ... --name NAME"
                )
            if not path.exists():
                raise InputError(f"{path}: no such run or CSV file{did_you_mean_path(path)}")


def results_of_model(target: Path, *, compat: bool = False) -> Results:
    """Score one model's judged CSV file, or ``NAME=A.csv+B.csv``: several judges of one model."""
    name, paths = files_of_model(target)
    results = results_of_files(paths, compat=compat)
    return replace(results, model=name) if name else results


def files_of_model(target: Path) -> tuple[str, list[Path]]:
    """Split ``NAME=A.csv+B.csv``; a target that exists under its full name is a single file."""
    name, equals, files = str(target).partition("=")
    if target.exists() or not equals or not name or not files:
        return "", [target]
    return whole_text(name), [Path(file) for file in files.split("+")]
