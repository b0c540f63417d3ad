"""Removing rows from a run, after a backup of its file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jasco.backends.budget import spent_as_json
from jasco.errors import InputError
from jasco.runs.reader import RunReader, is_run
from jasco.runs.results import judge_named
from jasco.runs.shards import SHARDS_FOLDER, shard_of_place
from jasco.runs.spending import SPENT, spending_of
from jasco.runs.writer import RunWriter


@dataclass(frozen=True)
class Forgotten:
    """What was removed from a run.

    Attributes
    ----------
    judge : str or None
        The label of the judge whose verdicts were removed; None if no judge was named.
    rows : int
        Number of verdicts, including failures.
    backup : pathlib.Path or None
        A copy of the run's file from before, or a pattern of the copies of its shards; None if
        nothing was removed.
    answers : int
        Number of answers, including failures.
    """

    judge: str | None
    rows: int
    backup: Path | None
    answers: int = 0


def forget(
    folder: Path, judge: str | None = None, *, clips: Sequence[str] = (), failed: bool = False
) -> Forgotten:
    """Remove a judge, or answers and verdicts, so that the same command requests them again.

    The arguments are combined: a judge and clips select the judge's verdicts on these clips. A
    judge alone is removed with all facts about it.

    Parameters
    ----------
    folder : pathlib.Path
        The run's folder.
    judge : str or None
        The judge's label, or ``provider/name`` if that is unambiguous.
    clips : sequence of str
        Ids of clips, whose answers and verdicts are removed, including failures.
    failed : bool
        Remove only failures, including final ones, and unreadable verdicts.

    Raises
    ------
    InputError
        There is no run, it has no such judge or clip, or nothing is selected.
    RunConflictError, RunUnwritableError
        Another process is writing to the run, or the backup cannot be written.
    """
    if judge is None and not clips and not failed:
        raise InputError(f"{folder}: nothing selected to remove; select a judge, clips or failures")
    RunReader.open(folder).close()  # do not create a run
    with RunWriter.open(folder) as run:
        if run.shards:
            return _forget_in_shards(run, judge, clips, failed=failed)
        return _forget(run, judge, clips, failed=failed)


def _forget_in_shards(
    whole: RunWriter, judge: str | None, clips: Sequence[str], *, failed: bool
) -> Forgotten:
    numbers = {label: number for number, label, _ in whole.judges()}
    label = None if judge is None else judge_named(judge, numbers, str(whole.folder))
    by_shard: dict[Path, list[str]] = {folder: [] for folder in whole.shard_folders()}
    for clip in clips:
        shard = shard_of_place(whole.clip_index(clip), whole.shards)
        by_shard.setdefault(shard.folder(whole.folder), []).append(clip)
    forgotten = []
    for folder, ids in by_shard.items():
        if is_run(folder) and bool(ids) == bool(clips):
            with RunWriter.open(folder) as part:
                if label is None or label in [name for _, name, _ in part.judges()]:
                    forgotten.append(_forget(part, label, ids, failed=failed))
    if label is not None and not clips and not failed:
        whole.remove_judge(numbers[label])
    is_backed_up = any(part.backup for part in forgotten)
    return Forgotten(
        label,
        sum(part.rows for part in forgotten),
        whole.folder / SHARDS_FOLDER / "*" / "run-*.db" if is_backed_up else None,
        sum(part.answers for part in forgotten),
    )


def _forget(run: RunWriter, judge: str | None, clips: Sequence[str], *, failed: bool) -> Forgotten:
    numbers = {label: number for number, label, _ in run.judges()}
    label = None if judge is None else judge_named(judge, numbers, str(run.folder))
    number = None if label is None else numbers[label]
    indices = [run.clip_index(clip) for clip in dict.fromkeys(clips)] if clips else None
    backup = run.back_up()
    # In a run of an older version, spending is computed from the rows: store it before they go.
    run.set_facts({SPENT: spent_as_json(spending_of(run).by)})
    answers, verdicts = run.remove_rows(judge=number, clips=indices, failed=failed)
    if number is not None and not clips and not failed:
        run.remove_judge(number)
    elif not answers and not verdicts:
        backup.unlink()
        return Forgotten(label, 0, None)
    return Forgotten(label, verdicts, backup, answers)
