"""A server that speaks OpenAI's chat completions, for tests and benchmarks.

It runs in a process of its own: it can be killed, and does not share the client's interpreter.
What it answers follows from the request alone, so two runs get the same answers in any order:
to audio, a sentence; to a judge's prompt, a well-formed verdict; to the repair prompt, a label.
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
"""Completions without an answer that a repeat does not mend, and what kind of failure each is."""


KNOWN_QUESTION = "waves breaking on a beach and gulls calling"
"""In the prompt of the question that a judge is asked first: it gives the verdict that is due."""


@dataclass
class Behaviour:
    """How a server behaves.

    Attributes
    ----------
    port : int
        0 takes a free one.
    latency : float
        Seconds before it answers.
    faults : float
        The share of requests that meet a fault, drawn from ``kinds`` by ``seed``, the request
        and how often it came: not by the order of arrival.
    status, error, code : int, str, str
        Every request is answered with this status, message and code, where it is not 200; with
        ``retry_after``, where that is not 0.
    wants : str
        What a request must have, or it is told so with status 400: ``max_completion_tokens``,
        ``stream``, ``audio_url``, ``data_url``, ``no temperature``, ``no system role``.
    echoes : bool
        It puts the key that it was sent, whole and in part, into whatever it answers.
    size : int
        Bytes of white space before what it answers.
    busy : int
        The first so many requests are told 429, to come back after ``retry_after`` seconds.
    die_after : int or None
        It is gone for good after so many answers.
    deaf, refuses_silence : bool
        It answers audio by the text beside it alone; it rejects audio that is silent.
    answers : dict
        The answer to audio, by the instruction.
    bewitched : dict
        The fault that messages that hold a certain text always meet.
    refused : dict
        The status for messages that hold a certain text.
    judge_says : dict
        What a judge answers to a prompt that holds a certain text.
    repair_says : str or None
        What it answers when it is asked for its orientation once more.
    served : tuple of str
        What it calls the model, in turn; as it was asked for, where there are none.
    log : str
        File for the requests, a JSON object a line; none where empty.
    bodies : bool
        Whether the log holds what was sent, not only its hash.
    usage : tuple of int
        Prompt and completion tokens of every answer, as it counts them; none where it is empty.
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
    deaf: bool = False
    refuses_silence: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    bewitched: dict[str, str] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    judge_says: dict[str, str] = field(default_factory=dict)
    repair_says: str | None = None
    served: tuple[str, ...] = ()
    log: str = ""
    bodies: bool = False
    usage: tuple[int, ...] = (7, 5)


@dataclass(frozen=True)
class Request:
    """A request as it came.

    ``key`` hashes model and messages, ``fault`` is what befell it, ``in_flight`` counts it and
    those not answered yet when it came.
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
    """A server to start, look at and kill. Parameters as in :class:`Behaviour`."""

    def __init__(self, log: Path | None = None, **behaviour: Any) -> None:
        self._behaviour = Behaviour(log=str(log or ""), **behaviour)
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def start(self) -> Self:
        """Start it and wait until it listens."""
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
        """What ``base_url`` takes."""
        return f"http://127.0.0.1:{self.port}/v1"

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def requests(self) -> list[Request]:
        """Give the requests in order of their arrival, also after its end."""
        lines = Path(self._behaviour.log).read_text("utf-8").splitlines(keepends=True)
        return [Request(**json.loads(line)) for line in lines if line.endswith("\n")]

    def wait_for(self, requests: int, timeout: float = 30) -> None:
        """Wait until so many requests have come."""
        until = time.monotonic() + timeout
        while Path(self._behaviour.log).read_bytes().count(b"\n") < requests:
            assert time.monotonic() < until, f"no {requests} requests within {timeout} s"
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
"""Starts a server, as the fixture ``serve`` does."""


# --- in the server's own process ---


def audio_in(body: dict[str, Any]) -> bytes:
    """Give the file in a question about audio (``ValueError`` where it is not put as it must be).

    It is a WAV file, 16 kHz, one channel, 16 bits, and comes before the text: so a server's prefix
    cache serves a clip's eight prompts.
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
            form = file.getframerate(), file.getnchannels(), file.getsampwidth()
            assert form == (16_000, 1, 2), form
            assert len(file.readframes(file.getnframes())) == 2 * file.getnframes() > 0
    except (AssertionError, LookupError, TypeError, ValueError, wave.Error, EOFError) as error:
        raise ValueError(f"no proper audio part before a text: {error!r}") from None
    return content


def as_input_audio(part: dict[str, Any]) -> dict[str, Any]:
    """Give an audio part as the usual one, in whatever form it came."""
    prefix = "data:audio/wav;base64,"
    if part["type"] == "audio_url":
        assert part["audio_url"]["url"].startswith(prefix)
        data = part["audio_url"]["url"].removeprefix(prefix)
        return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    held = part["input_audio"]
    return {**part, "input_audio": {**held, "data": held["data"].removeprefix(prefix)}}


