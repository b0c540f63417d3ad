"""The runs that the app may show: those it was given, and those in the folders it was given.

A run is named in addresses by a key, which is looked up here: no path comes from a request.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jasco.runs.shards import shards_in
from jasco.runs.summary import RunSummary, find_runs, summarise_run
from jasco.viewer.refreshed import Refreshed, stamp_of
from jasco.viewer.run_scores import RunScore, RunScores

MOST_SELECTED = 6
"""Runs in one report."""
_KEY_DIGITS = 10


@dataclass(frozen=True)
class Entry:
    """A run in the list.

    Attributes
    ----------
    key : str
        Names the run in addresses.
    summary : RunSummary
    score : RunScore or None
        None until it has been computed.
    """

    key: str
    summary: RunSummary
    score: RunScore | None


class Catalogue:
    """The list of runs, read again when they change.

    Parameters
    ----------
    roots : sequence of pathlib.Path
        Runs, which need not exist yet, and folders of runs.
    notify : callable
        Called with one line for each error.
    """

    def __init__(self, roots: Sequence[Path], notify: Callable[[str], None]) -> None:
        self.roots = roots
        self._is_folder = {root: root.is_dir() and not _is_run(root) for root in roots}
        self._summaries: dict[Path, tuple[str, RunSummary]] = {}
        self._scores = RunScores(notify)
        self._entries = Refreshed(self._read, lambda: True, notify)
        self._first: Sequence[Path] = ()

    @property
    def has_folders(self) -> bool:
        """Whether it includes all runs in a folder."""
        return any(self._is_folder.values())

    def now(self) -> Mapping[str, Entry]:
        """Return the runs by their keys, at most a few seconds old."""
        return self._entries.now()

    def latest(self) -> Mapping[str, Entry]:
        """Return the runs that were found last; read them again in the background."""
        return self._entries.latest()

    def differ(self) -> bool:
        """Return whether there are runs on different data."""
        data = {entry.summary.annotations_sha256 for entry in self.now().values()}
        return len(data - {""}) > 1

    def folders(self, keys: Sequence[str]) -> list[Path]:
        """Return the folders of the runs with these keys.

        Raises
        ------
        KeyError
            The run is not found.
        """
        entries = self.latest()
        if not set(keys) <= set(entries):
            entries = self.now()
        return [entries[key].summary.folder for key in keys]

    def beside(self, key: str) -> dict[str, str]:
        """Return the names of a run, and of some others on the same data, by their keys.

        Equal names are followed by the runs' folders.
        """
        runs = {each: entry.summary for each, entry in self.latest().items()}
        data = runs[key].annotations_sha256 if key in runs else None
        others = [
            each
            for each, run in runs.items()
            if run.answered and run.annotations_sha256 == data and each != key
        ]
        kept = {key, *others[: MOST_SELECTED - 1]}
        names = Counter(run.name for each, run in runs.items() if each in kept)
        return {
            each: run.name if names[run.name] == 1 else f"{run.name} ({self._place(run.folder)})"
            for each, run in runs.items()
            if each in kept
        }

    def _place(self, folder: Path) -> Path:
        """Return the folder of a run, relative to the folder in which it was found."""
        roots = (root for root in self.roots if root != folder and folder.is_relative_to(root))
        root = next(roots, None)
        return folder.relative_to(root) if root else folder

    def first(self) -> Sequence[Path]:
        """Return the runs to show if none is chosen.

        Of given runs, all; of folders, the latest runs on the data of the latest one, as of the
        first time that there is one.
        """
        if not self.has_folders:
            return self.roots
        if not self._first:
            summaries = [entry.summary for entry in self.now().values() if entry.summary.answered]
            summaries.sort(key=lambda run: run.updated or "", reverse=True)
            self._first = [
                run.folder
                for run in summaries
                if run.annotations_sha256 == summaries[0].annotations_sha256
            ][:MOST_SELECTED]
        return self._first

    def _read(self) -> Mapping[str, Entry]:
        found, entries = {}, {}
        for folder in dict.fromkeys(self._find()):
            stamp = stamp_of(folder, *shards_in(folder))
            known = self._summaries.get(folder)
            # The state of a run changes without its file when its process is killed.
            is_known = known and known[0] == stamp and known[1].state != "running"
            summary = known[1] if known and is_known else _summary(folder)
            found[folder] = stamp, summary
            entries[key_of(folder)] = Entry(key_of(folder), summary, self._scores.of(folder))
        self._summaries = found
        self._scores.renew({folder: stamp for folder, (stamp, _) in found.items()})
        return entries

    def _find(self) -> Iterator[Path]:
        for root in self.roots:
            if self._is_folder[root] and root.is_dir():
                yield from find_runs(root)
            elif not self._is_folder[root]:
                yield root


def key_of(folder: Path) -> str:
    """Return the key of the run in a folder, the same each time the app is started."""
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:_KEY_DIGITS]


def _summary(folder: Path) -> RunSummary:
    return summarise_run(folder) if _is_run(folder) else RunSummary(folder, "empty")


def _is_run(folder: Path) -> bool:
    return (folder / "run.db").exists()
