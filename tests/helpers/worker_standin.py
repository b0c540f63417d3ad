"""A program that behaves like a worker, well or badly, for tests.

    worker_standin.py [--FLAG VALUE ...]

It notes its process number in ``--pids FILE`` and what it was asked in ``--log FILE``. Flags that
name a word act on requests whose prompt holds it.
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


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pids", type=Path)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--handshake", help="the first line, in the place of a good one")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds before the handshake")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds for an answer")
    parser.add_argument("--dies-at-start", type=int, default=0, help="the first so many times")
    parser.add_argument("--starts-once", action="store_true", help="dies at every later start")
    parser.add_argument("--flood-at-start", action="store_true")
    parser.add_argument("--crash-on", help="ends with status 7")
    parser.add_argument("--crash-once", type=Path, help="... if this file is not there yet")
    parser.add_argument("--crash-always", action="store_true", help="at the first request")
    parser.add_argument("--exit-after", type=int, help="ends well after so many answers")
    parser.add_argument("--hang-on")
    parser.add_argument("--error-on")
    parser.add_argument("--flood-on", help="writes without end, and no newline")
    parser.add_argument("--rubbish", action="store_true")
    parser.add_argument("--chatter-on", help="writes lines without end")
    parser.add_argument("--backwards", action="store_true", help="answers a batch last one first")
    parser.add_argument("--twice", action="store_true")
    parser.add_argument("--answer", help="JSON to answer with, beside the id")
    parser.add_argument("--tells", help="answers with what this environment variable holds")
    parser.add_argument("--immortal", action="store_true")
    parser.add_argument("--orphan", action="store_true", help="has a child in another session")
    parser.add_argument("--child", action="store_true", help="has a child that holds its output")
    return parser.parse_args()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def note(path: "Path | None", line: str) -> int:
    """Append a line; give how many there are."""
    if not path:
        return 0
    with path.open("a") as file:
        file.write(line + "\n")
    return len(path.read_text().splitlines())


def seconds_of(path: str) -> float:
    """Measure how long a file lasts: nothing, where nothing is heard."""
    with wave.open(path) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        return file.getnframes() / 16_000 if any(file.readframes(-1)) else 0.0


class Standin:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.answered = 0
        self.held: list[dict[str, Any]] = []

    def run(self) -> None:
        options = self.options
        if options.immortal:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        lives = note(options.pids, str(os.getpid()))
        for wanted, apart in ((options.orphan, True), (options.child, False)):
            if wanted:
                child = [sys.executable, "-c", "import time; time.sleep(600)"]
                note(options.pids, str(subprocess.Popen(child, start_new_session=apart).pid))
        sys.stderr.write("INFO loading\n")
        sys.stderr.flush()
        time.sleep(options.slow)
        while options.flood_at_start:
            sys.stdout.write("x" * 100_000)
        if lives <= options.dies_at_start or (options.starts_once and lives > 1):
            sys.exit("RuntimeError: CUDA is not available")
        if options.rubbish:
            say("Loading checkpoint shards: 100%")
        self.shake_hands()
        for line in iter(sys.stdin.readline, ""):
            request = json.loads(line)
            if request.get("stop"):
                note(options.log, '"stop"')
                break
            note(options.log, line.strip())
            self.take(request)
        while options.immortal:
            time.sleep(1)

    def shake_hands(self) -> None:
        batch = {"batch": self.options.batch} if self.options.batch else {}
        good = {"jasco": 1, "name": "standin", "versions": {"torch": "1.8"}, **batch}
        say(self.options.handshake or json.dumps(good))

    def take(self, request: dict[str, Any]) -> None:
        options, prompt = self.options, request["prompt"]

        def on(word: "str | None") -> bool:
            return word is not None and word in prompt

        crashed = options.crash_once is not None and options.crash_once.exists()
        if (options.crash_always or on(options.crash_on)) and not crashed:
            if options.crash_once:
                options.crash_once.touch()
            sys.stderr.write("RuntimeError: CUDA error: an illegal memory access\n")
            sys.stderr.flush()
            os._exit(7)
        while on(options.hang_on):
            time.sleep(1)
        while on(options.flood_on):
            sys.stdout.write("x" * 100_000)
        while on(options.chatter_on):
            say("x")
        time.sleep(options.latency)
        if options.rubbish:
            for line in ("", "{", "[]", "null", "{}", '{"id": 123456789, "text": "no"}', '{"id": '):
                say(line)
            sys.stdout.buffer.write(b"\xff\xfe\x00\n" + b"[" * 200_000 + b"\n")
            say('{"id": true, "text": "no"}')
        self.held.append(request)
        if not options.backwards or len(self.held) == options.batch:
            for each in reversed(self.held):
                self.answer(each, "bad" if on(options.error_on) else None)
            self.held.clear()

    def answer(self, request: dict[str, Any], error: "str | None") -> None:
        text = f"{request['prompt']} {seconds_of(request['audio']):g}"
        told = {"error": error} if error else {"text": text}
        if self.options.tells:
            told["text"] = os.environ.get(self.options.tells, "nothing")
        if self.options.answer:
            told = json.loads(self.options.answer)
        for _ in range(1 + self.options.twice):
            say(json.dumps({"id": request["id"], **told}))
        self.answered += 1
        if self.answered == self.options.exit_after:
            sys.exit()


if __name__ == "__main__":
    Standin(parsed()).run()
