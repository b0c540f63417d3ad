"""Removing from a run what should not be in it, with a copy of the run as it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jasco.errors import InputError, one_line
from jasco.runs.results import judge_named
from jasco.runs.spending import keep_spent_of_rows
from jasco.runs.store import Store


@dataclass(frozen=True)
class Forgotten:
    """What was removed from a run.

    Attributes
    ----------
    judge : str or None
        The label of the judge that it was about; None where it was about all.
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
    run: Path, judge: str | None = None, *, clips: Sequence[str] = (), failed: bool = False
) -> Forgotten:
    """Remove a judge, or answers and verdicts, so that the same command makes them again.

    What is given is combined: a judge and clips are the judge's verdicts on these clips. A judge
    alone is removed as a whole.

    Parameters
    ----------
    run : pathlib.Path
        The run's folder.
    judge : str or None
        The judge's label, or ``provider/name`` where that is enough to tell it.
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
            f"{run}: nothing says what to forget; give a judge, clips, or ask for what failed"
        )
    Store.to_read(run).close()  # do not make a run where there is none
    with Store.to_write(run) as store:
        numbers = {label: number for number, label, _ in store.judges()}
        label = None if judge is None else judge_named(judge, numbers, str(run))
        places = [place_of(store, clip) for clip in dict.fromkeys(clips)] if clips else None
        number = None if label is None else numbers[label]
        remove = partial(store.remove_rows, judge=number, clips=places, failed=failed)
        whole_judge = number is not None and not clips and not failed
        if not whole_judge and not any(remove(count_only=True)):
            return Forgotten(label, 0, None)
        backup = store.back_up()
        keep_spent_of_rows(store)
        if number is not None and whole_judge:
            return Forgotten(label, store.remove_judge(number), backup)
        answers, verdicts = remove()
        return Forgotten(label, verdicts, backup, answers)


def place_of(store: Store, clip: str) -> int:
    """Find the place of a clip in a run (``InputError`` where it is none of the run's)."""
    ids = [each.id for each in store.data().clips[: store.covered]]
    if clip not in ids:
        there = one_line(", ".join(ids), 200) or "no clips"
        raise InputError(
            f"{store.folder}: clip {one_line(clip, 60)!r} is none of the run; it holds {there}"
        )
    return ids.index(clip)
