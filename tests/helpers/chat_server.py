"""A server for OpenAI's chat completions API, for tests and benchmarks.

It runs in a process of its own, so that it can be killed and does not share the client's
interpreter. Its answers depend on the request alone, so that two runs get the same answers in any
order: a sentence to audio, a well-formed verdict to a judge's prompt, a label to the repair
prompt.
"""

import asyncio
import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import time
import wave
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jasco.protocol.instructions import INSTRUCTIONS

LABELS = ("Audio-Oriented", "Speech-Oriented", "Both", "Neither")
FAULTS = (
    "500", "503", "429", "hang", "reset", "truncated", "no choices", "number as content",
    "string as choices", "list as body", "html", "null as content", "no mapping as message",
    "deep nesting", "no gzip", "cut off", "302 to nowhere", "error as finish reason",
    "error in the choice", "error beside the choices", "choice of another index",
)  # fmt: skip
NO_ANSWER = {
    "filtered": "content filter", "filtered in part": "content filter",
    "nothing within max_tokens": "cut off", "reasoning only": "no text", "tool call": "no text",
}  # fmt: skip
"""Completions without an answer that are not retried, and the kind of failure of each."""

KNOWN_QUESTION = "waves breaking on a beach and gulls calling"
"""Part of the known question that a judge is asked first; the server gives the right verdict."""


@dataclass
class Behaviour:
    """How a server behaves.

    Attributes
    ----------
    port : int
        0: a free port.
    latency : float
        Seconds before each answer.
    faults : float
        The share of requests that meet a fault. Fault and kind (one of ``kinds``) depend on
        ``seed``, the request and how often it was made, not on the order of arrival.
    status, error, code : int, str, str
        If the status is not 200, every request is answered with this status, message and code,
        and with ``retry_after`` if that is not 0.
    wants : str
        A requirement; requests that do not meet it get status 400: ``max_completion_tokens``,
        ``stream``, ``audio_url``, ``data_url``, ``no temperature``, ``no system role``.
    echoes : bool
        Every answer contains the API key of its request, in full and in part.
    size : int
        Bytes of white space before each answer.
    busy : int
        The number of first requests that get status 429 and ``retry_after``.
    die_after : int or None
        The number of answers after which the server ends.
    ignores_audio, refuses_silence : bool
        Answers to audio depend on the prompt alone; silent audio is rejected.
    answers : dict
        The answers to audio, by instruction.
    fault_by_text : dict
        The faults that all messages that contain a text meet, by text.
    status_by_text : dict
        The status for messages that contain a text, by text.
    judge_says : dict
        The verdict on prompts that contain a text, by text.
    repair_says : str or None
        The answer to the repair prompt.
    served : tuple of str
        The names of the model in the answers, in turn; default: the name in the request.
    log : str
        File for the requests, one JSON object per line; empty: none.
    bodies : bool
        Whether the log contains headers and bodies, not only the hash of the messages.
    usage : tuple of int
        Prompt and completion tokens of every answer; empty: none are reported.
    """

    port: int = 0
    latency: float = 0.0
    faults: float = 0.0
    kinds: tuple[str, ...] = FAULTS
    seed: int = 0
    status: int = 200
    error: str = "no"
    code: str = ""
    wants: str = ""
    echoes: bool = False
    size: int = 0
    busy: int = 0
    retry_after: str = "0"
    die_after: int | None = None
    ignores_audio: bool = False
    refuses_silence: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    fault_by_text: dict[str, str] = field(default_factory=dict)
    status_by_text: dict[str, int] = field(default_factory=dict)
    judge_says: dict[str, str] = field(default_factory=dict)
    repair_says: str | None = None
    served: tuple[str, ...] = ()
    log: str = ""
    bodies: bool = False
    usage: tuple[int, ...] = (7, 5)


@dataclass(frozen=True)
class Request:
    """A request that the server received.

    ``key`` is a hash of model and messages, ``in_flight`` the number of requests, this one
    included, that were not answered yet when it arrived.
    """

    at: float
    in_flight: int
    kind: str
    key: str
    model: str
    fault: str
    headers: dict[str, str]
    body: dict[str, Any]


