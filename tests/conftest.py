"""Fixtures that all tests share: a data set, chat servers and the command."""

import os
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

# Tests rewrite modules faster than the time stamps of bytecode files can tell.
sys.dont_write_bytecode = True

# No deadline: tests run in parallel on machines of different speed.
settings.register_profile("all", deadline=None)
settings.register_profile("fewer", deadline=None, max_examples=25)
# CI uses fewer examples on all versions of Python but the first.
settings.load_profile(os.environ.get("JASCO_TEST_EXAMPLES", "all"))


@pytest.fixture
def jasco(tmp_path: Path) -> Iterator[Jasco]:
    """Return a callable that runs the command: ``jasco("score", run).status``."""
    command = Jasco(tmp_path)
    yield command
    command.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write a data set of four synthetic clips with awkward annotations."""
    return make_data(tmp_path / "synthetic")


@pytest.fixture
def published() -> Path:
    """Return the folder of the published data set; skip the test if it is not there."""
    if not (PUBLISHED / "dataset" / "v0" / "v0.csv").is_file():
        pytest.skip(f"the published data set is not in {PUBLISHED}")
    return PUBLISHED


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return a callable that starts a chat server: ``serve(faults=0.2).url``.

    All servers are stopped at the end of the test.
    """
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
    """Return the path of the file in which started servers and workers record their PIDs."""
    return tmp_path / "pids"


@pytest.fixture
def vllm(tmp_path: Path, pids: Path) -> Callable[..., str]:
    """Return a callable that returns the spec of a model or judge whose server is the stand-in.

    Keyword arguments become flags of the stand-in.
    """
    program = tmp_path / "vllm"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={VLLM_STANDIN.parent} exec {sys.executable} {VLLM_STANDIN} "$@"\n'
    )
    program.chmod(0o755)

    def spec(name: str, start_timeout: float = 30, **flags: object) -> str:
        flags = {"command": program, "pids": pids, **flags}
        options = [f"serve.{key.replace('_', '-')}={value}" for key, value in flags.items()]
        return ",".join([f"vllm/{name}", f"start_timeout={start_timeout}", *options])

    return spec
