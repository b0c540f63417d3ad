"""What tests share: a data set, chat servers, the command in a process of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Serve
from command import Jasco
from hypothesis import settings
from synthetic import make_data

PUBLISHED = Path(__file__).parents[2] / "shared" / "watd"

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
