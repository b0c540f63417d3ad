"""A Ray cluster of nodes on this machine, for tests and benchmarks."""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from places import ROOT
from processes import wait_for

# Ray reads them once in a process, so they are the same for all clusters of a process.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
_SCRIPT = ROOT / "recipes" / "cluster" / "ray-cluster.sh"


class RayCluster:
    """Nodes with one core each, started by the recipe; the first one is the head."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.nodes: list[subprocess.Popen[bytes]] = []

    def start_head(self) -> None:
        """Start the head."""
        port = self.address.rpartition(":")[2]
        self._start("head", f"--port={port}", f"--temp-dir={self.folder}")

    def start_worker(self) -> None:
        """Start another node."""
        self._start("worker", self.address)

    def _start(self, *arguments: str) -> None:
        log = self.folder / f"node-{len(self.nodes)}.log"
        sizes = ["--num-cpus=1", "--object-store-memory=80000000", "--node-ip-address=127.0.0.1"]
        with log.open("wb") as output:
            node = subprocess.Popen(
                [_SCRIPT, *arguments, *sizes], stdout=output, stderr=output, start_new_session=True
            )
        self.nodes.append(node)
        wait_for(log, "Ray runtime started")

    def kill(self, number: int) -> None:
        """Kill a node at once, with its processes; do nothing if it has ended."""
        node = self.nodes[number]
        if node.poll() is not None:
            return
        processes = psutil.Process(node.pid).children(recursive=True)
        node.kill()
        for process in processes:
            if process.is_running():
                process.kill()
        node.wait()


@contextmanager
def ray_cluster(workers: int = 1) -> Iterator[RayCluster]:
    """Start a head and further nodes, and kill them at the end.

    In the meantime, the environment contains what processes need to connect to the cluster.
    """
    with (
        tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as name,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = RayCluster(Path(name))
        try:
            cluster.start_head()
            for _ in range(workers):
                cluster.start_worker()
            yield cluster
        finally:
            for number in range(len(cluster.nodes)):
                cluster.kill(number)