WANTED = {
    "max_completion_tokens": "Unsupported parameter: 'max_tokens' is not supported with this "
    "model. Use 'max_completion_tokens' instead.",
    "stream": "This model only support stream mode, please enable the stream parameter.",
    "audio_url": "Unknown part type: input_audio",
    "data_url": "The provided URL does not appear to be valid.",
    "no temperature": "Unsupported value: 'temperature' does not support 0.0 with this model.",
    "no system role": "System role not supported",
}
"""What a server says to a request that is not as it wants it."""


def is_as_wanted(body: dict[str, Any], wanted: str) -> bool:
    """Whether a request is as a server wants it."""
    parts = body["messages"][-1]["content"]
    audio = parts[0] if isinstance(parts, list) else None
    return {
        "max_completion_tokens": "max_tokens" not in body and "max_completion_tokens" in body,
        "stream": body.get("stream") is True,
        "audio_url": audio is None or audio["type"] == "audio_url",
        "data_url": audio is None or audio.get("input_audio", {}).get("data", "")[:5] == "data:",
        "no temperature": "temperature" not in body,
        "no system role": all(each["role"] != "system" for each in body["messages"]),
    }[wanted]


def answer_to(body: dict[str, Any], behaviour: Behaviour | None = None) -> tuple[str, str]:
    """Give the kind of a request, and what a well server answers (``ValueError``: status 400)."""
    behaviour = behaviour or Behaviour()
    content = body["messages"][-1]["content"]
    digest = hashlib.sha256(json.dumps(body["messages"]).encode()).digest()
    if isinstance(content, list):
        audio_in(body)
        instruction = content[-1]["text"]
        if behaviour.deaf:
            digest = hashlib.sha256(instruction.encode()).digest()
        sentence = f"They are doing thing {digest.hex()[:8]}, as the sound and the words say."
        return "answer", behaviour.answers.get(instruction, sentence)
    if content.startswith("[Model Explanation]"):
        said = behaviour.repair_says
        return "repair", LABELS[digest[1] % 4] if said is None else said
    for text, said in behaviour.judge_says.items():
        if text in content:
            return "verdict", said
    if KNOWN_QUESTION in content:
        return "verdict", "Rating: 2\nOrientation: Both"
    return "verdict", (
        f"Explanation1: I think so.\nRating: {digest[0] % 3}\n"
        f"Explanation2: It rests on that.\nOrientation: {LABELS[digest[1] % 4]}"
    )


def _holds(body: dict[str, Any], text: str) -> bool:
    content = body["messages"][-1]["content"]
    return text in (content if isinstance(content, str) else content[-1]["text"])


def _is_silent(body: dict[str, Any]) -> bool:
    wav = base64.b64decode(body["messages"][-1]["content"][0]["input_audio"]["data"])
    return not any(wav[44:])


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
    seen: Counter[str] = Counter()
    came = answered = in_flight = 0

    def fault_of(key: str) -> str:
        seen[key] += 1
        chance = hashlib.sha256(f"{behaviour.seed} {key} {seen[key]}".encode()).digest()
        if int.from_bytes(chance[:4], "big") / 2**32 >= behaviour.faults:
            return ""
        return behaviour.kinds[chance[4] % len(behaviour.kinds)]

    def note(request: web.Request, body: dict[str, Any], kind: str, key: str, fault: str) -> None:
        if log is None:
            return
        headers = dict(request.headers) if behaviour.bodies else {}
        sent = body if behaviour.bodies else {}
        came = Request(time.time(), in_flight, kind, key, body["model"], fault, headers, sent)
        log.write(json.dumps(asdict(came)) + "\n")
        log.flush()

    async def complete(request: web.Request) -> web.StreamResponse:
        nonlocal in_flight
        try:
            body = json.loads(await request.read())
        except ConnectionResetError:
            return web.Response()  # the client is gone
        in_flight += 1
        try:
            return await answer(request, body)
        finally:
            in_flight -= 1

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        nonlocal came, answered
        came += 1
        if behaviour.wants and not is_as_wanted(body, behaviour.wants):
            note(request, body, "refused", "", "")
            error = {"message": WANTED[behaviour.wants]}
            return web.json_response({"error": error}, status=400)
        try:
            kind, text = answer_to(body, behaviour)
        except ValueError as error:
            return web.json_response({"error": {"message": str(error)}}, status=400)
        fault = ""
        key = ""
        if log is not None or behaviour.faults:
            said = json.dumps([body["model"], body["messages"]])
            key = hashlib.sha256(said.encode()).hexdigest()
            fault = fault_of(key)
        for held, lasting in behaviour.bewitched.items():
            if _holds(body, held):
                fault = lasting
        if came <= behaviour.busy:
            fault = "429"
        note(request, body, kind, key, fault)
        if behaviour.latency:
            await asyncio.sleep(behaviour.latency)
        status = behaviour.status
        if behaviour.refuses_silence and kind == "answer" and _is_silent(body):
            status = 400
        for held, refusal in behaviour.refused.items():
            if _holds(body, held):
                status = refusal
        if status != 200:
            error = {"message": behaviour.error + echo(request)}
            error |= {"code": behaviour.code} if behaviour.code else {}
            told = behaviour.retry_after
            headers = {"Retry-After": told} if told != "0" else None
            return web.json_response({"error": error}, status=status, headers=headers)
        if fault:
            response: web.StreamResponse = await _befall(
                request, fault, body["model"], text, behaviour
            )
            return response
        if behaviour.die_after is not None and answered >= behaviour.die_after:
            os._exit(1)
        answered += 1
        names = behaviour.served or (body["model"],)
        whole = _completion(names[answered % len(names)], text)
        counts = zip(("prompt_tokens", "completion_tokens"), behaviour.usage, strict=False)
        whole["usage"] = dict(counts) or None
        if behaviour.echoes:
            name, said = whole["model"] + echo(request), f"{echo(request)}\n{text}"
            whole = _completion(name, said, reasoning_content=f"I was sent{echo(request)}")
        if body.get("stream"):
            return web.Response(text=_as_stream(whole), content_type="text/event-stream")
        if behaviour.size:
            return await _long(request, behaviour.size, json.dumps(whole))
        return web.json_response(whole)

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


