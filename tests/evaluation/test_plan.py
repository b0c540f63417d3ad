"""Plans of dry runs: as many calls as the command then makes."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from chat_server import ChatServer, Serve
from jasco.backends.specs import open_spec
from jasco.data.dataset import read_data_set
from jasco.evaluation.job import Job
from jasco.evaluation.plan import plan
from jasco.evaluation.run_job import run_job
from jasco.human.listening_study import Participant
from synthetic import make_data

CLIPS = 6  # the first and the last are judged repeatedly


@pytest.fixture
def server(serve: Serve) -> ChatServer:
    return serve()


@pytest.fixture
def job(server: ChatServer, tmp_path: Path) -> Job:
    data = read_data_set(make_data(tmp_path / "data", CLIPS))
    job = Job(run=tmp_path / "run", data=data, model=None, judges=(), preflight=False)
    return with_providers(job, server)


def with_providers(job: Job, server: ChatServer, *judges: str) -> Job:
    """Return the same job with a new model and new judges, as in another command."""
    return replace(
        job,
        model=open_spec("model", f"openai/m,base_url={server.url}"),
        judges=[open_spec("judge", f"openai/{judge},base_url={server.url}") for judge in judges],
    )


def planned_calls(job: Job) -> list[int]:
    """Return the number of planned calls of the model and of each judge."""
    return [int(n) for line in plan(job) for n in re.findall(r": (\d+) calls to make", line)]


def count_requests(job: Job, server: ChatServer) -> int:
    """Run the job; return the number of its requests."""
    before = len(server.requests())
    run_job(job, lambda _: None)
    return len(server.requests()) - before


def test_repeated_verdicts_are_counted_and_those_done_are_not(job: Job, server: ChatServer) -> None:
    repeating = "j,temperature=1,repeats=3"
    first = with_providers(replace(job, limit=2), server, repeating)
    assert planned_calls(first) == [16, 8 * (3 + 1)]
    assert count_requests(first, server) == 16 + 32
    rest = with_providers(job, server, repeating)
    assert planned_calls(rest) == [32, 8 * (3 + 1 + 1 + 1 + 1 + 3) - 32]
    assert count_requests(rest, server) == 32 + 48
    assert planned_calls(with_providers(job, server, repeating)) == [0, 0]
    extended = with_providers(job, server, "j,temperature=1,repeats=4", "other")
    assert planned_calls(extended) == [0, 16, 48]
    assert count_requests(extended, server) == 64
    assert planned_calls(with_providers(job, server, "j,temperature=1")) == [0, 0]


def test_fewer_repeats_than_there_are_leave_nothing_to_do(job: Job, server: ChatServer) -> None:
    count_requests(
        with_providers(replace(job, limit=1), server, "j,temperature=1,repeats=5"), server
    )
    assert planned_calls(
        with_providers(replace(job, limit=2), server, "j,temperature=1,repeats=2")
    ) == [8, 8]


def test_a_judge_of_the_same_name_and_other_decoding_is_another(
    job: Job, server: ChatServer
) -> None:
    count_requests(with_providers(replace(job, limit=1), server, "j"), server)
    assert planned_calls(with_providers(replace(job, limit=1), server, "j,seed=1", "j")) == [
        0,
        8,
        0,
    ]


def test_a_run_keeps_the_clips_that_it_covers(job: Job, server: ChatServer) -> None:
    count_requests(with_providers(replace(job, limit=3), server), server)
    narrower = with_providers(replace(job, limit=1), server, "j")
    assert planned_calls(narrower) == [0, 24]
    assert count_requests(narrower, server) == 24
    judging = replace(with_providers(job, server, "other"), data=None, model=None)
    assert planned_calls(judging) == [24]
    assert count_requests(judging, server) == 24


def test_of_a_participant_one_verdict_per_clip_is_expected(
    job: Job, server: ChatServer, tmp_path: Path
) -> None:
    assert job.data
    participant = Participant.open(tmp_path, "Ada", job.data)
    while item := participant.next():
        participant.answer(item, "They flee.")
    judging = replace(
        with_providers(job, server, "j"), run=participant.folder, data=None, model=None
    )
    assert planned_calls(judging) == [CLIPS]
    assert count_requests(judging, server) == CLIPS


def test_the_known_question_to_a_new_judge_is_counted(job: Job, server: ChatServer) -> None:
    def planned_questions(job: Job) -> list[int]:
        return [
            int(n)
            for line in plan(job)
            if "known question" in line
            for n in re.findall(r": (\d+) calls? to make", line)
        ]

    checked = with_providers(replace(job, preflight=True), server, "j", "k")
    assert planned_questions(checked) == [2]
    assert planned_questions(replace(checked, preflight=False)) == []
    assert count_requests(checked, server) == 12 + 48 + 2 + 2 * 48
    assert planned_questions(with_providers(checked, server, "j", "k", "new")) == [1]


def test_what_makes_no_calls_has_none_and_no_tokens(job: Job) -> None:
    local = replace(
        job, model=open_spec("model", "cascade"), judges=[open_spec("judge", "offline")]
    )
    lines = list(plan(local))
    assert planned_calls(local) == []
    [judge] = [line for line in lines if line.startswith("judge: ")]
    assert f"offline: {CLIPS * 8} verdicts" in judge
    assert "no calls" in judge
    assert not [line for line in lines if "token" in line or "per verdict" in line]


def test_one_of_something_is_in_the_singular(job: Job) -> None:
    smallest = replace(
        job,
        model=None,
        limit=1,
        concurrency=1,
        judges=[open_spec("judge", "openai/j,base_url=http://127.0.0.1:1/v1")],
    )
    lines = "\n".join(plan(smallest))
    assert "with 1 concurrent call," in lines
