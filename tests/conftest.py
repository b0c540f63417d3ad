"""Fixtures of many tests: data sets, chat servers, the command in a process of its own."""

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

# Machines differ, and tests run in parallel: no example fails for being slow.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def jasco(tmp_path: Path) -> Iterator[Jasco]:
    """Return a function that runs the command: ``jasco("score", run).status``."""
    command = Jasco(tmp_path)
    yield command
    command.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write a data set of four synthetic clips with awkward annotations; return its folder."""
    return make_data(tmp_path / "synthetic")


@pytest.fixture
def published() -> Path:
    """Return the folder of the published data set; skip the test without it."""
    if not (PUBLISHED / "dataset" / "v0" / "v0.csv").is_file():
        pytest.skip(f"the published data set is not in {PUBLISHED}")
    return PUBLISHED


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that starts chat servers: ``serve(faults=0.2).url``; stop them after."""
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
    """Return the path of the file to which servers and workers write their process ids."""
    return tmp_path / "pids"


@pytest.fixture
def vllm(tmp_path: Path, pids: Path) -> Callable[..., str]:
    """Return a function that returns specs of models and judges served by the vLLM stand-in."""
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
