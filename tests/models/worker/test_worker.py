"""A model in a program of its own: every question ends once, and nothing is left."""

import ast
import asyncio
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
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
from places import HELPERS, ROOT
from processes import assert_nothing_lives, living
from synthetic import make_data, tone

STANDIN = HELPERS / "worker_standin.py"
DOCUMENT = ROOT / "docs" / "workers.md"
CLIP = Clip("7", "rain", "run", "a", "b", "they flee", "flee")
DATA = DataSet("one", (CLIP,))
ITEMS = items_of(CLIP)
PROMPTS = [item.instruction for item in ITEMS]
# What makes one of the eight prompts another than the others.
FIRST, FOURTH = PROMPTS[0], PROMPTS[3]
AUDIO = Audio(tone(7))
Outcomes = list[Response | Failure]

needs_entry_point = pytest.mark.skipif(
    "worker" not in providers("model"),
    reason="jasco was installed before it had workers: pip install it again",
)


class Asked:
    """What came of asking a worker, and the worker."""

    def __init__(self, model: Worker, folder: Path) -> None:
        self.model = model
        self.folder = folder
        self.outcomes: Outcomes = []
        self.processes: list[WorkerProcess] = []

    def ignored(self) -> int:
        return sum(process.ignored for process in self.processes)

    def lives(self) -> int:
        return len((self.folder / "pids").read_text().split())

    def requests(self) -> list[Any]:
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]


Ask = Callable[..., Asked]


@pytest.fixture(autouse=True)
def own_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Keep temporary files in sight: whatever happens, all of them are gone, as are processes."""
    forkserver.ensure_running()  # its socket must not lie in the folder of one test
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.setenv("JASCO_GRACE", "1")
    monkeypatch.setattr(worker, "_GRACE", 1)
    yield
    assert not [each for each in caplog.get_records("call") if each.name == "asyncio"]
    assert_nothing_lives(tmp_path / "pids")


def command(folder: Path, **flags: object) -> str:
    told = {"pids": folder / "pids", "log": folder / "log", **flags}
    words = [sys.executable, str(STANDIN)]
    for key, value in told.items():
        words += [f"--{key.replace('_', '-')}", *([] if value is True else [str(value)])]
    return "worker/" + shlex.join(words)


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Ask the stand-in, with flags of its own, all items of a clip at once."""

    def ask(timeout: float = 60, start: float = 60, times: int = 1, **flags: object) -> Asked:
        monkeypatch.setenv("JASCO_WORKER_TIMEOUT", str(timeout))
        monkeypatch.setenv("JASCO_WORKER_START", str(start))
        model = Worker(parse_spec(command(tmp_path, **flags), Worker))
        model.folder = tmp_path / "run"
        asked = Asked(model, tmp_path)

        def process(*arguments: Any) -> WorkerProcess:
            asked.processes.append(WorkerProcess(*arguments))
            return asked.processes[-1]

        monkeypatch.setattr(worker, "WorkerProcess", process)

        async def go() -> None:
            try:
                await model.prepare(DATA)
                calls = (model.answer(item, AUDIO) for item in ITEMS * times)
                asked.outcomes = list(await asyncio.gather(*calls))
            finally:
                await model.close()
                assert not list((tmp_path / "temporary").iterdir())

        asyncio.run(go())
        return asked

    return ask


def assert_good(outcomes: Outcomes, but: str | None = None) -> None:
    """All are answered, each with its own answer, but for one."""
    assert len(outcomes) == len(ITEMS)
    for prompt, outcome in zip(PROMPTS, outcomes, strict=True):
        if prompt != but:
            assert outcome == Response(f"{prompt} 0.25", served="standin")


def the_failure(outcomes: Outcomes, prompt: str = FOURTH) -> Failure:
    outcome = outcomes[PROMPTS.index(prompt)]
    assert isinstance(outcome, Failure)
    return outcome


# --- what works ---


def test_a_worker_is_asked_one_question_at_a_time(ask: Ask) -> None:
    asked = ask()
    assert_good(asked.outcomes)
    assert asked.model.facts == {"name": "standin", "torch": "1.8"}
    assert asked.lives() == 1
    *requests, stop = asked.requests()
    assert stop == "stop"
    assert [request["prompt"] for request in requests] == PROMPTS
    assert len({request["audio"] for request in requests}) == 1
    assert {request["sampling_rate"] for request in requests} == {16_000}
    assert len({request["id"] for request in requests}) == 8
    assert asked.ignored() == 0