class ChatServer:
    """A server in a process of its own. Parameters as in :class:`Behaviour`."""

    def __init__(self, log: Path | None = None, **behaviour: Any) -> None:
        self._behaviour = Behaviour(log=str(log or ""), **behaviour)
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def start(self) -> Self:
        """Start the server and wait until it listens."""
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdin as pipe:
            pipe.write(json.dumps(asdict(self._behaviour)))
        self.port = int(self._process.stdout.readline())
        return self

    @property
    def url(self) -> str:
        """The value of ``base_url``."""
        return f"http://127.0.0.1:{self.port}/v1"

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def requests(self) -> list[Request]:
        """Return the requests in order of arrival, also after the server ended."""
        lines = Path(self._behaviour.log).read_text("utf-8").splitlines(keepends=True)
        return [Request(**json.loads(line)) for line in lines if line.endswith("\n")]

    def wait_for(self, requests: int, timeout: float = 30) -> None:
        """Wait until a number of requests have arrived."""
        deadline = time.monotonic() + timeout
        while Path(self._behaviour.log).read_bytes().count(b"\n") < requests:
            assert time.monotonic() < deadline, f"no {requests} requests within {timeout} s"
            time.sleep(0.01)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()


Serve = Callable[..., ChatServer]
"""Starts a server; the type of the fixture ``serve``."""


# --- in the server's own process ---


def audio_in(body: dict[str, Any]) -> bytes:
    """Return the audio file of a request; raise ``ValueError`` if the request is malformed.

    The file must be WAV with 16 kHz, one channel and 16 bits. It must come before the text, so
    that a server's prefix cache serves a clip's eight prompts.
    """
    try:
        [message] = body["messages"]
        audio, text = message["content"]
        audio = as_input_audio(audio)
        assert (message["role"], audio["type"], text["type"]) == ("user", "input_audio", "text")
        assert (audio.keys(), text.keys()) == ({"type", "input_audio"}, {"type", "text"})
        assert audio["input_audio"]["format"] == "wav"
        content = base64.b64decode(audio["input_audio"]["data"], validate=True)
        with wave.open(io.BytesIO(content)) as file:
            audio_format = file.getframerate(), file.getnchannels(), file.getsampwidth()
            assert audio_format == (16_000, 1, 2), audio_format
            assert len(file.readframes(file.getnframes())) == 2 * file.getnframes() > 0
    except (AssertionError, LookupError, TypeError, ValueError, wave.Error, EOFError) as error:
        raise ValueError(f"no proper audio part before a text: {error!r}") from None
    return content


def as_input_audio(part: dict[str, Any]) -> dict[str, Any]:
    """Return an audio part of any form as ``input_audio`` without the prefix of a data URL."""
    prefix = "data:audio/wav;base64,"
    if part["type"] == "audio_url":
        assert part["audio_url"]["url"].startswith(prefix)
        data = part["audio_url"]["url"].removeprefix(prefix)
        return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    audio = part["input_audio"]
    return {**part, "input_audio": {**audio, "data": audio["data"].removeprefix(prefix)}}


REQUIREMENT_ERRORS = {
    "max_completion_tokens": "Unsupported parameter: 'max_tokens' is not supported with this "
    "model. Use 'max_completion_tokens' instead.",
    "stream": "This model only support stream mode, please enable the stream parameter.",
    "audio_url": "Unknown part type: input_audio",
    "data_url": "The provided URL does not appear to be valid.",
    "no temperature": "Unsupported value: 'temperature' does not support 0.0 with this model.",
    "no system role": "System role not supported",
}
"""The error messages for requests that do not meet a requirement."""


def meets(body: dict[str, Any], requirement: str) -> bool:
    """Return whether a request meets a requirement."""
    parts = body["messages"][-1]["content"]
    audio = parts[0] if isinstance(parts, list) else None
    return {
        "max_completion_tokens": "max_tokens" not in body and "max_completion_tokens" in body,
        "stream": body.get("stream") is True,
        "audio_url": audio is None or audio["type"] == "audio_url",
        "data_url": audio is None or audio.get("input_audio", {}).get("data", "")[:5] == "data:",
        "no temperature": "temperature" not in body,
        "no system role": all(message["role"] != "system" for message in body["messages"]),
    }[requirement]


