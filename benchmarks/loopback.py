"""A fast local server for OpenAI's chat completions API, for benchmarks.

It runs in a separate process and does little per request, so that it does not limit the client
that is measured. It speaks HTTP/1.1 with keep-alive and ``Content-Length`` in both directions,
reads and parses each request completely, and answers at once: a sentence to audio, a valid verdict
to a judge's prompt. An answer depends only on the content of the last message.

Usage: ``with LoopbackServer() as server: ... server.url``
"""

import asyncio
import json
import re
import subprocess
import sys
import zlib
from types import TracebackType
from typing import Any, Self

import psutil

ORIENTATIONS = ("Audio-Oriented", "Speech-Oriented", "Both", "Neither")


class LoopbackServer:
    """A server in a separate process, which ends with the context or with this process."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}/v1"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()  # closes its standard input

    @property
    def cpu_seconds(self) -> float:
        """User and system time of the server so far."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)


# --- in the server's own process ---

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = bytearray()
        self._needed = 0  # bytes up to the end of the request; 0 before its header is complete

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (body := self._next_body()) is not None:
            self._transport.write(respond(body))

    def _next_body(self) -> bytes | None:
        """Return the body of the next complete request, if there is one."""
        if not self._needed:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return None
            length = _LENGTH.search(self._received, 0, end)
            if length is None:
                self._transport.write(_message(b"{}", b"411 Length Required"))
                self._transport.close()
                return None
            self._start, self._needed = end + 4, end + 4 + int(length[1])
        if len(self._received) < self._needed:
            return None
        body = bytes(memoryview(self._received)[self._start : self._needed])
        del self._received[: self._needed]
        self._needed = 0
        return body


def respond(body: bytes) -> bytes:
    """Return the response to a request."""
    try:
        request = json.loads(body)
        text = answer_to(request["messages"][-1]["content"])
        model = request["model"]
    except (LookupError, TypeError, ValueError) as error:
        message = {"error": {"message": f"malformed request: {error!r}"}}
        return _message(json.dumps(message).encode(), b"400 Bad Request")
    completion = {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }
    return _message(json.dumps(completion).encode())


def answer_to(content: str | list[Any]) -> str:
    """Return the answer to the content of the last message: audio and a text, or a text."""
    if isinstance(content, list):
        audio, text = content
        digest = zlib.crc32((audio["input_audio"]["data"] + text["text"]).encode())
        return f"They are doing thing {digest:08x}, as the sound and the words say."
    digest = zlib.crc32(content.encode())
    return (
        f"Explanation1: I think so.\nRating: {digest % 3}\n"
        f"Explanation2: It rests on that.\nOrientation: {ORIENTATIONS[digest // 3 % 4]}"
    )


def _message(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


async def _main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
