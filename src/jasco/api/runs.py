"""Runs on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jasco.api import arguments
from jasco.api.messages import named_as_in_python
from jasco.api.scores import Scores, scores_of
from jasco.errors import InputError
from jasco.evaluation.item_record import show
from jasco.reports.exports import data_frame, failed_rows, item_rows
from jasco.runs.forget import Forgotten, forget
from jasco.runs.merge import merge
from jasco.runs.read_run import judged_items_of_run
from jasco.runs.summary import RunSummary, find_runs, summarise_run

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Run(RunSummary):
    """A run on disk, with its state at the time when it was opened.

    The methods read the run again and include results that were added since.
    """

    __doc__ = f"{__doc__}\n    {(RunSummary.__doc__ or '').split('.', 1)[1].strip()}"

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the run in a folder; one that cannot be read has the state ``unreadable``."""
        return cls(**vars(summarise_run(folder)))

    def __fspath__(self) -> str:
        """Return the folder: a run can be given wherever its path can."""
        return str(self.folder)

    @property
    def complete(self) -> bool:
        """Whether every item has an answer and every answer a readable verdict of each judge."""
        return self.state == "complete"

    def scores(self, *, judges: Sequence[str] = ()) -> Scores:
        """Return the scores of the run, as :func:`jasco.score` does.

        Parameters
        ----------
        judges : sequence of str
            The judges whose verdicts are used; all judges if empty.
        """
        return scores_of([self.folder], judges=judges)

    def items_to_pandas(self) -> "DataFrame":
        """Return all answers and verdicts as a data frame; see :meth:`Scores.items_to_pandas`."""
        items = judged_items_of_run(self.folder)
        return data_frame([{"model": self.name, **row} for row in item_rows(items)])

    def show(self, clip: str | int, instruction: int, sample: int = 1) -> dict[str, Any]:
        """Return everything stored about an item, as ``jasco show --json`` prints it.

        Parameters
        ----------
        clip : str or int
            The id of the clip.
        instruction, sample : int
            The numbers of the instruction and of the answer to it, from 1.

        Raises
        ------
        InputError
            The run has no answer to this item, or does not cover the clip.
        """
        return show(self.folder, str(clip), instruction, sample)

    def failures(self) -> list[dict[str, Any]]:
        """Return the failed answers and verdicts, and the unreadable verdicts.

        Returns
        -------
        list of dict
            ``clip``, ``instruction`` and ``sample`` of the item, ``judge`` (None for an answer) and
            ``failure``, the reason.
        """
        return list(failed_rows(judged_items_of_run(self.folder)))

    def forget(
        self, judge: str | None = None, *, clips: Sequence[str] = (), failed: bool = False
    ) -> Forgotten:
        """Remove a judge, or answers and verdicts, from the run; a copy is saved next to it.

        Parameters
        ----------
        judge : str or None
            The judge to remove; with ``clips`` or ``failed``, only its verdicts selected by these.
        clips : sequence of str
            Ids of the clips whose answers and verdicts to remove.
        failed : bool
            Whether to remove failures, including final ones, and unreadable verdicts.

        Returns
        -------
        Forgotten
            The numbers of removed answers and verdicts, and the path of the copy.

        Raises
        ------
        InputError
            The judge or clip is not in the run, or nothing is selected.
        """
        return forget(self.folder, judge, clips=clips, failed=failed)

    def merge(self) -> int:
        """Merge the shards of the run into one file, and return their number.

        Raises
        ------
        InputError
            The run is not divided into shards.
        RunConflictError
            Another process is writing to the run or a shard.
        """
        return merge(self.folder)


@named_as_in_python()
def open_run(folder: str | Path) -> Run:
    """Open a run.

    Parameters
    ----------
    folder : str or Path
        The run's folder.

    Returns
    -------
    Run
        The run, with methods for its scores and items.

    Raises
    ------
    InputError
        The folder contains no run, or the run cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> import jasco
    >>> def answer(audio, sampling_rate, prompt):
    ...     return "They are building a sandcastle."
    >>> settings = {"data": "mini", "name": "castle", "limit": 2, "preflight": False}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scores = jasco.evaluate(answer, judges=["offline"], run=f"{folder}/run", **settings)
    ...     run = jasco.open_run(f"{folder}/run")
    ...     item = run.show(clip="1", instruction=3)
    >>> run.name, run.data, run.complete
    ('castle', 'mini', True)
    >>> item["model"]["reply"]["text"]
    'They are building a sandcastle.'
    """
    arguments.check("folder", folder, arguments.is_path(folder), "the folder of a run")
    run = Run.open(Path(folder))
    if run.state == "unreadable":
        raise InputError(run.problem)
    return run


@named_as_in_python()
def list_runs(folder: str | Path = ".") -> list[Run]:
    """Return the runs in a folder and its subfolders, sorted by path.

    Parameters
    ----------
    folder : str or Path
        The folder to search.

    Returns
    -------
    list of Run
        The runs. One that cannot be read has the state ``unreadable`` and a ``problem``.

    Raises
    ------
    InputError
        The folder does not exist.

    Examples
    --------
    >>> import tempfile
    >>> import jasco
    >>> def answer(audio, sampling_rate, prompt):
    ...     return "They are building a sandcastle."
    >>> settings = {"data": "mini", "name": "castle", "limit": 2, "preflight": False}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for step in (1000, 2000):
    ...         run = jasco.respond(answer, run=f"{folder}/{step}", tags={"step": step}, **settings)
    ...     runs = jasco.list_runs(folder)
    >>> [run.tags["step"] for run in runs]
    [1000, 2000]
    """
    arguments.check("folder", folder, arguments.is_path(folder), "a folder")
    return [Run.open(path) for path in find_runs(Path(folder))]