def answer_to(body: dict[str, Any], behaviour: Behaviour | None = None) -> tuple[str, str]:
    """Return the kind of a request and the answer; raise ``ValueError`` if it is malformed."""
    behaviour = behaviour or Behaviour()
    content = body["messages"][-1]["content"]
    digest = hashlib.sha256(json.dumps(body["messages"]).encode()).digest()
    if isinstance(content, list) or content.splitlines()[-1:] in ([text] for text in INSTRUCTIONS):
        if isinstance(content, list):
            audio_in(body)
        instruction = content[-1]["text"] if isinstance(content, list) else content
        if behaviour.ignores_audio:
            digest = hashlib.sha256(instruction.encode()).digest()
        sentence = f"They are doing thing {digest.hex()[:8]}, as the sound and the words say."
        return "answer", behaviour.answers.get(instruction, sentence)
    if content.startswith("[Model Explanation]"):
        label = LABELS[digest[1] % 4]
        return "repair", label if behaviour.repair_says is None else behaviour.repair_says
    for text, verdict in behaviour.judge_says.items():
        if text in content:
            return "verdict", verdict
    if KNOWN_QUESTION in content:
        return "verdict", "Rating: 2\nOrientation: Both"
    return "verdict", (
        f"Explanation1: I think so.\nRating: {digest[0] % 3}\n"
        f"Explanation2: It rests on that.\nOrientation: {LABELS[digest[1] % 4]}"
    )


def _contains(body: dict[str, Any], text: str) -> bool:
    content = body["messages"][-1]["content"]
    return text in (content if isinstance(content, str) else content[-1]["text"])


def _is_silent(body: dict[str, Any]) -> bool:
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return False
    return not any(base64.b64decode(content[0]["input_audio"]["data"])[44:])