def test_one_that_takes_batches_answers_in_any_order(ask: Ask) -> None:
    asked = ask(batch=4, backwards=True)  # it answers nothing before it has four
    assert_good(asked.outcomes)
    assert asked.lives() == 1


def test_what_it_says_on_its_standard_error_is_in_the_log(ask: Ask) -> None:
    ask()
    log = (ask().folder / "run" / "logs" / "worker.log").read_text()
    assert log.count("INFO loading") == 2
    assert log.startswith("--- ")


def test_prints_of_libraries_are_ignored_and_counted(ask: Ask) -> None:
    asked = ask(rubbish=True)
    assert_good(asked.outcomes)
    assert asked.ignored() == 1 + 8 * 10


@pytest.mark.parametrize("batch", [1, 3])
def test_a_second_answer_is_ignored(ask: Ask, batch: int) -> None:
    asked = ask(twice=True, batch=batch)
    assert_good(asked.outcomes)
    assert asked.ignored() >= 7  # of the last, the second may come too late to be counted


def test_an_error_is_a_failure_of_that_item(ask: Ask) -> None:
    asked = ask(error_on=FOURTH)
    assert the_failure(asked.outcomes) == Failure("error", "bad")
    assert_good(asked.outcomes, but=FOURTH)
    assert asked.lives() == 1


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
def test_an_answer_that_is_neither_is_malformed(ask: Ask, answer: str, kind: str) -> None:
    [failure] = set(ask(answer=answer).outcomes)
    assert isinstance(failure, Failure)
    assert failure.kind == "malformed"
    assert kind in failure.message


# --- what goes wrong while it answers ---


@pytest.mark.parametrize("batch", [1, 8])
def test_a_question_that_kills_workers_takes_no_other_with_it(ask: Ask, batch: int) -> None:
    asked = ask(crash_on=FOURTH, batch=batch)
    assert_good(asked.outcomes, but=FOURTH)
    failure = the_failure(asked.outcomes)
    assert failure.kind == "crash"
    assert "ended with status 7" in failure.message
    assert "CUDA error" in failure.message
    assert asked.lives() == 3


@pytest.mark.parametrize("batch", [1, 8])
def test_after_a_crash_all_is_asked_once_more(ask: Ask, tmp_path: Path, batch: int) -> None:
    asked = ask(crash_on=FOURTH, crash_once=tmp_path / "crashed", batch=batch)
    assert_good(asked.outcomes)
    assert asked.lives() == 2


@pytest.mark.parametrize(("batch", "immortal"), [(1, False), (8, False), (8, True)])
def test_a_question_that_hangs_is_a_timeout(ask: Ask, batch: int, immortal: bool) -> None:
    flags = {"immortal": True, "orphan": True} if immortal else {}
    asked = ask(hang_on=FOURTH, timeout=1, batch=batch, **flags)
    assert_good(asked.outcomes, but=FOURTH)
    failure = the_failure(asked.outcomes)
    assert failure.kind == "timeout"
    assert "1 s" in failure.message
    assert "JASCO_WORKER_TIMEOUT" in failure.message


def test_a_worker_that_chatters_for_ever_is_a_timeout(ask: Ask) -> None:
    asked = ask(chatter_on=FOURTH, timeout=1)
    assert_good(asked.outcomes, but=FOURTH)
    assert the_failure(asked.outcomes).kind == "timeout"


def test_a_line_without_end_is_refused(ask: Ask) -> None:
    asked = ask(flood_on=FOURTH)
    assert_good(asked.outcomes, but=FOURTH)
    failure = the_failure(asked.outcomes)
    assert failure.kind == "malformed"
    assert "10000000 bytes" in failure.message


@pytest.mark.parametrize("batch", [1, 8])
def test_one_that_ends_after_an_answer_is_started_again(ask: Ask, batch: int) -> None:
    asked = ask(exit_after=3, batch=batch)
    assert_good(asked.outcomes)


def test_one_that_ends_when_all_is_done_is_not_started_again(ask: Ask) -> None:
    asked = ask(exit_after=8)
    assert_good(asked.outcomes)
    assert asked.lives() == 1


