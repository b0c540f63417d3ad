"""Removing from a run what should not be in it, with a copy of the run as it was."""

from dataclasses import dataclass
from pathlib import Path

from jasco.evaluation.results import judge_named
from jasco.evaluation.store import Store


@dataclass(frozen=True)
class Forgotten:
    """What was removed from a run.

    Attributes
    ----------
    judge : str
        Its label.
    rows : int
        How many verdicts it had given, failures included.
    backup : pathlib.Path
        A copy of the run's file as it was before.
    """

    judge: str
    rows: int
    backup: Path


def forget(run: Path, judge: str) -> Forgotten:
    """Remove a judge with its verdicts from a run.

    Parameters
    ----------
    run : pathlib.Path
        The run's folder.
    judge : str
        The judge's label, or ``provider/name`` where that is enough to tell it.

    Raises
    ------
    InputError
        There is no run, or no such judge in it.
    RunRefused, RunUnwritable
        Another process writes to the run, or the copy cannot be written.
    """
    Store.to_read(run).close()  # do not make a run where there is none
    with Store.to_write(run) as store:
        numbers = {label: number for number, label, _ in store.judges()}
        label = judge_named(judge, numbers, str(run))
        backup = store.back_up()
        return Forgotten(label, store.remove_judge(numbers[label]), backup)
