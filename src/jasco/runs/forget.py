"""Removing rows from a run, with a copy of the run as it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jasco.backends.budget import spent_as_json
from jasco.errors import InputError
from jasco.runs.reader import RunReader
from jasco.runs.results import judge_named
from jasco.runs.spending import SPENT, spending_of
from jasco.runs.writer import RunWriter


@dataclass(frozen=True)
class Forgotten:
    """What was removed from a run.

    Attributes
    ----------
    judge : str or None
        The label of the judge whose verdicts were removed; None where no judge was named.
    rows : int
        How many verdicts, failures included.
    backup : pathlib.Path or None
        A copy of the run's file as it was before; None where nothing was removed.
    answers : int
        How many answers, failures included.
    """

    judge: str | None
    rows: int
    backup: Path | None
    answers: int = 0


def forget(
    folder: Path, judge: str | None = None, *, clips: Sequence[str] = (), failed: bool = False
) -> Forgotten:
    """Remove a judge, or answers and verdicts, so that the same command makes them again.

    The arguments are combined: a judge and clips are the judge's verdicts on these clips. A judge
    alone is removed as a whole.

    Parameters
    ----------
    folder : pathlib.Path
        The run's.
    judge : str or None
        The judge's label, or ``provider/name`` where that is unambiguous.
    clips : sequence of str
        Ids of clips: their answers and verdicts, whatever they are.
    failed : bool
        Failures, final ones included, and unreadable verdicts only.

    Raises
    ------
    InputError
        There is no run, or no such judge or clip in it, or nothing says what to remove.
    RunConflictError, RunUnwritableError
        Another process writes to the run, or the copy cannot be written.
    """
    if judge is None and not clips and not failed:
        raise InputError(
            f"{folder}: nothing says what to forget; give a judge, clips, or ask for what failed"
        )
    RunReader.open(folder).close()  # do not make a run where there is none
    with RunWriter.open(folder) as run:
        numbers = {label: number for number, label, _ in run.judges()}
        label = None if judge is None else judge_named(judge, numbers, str(folder))
        number = None if label is None else numbers[label]
        indices = [run.clip_index(clip) for clip in dict.fromkeys(clips)] if clips else None
        backup = run.back_up()
        # In a run of an older version it is computed from the rows.
        run.set_facts({SPENT: spent_as_json(spending_of(run).by)})
        answers, verdicts = run.remove_rows(judge=number, clips=indices, failed=failed)
        if number is not None and not clips and not failed:
            run.remove_judge(number)
        elif not answers and not verdicts:
            backup.unlink()
            return Forgotten(label, 0, None)
        return Forgotten(label, verdicts, backup, answers)
