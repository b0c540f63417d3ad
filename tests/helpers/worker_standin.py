"""A stand-in for a worker program, with optional faults, for tests.

    worker_standin.py [--FLAG VALUE ...]

It appends its PID to ``--pids FILE`` and its requests to ``--log FILE``. Flags with a word apply to
requests whose prompt contains the word.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import Any


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pids", type=Path)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--handshake", help="the first line, instead of a valid one")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds before the handshake")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per answer")
    parser.add_argument("--dies-at-start", type=int, default=0, help="the number of failing starts")
    parser.add_argument("--starts-once", action="store_true", help="fails at every later start")
    parser.add_argument("--flood-at-start", action="store_true")
    parser.add_argument("--crash-on", help="ends with status 7")
    parser.add_argument("--crash-once", type=Path, help="... unless this file exists")
    parser.add_argument("--crash-always", action="store_true", help="at the first request")
    parser.add_argument("--exit-after", type=int, help="ends with status 0 after so many answers")
    parser.add_argument("--hang-on")
    parser.add_argument("--error-on")
    parser.add_argument("--flood-on", help="writes an endless line")
    parser.add_argument("--rubbish", action="store_true")
    parser.add_argument("--chatter-on", help="writes endless lines")
    parser.add_argument("--backwards", action="store_true", help="answers a batch in reverse order")
    parser.add_argument("--twice", action="store_true")
    parser.add_argument("--answer", help="a JSON object to answer with, besides the id")
    parser.add_argument("--answer-env", help="answers with the value of this environment variable")
    parser.add_argument("--immortal", action="store_true")
    parser.add_argument("--orphan", action="store_true", help="starts a child in another session")
    parser.add_argument(
        "--child", action="store_true", help="starts a child that keeps its output open"
    )
    return parser.parse_args()


def write_line(line: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def append(path: "Path | None", line: str) -> int:
    """Append a line to a file and return the number of its lines."""
    if not path:
        return 0
    with path.open("a") as file:
        file.write(line + "\n")
    return len(path.read_text().splitlines())


def seconds_of(path: str) -> float:
    """Return the duration of a WAV file; 0 if it is silent."""
    with wave.open(path) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        return file.getnframes() / 16_000 if any(file.readframes(-1)) else 0.0


class Standin:
    """A worker with the behaviour that its options describe."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.answered = 0
        self.pending: list[dict[str, Any]] = []

    def run(self) -> None:
        """Read and answer requests until the end of standard input."""
        options = self.options
        if options.immortal:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        starts = append(options.pids, str(os.getpid()))
        for enabled, new_session in ((options.orphan, True), (options.child, False)):
            if enabled:
                child = [sys.executable, "-c", "import time; time.sleep(600)"]
                append(
                    options.pids, str(subprocess.Popen(child, start_new_session=new_session).pid)
                )
        sys.stderr.write("INFO loading\n")
        sys.stderr.flush()
        time.sleep(options.slow)
        while options.flood_at_start:
            sys.stdout.write("x" * 100_000)
        if starts <= options.dies_at_start or (options.starts_once and starts > 1):
            sys.exit("RuntimeError: CUDA is not available")
        if options.rubbish:
            write_line("Loading checkpoint shards: 100%")
        self.send_handshake()
        for line in iter(sys.stdin.readline, ""):
            request = json.loads(line)
            if request.get("stop"):
                append(options.log, '"stop"')
                break
            append(options.log, line.strip())
            self.handle(request)
        while options.immortal:
            time.sleep(1)

    def send_handshake(self) -> None:
        """Write the first line."""
        batch = {"batch": self.options.batch} if self.options.batch else {}
        handshake = {"jasco": 1, "name": "standin", "versions": {"torch": "1.8"}, **batch}
        write_line(self.options.handshake or json.dumps(handshake))

    def handle(self, request: dict[str, Any]) -> None:
        """Answer a request, or misbehave."""
        options, prompt = self.options, request["prompt"]

        def matches(word: "str | None") -> bool:
            return word is not None and word in prompt

        crashed = options.crash_once is not None and options.crash_once.exists()
        if (options.crash_always or matches(options.crash_on)) and not crashed:
            if options.crash_once:
                options.crash_once.touch()
            sys.stderr.write("RuntimeError: CUDA error: an illegal memory access\n")
            sys.stderr.flush()
            os._exit(7)
        while matches(options.hang_on):
            time.sleep(1)
        while matches(options.flood_on):
            sys.stdout.write("x" * 100_000)
        while matches(options.chatter_on):
            write_line("x")
        time.sleep(options.latency)
        if options.rubbish:
            for line in ("", "{", "[]", "null", "{}", '{"id": 123456789, "text": "no"}', '{"id": '):
                write_line(line)
            sys.stdout.buffer.write(b"\xff\xfe\x00\n" + b"[" * 200_000 + b"\n")
            write_line('{"id": true, "text": "no"}')
        self.pending.append(request)
        if not options.backwards or len(self.pending) == options.batch:
            for pending in reversed(self.pending):
                self.answer(pending, "bad" if matches(options.error_on) else None)
            self.pending.clear()

    def answer(self, request: dict[str, Any], error: "str | None") -> None:
        """Write the answer to a request."""
        seconds = f"{seconds_of(request['audio']):g}" if request["audio"] else None
        text = f"{request['prompt']} {seconds}"
        reply = {"error": error} if error else {"text": text}
        if self.options.answer_env:
            reply["text"] = os.environ.get(self.options.answer_env, "nothing")
        if self.options.answer:
            reply = json.loads(self.options.answer)
        for _ in range(1 + self.options.twice):
            write_line(json.dumps({"id": request["id"], **reply}))
        self.answered += 1
        if self.answered == self.options.exit_after:
            sys.exit()


if __name__ == "__main__":
    Standin(parse_arguments()).run()
