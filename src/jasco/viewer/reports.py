"""Reports of selected runs, kept up to date while they are used."""

import threading
import time
from collections.abc import Callable, Sequence

from starlette.exceptions import HTTPException

from jasco.viewer.catalogue import MOST_SELECTED, Catalogue, key_of
from jasco.viewer.live import LayOut, Live

_KEPT_FOR = 600.0  # seconds since the last use; an open page asks every few seconds


class Reports:
    """The reports that the app shows.

    Parameters
    ----------
    catalogue : Catalogue
        The runs to select from.
    lay_out : callable
        Returns a report's page and content.
    notify : callable
        Called with one line for each error.
    """

    def __init__(
        self, catalogue: Catalogue, lay_out: LayOut, notify: Callable[[str], None]
    ) -> None:
        self._catalogue = catalogue
        self._lay_out = lay_out
        self._notify = notify
        self._first: Live | None = None
        self._kept: dict[tuple[str, ...], Live] = {}
        self._used: dict[tuple[str, ...], float] = {}  # times
        self._lock = threading.Lock()

    def first(self) -> Live:
        """Return the runs that are shown if none is selected."""
        folders = self._catalogue.first()
        with self._lock:
            if self._first is None or list(self._first.folders) != list(folders):
                self._first = Live(folders, self._lay_out, self._notify)
            return self._first

    def of(self, keys: Sequence[str]) -> Live:
        """Return the runs with these keys.

        Raises
        ------
        HTTPException
            The run is not found, or there are too many.
        """
        selected = tuple(dict.fromkeys(keys))
        if len(selected) > MOST_SELECTED:
            raise HTTPException(400, f"A report shows at most {MOST_SELECTED} runs.")
        with self._lock:
            self._remove_unused()
            if selected in self._kept:
                self._used[selected] = time.monotonic()
                return self._kept[selected]
        try:
            folders = self._catalogue.folders(selected)
        except KeyError:
            raise HTTPException(404, "Run not found; it may have been moved or deleted.") from None
        with self._lock:
            self._used[selected] = time.monotonic()
            return self._kept.setdefault(selected, Live(folders, self._lay_out, self._notify))

    def _remove_unused(self) -> None:
        oldest = time.monotonic() - _KEPT_FOR
        for keys in [keys for keys, used in self._used.items() if used < oldest]:
            del self._kept[keys], self._used[keys]

    def containing(self, key: str) -> Live:
        """Return the runs, of those that are kept, that include one; else this run alone.

        Raises
        ------
        HTTPException
            The run is not found.
        """
        with self._lock:
            kept = [*([self._first] if self._first else []), *self._kept.values()]
        for live in kept:
            if key in map(key_of, live.folders):
                shown = live.latest().shown.values()
                if key in (key_of(run.source) for run in shown):
                    return live
        return self.of([key])
