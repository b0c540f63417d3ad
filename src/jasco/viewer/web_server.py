"""The server of the app, and its address."""

import errno
import logging
import os
import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

import uvicorn

from jasco.data.fetching import find_data
from jasco.errors import InputError, did_you_mean_path, one_line
from jasco.viewer.app import make_app
from jasco.viewer.connections import BACKLOG, LimitedConnection, most_connections
from jasco.viewer.listening_data import check_same_data
from jasco.viewer.security import DEFAULT_HOST, Address

_SHUTDOWN_SECONDS = 2  # for responses that are being sent


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
        The runs to show; they need not exist yet.
    notify : callable
        Takes the address, and one line for each error.
    data : str or None
        A data set to listen to, by folder or name.
    human_runs : pathlib.Path
        Folder of the participants' runs.
    host : str
        The address to listen on.
    port : int
        0: a free one.
    browser : bool
        Whether to open a browser, where there is a screen.

    Raises
    ------
    InputError
        The runs are about different data, or the host or port cannot be listened on.
    RunConflictError
        A folder holds something else than a run.
    """
    with suppress(KeyboardInterrupt):
        data_set = find_data(data, notify) if data else None
        check_same_data(runs, data_set)
        for run in runs:
            if not run.exists():
                meant = did_you_mean_path(run, folders=True)
                notify(f"{run}: no run there yet; it is shown once there is one{meant}")
        with closing(_listen(host, port)) as listening:
            address = Address.of(host, listening.getsockname()[1])
            app = make_app(runs, data_set, human_runs, address, notify)
            notify(f"{address.url} (Ctrl-C ends it)")
            if browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
                threading.Thread(target=webbrowser.open, args=[address.url], daemon=True).start()
            logging.getLogger("asyncio").addFilter(_is_no_connection_error)
            config = uvicorn.Config(
                app, http=LimitedConnection, limit_concurrency=most_connections(),
                backlog=BACKLOG, loop="asyncio", ws="none", lifespan="off", log_level="critical",
                access_log=False, server_header=False, proxy_headers=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )  # fmt: skip
            uvicorn.Server(config).run([listening])


def _is_no_connection_error(record: logging.LogRecord) -> bool:
    """Whether asyncio reports more than an error of one connection, such as no descriptor left."""
    return not (record.exc_info and isinstance(record.exc_info[1], OSError))


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, *_, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(place[:2], family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"port {port} is taken; give another --port (0 takes a free one)"
            ) from None
        raise InputError(f"cannot listen on {host}, port {port}: {error.strerror}") from None
    except UnicodeError:
        raise InputError(
            f"cannot listen on {one_line(host, 60)}: no name of a machine; give another --host"
        ) from None
