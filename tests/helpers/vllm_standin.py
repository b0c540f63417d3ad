"""A stand-in for ``vllm serve``, with optional faults, for tests.

    vllm_standin.py serve MODEL --host H --port P [--FLAG VALUE ...]

It appends its PID and those of its children to ``--pids FILE``.
"""

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from chat_server import Behaviour, answer_to, audio_in


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["serve"])
    parser.add_argument("model")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tensor-parallel-size", type=int, default=1)
    parser.add_argument("--max-model-len", type=int)
    parser.add_argument("--enforce-eager", action=argparse.BooleanOptionalAction)
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--crash-at-start", action="store_true")
    parser.add_argument("--crash-after", type=int)
    parser.add_argument(
        "--port-taken", type=Path, help="fails as if the port were taken, once per file"
    )
    parser.add_argument("--immortal", action="store_true")
    parser.add_argument("--loses-first-sigterm", action="store_true")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per answer")
    parser.add_argument("--orphan", action="store_true", help="starts a child in another session")
    parser.add_argument(
        "--ignores-audio", action="store_true", help="answers depend on the prompt alone"
    )
    parser.add_argument(
        "--audio-only", action="store_true", help="accepts requests with audio only"
    )
    parser.add_argument("--gpu", type=Path, help="a file that one server can lock at a time")
    parser.add_argument("--pids", type=Path)
    parser.add_argument("--log", type=Path)
    return parser.parse_args()


def log(line: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


class Server(ThreadingHTTPServer):
    """A server that, like vLLM's, logs nothing when a client closes its connection."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    """Start the server."""
    options = parse_arguments()
    pids = [os.getpid()]
    if options.immortal:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.loses_first_sigterm:
        signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, signal.SIG_DFL))
    if options.orphan:
        child = [sys.executable, "-c", "import time; time.sleep(600)"]
        pids.append(subprocess.Popen(child, start_new_session=True).pid)
    if options.pids:
        with options.pids.open("a") as file:
            file.writelines(f"{pid}\n" for pid in pids)
    log("WARNING Found ulimit of 1024. This can cause `OSError: [Errno 24] Too many open files`.")
    log(f"INFO loading {options.model} on {options.tensor_parallel_size} GPUs")
    if options.gpu:
        gpu = options.gpu.open("a")
        try:
            fcntl.flock(gpu, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("ValueError: Free memory on device is less than desired memory utilization")
    time.sleep(options.slow)
    key = os.environ.get("VLLM_API_KEY")
    if key:
        log(f"INFO non-default args: {{'api_key': ['{key}']}}")
    if options.crash_at_start:
        if key:
            sys.exit(f"ValueError: bad key {key[:-3]}...")
        sys.exit("ValueError: No available memory for the cache blocks.")
    if options.port_taken and not options.port_taken.exists():
        options.port_taken.touch()
        sys.exit(f"OSError: [Errno 98] Address already in use: ('{options.host}', {options.port})")
    answered = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.reply(200 if self.path == "/health" else 404, {})

        def do_POST(self) -> None:
            nonlocal answered
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if key and self.headers["authorization"] != f"Bearer {key}":
                return self.reply(401, {"error": {"message": "Unauthorized"}})
            answered += 1
            if options.crash_after is not None and answered > options.crash_after:
                log("RuntimeError: CUDA error: an illegal memory access")
                os._exit(7)
            if options.log:
                with options.log.open("a") as file:
                    file.write(json.dumps(body) + "\n")
            time.sleep(options.latency)
            try:
                if options.audio_only:
                    audio_in(body)
                kind, text = answer_to(body, Behaviour(ignores_audio=options.ignores_audio))
                if kind == "answer" and not options.audio_only:
                    raise ValueError("At most 0 audio(s) may be provided in one prompt.")
            except ValueError as error:
                return self.reply(400, {"error": {"message": str(error)}})
            message = {"role": "assistant", "content": text}
            return self.reply(
                200,
                {
                    "model": options.model,
                    "choices": [{"message": message, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 5},
                },
            )

        def reply(self, status: int, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    Server((options.host, options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
