"""The scripts of the guide on clusters, and what happens when a job or a node is lost."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chat_server import ChatServer, Serve
from places import ROOT
from ray_cluster import ray_cluster
from slurm_cluster import slurm_cluster
from synthetic import make_data

pytestmark = pytest.mark.slow

SCRIPTS = ROOT / "recipes" / "cluster"
CLIPS, SHARDS, CONCURRENCY = 24, 4, 4
CALLS = CLIPS * 8 * 2  # without the preflight
JASCO = """\
#!/bin/sh
trap : TERM
{python} -m jasco "$@"
status=$?
echo "$@: $status" >> {log}
exit $status
"""


class Evaluation:
    """The arguments of a command that takes some seconds, and how it went."""

    def __init__(self, server: ChatServer, folder: Path) -> None:
        self.server, self.folder, self.run = server, folder, folder / "run"
        self._log = folder / "statuses"
        self._log.touch()
        self._data = make_data(folder / "data", CLIPS, seconds=0.02)
        (folder / "bin").mkdir()
        program = folder / "bin" / "jasco"
        program.write_text(JASCO.format(python=sys.executable, log=self._log))
        program.chmod(0o755)

    def arguments(self, run: Path | None = None, concurrency: int = CONCURRENCY) -> list[str]:
        model, judge = (f"openai/{name},base_url={self.server.url}" for name in ("ears", "strict"))
        arguments = ["eval", model, "--data", str(self._data), "--judge", judge, "--no-preflight"]
        return [*arguments, "--concurrency", str(concurrency), "--run", str(run or self.run)]

    def start(self, *command: str | Path) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def statuses(self) -> list[int]:
        """Return the exit status of each jasco that has ended."""
        return [int(line.rpartition(": ")[2]) for line in self._log.read_text().splitlines()]

    def repeated(self) -> int:
        """Return the number of calls that were made again."""
        return len(self.server.requests()) - CALLS

    def check_figures(self) -> None:
        """Check that the run is complete, with the figures of one that is not divided."""
        plain = self.folder / "plain"
        output(sys.executable, "-m", "jasco", *self.arguments(plain, 64))
        divided, whole = (
            json.loads(output(sys.executable, "-m", "jasco", "score", str(run), "--json"))
            for run in (self.run, plain)
        )
        for scores in (divided, whole):
            [model] = scores["models"].values()
            assert model["complete"]
            del model["spent"]
        assert divided == whole


@pytest.fixture
def evaluation(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    evaluation = Evaluation(serve(latency=0.3), tmp_path)
    for name in [name for name in os.environ if "JASCO" in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    return evaluation


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def wait_until(is_true: Callable[[], Any], within: float = 60) -> None:
    deadline = time.monotonic() + within
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as path:
        yield path


@pytest.fixture
def slurm(configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CONF", str(configuration))


def preempt_one_job(evaluation: Evaluation) -> None:
    """Preempt one of four jobs, which use all cores, and let it start again at once."""
    wait_until(lambda: len(list(evaluation.run.glob("shards/*/run.db"))) == SHARDS)
    evaluation.server.wait_for(len(evaluation.server.requests()) + 40)
    output("sbatch", "-p", "high", "-o", "/dev/null", "--wrap", "sleep 1")
    start_delayed_job()


def start_delayed_job() -> None:
    """Start a requeued job now instead of in two minutes."""
    wait_until(delayed_jobs)
    [job_id] = delayed_jobs()
    time.sleep(2)  # a job is not started twice in a second
    output("scontrol", "update", f"JobId={job_id}", "StartTime=now")


def delayed_jobs() -> list[str]:
    """Return the jobs that Slurm has requeued."""
    lines = output("squeue", "-h", "-r", "-o", "%i %T %r").splitlines()
    return [line.split()[0] for line in lines if line.endswith(" PENDING BeginTime")]


def test_a_preempted_job_of_the_array_resumes(slurm: None, evaluation: Evaluation) -> None:
    script = SCRIPTS / "slurm-array.sh"
    options = ["--partition=low", f"--array=1-{SHARDS}", "--parsable"]
    array = evaluation.start("sbatch", *options, script, *evaluation.arguments())
    assert array.wait(30) == 0
    preempt_one_job(evaluation)
    wait_until(lambda: not output("squeue", "-h"))
    *complete, interrupted = sorted(evaluation.statuses())
    assert complete == [0, 0, 0, 0]
    assert interrupted == 130
    assert 0 <= evaluation.repeated() <= CONCURRENCY
    evaluation.check_figures()


def test_a_job_of_the_array_resumes_after_its_time_limit(
    slurm: None, evaluation: Evaluation
) -> None:
    """The signal is sent by hand, as the time limit is at least a minute."""
    arguments = [*evaluation.arguments(), "--limit", "8"]
    options = ["--partition=low", "--array=1", "--parsable"]
    array = evaluation.start("sbatch", *options, SCRIPTS / "slurm-array.sh", *arguments)
    job_id = array.communicate(timeout=30)[0].strip() + "_1"
    evaluation.server.wait_for(20)
    output("scancel", "--signal=TERM", job_id)
    start_delayed_job()
    wait_until(lambda: not output("squeue", "-h"))
    assert evaluation.statuses() == [130, 0]


def test_a_preempted_job_of_the_executor_resumes(slurm: None, evaluation: Evaluation) -> None:
    pytest.importorskip("submitit")
    options = ["--shards", str(SHARDS), "--on", "slurm,partition=low"]
    command = evaluation.start("jasco", *evaluation.arguments(), *options)
    preempt_one_job(evaluation)
    _, errors = command.communicate(timeout=120)
    assert command.returncode == 0, errors
    assert "requeued 1 job" in errors
    assert 0 <= evaluation.repeated() <= CONCURRENCY
    evaluation.check_figures()


@pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="ray is not installed")
def test_shards_of_a_lost_node_of_ray_resume_on_another(evaluation: Evaluation) -> None:
    with ray_cluster() as cluster:
        on = f"ray,address={cluster.address}"
        options = ["--shards", str(SHARDS), "--on", on]
        command = evaluation.start("jasco", *evaluation.arguments(), *options)
        wait_until(lambda: len(list(evaluation.run.glob("shards/*/run.db"))) >= 2)
        evaluation.server.wait_for(len(evaluation.server.requests()) + 20)
        cluster.kill(1)
        _, errors = command.communicate(timeout=120)
        assert command.returncode == 0, errors
    assert 0 <= evaluation.repeated() <= CONCURRENCY
    evaluation.check_figures()


FAKE_SSH = """\
#!/bin/bash
# ssh -n -tt HOST COMMAND: run the command in the home folder, as a login on that machine does.
echo "$3 $4" >> {log}
cd / && exec sh -c "$4"
"""


def fake_ssh(evaluation: Evaluation) -> Path:
    log, program = evaluation.folder / "ssh.log", evaluation.folder / "bin" / "ssh"
    program.write_text(FAKE_SSH.format(log=log))
    program.chmod(0o755)
    return log


def test_shards_on_several_machines(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = fake_ssh(evaluation)
    monkeypatch.setenv("HOSTS", "gpu1 gpu2")
    monkeypatch.setenv("SHARDS", "3")
    (evaluation.folder / "model.py").write_text(
        "def answer(audio, rate, prompt):\n    return 'a'\n"
    )
    data = make_data(evaluation.folder / "a b", 3, seconds=0.02)  # a space needs quotes
    model = f"python/{evaluation.folder}/model.py:answer"
    arguments = ["respond", model, "--data", str(data), "--run", "a run"]
    command = evaluation.start(SCRIPTS / "ssh-shards.sh", *arguments, "--no-preflight")
    assert command.communicate(timeout=60) == ("", "")
    assert command.returncode == 0
    started = re.findall(r"^(\w+) .* --shard (\S+) ", log.read_text(), re.MULTILINE)
    assert sorted(started) == [("gpu1", "1/3"), ("gpu1", "3/3"), ("gpu2", "2/3")]
    listed = output("jasco", "runs", str(evaluation.folder), "--json")
    [run] = json.loads(listed)["runs"]
    assert (run["answered"], run["items"], run["shards"]) == (24, 24, 3)
    wrong = evaluation.start(SCRIPTS / "ssh-shards.sh", *arguments, "--limit", "none")
    assert "shard-*.log" in wrong.communicate(timeout=60)[1]
    assert wrong.returncode == 1
    assert evaluation.statuses() == [0, 0, 0, 0, 2, 2]  # the third shard did not start


def test_shards_on_several_machines_are_interrupted(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ssh(evaluation)
    monkeypatch.setenv("HOSTS", "gpu1 gpu2")
    command = evaluation.start(SCRIPTS / "ssh-shards.sh", *evaluation.arguments())
    evaluation.server.wait_for(20)
    command.send_signal(signal.SIGTERM)
    assert "the same command resumes" in command.communicate(timeout=20)[1]
    assert command.returncode == 1
    wait_until(lambda: len(evaluation.statuses()) == 2)
    assert set(evaluation.statuses()) <= {130, 143}


def test_the_command_of_the_kubernetes_job(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((SCRIPTS / "kubernetes.yaml").read_text())
    [container] = job["spec"]["template"]["spec"]["containers"]
    [shell, option, command] = container["command"]
    assert command.endswith(f"))/{job['spec']['completions']}")
    pod = evaluation.folder / "pod"
    make_data(pod / "data", 8, seconds=0.02)
    command = re.sub(r"http://\w+:8000/v1", evaluation.server.url, command)
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "2")
    done = subprocess.run([shell, option, command], cwd=pod, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (pod / "runs/server/shards").iterdir()] == ["0003-of-0008"]