def test_workers_that_never_answer_are_given_up(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_SILENT_WORKERS", 5)
    with pytest.raises(IncompleteError, match=r"5 workers in a row ended before .* CUDA error"):
        ask(crash_always=True)
    assert len((tmp_path / "pids").read_text().split()) == 5


def test_one_that_is_killed_from_outside_is_started_again(tmp_path: Path, ask: Ask) -> None:
    killer = (
        "import os, signal, sys, time, pathlib\n"
        "pids, log = map(pathlib.Path, sys.argv[1:])\n"
        "while not log.exists(): time.sleep(0.02)\n"
        "os.kill(int(pids.read_text().split()[0]), signal.SIGKILL)\n"
    )
    killing = subprocess.Popen([sys.executable, "-c", killer, tmp_path / "pids", tmp_path / "log"])
    asked = ask(latency=0.2)
    assert killing.wait() == 0
    assert_good(asked.outcomes)
    assert asked.lives() == 2


@pytest.mark.parametrize("flag", ["immortal", "child"])
def test_if_its_guard_is_killed_it_is_started_again_and_nothing_is_left(
    tmp_path: Path, ask: Ask, flag: str
) -> None:
    killer = (
        "import psutil, sys, time, pathlib\n"
        "pids, log = map(pathlib.Path, sys.argv[1:])\n"
        "while not log.exists(): time.sleep(0.02)\n"
        "guard = psutil.Process(int(pids.read_text().split()[0])).parent()\n"
        "assert any('supervisor.py' in word for word in guard.cmdline())\n"
        "guard.kill()\n"
    )
    killing = subprocess.Popen([sys.executable, "-c", killer, tmp_path / "pids", tmp_path / "log"])
    asked = ask(latency=0.2, **{flag: True})
    assert killing.wait() == 0
    assert_good(asked.outcomes)


# --- what goes wrong while it starts ---


@pytest.mark.parametrize(
    ("handshake", "told"),
    [
        ('{"jasco": 2, "name": "m"}', 'lacks "jasco": 1: {"jasco": 2'),
        ('{"jasco": true, "name": "m"}', 'lacks "jasco": 1'),
        ('{"name": "m"}', 'lacks "jasco": 1'),
        ('{"jasco": 1}', 'lacks "name"'),
        ('{"jasco": 1, "name": ""}', 'lacks "name"'),
        ('{"jasco": 1, "name": "m", "versions": []}', 'lacks "versions"'),
        ('{"jasco": 1, "name": "m", "batch": 0}', 'lacks "batch"'),
        ('{"jasco": 1, "name": "m", "batch": "4"}', 'lacks "batch"'),
    ],
)
def test_a_wrong_handshake_is_the_users_to_mend(ask: Ask, handshake: str, told: str) -> None:
    with pytest.raises(InputError, match=re.escape(told)) as error:
        ask(handshake=handshake)
    assert "\n" not in str(error.value)


def test_what_comes_in_place_of_a_handshake_is_quoted(ask: Ask) -> None:
    with pytest.raises(InputError, match=r"no handshake within 1 s .* the last: 'hello there'"):
        ask(start=1, handshake="hello there")


def test_no_handshake_at_all(ask: Ask) -> None:
    with pytest.raises(InputError, match=r"no handshake within 1 s .*it said: INFO loading"):
        ask(start=1, slow=60)


def test_a_handshake_without_end_is_refused(ask: Ask) -> None:
    with pytest.raises(InputError, match="a line of more than 10000000 bytes instead of"):
        ask(flood_at_start=True)


def test_one_that_dies_at_every_start_is_given_up_after_three(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match=r"with status 1 .* 3 times in a row; .*CUDA is not"):
        ask(dies_at_start=9)
    assert len((tmp_path / "pids").read_text().split()) == 3


def test_one_that_starts_at_the_third_time_will_do(ask: Ask) -> None:
    asked = ask(dies_at_start=2)
    assert_good(asked.outcomes)
    assert asked.lives() == 3


def test_one_that_cannot_be_started_again_ends_all_questions(ask: Ask) -> None:
    with pytest.raises(IncompleteError, match="3 times in a row"):
        ask(crash_on=FOURTH, starts_once=True)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no-such-program x", "there is no program 'no-such-program'"),
        ("python 'x", "no command line"),
        (" ", "write worker/COMMAND"),
    ],
)
def test_a_command_that_is_none(name: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        asyncio.run(Worker(parse_spec(f"worker/{name}", Worker)).prepare(DATA))


@pytest.mark.parametrize("variable", ["JASCO_WORKER_START", "JASCO_WORKER_TIMEOUT"])
@pytest.mark.parametrize("value", ["0", "-1", "soon", "inf", "nan"])
def test_a_time_that_is_none(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=f"{variable}={value}: a number of seconds"):
        Worker(parse_spec("worker/python x.py", Worker))


def test_the_command_is_verbatim_and_is_the_identity() -> None:
    spec = parse_spec("worker/sh -c 'a,b=c'", Worker)
    assert spec.name == "sh -c 'a,b=c'"
    assert spec.label == "worker/sh -c 'a,b=c'"
    assert dict(spec.options) == {"env": ()}


def test_a_question_that_is_given_up_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> Outcomes:
        model = Worker(parse_spec(command(tmp_path, latency=0.1), Worker))
        await model.prepare(DATA)
        try:
            asking = [asyncio.ensure_future(model.answer(item, AUDIO)) for item in ITEMS]
            await asyncio.sleep(0.15)
            asking[5].cancel()  # waits
            next(each for each in asking if not each.done()).cancel()  # is outstanding
            done = await asyncio.gather(*asking, return_exceptions=True)
            return [each for each in done if isinstance(each, Response)]
        finally:
            await model.close()

    assert len(asyncio.run(go())) == 6


# --- the environment ---


def test_options_stand_before_the_command() -> None:
    spec = parse_spec("worker,env=A,env=B/sh -c 'x/y,env=C'", Worker)
    assert spec.options["env"] == ("A", "B")
    assert spec.name == "sh -c 'x/y,env=C'"
    assert spec.identity == parse_spec("worker/sh -c 'x/y,env=C'", Worker).identity
    for wrong in ("worker,env=a b/sh", "worker,color=red/sh", "worker,env=/sh"):
        with pytest.raises(InputError):
            parse_spec(wrong, Worker)


def test_a_variable_that_is_wanted_and_not_there_is_reported() -> None:
    with pytest.raises(InputError, match="NOT_THERE_AT_ALL"):
        asyncio.run(Worker(parse_spec("worker,env=NOT_THERE_AT_ALL/true", Worker)).prepare(DATA))


@needs_entry_point
@pytest.mark.parametrize(
    ("wanted", "text"),
    [("", "nothing"), (",env=MY_KEY", "***"), (",env=MY_PLACE,env=MY_KEY", "***")],
)
def test_a_key_reaches_a_worker_that_it_is_given_to_and_no_other(
    jasco: Jasco, data: Path, tmp_path: Path, wanted: str, text: str
) -> None:
    spec = command(tmp_path, tells="MY_KEY").replace("worker/", f"worker{wanted}/", 1)
    done = jasco(
        "respond", spec, "--data", data, "--run", tmp_path / "run", "--no-preflight",
        env={"MY_KEY": "9fQ2xLw7TbV0zKdR4", "MY_PLACE": "here"},
    )  # fmt: skip
    assert done.status == 0, done.stderr
    with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as store:
        assert store.execute("SELECT DISTINCT text FROM responses").fetchall() == [(text,)]
    assert "9fQ2xL" not in done.stdout + done.stderr
    [log] = (tmp_path / "run" / "logs").glob("*.log")
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch, ask: Ask) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(IncompleteError, match=r"\.wav: No space left on device; TMPDIR"):
        ask()


