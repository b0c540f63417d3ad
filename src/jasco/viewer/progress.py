"""The progress of runs, as the report page of the app shows it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from jasco.errors import duration, one_line
from jasco.reports.formats import LONGEST_REASON
from jasco.reports.page.shown import Shown
from jasco.runs.progress import Progress, Stage

_STALLED = 120.0  # seconds without a result after which a run counts as stalled
_SHORTEST_TIME = 10.0  # seconds below which a time left is not given exactly


def progress_of(
    runs: Sequence[Progress], shown: Mapping[str, Shown], now: datetime
) -> list[dict[str, Any]]:
    """Return the progress of the runs that are not complete, for the template.

    Parameters
    ----------
    runs : sequence of Progress
        The runs.
    shown : mapping of str to Shown
        The runs in the report, by their names.
    now : datetime
        The present time, with its time zone.
    """
    names = {run.source: (number, name) for number, (name, run) in enumerate(shown.items(), 1)}
    return [
        {
            "number": names[run.folder][0] if run.folder in names else 0,
            "name": names[run.folder][1] if run.folder in names else run.name or str(run.folder),
            **(status := _status(run, now)),
            "stages": [_stage(stage, rate=status["state"] == "running") for stage in run.stages],
            "failures": list(_failures(run)),
        }
        for run in runs
        if not run.complete
    ]


def _status(run: Progress, now: datetime) -> dict[str, str]:
    """Return whether a run is in progress, and until when."""
    silent = (now - run.updated).total_seconds() if run.updated else None
    if not run.running:
        since = f" The latest result came {ago(silent)}." if silent is not None else ""
        return {
            "state": "stopped",
            "status": "not running",
            "explanation": f"No process is writing to this run.{since} "
            "The command that started it continues it.",
        }
    if silent is None:
        return {
            "state": "running",
            "status": "running",
            "explanation": "No result yet; the model may still be loading.",
        }
    if silent > _STALLED:
        return {
            "state": "stalled",
            "status": f"stalled for {duration(silent)}",
            "explanation": "A process has the run open, but has written no result since.",
        }
    left = run.seconds_left
    text = "" if left is None else f"About {duration(max(left, _SHORTEST_TIME))} left."
    return {"state": "running", "status": "running", "explanation": text}


def _stage(stage: Stage, *, rate: bool) -> dict[str, Any]:
    return {
        "name": stage.name,
        "done": stage.done,
        "expected": stage.expected,
        "failed": stage.failed,
        "rate": f"{_rounded(stage.rate)} per minute" if rate and stage.rate is not None else "",
    }


def _rounded(rate: float) -> str:
    return f"{rate:.1f}" if rate < 10 else f"{rate:.0f}"


def _failures(run: Progress) -> Iterator[dict[str, Any]]:
    for stage in run.stages:
        for reason in stage.reasons:
            yield {
                "where": stage.name or "answers",
                "kind": reason.kind,
                "count": reason.of,
                "message": one_line(reason.message, LONGEST_REASON),
            }


def ago(seconds: float) -> str:
    """Format the time since an event: ``just now``, ``12 min ago``, ``3 days ago``."""
    if seconds < 60:
        return "just now"
    days = seconds / 86_400
    return f"{duration(seconds)} ago" if days < 2 else f"{days:.0f} days ago"
