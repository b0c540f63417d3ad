"""Time limits for connections, and a limit on their number.

uvicorn limits how long a connection may idle after an answer, but not before the first request, in
the middle of one, or while a response waits to be read. Every such connection holds a descriptor.
"""

import asyncio
import os
import resource
from pathlib import Path
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = float(os.environ.get("JASCO_VIEW_SECONDS", "20"))
"""How long a request may take to arrive, headers and body together."""
ANSWER_SECONDS = 60.0
"""Seconds for which a response may wait for its reader."""
BACKLOG = 32
"""Connections accepted at once, before any of them is looked at."""
_MOST = 512
_RESERVE = 64  # descriptors for runs, labels and audio, and for what is accepted at once
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 21\r\nConnection: close\r\n\r\nToo many connections\n"
)


def most_connections() -> int:
    """Compute how many connections there may be, from the limit of open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST
    descriptors = Path("/proc/self/fd")
    free = soft - (len(list(descriptors.iterdir())) if descriptors.is_dir() else 32)
    return max(4, min(_MOST, free - min(_RESERVE, free // 2)))


class Connection(H11Protocol):
    """A connection that is closed where a request, or the reading of an answer, takes too long.

    Where there are too many, the one that has waited longest for a request gives way to a new one;
    where all are being answered, the new one is answered with status 503.
    """

    most: ClassVar[int] = _MOST

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self.waiting_since = self.loop.time()

    @property
    def is_waiting(self) -> bool:
        """Whether a request, or the rest of one, is still to come, as far as is known."""
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or turn it away."""
        super().connection_made(transport)
        self._start()
        if len(self.connections) <= self.most:
            return
        others = [each for each in self.connections if isinstance(each, Connection)]
        waiting = [each for each in others if each is not self and each.is_waiting]
        if waiting:
            oldest = min(waiting, key=lambda each: each.waiting_since)
            self.connections.discard(oldest)
            oldest.transport.abort()
        else:
            transport.write(_BUSY)
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._stop()
        self._stop_reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived; a request that is not whole has only so much time."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if not self.is_waiting:
            self._stop()
        elif self._deadline is None and not self.transport.is_closing():
            self._start()

    def on_response_complete(self) -> None:
        """Wait for the next request; the rest of this one has no more time than it had."""
        self.waiting_since = self.loop.time()
        super().on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which no other request has come."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def pause_writing(self) -> None:
        """Wait, up to a limit, for the client to continue reading."""
        super().pause_writing()
        self._stop_reading()
        self._reading = self.loop.call_later(ANSWER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        self._stop_reading()
        super().resume_writing()

    def _start(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _close(self) -> None:
        self.transport.close()
        self.loop.call_later(REQUEST_SECONDS, self.transport.abort)


def limited(most: int) -> type[Connection]:
    """Make the protocol of a server that has at most so many connections."""
    return type("LimitedConnection", (Connection,), {"most": most})
