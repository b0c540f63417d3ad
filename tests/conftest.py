"""What tests share: a data set, chat servers, the command in a process of its own."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from chat_server import ChatServer, Serve
from command import Jasco
from places import HELPERS, PUBLISHED
from synthetic import make_data

VLLM_STANDIN = HELPERS / "vllm_standin.py"

# Machines differ, and tests run beside each other: no example fails for being slow.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def jasco(tmp_path: Path) -> Iterator[Jasco]:
    """Run the command: ``jasco("score", run).status``."""
    command = Jasco(tmp_path)
    yield command
    command.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write four synthetic clips with awkward annotations."""
    return make_data(tmp_path / "synthetic")


@pytest.fixture
def published() -> Path:
    """Find the published data set."""
    if not (PUBLISHED / "dataset" / "v0" / "v0.csv").is_file():
        pytest.skip(f"the published data set is not in {PUBLISHED}")
    return PUBLISHED


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start chat servers: ``serve(faults=0.2).url``; they end with the test."""
    servers: list[ChatServer] = []

    def start(**behaviour: Any) -> ChatServer:
        log = tmp_path / f"requests-{len(servers)}.jsonl"
        servers.append(ChatServer(log=log, **behaviour).start())
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def pids(tmp_path: Path) -> Path:
    """Name the file in which servers and workers that are started note their processes."""
    return tmp_path / "pids"


@pytest.fixture
def vllm(tmp_path: Path, pids: Path) -> Callable[..., str]:
    """Give the spec of a model or judge that starts the stand-in, with flags of its own."""
    program = tmp_path / "vllm"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={VLLM_STANDIN.parent} exec {sys.executable} {VLLM_STANDIN} "$@"\n'
    )
    program.chmod(0o755)

    def spec(name: str, start_timeout: float = 30, **flags: object) -> str:
        flags = {"command": program, "pids": pids, **flags}
        told = [f"serve.{key.replace('_', '-')}={value}" for key, value in flags.items()]
        return ",".join([f"vllm/{name}", f"start_timeout={start_timeout}", *told])

    return spec