def _as_stream(whole: dict[str, Any]) -> str:
    """Write a completion as a stream: word by word."""
    [choice] = whole["choices"]
    words = choice["message"]["content"].split(" ")
    pieces = [{"content": " " * bool(place) + word} for place, word in enumerate(words)]
    chunks = [{"index": 0, "delta": piece, "finish_reason": None} for piece in pieces]
    chunks.append({"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]})
    bodies = [{"model": whole["model"], "choices": [chunk]} for chunk in chunks]
    events = [*bodies, {"choices": [], "usage": whole["usage"]}]
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


async def _long(request: Any, size: int, end: str) -> Any:
    """Answer with so much white space before the end, until the client has had enough."""
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


async def _befall(request: Any, fault: str, model: str, text: str, behaviour: Behaviour) -> Any:
    from aiohttp import web

    whole = _completion(model, text)
    if fault == "hang":
        await asyncio.sleep(3600)
    if fault == "reset":
        request.transport.abort()
        return web.Response()
    if fault == "cut off":
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(json.dumps(whole).encode())
        request.transport.close()
        return response
    if fault in ("500", "503", "429"):
        told = behaviour.retry_after
        if told.startswith("+"):  # the other form that it may have: a date
            told = formatdate(time.time() + float(told), usegmt=True)
        headers = {"Retry-After": told} if fault == "429" else None
        return web.json_response({"error": {"message": "busy"}}, status=int(fault), headers=headers)
    if fault == "302 to nowhere":
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"})
    if fault == "html":
        return web.Response(text="<html><h1>It works!</h1></html>", content_type="text/html")
    if fault == "no gzip":
        return web.Response(body=b"{}", headers={"Content-Encoding": "gzip"})
    odd: dict[str, Any] = {
        "truncated": json.dumps(whole)[:-25],
        "deep nesting": "[" * 200_000,
        "no choices": whole | {"choices": []},
        "number as content": _completion(model, 42),
        "null as content": _completion(model, None),
        "no mapping as message": whole | {"choices": [{"message": "hello"}]},
        "string as choices": whole | {"choices": "two"},
        "list as body": [whole],
        "error as finish reason": _completion(model, "", "error"),
        "error in the choice": {"choices": [whole["choices"][0] | {"error": {"code": 502}}]},
        "error beside the choices": whole | {"error": {"message": f"upstream: {behaviour.error}"}},
        "choice of another index": _completion(model, text, index=1),
        "filtered": _completion(model, "", "content_filter"),
        "filtered in part": _completion(model, text[:-1], "content_filter"),
        "nothing within max_tokens": _completion(model, "", "length"),
        "refusal": _completion(model, None, refusal="I cannot help with that."),
        "reasoning only": _completion(model, None, reasoning_content="They may flee."),
        "tool call": _completion(model, None, "tool_calls", tool_calls=[{"id": "1"}]),
    }
    body = odd[fault]
    return web.Response(
        text=body if isinstance(body, str) else json.dumps(body), content_type="application/json"
    )


if __name__ == "__main__":
    _main(Behaviour(**json.load(sys.stdin)))
