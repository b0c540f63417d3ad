"""A run in shards has the same figures as one that is not divided, also after kills."""

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chat_server import ChatServer, Serve
from command import Jasco, Result, figures_in
from run_database import query
from synthetic import make_data

pytestmark = pytest.mark.slow

CLIPS, SHARDS = 13, 8


def judged_by_two(server: ChatServer) -> list[str]:
    strict = f"openai/strict,base_url={server.url},repeats=2"
    return [f"--judge={strict}", f"--judge=openai/kind,base_url={server.url}"]


def figures(result: Result) -> dict[str, Any]:
    """Return a result's JSON without spending and the preflight, which used clips of a shard."""
    assert result.status == 0, result
    summary = figures_in(result)
    for model in summary["models"].values():
        del model["answers"]["preflight"]
    return summary


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data", CLIPS, seconds=0.02)


def test_merged_or_not_all_figures_equal_those_of_a_plain_run(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(latency=0.002, status_by_text={"clip 5\n": 400})
    model = f"openai/ears,base_url={server.url}"
    command = ["eval", model, "--data", data, *judged_by_two(server), "--samples", 2]
    plain, divided = tmp_path / "plain", tmp_path / "divided"
    whole = figures(jasco(*command, "--run", plain, "--json", timeout=120))
    for number in range(1, SHARDS):
        result = jasco(*command, "--run", divided, "--shard", f"{number}/{SHARDS}", timeout=120)
        assert result.status == 0, result
        assert "complete" in result.stdout
    assert "INCOMPLETE" in jasco("score", divided).stdout
    last = jasco(*command, "--run", divided, "--json", timeout=120)  # the shard that is missing
    assert figures(last) == whole
    spent = [json.loads(jasco("score", run, "--json").stdout) for run in (plain, divided)]
    [[plain_model], [divided_model]] = [each["models"].values() for each in spent]
    # One preflight and one question for each judge, however many shards there are.
    retried = 0.1 * plain_model["spent"]["calls"]
    assert divided_model["spent"]["calls"] == pytest.approx(
        plain_model["spent"]["calls"], abs=retried
    )
    assert divided_model["answers"]["preflight"]["state"] == "passed"

    compared = [jasco("compare", run, plain, "--json") for run in (plain, divided)]
    assert compared[0].status == 2  # the same run twice
    [pair] = json.loads(compared[1].stdout)["pairs"]
    assert pair["best_mean"] == 0
    item = [json.loads(jasco("show", run, "--clip", 5, "--prompt", 2, "--json").stdout)
            for run in (plain, divided)]  # fmt: skip
    assert item[0]["model"]["reply"] == item[1]["model"]["reply"]
    assert len(item[1]["judges"][0]["verdicts"]) == len(item[0]["judges"][0]["verdicts"])
    assert jasco("report", divided, "-o", tmp_path / "page.html").status == 0

    assert jasco("merge", divided).status == 0
    assert not (divided / "shards").exists()
    assert figures(jasco("score", divided, "--json")) == whole
    requests = len(server.requests())
    assert figures(jasco(*command, "--run", divided, "--json", timeout=120)) == whole
    assert len(server.requests()) == requests  # nothing is left to do
    counts = "SELECT repeat, sample, count(*) FROM verdicts GROUP BY 1, 2"
    assert query(divided, counts) == query(plain, counts)


def test_checks_are_made_once_for_all_shards(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server = serve(bodies=True, latency=0.01)
    model, judge = (f"openai/{name},base_url={server.url}" for name in ("ears", "strict"))
    command = ["eval", model, "--data", data, "--judge", judge, "--run", tmp_path / "run"]
    started = [jasco.start(*command, "--shard", f"{number}/4") for number in range(1, 5)]
    assert [command.finish(90).status for command in started] == [0, 0, 0, 0]
    known = [
        request for request in server.requests() if "gulls calling" in json.dumps(request.body)
    ]
    assert len(known) == 1
    answers = [request for request in server.requests() if request.kind == "answer"]
    assert len(answers) == CLIPS * 8 + 12  # with the probes of one preflight


@pytest.mark.parametrize("shards", [1, 13, 20])
def test_any_number_of_shards(jasco: Jasco, data: Path, tmp_path: Path, shards: int) -> None:
    """More shards than clips: some are empty."""
    (tmp_path / "model.py").write_text(
        "def answer(audio, sampling_rate, prompt):\n    return f'{abs(audio).sum():.3f} {prompt}'\n"
    )
    command = ["eval", f"python/{tmp_path}/model.py:answer", "--data", data, "--judge", "offline"]
    whole = figures(jasco(*command, "--run", tmp_path / "plain", "--json"))
    divided = jasco(*command, "--run", tmp_path / "run", "--shards", shards, "--json")
    assert figures(divided) == whole


def test_what_does_not_fit_a_divided_run_is_refused_in_one_line(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server, run = serve(), tmp_path / "run"
    model = f"openai/ears,base_url={server.url}"
    respond = ["respond", model, "--data", data, "--run", run]
    assert jasco(*respond, "--shard", "2/3").status == 0
    other = make_data(tmp_path / "other", 5, seconds=0.02)
    for arguments, status, words in (
        ([*respond, "--shard", "0/3"], 2, "numbered from 1"),
        ([*respond, "--shard", "1/4"], 3, "divided into 3 shards, not into 4"),
        ([*respond, "--shards", 4], 3, "divided into 3 shards, not into 4"),
        ([*respond, "--shard", "1/3", "--on", "local"], 2, "omit --shards and --on"),
        ([*respond, "--on", "nowhere"], 2, "expected one of: local, ray, slurm"),
        (["respond", model, "--data", other, "--run", run, "--shard", "1/3"], 3, "data set data"),
        (["respond", "openai/b", "--data", data, "--run", run, "--shard", "1/3"], 3, "openai/ears"),
        ([*respond, "--shard", "1/3", "--samples", 2, "--max-calls", 2], 2, "for each of 3 shards"),
        (["judge", tmp_path / "none", "--judge", "offline", "--shard", "1/2"], 2, "no such run"),
        (["merge", tmp_path / "none"], 2, "run not found"),
    ):  # fmt: skip
        result = jasco(*arguments)
        assert result.status == status, result
        assert words in result.stderr.splitlines()[-1], result
    plain = tmp_path / "plain"
    assert jasco("respond", model, "--data", data, "--run", plain).status == 0
    refused = jasco("respond", model, "--data", data, "--run", plain, "--shards", 2)
    assert (refused.status, "only a new run can be" in refused.stderr) == (3, True)
    assert jasco("merge", plain).status == 2


def test_failures_and_judges_are_removed_from_all_shards(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server, run = serve(status_by_text={"clip 3": 400}), tmp_path / "run"
    command = ["eval", f"openai/ears,base_url={server.url}", "--data", data, "--run", run]
    command += ["--judge", f"openai/strict,base_url={server.url}", "--no-preflight"]
    assert jasco(*command, "--shards", 3).status == 0
    assert "8" in jasco("show", run, "--failed").stdout
    removed = jasco("forget", run, "--failed")
    assert "0 answers and 8 verdicts" in removed.stderr
    removed = jasco("forget", run, "--clip", 1, "--clip", 2, "--clip", 4)
    assert "24 answers and 24 verdicts" in removed.stderr
    assert "no clip '99'" in jasco("forget", run, "--clip", 99).stderr
    assert jasco("forget", run, "--judge", "openai/strict").status == 0
    assert "not judged yet" in jasco("score", run).stdout
    before = Counter(request.kind for request in server.requests())
    jasco(*command)
    after = Counter(request.kind for request in server.requests())
    assert after["answer"] - before["answer"] == 24
    assert "openai/strict" in jasco("score", run).stdout


@pytest.mark.timeout(300)
def test_killed_shards_are_resumed_and_repeat_only_what_was_in_flight(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    server, run, concurrency = serve(latency=0.02), tmp_path / "run", 4
    model, judge = (f"openai/{name},base_url={server.url}" for name in ("ears", "strict"))
    command = ["eval", model, "--data", data, "--judge", judge, "--no-preflight"]
    command += ["--concurrency", concurrency]
    rng, kills = random.Random(5), 0
    for attempt in range(4):
        shards = [jasco.start(*command, "--run", run, "--shard", f"{k}/2") for k in (1, 2)]
        server.wait_for(len(server.requests()) + rng.randint(5, 60))
        for shard in shards:
            if attempt % 2:
                shard.kill()
            else:
                shard.send(signal.SIGTERM)
                assert shard.finish().status == 130
        kills += len(shards)
        time.sleep(0.2)
    for number in (1, 2):
        assert jasco(*command, "--run", run, "--shard", f"{number}/2").status == 0
    calls = CLIPS * 8 * 2
    assert calls <= len(server.requests()) <= calls + kills * concurrency
    whole = figures(jasco(*command, "--run", tmp_path / "plain", "--json"))
    assert figures(jasco("score", run, "--json")) == whole
