"""A model in a separate program: every question gets one outcome, and no process remains."""

import ast
import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from command import Jasco
from jasco.backends.specs import parse_spec, providers
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.errors import IncompleteError, InputError
from jasco.models import worker
from jasco.models.worker import Worker
from jasco.models.worker.process import WorkerProcess
from jasco.protocol.clips import Clip, items_of
from jasco.protocol.responses import Failure, Response
from outcomes import texts
from places import HELPERS, ROOT
from processes import assert_nothing_lives, living
from run_database import query
from synthetic import make_data, tone

STANDIN = HELPERS / "worker_standin.py"
DOCUMENT = ROOT / "docs" / "workers.md"
CLIP = Clip("7", "rain", "run", "a", "b", "they flee", "flee")
DATA = DataSet("one", (CLIP,))
ITEMS = items_of(CLIP)
PROMPTS = [item.instruction for item in ITEMS]
FOURTH = PROMPTS[3]
AUDIO = Audio(tone(7))
Outcomes = list[Response | Failure]

needs_entry_point = pytest.mark.skipif(
    "worker" not in providers("model"),
    reason="jasco was installed before it had workers: pip install it again",
)


class Conversation:
    """The outcomes of asking a worker, its processes and its requests."""

    def __init__(self, model: Worker, folder: Path) -> None:
        self.model = model
        self.folder = folder
        self.outcomes: Outcomes = []
        self.processes: list[WorkerProcess] = []

    def ignored(self) -> int:
        return sum(process.ignored for process in self.processes)

    def starts(self) -> int:
        return len((self.folder / "pids").read_text().split())

    def requests(self) -> list[Any]:
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]


Ask = Callable[..., Conversation]


@pytest.fixture(autouse=True)
def own_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Keep temporary files in the test's folder; check that no process remains."""
    forkserver.ensure_running()  # its socket must not be in the folder of a test
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("JASCO_GRACE", "1")
    monkeypatch.setattr(worker, "_GRACE", 1)
    yield
    assert not [record for record in caplog.get_records("call") if record.name == "asyncio"]
    assert_nothing_lives(tmp_path / "pids")


