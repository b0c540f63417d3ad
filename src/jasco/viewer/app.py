"""The app: the routes of all views behind the access check, and the server of ``jasco view``."""

import errno
import logging
import os
import socket
import sqlite3
import threading
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from jasco.data.dataset import DataSet
from jasco.data.sources import find_data
from jasco.errors import IncompleteError, InputError, RunConflictError, did_you_mean_path, one_line
from jasco.viewer.annotating import Annotating
from jasco.viewer.browse import Browse, lay_out
from jasco.viewer.catalogue import Catalogue
from jasco.viewer.connections import BACKLOG, LimitedConnection, most_connections
from jasco.viewer.listening import Listening
from jasco.viewer.listening_data import check_same_data, find_listening_data
from jasco.viewer.reports import Reports
from jasco.viewer.runs_page import RunsPage
from jasco.viewer.security import DEFAULT_HOST, AccessMiddleware, Address
from jasco.viewer.web import page

_DEFAULT_FOLDER = Path("runs")
_STATUS: dict[type[Exception], int] = {
    InputError: 400, RunConflictError: 409,
    IncompleteError: 503, sqlite3.DatabaseError: 503, OSError: 503,
}  # fmt: skip
_MESSAGES = {  # by Starlette's own texts
    "Not Found": "Page not found.", "Method Not Allowed": "This page accepts no such request.",
}  # fmt: skip


def view(
    runs: Sequence[Path],
    notify: Callable[[str], None],
    *,
    data: str | None,
    human_runs: Path,
    host: str = DEFAULT_HOST,
    port: int,
    browser: bool,
) -> None:
    """Serve the app until it is interrupted.

    Parameters
    ----------
    runs : sequence of pathlib.Path
        The runs to show, which need not exist yet, or folders of runs. If empty, the runs in the
        folder ``runs``, if there is one.
    notify : callable
        Called with the address, and with one line for each error.
    data : str or None
        Folder or name of the data set to listen to.
    human_runs : pathlib.Path
        Folder of the participants' runs.
    host : str
        Address to listen on.
    port : int
        Port to listen on; 0 selects a free one.
    browser : bool
        Whether to open a browser if a display is available.

    Raises
    ------
    InputError
        A run and ``data`` differ, or it is not possible to listen on the host and port.
    RunConflictError
        A folder contains something other than a run.
    """
    with suppress(KeyboardInterrupt):
        data_set = find_data(data, notify) if data else None
        roots = runs or default_roots()
        for root in roots:
            check_same_data([root], data_set)
            if not root.exists():
                meant = did_you_mean_path(root, folders=True)
                notify(f"{root}: no run found; it will be shown as soon as it exists{meant}")
        with closing(_listen(host, port)) as listening:
            address = Address.of(host, listening.getsockname()[1])
            app = make_app(roots, data_set, human_runs, address, notify)
            notify(f"{address.url} (press Ctrl-C to stop)")
            if browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
                threading.Thread(target=webbrowser.open, args=[address.url], daemon=True).start()
            logging.getLogger("asyncio").addFilter(_is_no_connection_error)
            config = uvicorn.Config(
                app, http=LimitedConnection,
                limit_concurrency=most_connections() + 1,  # plus the one that gets status 503
                backlog=BACKLOG, loop="asyncio", ws="none", lifespan="off", log_level="critical",
                access_log=False, server_header=False, proxy_headers=False,
                timeout_graceful_shutdown=2,  # seconds to finish sending responses
            )  # fmt: skip
            uvicorn.Server(config).run([listening])


def default_roots() -> list[Path]:
    """Return the folder of runs to list if none is given; empty if it does not exist."""
    return [_DEFAULT_FOLDER] if _DEFAULT_FOLDER.is_dir() else []


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
        The runs to show, which need not exist yet, and folders of runs.
    data : DataSet or None
        Data set to listen to; None: that of the runs, or ``mini``.
    human_runs : pathlib.Path
        Folder of the participants' runs.
    address : Address
        Address of the app.
    notify : callable
        Called with one line for each error.
    """
    catalogue = Catalogue(runs, notify)
    reports = Reports(catalogue, lay_out, notify)
    data_of = cache(lambda first: find_listening_data(first, data))
    views = [
        *RunsPage(catalogue).routes,
        *Browse(reports, catalogue).routes,
        *Annotating(reports, catalogue).routes,
        *Listening(lambda: data_of(tuple(catalogue.first())), human_runs, reports.first).routes,
    ]
    static = StaticFiles(packages=[("jasco.reports.page", "static"), ("jasco.viewer", "static")])

    def show_error(request: Request, error: Exception) -> Response:
        status, message = 500, "Internal error; see the terminal in which jasco view runs."
        if isinstance(error, HTTPException):
            status, message = error.status_code, _MESSAGES.get(error.detail, error.detail)
        elif kind := next((kind for kind in _STATUS if isinstance(error, kind)), None):
            status, message = _STATUS[kind], one_line(error, 400)
        else:
            notify(f"{request.url.path}: internal error: {type(error).__name__}: {one_line(error)}")
        response = page("error.html", status, message=message)
        response.headers.update(getattr(error, "headers", None) or {})
        return response

    app = Starlette(
        routes=[*views, Mount("/static", static)],
        exception_handlers=dict.fromkeys([HTTPException, *_STATUS, Exception], show_error),
    )
    app.router.redirect_slashes = False
    return AccessMiddleware(app, address)


def _is_no_connection_error(record: logging.LogRecord) -> bool:
    """Return False for errors of a single connection, such as too many open files."""
    return not (record.exc_info and isinstance(record.exc_info[1], OSError))


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, place = found[0]
        return socket.create_server(place[:2], family=family)
    except OSError as error:
        message = f"cannot listen on {host}, port {port}: {error.strerror}"
        if error.errno == errno.EADDRINUSE:
            message = (
                f"port {port} is already in use; use a different --port (0 selects a free one)"
            )
        raise InputError(message) from None
    except UnicodeError:
        name = one_line(host, 60)
        message = f"cannot listen on {name}: invalid host name; use a different --host"
        raise InputError(message) from None