def _completion(
    model: str, text: Any, reason: str = "stop", index: int = 0, **more: Any
) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, **more}
    return {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": index, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }


def _main(behaviour: Behaviour) -> None:
    from aiohttp import web

    log = Path(behaviour.log).open("w", encoding="utf-8") if behaviour.log else None  # noqa: SIM115
    times_received: Counter[str] = Counter()
    received = answered = in_flight = 0

    def fault_of(key: str) -> str:
        times_received[key] += 1
        digest = hashlib.sha256(f"{behaviour.seed} {key} {times_received[key]}".encode()).digest()
        if int.from_bytes(digest[:4], "big") / 2**32 >= behaviour.faults:
            return ""
        return behaviour.kinds[digest[4] % len(behaviour.kinds)]

    def log_request(
        request: web.Request, body: dict[str, Any], kind: str, key: str, fault: str
    ) -> None:
        if log is None:
            return
        headers = dict(request.headers) if behaviour.bodies else {}
        sent_body = body if behaviour.bodies else {}
        entry = Request(time.time(), in_flight, kind, key, body["model"], fault, headers, sent_body)
        log.write(json.dumps(asdict(entry)) + "\n")
        log.flush()

    async def complete(request: web.Request) -> web.StreamResponse:
        nonlocal in_flight
        try:
            body = json.loads(await request.read())
        except ConnectionResetError:
            return web.Response()  # the client has disconnected
        in_flight += 1
        try:
            return await answer(request, body)
        finally:
            in_flight -= 1

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        nonlocal received, answered
        received += 1
        if behaviour.wants and not meets(body, behaviour.wants):
            log_request(request, body, "refused", "", "")
            error = {"message": REQUIREMENT_ERRORS[behaviour.wants]}
            return web.json_response({"error": error}, status=400)
        try:
            kind, text = answer_to(body, behaviour)
        except ValueError as error:
            return web.json_response({"error": {"message": str(error)}}, status=400)
        fault = ""
        key = ""
        if log is not None or behaviour.faults:
            identity = json.dumps([body["model"], body["messages"]])
            key = hashlib.sha256(identity.encode()).hexdigest()
            fault = fault_of(key)
        for part, part_fault in behaviour.fault_by_text.items():
            if _contains(body, part):
                fault = part_fault
        if received <= behaviour.busy:
            fault = "429"
        log_request(request, body, kind, key, fault)
        if behaviour.latency:
            await asyncio.sleep(behaviour.latency)
        status = behaviour.status
        if behaviour.refuses_silence and kind == "answer" and _is_silent(body):
            status = 400
        for part, part_status in behaviour.status_by_text.items():
            if _contains(body, part):
                status = part_status
        if status != 200:
            error = {"message": behaviour.error + echo(request)}
            error |= {"code": behaviour.code} if behaviour.code else {}
            retry_after = behaviour.retry_after
            headers = {"Retry-After": retry_after} if retry_after != "0" else None
            return web.json_response({"error": error}, status=status, headers=headers)
        if fault:
            response: web.StreamResponse = await _faulty_response(
                request, fault, body["model"], text, behaviour
            )
            return response
        if behaviour.die_after is not None and answered >= behaviour.die_after:
            os._exit(1)
        answered += 1
        names = behaviour.served or (body["model"],)
        completion = _completion(names[answered % len(names)], text)
        counts = zip(("prompt_tokens", "completion_tokens"), behaviour.usage, strict=False)
        completion["usage"] = dict(counts) or None
        if behaviour.echoes:
            name = completion["model"] + echo(request)
            completion = _completion(
                name,
                f"{echo(request)}\n{text}",
                reasoning_content=f"I was sent{echo(request)}",
            )
        if body.get("stream"):
            return web.Response(text=_as_stream(completion), content_type="text/event-stream")
        if behaviour.size:
            return await _padded_response(request, behaviour.size, json.dumps(completion))
        return web.json_response(completion)

    def echo(request: web.Request) -> str:
        if not behaviour.echoes:
            return ""
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        basic = base64.b64encode(f"user:{key}".encode()).decode()
        return f" {key} {key[:8]}****{key[-4:]} {key[4:]} {basic}"

    async def serve() -> None:
        application = web.Application(client_max_size=1 << 30)
        application.router.add_post("/v1/chat/completions", complete)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", behaviour.port, backlog=1024)
        await site.start()
        print(runner.addresses[0][1], flush=True)  # noqa: T201
        await asyncio.Event().wait()

    asyncio.run(serve())


def _as_stream(completion: dict[str, Any]) -> str:
    """Return a completion as a stream of server-sent events, one per word."""
    [choice] = completion["choices"]
    words = choice["message"]["content"].split(" ")
    pieces = [{"content": " " * bool(index) + word} for index, word in enumerate(words)]
    chunks = [{"index": 0, "delta": piece, "finish_reason": None} for piece in pieces]
    chunks.append({"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]})
    bodies = [{"model": completion["model"], "choices": [chunk]} for chunk in chunks]
    events = [*bodies, {"choices": [], "usage": completion["usage"]}]
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


async def _padded_response(request: Any, size: int, end: str) -> Any:
    """Send white space and then the end of a response, until the client disconnects."""
    from aiohttp import web

    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        for _ in range(size // 2**20):
            await response.write(b" " * 2**20)
        await response.write(end.encode())
    except ConnectionError:
        pass
    return response


async def _faulty_response(
    request: Any, fault: str, model: str, text: str, behaviour: Behaviour
) -> Any:
    """Answer a request with a fault."""
    from aiohttp import web

    completion = _completion(model, text)
    if fault == "hang":
        await asyncio.sleep(3600)
    if fault == "reset":
        request.transport.abort()
        return web.Response()
    if fault == "cut off":
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(json.dumps(completion).encode())
        request.transport.close()
        return response
    if fault in ("500", "503", "429"):
        retry_after = behaviour.retry_after
        if retry_after.startswith("+"):  # as a date
            retry_after = formatdate(time.time() + float(retry_after), usegmt=True)
        headers = {"Retry-After": retry_after} if fault == "429" else None
        return web.json_response({"error": {"message": "busy"}}, status=int(fault), headers=headers)
    if fault == "302 to nowhere":
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"})
    if fault == "html":
        return web.Response(text="<html><h1>It works!</h1></html>", content_type="text/html")
    if fault == "no gzip":
        return web.Response(body=b"{}", headers={"Content-Encoding": "gzip"})
    bodies: dict[str, Any] = {
        "truncated": json.dumps(completion)[:-25],
        "deep nesting": "[" * 200_000,
        "no choices": completion | {"choices": []},
        "number as content": _completion(model, 42),
        "null as content": _completion(model, None),
        "no mapping as message": completion | {"choices": [{"message": "hello"}]},
        "string as choices": completion | {"choices": "two"},
        "list as body": [completion],
        "error as finish reason": _completion(model, "", "error"),
        "error in the choice": {"choices": [completion["choices"][0] | {"error": {"code": 502}}]},
        "error beside the choices": completion
        | {"error": {"message": f"upstream: {behaviour.error}"}},
        "choice of another index": _completion(model, text, index=1),
        "filtered": _completion(model, "", "content_filter"),
        "filtered in part": _completion(model, text[:-1], "content_filter"),
        "nothing within max_tokens": _completion(model, "", "length"),
        "refusal": _completion(model, None, refusal="I cannot help with that."),
        "reasoning only": _completion(model, None, reasoning_content="They may flee."),
        "tool call": _completion(model, None, "tool_calls", tool_calls=[{"id": "1"}]),
    }
    body = bodies[fault]
    return web.Response(
        text=body if isinstance(body, str) else json.dumps(body), content_type="application/json"
    )


if __name__ == "__main__":
    _main(Behaviour(**json.load(sys.stdin)))
