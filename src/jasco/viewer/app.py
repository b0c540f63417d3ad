"""The app: the routes of all views, behind the access check."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from jasco.data.dataset import DataSet
from jasco.errors import IncompleteError, InputError, RunConflictError, one_line
from jasco.viewer.browse import Browse, lay_out
from jasco.viewer.disagreements import Disagreements
from jasco.viewer.listening import Listening
from jasco.viewer.listening_data import data_to_hear
from jasco.viewer.live import Live
from jasco.viewer.security import AccessMiddleware, Address
from jasco.viewer.web import page

_STATUS: dict[type[Exception], int] = {
    InputError: 400,
    RunConflictError: 409,
    IncompleteError: 503,
    sqlite3.DatabaseError: 503,
    OSError: 503,
}
_STATIC: list[str | tuple[str, str]] = [
    ("jasco.reports.page", "static"),
    ("jasco.viewer", "static"),
]
_MESSAGES = {
    "Not Found": "There is no such page.",
    "Method Not Allowed": "That cannot be done here.",
}


def make_app(
    runs: Sequence[Path],
    data: DataSet | None,
    human_runs: Path,
    address: Address,
    notify: Callable[[str], None],
) -> ASGIApp:
    """Return the app.

    Parameters
    ----------
    runs : sequence of pathlib.Path
        The runs to show; they need not exist yet.
    data : DataSet or None
        The data set to listen to; None: that of the runs, or ``mini``.
    human_runs : pathlib.Path
        Folder of the participants' runs.
    address : Address
        Where the app is served.
    notify : callable
        Takes one line for each error.
    """
    live = Live(runs, lay_out, notify)

    def show_error(request: Request, error: Exception) -> Response:
        status, message = 500, "Something went wrong here."
        if isinstance(error, HTTPException):
            status, message = error.status_code, _MESSAGES.get(error.detail, error.detail)
        elif kind := next((kind for kind in _STATUS if isinstance(error, kind)), None):
            status, message = _STATUS[kind], one_line(error, 400)
        else:
            notify(f"{request.url.path}: a bug of ours: {type(error).__name__}: {one_line(error)}")
        response = page("error.html", status, message=message)
        response.headers.update(getattr(error, "headers", None) or {})
        return response

    app = Starlette(
        routes=[
            *Browse(live).routes,
            *Disagreements(live).routes,
            *Listening(cache(lambda: data_to_hear(runs, data)), human_runs, live).routes,
            Mount("/static", StaticFiles(packages=_STATIC)),
        ],
        exception_handlers=dict.fromkeys([HTTPException, *_STATUS, Exception], show_error),
    )
    app.router.redirect_slashes = False
    return AccessMiddleware(app, address)
