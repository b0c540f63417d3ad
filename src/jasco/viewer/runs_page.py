"""The list of runs, from which those of a report are selected."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from jasco.errors import count
from jasco.reports.formats import between, number
from jasco.runs.summary import RunSummary
from jasco.viewer.catalogue import MOST_SELECTED, Catalogue, Entry
from jasco.viewer.progress import ago
from jasco.viewer.run_scores import RunScore
from jasco.viewer.web import render

_FILTERED = 10  # runs above which the list can be filtered
_HIGHEST = 2.0  # the scale of scores
_STATES = {"empty": "no answers yet"}


def _newest(entry: Entry) -> Any:
    return entry.summary.updated or ""


def _highest(entry: Entry) -> Any:
    estimate = entry.score.estimate if entry.score else None
    return -1.0 if estimate is None or estimate.value is None else estimate.value


def _name(entry: Entry) -> Any:
    return entry.summary.name.casefold() or str(entry.summary.folder), str(entry.summary.folder)


ORDERS: Mapping[str, tuple[Callable[[Entry], Any], bool]] = {
    "latest": (_newest, True), "name": (_name, False), "score": (_highest, True),
}  # fmt: skip
"""By the name of an order: the key to sort by, and whether the largest comes first."""


class RunsPage:
    """The page with the list."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.routes = [Route("/runs", self.page), Route("/runs/state", self.version)]

    def page(self, request: Request) -> Response:
        """Return the page."""
        values = self._values(request, self._catalogue.now())
        return HTMLResponse(render("runs.html", version=_version(values), **values))

    def version(self, request: Request) -> Response:
        """Return the version of the page, which changes whenever the page does."""
        return PlainTextResponse(_version(self._values(request, self._catalogue.latest())))

    def _values(self, request: Request, entries: Mapping[str, Entry]) -> dict[str, Any]:
        order = request.query_params.get("order", "")
        order = order if order in ORDERS else next(iter(ORDERS))
        return {
            "groups": groups_of(entries.values(), order, datetime.now(UTC)),
            "order": order,
            "most": MOST_SELECTED,
            "filtered": len(entries) > _FILTERED,
            "places": [str(root) for root in self._catalogue.roots],
        }


def _version(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def groups_of(entries: Iterable[Entry], order: str, now: datetime) -> list[dict[str, Any]]:
    """Return the runs grouped by their data, the data of the latest run first.

    Parameters
    ----------
    entries : iterable of Entry
        The runs.
    order : str
        The order within a group, one of :data:`ORDERS`.
    now : datetime
        The present time, with its time zone.
    """
    key, reverse = ORDERS[order]
    groups: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=_newest, reverse=True):
        groups.setdefault(entry.summary.annotations_sha256, []).append(entry)
    without_data = groups.pop("", [])
    return [
        {
            **_about(group),
            "rows": [_row(entry, now) for entry in sorted(group, key=key, reverse=reverse)],
        }
        for group in [*groups.values(), *([without_data] if without_data else [])]
    ]


def _about(group: list[Entry]) -> dict[str, Any]:
    runs = [entry.summary for entry in group]
    if not runs[0].annotations_sha256:
        return {"data": "", "about": count(len(runs), "run")}
    clips = sorted({run.clips for run in runs})
    covered = f"{clips[0]} to {clips[-1]} clips" if len(clips) > 1 else count(clips[0], "clip")
    return {"data": runs[0].data, "about": f"{covered}, {count(len(runs), 'run')}"}


def _row(entry: Entry, now: datetime) -> dict[str, Any]:
    run = entry.summary
    updated = datetime.fromisoformat(run.updated) if run.updated else None
    return {
        "key": entry.key,
        "name": run.name or str(run.folder),
        "model": run.model if run.model != run.name else "",
        "folder": str(run.folder) if run.name else "",
        "judges": list(run.judges),
        "tags": [f"{name}={value}" for name, value in run.tags.items()],
        "score": _score(entry.score, run),
        "answered": run.answered,
        "expected": run.items,
        "judged": None if run.coverage is None else _percent(run.coverage),
        "state": run.state,
        "status": _STATES.get(run.state, run.state),
        "problem": run.problem,
        "updated": f"{updated:%Y-%m-%d %H:%M} UTC" if updated else "",
        "ago": ago((now - updated).total_seconds()) if updated else "",
        "selectable": run.answered > 0,
    }


def _percent(share: float) -> int:
    """Return a share in percent; 100 only if nothing is missing."""
    return 100 if share == 1 else min(99, round(100 * share))


def _score(score: RunScore | None, run: RunSummary) -> dict[str, Any] | None:
    """Return the main figure for the template; None if there is none."""
    if run.judges and score is None:
        return {"pending": True}
    estimate = score and score.estimate
    if not score or not estimate or estimate.value is None:
        return None
    ends = estimate.interval
    return {
        "pending": False,
        "figure": score.figure,
        "proxy": score.proxy,
        "partial": run.state != "complete",
        "value": number(estimate.value),
        "interval": between(ends),
        "at": _place(estimate.value),
        "ends": [_place(end) for end in ends] if ends else None,
    }


def _place(value: float) -> float:
    """Return the place of a score on a line of length 100."""
    return round(100 * value / _HIGHEST, 1)
