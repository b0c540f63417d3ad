"""Time limits for connections, and a limit on their number.

uvicorn limits how long a connection may be idle after a response, but not before the first request,
during a request, or while a response waits for the client to read it. Each such connection uses a
file descriptor.
"""

import asyncio
import os
import resource
from pathlib import Path
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = float(os.environ.get("JASCO_VIEW_SECONDS", "20"))
"""Seconds within which a request must arrive, including its body."""
RESPONSE_SECONDS = 60.0
"""Seconds for which a response may wait for the client to read it."""
BACKLOG = 32
"""Connections accepted at once, before any of them is handled."""
_MOST = 512
_RESERVE = 64  # file descriptors for runs, labels, audio and newly accepted connections


def most_connections() -> int:
    """Compute the maximum number of connections from the limit on open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST
    descriptors = Path("/proc/self/fd")
    free = soft - (len(list(descriptors.iterdir())) if descriptors.is_dir() else 32)
    return max(4, min(_MOST, free - min(_RESERVE, free // 2)))


class LimitedConnection(H11Protocol):
    """A connection that is closed if a request, or reading a response, takes too long.

    When uvicorn's ``limit_concurrency`` is reached, a new connection replaces the one that has
    waited longest for a request. If none is waiting, uvicorn answers the new one with status 503.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self.waiting_since = self.loop.time()

    @property
    def is_waiting(self) -> bool:
        """Whether a request, or the rest of one, is still expected."""
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start a connection; if there are too many, abort the one that has waited longest."""
        super().connection_made(transport)
        self._start("request", REQUEST_SECONDS)
        others = [other for other in self.connections if isinstance(other, LimitedConnection)]
        waiting = [other for other in others if other is not self and other.is_waiting]
        if waiting and len(self.connections) >= (self.limit_concurrency or _MOST):
            oldest = min(waiting, key=lambda other: other.waiting_since)
            self.connections.discard(oldest)
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers of a connection."""
        self._stop("request")
        self._stop("response")
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process received bytes; the time limit applies to the request as a whole."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if not self.is_waiting:
            self._stop("request")
        elif "request" not in self._timers and not self.transport.is_closing():
            self._start("request", REQUEST_SECONDS)

    def on_response_complete(self) -> None:
        """Wait for the next request; the time limit of an unfinished one is not extended."""
        self.waiting_since = self.loop.time()
        super().on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that received no further request."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def pause_writing(self) -> None:
        """Wait, up to a limit, for the client to continue reading."""
        super().pause_writing()
        self._start("response", RESPONSE_SECONDS)

    def resume_writing(self) -> None:
        """Continue writing."""
        self._stop("response")
        super().resume_writing()

    def _start(self, timer: str, seconds: float) -> None:
        self._stop(timer)
        self._timers[timer] = self.loop.call_later(seconds, self.transport.abort)

    def _stop(self, timer: str) -> None:
        if handle := self._timers.pop(timer, None):
            handle.cancel()