def command(folder: Path, **flags: object) -> str:
    """Return the spec of the stand-in with flags."""
    options = {"pids": folder / "pids", "log": folder / "log", **flags}
    words = [sys.executable, str(STANDIN)]
    for key, value in options.items():
        words += [f"--{key.replace('_', '-')}", *([] if value is True else [str(value)])]
    return "worker/" + shlex.join(words)


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Ask the stand-in, started with flags, all items of a clip at once."""

    def ask(
        timeout: float = 60,
        start: float = 60,
        times: int = 1,
        audio: Audio | None = AUDIO,
        **flags: object,
    ) -> Conversation:
        monkeypatch.setenv("JASCO_WORKER_TIMEOUT", str(timeout))
        monkeypatch.setenv("JASCO_WORKER_START", str(start))
        model = Worker(parse_spec(command(tmp_path, **flags), Worker))
        model.folder = tmp_path / "run"
        conversation = Conversation(model, tmp_path)

        def process(*arguments: Any) -> WorkerProcess:
            conversation.processes.append(WorkerProcess(*arguments))
            return conversation.processes[-1]

        monkeypatch.setattr(worker, "WorkerProcess", process)

        async def answer_all() -> None:
            try:
                await model.prepare(DATA)
                calls = (model.answer(item, audio) for item in ITEMS * times)
                conversation.outcomes = list(await asyncio.gather(*calls))
            finally:
                await model.close()
                assert not list((tmp_path / "temporary").iterdir())

        asyncio.run(answer_all())
        return conversation

    return ask


def assert_answered(outcomes: Outcomes, except_for: str | None = None) -> None:
    """Check that all items but one have their own answer."""
    assert len(outcomes) == len(ITEMS)
    for prompt, outcome in zip(PROMPTS, outcomes, strict=True):
        if prompt != except_for:
            assert outcome == Response(f"{prompt} 0.25", served="standin")


def the_failure(outcomes: Outcomes) -> Failure:
    """Return the failure of the fourth item."""
    outcome = outcomes[PROMPTS.index(FOURTH)]
    assert isinstance(outcome, Failure)
    return outcome


# --- answers ---


def test_a_worker_is_asked_one_question_at_a_time(ask: Ask) -> None:
    conversation = ask()
    assert_answered(conversation.outcomes)
    assert conversation.model.facts == {"name": "standin", "torch": "1.8"}
    assert conversation.starts() == 1
    *requests, stop = conversation.requests()
    assert stop == "stop"
    assert [request["prompt"] for request in requests] == PROMPTS
    assert len({request["audio"] for request in requests}) == 1
    assert {request["sampling_rate"] for request in requests} == {16_000}
    assert len({request["id"] for request in requests}) == 8
    assert conversation.ignored() == 0


def test_a_worker_that_takes_batches_may_answer_in_any_order(ask: Ask) -> None:
    conversation = ask(batch=4, backwards=True)  # it answers once it has four requests
    assert_answered(conversation.outcomes)
    assert conversation.starts() == 1


@pytest.mark.parametrize("crashes", [False, True])
def test_a_worker_that_accepts_no_audio_receives_none(
    ask: Ask, tmp_path: Path, crashes: bool
) -> None:
    flags = {"crash_on": FOURTH, "crash_once": tmp_path / "crashed"} if crashes else {}
    conversation = ask(
        audio=None, handshake='{"jasco": 1, "name": "m", "accepts_no_audio": true}', **flags
    )
    assert conversation.model.accepts_no_audio
    assert texts(conversation.outcomes) == [f"{prompt} None" for prompt in PROMPTS]
    requests = [request for request in conversation.requests() if request != "stop"]
    assert {request["audio"] for request in requests} == {None}
    assert {request["sampling_rate"] for request in requests} == {16_000}


def test_a_worker_needs_audio_unless_it_says_otherwise(ask: Ask) -> None:
    assert not ask().model.accepts_no_audio
    handshake = '{"jasco": 1, "name": "standin", "accepts_no_audio": false}'
    conversation = ask(handshake=handshake)
    assert not conversation.model.accepts_no_audio
    assert_answered(conversation.outcomes)


def test_its_standard_error_is_in_the_log(ask: Ask) -> None:
    ask()
    log = (ask().folder / "run" / "logs" / "worker.log").read_text()
    assert log.count("INFO loading") == 2
    assert log.startswith("--- ")


def test_output_of_libraries_is_ignored_and_counted(ask: Ask) -> None:
    conversation = ask(rubbish=True)
    assert_answered(conversation.outcomes)
    assert conversation.ignored() == 1 + 8 * 10


@pytest.mark.parametrize("batch", [1, 3])
def test_a_second_answer_is_ignored(ask: Ask, batch: int) -> None:
    conversation = ask(twice=True, batch=batch)
    assert_answered(conversation.outcomes)
    assert conversation.ignored() >= 7  # the last repeated answer may come too late to be counted


def test_an_error_is_a_failure_of_its_item(ask: Ask) -> None:
    conversation = ask(error_on=FOURTH)
    assert the_failure(conversation.outcomes) == Failure("error", "bad")
    assert_answered(conversation.outcomes, except_for=FOURTH)
    assert conversation.starts() == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ('{"text": ""}', Response("", served="standin")),
        ('{"text": "a\\ud800b \\u2028 \\u0000"}', Response("a\ufffdb \u2028 \0", served="standin")),
        ('{"text": "so", "error": null, "more": 1}', Response("so", served="standin")),
        ('{"text": "so", "error": "no"}', Failure("error", "no")),
        ('{"error": {"a": ["b\\n"]}}', Failure("error", "{'a': ['b\\n']}")),
    ],
)
def test_an_answer_is_a_text_or_an_error(
    ask: Ask, answer: str, outcome: Response | Failure
) -> None:
    assert ask(answer=answer).outcomes == [outcome] * 8


@pytest.mark.parametrize(("answer", "kind"), [('{"text": 5}', "int"), ("{}", "NoneType")])
def test_an_answer_without_text_or_error_is_malformed(ask: Ask, answer: str, kind: str) -> None:
    [failure] = set(ask(answer=answer).outcomes)
    assert isinstance(failure, Failure)
    assert failure.kind == "malformed"
    assert kind in failure.message


# --- failures while it answers ---


@pytest.mark.parametrize("batch", [1, 8])
def test_a_question_that_crashes_workers_fails_alone(ask: Ask, batch: int) -> None:
    conversation = ask(crash_on=FOURTH, batch=batch)
    assert_answered(conversation.outcomes, except_for=FOURTH)
    failure = the_failure(conversation.outcomes)
    assert failure.kind == "crash"
    assert "ended with status 7" in failure.message
    assert "CUDA error" in failure.message
    assert conversation.starts() == 3


@pytest.mark.parametrize("batch", [1, 8])
def test_after_a_crash_all_questions_are_asked_again(ask: Ask, tmp_path: Path, batch: int) -> None:
    conversation = ask(crash_on=FOURTH, crash_once=tmp_path / "crashed", batch=batch)
    assert_answered(conversation.outcomes)
    assert conversation.starts() == 2


@pytest.mark.parametrize(("batch", "immortal"), [(1, False), (8, False), (8, True)])
def test_a_question_that_hangs_is_a_timeout(ask: Ask, batch: int, immortal: bool) -> None:
    flags = {"immortal": True, "orphan": True} if immortal else {}
    conversation = ask(hang_on=FOURTH, timeout=1, batch=batch, **flags)
    assert_answered(conversation.outcomes, except_for=FOURTH)
    failure = the_failure(conversation.outcomes)
    assert failure.kind == "timeout"
    assert "1 s" in failure.message
    assert "JASCO_WORKER_TIMEOUT" in failure.message


def test_a_worker_that_writes_without_end_is_a_timeout(ask: Ask) -> None:
    conversation = ask(chatter_on=FOURTH, timeout=1)
    assert_answered(conversation.outcomes, except_for=FOURTH)
    assert the_failure(conversation.outcomes).kind == "timeout"


def test_a_line_without_end_is_refused(ask: Ask) -> None:
    conversation = ask(flood_on=FOURTH)
    assert_answered(conversation.outcomes, except_for=FOURTH)
    failure = the_failure(conversation.outcomes)
    assert failure.kind == "malformed"
    assert "10000000 bytes" in failure.message


@pytest.mark.parametrize("batch", [1, 8])
def test_a_worker_that_ends_after_an_answer_is_restarted(ask: Ask, batch: int) -> None:
    conversation = ask(exit_after=3, batch=batch)
    assert_answered(conversation.outcomes)


def test_a_worker_that_ends_after_all_answers_is_not_restarted(ask: Ask) -> None:
    conversation = ask(exit_after=8)
    assert_answered(conversation.outcomes)
    assert conversation.starts() == 1


def test_workers_that_never_answer_end_the_run(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_SILENT_WORKERS", 5)
    with pytest.raises(IncompleteError, match=r"5 consecutive workers .* CUDA error"):
        ask(crash_always=True)
    assert len((tmp_path / "pids").read_text().split()) == 5


def test_a_worker_that_is_killed_is_restarted(tmp_path: Path, ask: Ask) -> None:
    code = (
        "import os, signal, sys, time, pathlib\n"
        "pids, log = map(pathlib.Path, sys.argv[1:])\n"
        "while not log.exists(): time.sleep(0.02)\n"
        "os.kill(int(pids.read_text().split()[0]), signal.SIGKILL)\n"
    )
    killer = subprocess.Popen([sys.executable, "-c", code, tmp_path / "pids", tmp_path / "log"])
    conversation = ask(latency=0.2)
    assert killer.wait() == 0
    assert_answered(conversation.outcomes)
    assert conversation.starts() == 2


@pytest.mark.parametrize("flag", ["immortal", "child"])
def test_a_worker_whose_supervisor_is_killed_is_restarted_and_no_process_remains(
    tmp_path: Path, ask: Ask, flag: str
) -> None:
    code = (
        "import psutil, sys, time, pathlib\n"
        "pids, log = map(pathlib.Path, sys.argv[1:])\n"
        "while not log.exists(): time.sleep(0.02)\n"
        "supervisor = psutil.Process(int(pids.read_text().split()[0])).parent()\n"
        "assert any('supervisor.py' in word for word in supervisor.cmdline())\n"
        "supervisor.kill()\n"
    )
    killer = subprocess.Popen([sys.executable, "-c", code, tmp_path / "pids", tmp_path / "log"])
    conversation = ask(latency=0.2, **{flag: True})
    assert killer.wait() == 0
    assert_answered(conversation.outcomes)


# --- failures at the start ---


@pytest.mark.parametrize(
    ("handshake", "message"),
    [
        ('{"jasco": 2, "name": "m"}', 'lacks "jasco": 1: {"jasco": 2'),
        ('{"jasco": true, "name": "m"}', 'lacks "jasco": 1'),
        ('{"name": "m"}', 'lacks "jasco": 1'),
        ('{"jasco": 1}', 'lacks "name"'),
        ('{"jasco": 1, "name": ""}', 'lacks "name"'),
        ('{"jasco": 1, "name": "m", "versions": []}', 'lacks "versions"'),
        ('{"jasco": 1, "name": "m", "batch": 0}', 'lacks "batch"'),
        ('{"jasco": 1, "name": "m", "batch": "4"}', 'lacks "batch"'),
        ('{"jasco": 1, "name": "m", "accepts_no_audio": 1}', 'lacks "accepts_no_audio": true or'),
        ('{"jasco": 1, "name": "m", "accepts_no_audio": null}', 'lacks "accepts_no_audio"'),
        ('{"jasco": 1, "name": "m", "accepts_no_audio": "yes"}', 'lacks "accepts_no_audio"'),
    ],
)
def test_a_wrong_handshake_is_an_input_error(ask: Ask, handshake: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as error:
        ask(handshake=handshake)
    assert "\n" not in str(error.value)


def test_other_output_than_a_handshake_is_quoted(ask: Ask) -> None:
    with pytest.raises(InputError, match=r"handshake within 1 s .*'hello there'"):
        ask(start=1, handshake="hello there")


def test_a_missing_handshake_is_reported(ask: Ask) -> None:
    with pytest.raises(InputError, match=r"handshake within 1 s .*INFO loading"):
        ask(start=1, slow=60)


def test_a_handshake_without_end_is_refused(ask: Ask) -> None:
    with pytest.raises(InputError, match=r"10000000 bytes .*handshake"):
        ask(flood_at_start=True)


def test_a_worker_that_fails_at_three_starts_is_given_up(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match=r"status 1 .* 3 times .*CUDA is not"):
        ask(dies_at_start=9)
    assert len((tmp_path / "pids").read_text().split()) == 3


def test_a_worker_that_starts_at_the_third_attempt_is_used(ask: Ask) -> None:
    conversation = ask(dies_at_start=2)
    assert_answered(conversation.outcomes)
    assert conversation.starts() == 3


def test_a_worker_that_cannot_be_restarted_ends_the_run(ask: Ask) -> None:
    with pytest.raises(IncompleteError, match="3 times in a row"):
        ask(crash_on=FOURTH, starts_once=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-such-program x", "'no-such-program'"),
        ("python 'x", "invalid command"),
        (" ", "write worker/COMMAND"),
    ],
)
def test_an_invalid_command_is_reported(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        asyncio.run(Worker(parse_spec(f"worker/{name}", Worker)).prepare(DATA))


@pytest.mark.parametrize("variable", ["JASCO_WORKER_START", "JASCO_WORKER_TIMEOUT"])
@pytest.mark.parametrize("value", ["0", "-1", "soon", "inf", "nan"])
def test_an_invalid_time_limit_is_reported(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=f"{variable}: invalid value '{value}'"):
        Worker(parse_spec("worker/python x.py", Worker))


def test_the_command_is_verbatim_and_is_the_identity() -> None:
    spec = parse_spec("worker/sh -c 'a,b=c'", Worker)
    assert spec.name == "sh -c 'a,b=c'"
    assert spec.label == "worker/sh -c 'a,b=c'"
    assert dict(spec.options) == {"env": ()}


def test_a_cancelled_question_does_not_affect_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer_all() -> Outcomes:
        model = Worker(parse_spec(command(tmp_path, latency=0.1), Worker))
        await model.prepare(DATA)
        try:
            tasks = [asyncio.ensure_future(model.answer(item, AUDIO)) for item in ITEMS]
            await asyncio.sleep(0.15)
            tasks[5].cancel()  # it waits for its turn
            next(task for task in tasks if not task.done()).cancel()  # the worker has it
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            return [outcome for outcome in outcomes if isinstance(outcome, Response)]
        finally:
            await model.close()

    assert len(asyncio.run(answer_all())) == 6


# --- the environment ---


def test_options_precede_the_command() -> None:
    spec = parse_spec("worker,env=A,env=B/sh -c 'x/y,env=C'", Worker)
    assert spec.options["env"] == ("A", "B")
    assert spec.name == "sh -c 'x/y,env=C'"
    assert spec.identity == parse_spec("worker/sh -c 'x/y,env=C'", Worker).identity
    for wrong in ("worker,env=a b/sh", "worker,color=red/sh", "worker,env=/sh"):
        with pytest.raises(InputError):
            parse_spec(wrong, Worker)


def test_a_missing_variable_is_reported() -> None:
    with pytest.raises(InputError, match="NOT_THERE_AT_ALL"):
        asyncio.run(Worker(parse_spec("worker,env=NOT_THERE_AT_ALL/true", Worker)).prepare(DATA))


@needs_entry_point
@pytest.mark.parametrize(
    ("options", "text"),
    [("", "nothing"), (",env=MY_KEY", "***"), (",env=MY_PLACE,env=MY_KEY", "***")],
)
def test_a_key_reaches_only_a_worker_that_names_it(
    jasco: Jasco, data: Path, tmp_path: Path, options: str, text: str
) -> None:
    spec = command(tmp_path, answer_env="MY_KEY").replace("worker/", f"worker{options}/", 1)
    result = jasco(
        "respond", spec, "--data", data, "--run", tmp_path / "run", "--no-preflight",
        env={"MY_KEY": "9fQ2xLw7TbV0zKdR4", "MY_PLACE": "here"},
    )  # fmt: skip
    assert result.status == 0, result.stderr
    assert query(tmp_path / "run", "SELECT DISTINCT text FROM responses") == [(text,)]
    assert "9fQ2xL" not in result.stdout + result.stderr
    [log] = (tmp_path / "run" / "logs").glob("*.log")
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch, ask: Ask) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(IncompleteError, match=r"\.wav: No space left on device.*TMPDIR"):
        ask()


# --- the command line ---


def answers(run: Path) -> list[tuple[str | None, str | None, str | None]]:
    return query(run, "SELECT text, failure_kind, served FROM responses ORDER BY clip, instruction")


def template() -> str:
    (source,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    return source


def test_the_template_is_valid_for_old_interpreters() -> None:
    ast.parse(template(), feature_version=(3, 6))


@needs_entry_point
def test_the_template_of_the_documents_works(jasco: Jasco, data: Path, tmp_path: Path) -> None:
    program = tmp_path / "my worker.py"
    source = template().replace("    return None", "    print('loading')\n    os.system('echo so')")
    program.write_text(source, "utf-8")
    spec = f"worker/{sys.executable} {shlex.quote(str(program))}"
    result = jasco("respond", spec, "--data", data, "--run", tmp_path / "run")
    assert result.status == 0, result.stderr
    files = [(data / f"dataset/v0/{clip}.wav").read_bytes() for clip in range(4)]
    texts = [f"I hear a file with the checksum {zlib.crc32(file)}." for file in files]
    expected = [(text, None, "my-model-7b") for text in texts for _ in range(8)]
    assert answers(tmp_path / "run") == expected
    log = (tmp_path / "run" / "logs" / "worker.log").read_text()
    assert log.splitlines()[1:] == ["loading", "so"]


@needs_entry_point
def test_failures_are_kept_and_asked_again(jasco: Jasco, data: Path, tmp_path: Path) -> None:
    arguments = ["--data", data, "--run", tmp_path / "run"]
    spec = command(tmp_path, error_on=FOURTH)
    result = jasco("respond", spec, *arguments)
    assert result.status == 4, result.stderr
    rows = answers(tmp_path / "run")
    assert len(rows) == 32
    assert [kind for _, kind, _ in rows].count("error") == 4
    requests = len((tmp_path / "log").read_text().splitlines())
    result = jasco("respond", spec, *arguments)
    assert result.status == 4
    # Four questions again, and the request to stop.
    assert len((tmp_path / "log").read_text().splitlines()) == requests + 4 + 1


@needs_entry_point
@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        ({"handshake": "{}", "slow": 0}, 2, "no handshake"),
        ({"handshake": '{"jasco": 9}'}, 2, "its first message lacks"),
        ({"dies_at_start": 9}, 4, "CUDA is not available"),
    ],
)
def test_a_bad_start_is_reported_in_one_line(
    jasco: Jasco, data: Path, tmp_path: Path, flags: dict[str, object], status: int, message: str
) -> None:
    spec = command(tmp_path, **flags)
    result = jasco(
        "respond", spec, "--data", data, "--run", tmp_path / "run",
        env={"JASCO_WORKER_START": "2"},
    )  # fmt: skip
    assert result.status == status, result.stderr
    [line] = [line for line in result.stderr.splitlines() if message in line]
    assert "logs/worker.log" in line or "docs/workers.md" in line


@needs_entry_point
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("phase", ["starting", "answering"])
def test_the_worker_ends_with_the_command(
    number: signal.Signals, phase: str, jasco: Jasco, data: Path, tmp_path: Path
) -> None:
    pids, log = tmp_path / "pids", tmp_path / "log"
    flags = {"slow": 60} if phase == "starting" else {"latency": 0.5}
    spec = command(tmp_path, immortal=True, orphan=True, child=True, **flags)
    running = jasco.start(
        "respond", spec, "--data", data, "--run", tmp_path / "run", env={"JASCO_GRACE": "1"}
    )
    end = time.monotonic() + 30
    while not (pids if phase == "starting" else log).exists() or len(living(pids)) < 3:
        assert time.monotonic() < end
        time.sleep(0.02)
    running.send(number)
    if number == signal.SIGKILL:
        running.kill()
    else:
        assert running.finish().status == 130
        assert not list((tmp_path / "temporary").iterdir())
    assert len(pids.read_text().split()) == 3
    assert_nothing_lives(pids)


@needs_entry_point
@pytest.mark.slow
def test_a_run_that_is_killed_repeatedly_is_completed(jasco: Jasco, tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", 20, seconds=0.02)
    spec = command(tmp_path, batch=4, latency=0.01)
    arguments = ["respond", spec, "--data", data, "--run", tmp_path / "run"]
    for kill in range(8):
        running = jasco.start(*arguments)
        time.sleep(0.2 + 0.1 * kill)
        running.kill()
        assert_nothing_lives(tmp_path / "pids")
    result = jasco(*arguments)
    assert result.status == 0, result.stderr
    assert len(answers(tmp_path / "run")) == 160


INTERPRETERS = [
    path
    for version in ("3.6", "3.7", "3.8", "3.9", "3.10", "3.12", "3.13")
    for path in Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(
        f"versions/{version}.*/bin/python"
    )
]


@pytest.mark.slow
@pytest.mark.skipif(not INTERPRETERS, reason="there is no other Python")
def test_the_template_works_under_other_interpreters(tmp_path: Path) -> None:
    program = tmp_path / "my_worker.py"
    program.write_text(template(), "utf-8")

    async def answer_first(interpreter: Path) -> Response | Failure:
        model = Worker(parse_spec(f"worker/{interpreter} {program}", Worker))
        await model.prepare(DATA)
        try:
            return await model.answer(ITEMS[0], AUDIO)
        finally:
            await model.close()

    for interpreter in INTERPRETERS:
        answer = asyncio.run(answer_first(interpreter))
        assert isinstance(answer, Response), interpreter
        assert answer.text.startswith("I hear a file with the checksum ")
