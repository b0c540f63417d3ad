"""The viewer with more connections than file descriptors, and with requests that never end."""

import asyncio
import contextlib
import os
import re
import resource
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from processes import wait_for

pytest.importorskip("uvicorn", reason="needs the extra viewer")

import uvicorn

from jasco.viewer import connections
from jasco.viewer.connections import LimitedConnection, most_connections

SECONDS = 2.0
"""The time limit of a request in these tests."""


class View:
    """A running viewer with few file descriptors."""

    def __init__(self, home: Path, *options: str) -> None:
        self.log = home / "view.err"
        with self.log.open("w") as stderr:
            self.process = subprocess.Popen(
                ["bash", "-c", 'ulimit -n 200; exec "$@"', "bash", sys.executable, "-m", "jasco",
                 "view", "--no-browser", "--port", "0", *options],
                env=os.environ | {"JASCO_VIEW_SECONDS": str(SECONDS), "NO_PROXY": "*"},
                stdout=stderr, stderr=stderr,
            )  # fmt: skip
        wait_for(self.log, "http://")
        match = re.search(r"http://[^/]+:([0-9]+)/(\S*)", self.log.read_text())
        assert match
        self.port = int(match[1])
        self.query = match[2]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def status(self) -> int:
        url = f"http://127.0.0.1:{self.port}/{self.query}"
        with urllib.request.urlopen(url, timeout=5) as response:
            return int(response.status)

    def form(self, length: int, token: str | None = None) -> bytes:
        cookie = f"Cookie: jasco-token-{self.port}={token}\r\n" if token else ""
        host = f"localhost:{self.port}"
        return (
            f"POST /listen/name HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n{cookie}"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {length}\r\n\r\n"
        ).encode()


@pytest.fixture
def view(tmp_path: Path) -> Iterator[Callable[..., View]]:
    views: list[View] = []

    def start(*options: str) -> View:
        views.append(View(tmp_path, *options))
        return views[-1]

    yield start
    for viewer in views:
        viewer.process.kill()
        viewer.process.wait()


def seconds_until_closed(connection: socket.socket) -> float:
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while connection.recv(65_536):
            pass
    return time.monotonic() - began


@pytest.mark.parametrize(
    "data", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"], ids=["idle", "half a header"]
)
def test_with_more_idle_connections_than_descriptors_a_request_is_answered(
    view: Callable[..., View], data: bytes
) -> None:
    app = view()
    with contextlib.ExitStack() as stack:
        for _ in range(260):
            connection = stack.enter_context(app.connect())
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
        assert app.status() == 200
    app.process.terminate()
    assert app.process.wait(10) == 0
    assert len(app.log.read_text().splitlines()) == 1


def test_a_request_that_never_ends_is_cut_off(view: Callable[..., View]) -> None:
    app = view("--host", "localhost")
    token = app.query.removeprefix("?token=")
    idle, header, body = (app.connect() for _ in range(3))
    body.sendall(app.form(1_000, token) + b"name=")
    header.sendall(b"GET / HT")
    began = time.monotonic()
    with pytest.raises(ConnectionError):
        while time.monotonic() - began < 4 * SECONDS:
            header.sendall(b"T")
            time.sleep(0.1)
    assert time.monotonic() - began < 2 * SECONDS + 1
    for connection in (idle, header, body):
        assert seconds_until_closed(connection) < 1
        connection.close()
    assert app.status() == 200


def test_no_body_is_read_without_the_token(view: Callable[..., View]) -> None:
    app = view("--host", "localhost")
    with app.connect() as connection:
        connection.sendall(app.form(1_000_000_000))
        assert connection.recv(100).startswith(b"HTTP/1.1 403")
    with app.connect() as connection:
        connection.sendall(app.form(1_000_000_000, app.query.removeprefix("?token=")))
        for _ in range(20):
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"x" * 10_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


# --- in this process ---


async def with_server(
    app: Any, limit: int, visit: Callable[[int], Any], seconds: float = 5
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=LimitedConnection, limit_concurrency=limit + 1,
        lifespan="off", log_level="critical",
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([listener]))
    try:
        async with asyncio.timeout(seconds):
            await visit(listener.getsockname()[1])
    finally:
        server.should_exit = server.force_exit = True
        await task
        listener.close()


async def answer_slowly(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.sleep(0.5)
    await send({"type": "http.response.body", "body": b"done"})


def test_where_all_connections_are_busy_one_more_gets_503() -> None:
    async def visit(port: int) -> None:
        async def ask() -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                return (await reader.read())[9:12]
            return b"503"  # closed before the answer was read

        first = [asyncio.create_task(ask()) for _ in range(2)]
        await asyncio.sleep(0.1)
        assert await ask() == b"503"
        assert await asyncio.gather(*first) == [b"200", b"200"]
        assert await ask() == b"200"

    asyncio.run(with_server(answer_slowly, 2, visit))


def test_a_response_that_is_not_read_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "RESPONSE_SECONDS", 0.3)
    finished = asyncio.Event()

    async def answer_at_length(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(50_000_000), "more_body": True})
        await send({"type": "http.response.body", "body": b"x"})
        finished.set()

    async def visit(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await finished.wait()

    asyncio.run(with_server(answer_at_length, 2, visit))


@pytest.mark.parametrize("limit", [20, 64, 200, 1024, 1 << 20, resource.RLIM_INFINITY])
def test_connections_leave_descriptors_for_files(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert 4 <= most_connections() <= 512
    if limit >= 200:
        assert limit == resource.RLIM_INFINITY or most_connections() <= limit - 64