# --- the command ---


def answers(run: Path) -> list[tuple[str | None, str | None, str | None]]:
    with closing(sqlite3.connect(run / "run.db")) as connection:
        return connection.execute(
            "SELECT text, failure_kind, served FROM responses ORDER BY clip, instruction"
        ).fetchall()


def template() -> str:
    (source,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    return source


def test_the_template_is_good_for_old_interpreters() -> None:
    ast.parse(template(), feature_version=(3, 6))


@needs_entry_point
def test_the_template_of_the_documents_works(jasco: Jasco, data: Path, tmp_path: Path) -> None:
    program = tmp_path / "my worker.py"
    printing = template().replace(
        "    return None", "    print('loading')\n    os.system('echo so')"
    )
    program.write_text(printing, "utf-8")
    spec = f"worker/{sys.executable} {shlex.quote(str(program))}"
    done = jasco("respond", spec, "--data", data, "--run", tmp_path / "run")
    assert done.status == 0, done.stderr
    files = [(data / f"dataset/v0/{clip}.wav").read_bytes() for clip in range(4)]
    said = [f"I hear a file with the checksum {zlib.crc32(file)}." for file in files]
    expected = [(text, None, "my-model-7b") for text in said for _ in range(8)]
    assert answers(tmp_path / "run") == expected
    log = (tmp_path / "run" / "logs" / "worker.log").read_text()
    assert log.splitlines()[1:] == ["loading", "so"]


@needs_entry_point
def test_failures_are_kept_and_asked_again(jasco: Jasco, data: Path, tmp_path: Path) -> None:
    arguments = ["--data", data, "--run", tmp_path / "run"]
    spec = command(tmp_path, error_on=FOURTH)
    done = jasco("respond", spec, *arguments)
    assert done.status == 4, done.stderr
    found = answers(tmp_path / "run")
    assert len(found) == 32
    assert [kind for _, kind, _ in found].count("error") == 4
    asked = len((tmp_path / "log").read_text().splitlines())
    done = jasco("respond", spec, *arguments)
    assert done.status == 4
    assert len((tmp_path / "log").read_text().splitlines()) == asked + 4 + 1  # 1: to stop


@needs_entry_point
@pytest.mark.parametrize(
    ("flags", "status", "told"),
    [
        ({"handshake": "{}", "slow": 0}, 2, "no handshake"),
        ({"handshake": '{"jasco": 9}'}, 2, "its first message lacks"),
        ({"dies_at_start": 9}, 4, "CUDA is not available"),
    ],
)
def test_a_bad_start_is_reported_in_one_line(
    jasco: Jasco, data: Path, tmp_path: Path, flags: dict[str, object], status: int, told: str
) -> None:
    spec = command(tmp_path, **flags)
    done = jasco(
        "respond", spec, "--data", data, "--run", tmp_path / "run",
        env={"JASCO_WORKER_START": "2"},
    )  # fmt: skip
    assert done.status == status, done.stderr
    [line] = [line for line in done.stderr.splitlines() if told in line]
    assert "logs/worker.log" in line or "docs/workers.md" in line


@needs_entry_point
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("when", ["starting", "answering"])
def test_it_ends_with_us_however_we_end(
    number: signal.Signals, when: str, jasco: Jasco, data: Path, tmp_path: Path
) -> None:
    pids, log = tmp_path / "pids", tmp_path / "log"
    slow = {"slow": 60} if when == "starting" else {"latency": 0.5}
    spec = command(tmp_path, immortal=True, orphan=True, child=True, **slow)
    running = jasco.start(
        "respond", spec, "--data", data, "--run", tmp_path / "run", env={"JASCO_GRACE": "1"}
    )
    end = time.monotonic() + 30
    while not (pids if when == "starting" else log).exists() or len(living(pids)) < 3:
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
def test_a_run_that_is_killed_again_and_again_ends_complete(jasco: Jasco, tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", 20, seconds=0.02)
    spec = command(tmp_path, batch=4, latency=0.01)
    arguments = ["respond", spec, "--data", data, "--run", tmp_path / "run"]
    for kill in range(8):
        running = jasco.start(*arguments)
        time.sleep(0.2 + 0.1 * kill)
        running.kill()
        assert_nothing_lives(tmp_path / "pids")
    done = jasco(*arguments)
    assert done.status == 0, done.stderr
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

    async def go(interpreter: Path) -> Response | Failure:
        model = Worker(parse_spec(f"worker/{interpreter} {program}", Worker))
        await model.prepare(DATA)
        try:
            return await model.answer(ITEMS[0], AUDIO)
        finally:
            await model.close()

    for interpreter in INTERPRETERS:
        answer = asyncio.run(go(interpreter))
        assert isinstance(answer, Response), interpreter
        assert answer.text.startswith("I hear a file with the checksum ")
