"""Runs on disk, as objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jasco.api import arguments
from jasco.api.messages import named_as_in_python
from jasco.api.scores import Scores, data_frame, scores_of
from jasco.errors import InputError
from jasco.evaluation.item_record import show
from jasco.reports.exports import item_rows
from jasco.runs.forget import Forgotten, forget
from jasco.runs.read_run import judged_items_of_run
from jasco.runs.summary import RunSummary, find_runs, summarise_run

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Run(RunSummary):
    """A run on disk: what it is about and how far it was when it was opened.

    Its methods read the run again, so that they see what has been added since.
    """

    __doc__ = f"{__doc__}\n{(RunSummary.__doc__ or '').split('.', 1)[1]}"

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Summarise a run; one that cannot be read has the state ``unreadable``."""
        return cls(**vars(summarise_run(folder)))

    def __fspath__(self) -> str:
        """Return the folder: a run can be given wherever its path can."""
        return str(self.folder)

    @property
    def complete(self) -> bool:
        """Whether every item has an answer, and every answer a readable verdict of each judge."""
        return self.state == "complete"

    def scores(self, *, judges: Sequence[str] = ()) -> Scores:
        """Return the figures of the run, as :func:`jasco.score`."""
        return scores_of([self.folder], judges=judges, keep_items=True)

    def items_to_pandas(self) -> "DataFrame":
        """Return all answers and verdicts; columns as of :meth:`Scores.items_to_pandas`."""
        items = judged_items_of_run(self.folder)
        return data_frame([{"model": self.name, **row} for row in item_rows(items)])

    def show(self, clip: str | int, instruction: int, sample: int = 1) -> dict[str, Any]:
        """Return all that a run holds about an item, as ``jasco show --json`` prints it.

        Parameters
        ----------
        clip : str or int
            The clip's id.
        instruction, sample : int
            The numbers of the instruction and of the answer to it, from 1.

        Raises
        ------
        InputError
            The run has no answer to this item, or does not cover the clip.
        """
        return show(self.folder, str(clip), instruction, sample)

    def forget(
        self, judge: str | None = None, *, clips: Sequence[str] = (), failed: bool = False
    ) -> Forgotten:
        """Remove a judge, or answers and verdicts; a copy of the run is kept beside it.

        Parameters
        ----------
        judge : str or None
            A judge to remove; with ``clips`` or ``failed``, only those verdicts of it.
        clips : sequence of str
            Ids of clips whose answers and verdicts to remove.
        failed : bool
            Whether to remove failures, final ones included, and unreadable verdicts.

        Raises
        ------
        InputError
            The judge or clip is not in the run, or nothing is selected.
        """
        return forget(self.folder, judge, clips=clips, failed=failed)


@named_as_in_python()
def open_run(folder: str | Path) -> Run:
    """Open a run.

    Parameters
    ----------
    folder : str or Path
        The run's folder.

    Raises
    ------
    InputError
        There is no run, or it cannot be read.

    Examples
    --------
    >>> import jasco
    >>> jasco.open_run("my-run").scores().best_mean  # doctest: +SKIP
    """
    arguments.check("folder", folder, arguments.is_path(folder), "the folder of a run")
    run = Run.open(Path(folder))
    if run.state == "unreadable":
        raise InputError(run.problem)
    return run


@named_as_in_python()
def list_runs(folder: str | Path = ".") -> list[Run]:
    """List the runs in a folder and in the folders below it, sorted by path.

    Runs that cannot be read are listed with the state ``unreadable`` and their ``problem``.

    Raises
    ------
    InputError
        The folder does not exist.
    """
    arguments.check("folder", folder, arguments.is_path(folder), "a folder")
    return [Run.open(path) for path in find_runs(Path(folder))]
