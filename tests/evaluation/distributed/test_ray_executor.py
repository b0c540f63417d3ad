"""With two raylets on this machine, which the tests start and stop by their process IDs."""

import importlib.util
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import executor_checks as checks
from jasco.errors import IncompleteError, InputError
from jasco.evaluation.distributed.executors import Executor, open_executor
from processes import assert_nothing_lives, wait_for
from ray_cluster import RayCluster, ray_cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="ray is not installed"),
    pytest.mark.xdist_group("ray"),
]

LOCAL_FOLDER = re.compile(r"[^\s=]+/jasco-ray-\w+")
DRIVER = """
import sys
from pathlib import Path
import executor_checks
from jasco.evaluation.distributed.executors import open_executor
folder = Path(sys.argv[1])
executor = open_executor(sys.argv[2])
for _ in executor.run(executor_checks.wait_for_interrupt, [folder, folder], folder, print):
    pass
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as cluster:
        yield cluster


@pytest.fixture
def executor(cluster: RayCluster) -> Executor:
    return open_executor(f"ray,address={cluster.address}")


@pytest.mark.parametrize(
    "check",
    [
        checks.check_results_arrive,
        checks.check_exception_is_lost,
        checks.check_killed_once,
        checks.check_killed_always,
        checks.check_module_state_is_kept,
        checks.check_early_close,
    ],
)
def test_check(check, executor: Executor, tmp_path: Path, capfd) -> None:
    check(executor, tmp_path)
    assert capfd.readouterr().out == ""


def test_a_thousand_tasks(executor: Executor, tmp_path: Path) -> None:
    start = time.monotonic()
    found = checks.run_all(executor, checks.square, list(range(1_000)), tmp_path)
    assert found[999] == 999 * 999
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("local", [False, True])
def test_workers_end_with_the_driver(local: bool, cluster: RayCluster, tmp_path: Path) -> None:
    name = "ray,workers=1" if local else f"ray,address={cluster.address}"
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path), name])
    wait_for(tmp_path / "pids", "\n")
    processes = psutil.Process(driver.pid).children(recursive=True)  # of a local Ray
    folders = {
        argument
        for process in processes
        for argument in LOCAL_FOLDER.findall(" ".join(process.cmdline()))
    }
    driver.kill()
    driver.wait()
    try:
        assert_nothing_lives(tmp_path / "pids", within=30)
    finally:  # Ray's two agents end only some time later, and its folder remains
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def test_unknown_address_is_reported(tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match=r"127\.0\.0\.1:1"):
        checks.run_all(open_executor("ray,address=127.0.0.1:1"), checks.square, [1], tmp_path)


def test_invalid_address_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(InputError, match="RAY_ADDRESS"):
        checks.run_all(open_executor("ray"), checks.square, [1], tmp_path)


def test_other_version_of_ray(
    executor: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**_: object) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.50.0")

    monkeypatch.setattr("ray.init", init)
    with pytest.raises(InputError, match=r"2\.50\.0"):
        checks.run_all(executor, checks.square, [1], tmp_path)


def test_a_lost_node(executor: Executor, cluster: RayCluster, tmp_path: Path) -> None:
    """Its task is repeated on the other node."""
    results = executor.run(checks.node_or_wait, [tmp_path, tmp_path], tmp_path, print)

    def lose() -> None:
        wait_for(tmp_path / "both")
        cluster.kill(1)
        (tmp_path / "continue").touch()

    thread = threading.Thread(target=lose)
    thread.start()
    assert sorted(results) == [(0, "done"), (1, "done")]
    thread.join()
    assert len((tmp_path / "pids").read_text().split()) == 3


def test_a_lost_head(executor: Executor, cluster: RayCluster, tmp_path: Path) -> None:
    """It is the last test, because it ends the cluster."""
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path), f"ray,address={cluster.address}"],
        stderr=subprocess.PIPE,
    )
    wait_for(tmp_path / "pids", "\n")
    cluster.kill(0)
    _, error = driver.communicate(timeout=60)
    assert b"IncompleteError" in error
