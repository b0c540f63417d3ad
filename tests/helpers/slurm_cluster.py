"""A Slurm cluster of one node on this machine, from Debian's packages, for tests."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

_PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
_CPUS = 4  # more than there may be: the tasks of tests sleep

# Jobs of the partition "high" preempt jobs of the others, which are requeued ("low"), requeued
# after a grace time ("grace"), or cancelled ("cancel"). A job may exceed its time limit by minutes,
# so that it receives the signal before its limit even if Slurm looks at it late.
_CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ReturnToService=2
MpiDefault=none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=100000
KillWait=8
OverTimeLimit=10
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=low Nodes={host} Default=YES PriorityTier=1 State=UP
PartitionName=grace Nodes={host} PriorityTier=1 GraceTime=6 State=UP
PartitionName=cancel Nodes={host} PriorityTier=1 PreemptMode=CANCEL State=UP
PartitionName=high Nodes={host} PriorityTier=10 PreemptMode=OFF State=UP
"""


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[Path]:
    """Start a cluster whose files are in a folder, and stop it at the end.

    Yields the configuration, the value of ``SLURM_CONF`` for the programs that use the cluster. The
    test is skipped if Slurm is not installed or the user is not root.
    """
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    if missing := [program for program in _PROGRAMS if not shutil.which(program, path=path)]:
        pytest.skip(f"Slurm is not installed ({', '.join(missing)} not found)")
    if os.getuid():
        pytest.skip("a Slurm cluster can be started by root only")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    host = socket.gethostname().partition(".")[0]
    configuration = folder / "slurm.conf"
    controller_port, node_port = _free_ports()
    configuration.write_text(
        _CONFIGURATION.format(
            host=host,
            folder=folder,
            cpus=_CPUS,
            controller_port=controller_port,
            node_port=node_port,
        )
    )
    environment = {**os.environ, "PATH": path, "SLURM_CONF": str(configuration)}
    with ExitStack() as stack:
        for command in (["slurmctld", "-D", "-c"], ["slurmd", "-D", "-N", host]):
            log = stack.enter_context((folder / f"{command[0]}.out").open("w"))
            process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
            stack.callback(_stop, process)
        _wait_until_idle(environment, folder)
        try:
            yield configuration
        finally:
            subprocess.run(["scancel", "--user=root"], env=environment, check=False, timeout=60)
            _wait_until_empty(environment)


def _free_ports() -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _output(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return (done.stdout if done.returncode == 0 else done.stderr).strip()


def _wait_until_idle(environment: dict[str, str], folder: Path) -> None:
    deadline = time.monotonic() + 30
    while (state := _output(environment, "sinfo", "-h", "-p", "low", "-o", "%T")) != "idle":
        assert time.monotonic() < deadline, f"the node is not ready ({state}); logs: {folder}"
        time.sleep(0.2)


def _wait_until_empty(environment: dict[str, str]) -> None:
    deadline = time.monotonic() + 30
    while _output(environment, "squeue", "-h") and time.monotonic() < deadline:
        time.sleep(0.2)
