"""The app: all routes, behind the guard."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from jasco.data.dataset import DataSet
from jasco.errors import IncompleteError, InputError, RunConflictError, one_line
from jasco.viewer.browse import Browse, Layout
from jasco.viewer.data import Finder
from jasco.viewer.disagreements import Disagreements
from jasco.viewer.listening import Listening
from jasco.viewer.live import Live
from jasco.viewer.pages import static_file, trouble
from jasco.viewer.security import Address, Guard

_STATUS: dict[type[Exception], int] = {
    InputError: 400,
    RunConflictError: 409,
    IncompleteError: 503,
    sqlite3.DatabaseError: 503,
    OSError: 503,
}


def make_app(
    runs: Sequence[Path],
    data: DataSet | None,
    keep: Path,
    address: Address,
    notify: Callable[[str], None],
) -> ASGIApp:
    """Make the app.

    Parameters
    ----------
    runs : sequence of pathlib.Path
        What there is to look at; need not be there yet.
    data : DataSet or None
        What there is to listen to; None: the data set of the runs, or ``mini``.
    keep : pathlib.Path
        Where listeners' runs are.
    address : Address
        Where it is served.
    notify : callable
        Is told, in one line each, what went wrong.
    """
    live = Live(runs, Layout(), notify)

    def show_bug(request: Request, error: Exception) -> Response:
        notify(f"{request.url.path}: a bug of ours: {type(error).__name__}: {one_line(error)}")
        return trouble(500, "Something went wrong here.")

    app = Starlette(
        routes=[
            *Browse(live).routes,
            *Disagreements(live).routes,
            *Listening(Finder(runs, data), keep, live).routes,
            Route("/static/{name}", static_file),
        ],
        exception_handlers={
            HTTPException: _show_refusal,
            **dict.fromkeys(_STATUS, _show_trouble),
            Exception: show_bug,
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, address)


def _show_refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {404: "There is no such page.", 405: "That cannot be done here."}
    plain = error.detail if error.detail.endswith(".") else known.get(error.status_code, "No.")
    return trouble(error.status_code, plain)


def _show_trouble(_request: Request, error: Exception) -> Response:
    status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
    return trouble(status, one_line(error, 400))
