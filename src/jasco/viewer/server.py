"""The command: the app served, and its address told."""

import asyncio
import errno
import logging
import os
import socket
import threading
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import uvicorn

from jasco.data.fetching import find_data
from jasco.errors import InputError, did_you_mean_path, one_line
from jasco.viewer.app import make_app
from jasco.viewer.connections import BACKLOG, limited, most_connections
from jasco.viewer.data import check_alike
from jasco.viewer.security import DEFAULT_HOST, Address

_PATIENCE = 2  # seconds for answers that are under way when it ends


def view(
    runs: Sequence[Path],
    notify: Callable[[str], None],
    *,
    data: str | None,
    keep: Path,
    host: str = DEFAULT_HOST,
    port: int,
    browser: bool,
) -> None:
    """Serve the app until it is told to stop.

    Parameters
    ----------
    runs : sequence of pathlib.Path
        What there is to look at; need not be there yet.
    notify : callable
        Is told the address, and what goes wrong.
    data : str or None
        A data set to listen to, by folder or name.
    keep : pathlib.Path
        Where listeners' runs are.
    host : str
        The address to listen on.
    port : int
        0 takes a free one.
    browser : bool
        Whether to open a browser, where there is a screen.

    Raises
    ------
    InputError
        The runs are about different data, or it cannot be served there.
    RunConflictError
        One is no run.
    """
    with suppress(KeyboardInterrupt):  # it was asked to stop, and does
        given = find_data(data, notify) if data else None
        check_alike(runs, given)
        for run in runs:
            if not run.exists():
                meant = did_you_mean_path(run, folders=True)
                notify(f"{run}: no run there yet; it is shown once there is one{meant}")
        with closing(_listen(host, port)) as listening:
            address = Address.of(host, listening.getsockname()[1])
            app = make_app(runs, given, keep, address, notify)
            notify(f"{address.url} (Ctrl-C ends it)")
            if browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
                threading.Thread(target=webbrowser.open, args=[address.url], daemon=True).start()
            server = uvicorn.Config(
                app, http=limited(most_connections()), backlog=BACKLOG, ws="none",
                lifespan="off", log_level="critical",
                access_log=False, server_header=False, proxy_headers=False,
                timeout_graceful_shutdown=_PATIENCE,
            )  # fmt: skip
            asyncio.run(_serve(uvicorn.Server(server), listening))


async def _serve(server: uvicorn.Server, listening: socket.socket) -> None:
    asyncio.get_running_loop().set_exception_handler(_ignore)
    await server.serve([listening])


def _ignore(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Leave out what asyncio reports of single connections: no descriptor is left, say."""
    if not isinstance(context.get("exception"), OSError):
        logging.getLogger("asyncio").error(context["message"], exc_info=context.get("exception"))


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
