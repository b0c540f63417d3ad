"""The spending of a run: kept across kills and commands, shown, and within its limits."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import jasco as package
from chat_server import ChatServer, Serve
from command import HASTY, Jasco, Result
from figures import figures_of
from jasco.data.dataset import read_data_set
from jasco.protocol.responses import Response
from jasco.runs.read_run import results_of_run
from jasco.runs.reader import RunReader
from jasco.runs.spending import SPENT
from runs import verdict, write_run
from synthetic import make_data

IN, OUT = 7, 5  # the usage that the server reports for a call
ALL_CALLS = 4 * 8 * 2  # answers and verdicts

Evaluate = Callable[..., Result]


@pytest.fixture
def server(serve: Serve) -> ChatServer:
    return serve()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def evaluate(jasco: Jasco, server: ChatServer, data: Path, run: Path) -> Evaluate:
    def run_evaluation(*options: object, judges: tuple[str, ...] = ("j",)) -> Result:
        address = f"base_url={server.url}"
        specs = [f"openai/{judge},{address}" for judge in judges]
        judge_options = [argument for spec in specs for argument in ("--judge", spec)]
        return jasco(
            "eval", f"openai/m,{address}", "--data", data, "--run", run, *judge_options,
            "--no-preflight", "--json", *options,
        )  # fmt: skip

    return run_evaluation


def spent(result: Result, model: str = "openai/m") -> dict[str, Any]:
    spending: dict[str, Any] = json.loads(result.stdout)["models"][model]["spent"]
    return spending


def fact(run: Path, name: str) -> Any:
    with RunReader.open(run) as store:
        return json.loads(store.fact(name) or "null")


def test_what_was_spent_is_shown_with_its_cost_and_stays_known(
    evaluate: Evaluate, jasco: Jasco, run: Path, tmp_path: Path
) -> None:
    result = evaluate("--price-in", 1000, "--price-out", 3000, "--price-out", "openai/j=0")
    assert result.status == 0
    half = {"calls": 32, "prompt_tokens": 32 * IN, "completion_tokens": 32 * OUT}
    assert spent(result) == {
        "calls": 64, "prompt_tokens": 64 * IN, "completion_tokens": 64 * OUT,
        "without_usage": 0, "in_flight": 0, "cost": pytest.approx(0.928),
        "providers": {
            "openai/m": {**half, "without_usage": 0, "in_flight": 0, "cost": pytest.approx(0.704)},
            "openai/j": {**half, "without_usage": 0, "in_flight": 0, "cost": pytest.approx(0.224)},
        },
        "prices": {
            "openai/m": {"in": 1000.0, "out": 3000.0}, "openai/j": {"in": 1000.0, "out": 0.0},
        },
    }  # fmt: skip
    scored = jasco("score", run, "--json")
    assert spent(scored) == spent(result)
    for text in (
        jasco("score", run).stdout,
        jasco("report", run, "--format", "markdown").stdout,
    ):
        assert "64 calls" in text
        assert "cost 0.93" in text
    page = tmp_path / "page.html"
    assert jasco("report", run, "-o", page, "--audio", "none").status == 0
    assert "cost 0.93" in page.read_text("utf-8")


def test_without_prices_there_is_no_cost(evaluate: Evaluate) -> None:
    spending = spent(evaluate())
    assert spending["calls"] == ALL_CALLS
    assert spending["cost"] is None
    assert spending["prices"] == {}


def count_rows(run: Path) -> int:
    """Return the number of answers and verdicts of a run."""
    with closing(sqlite3.connect(run / "run.db")) as rows:
        query = "SELECT (SELECT count(*) FROM responses) + (SELECT count(*) FROM verdicts)"
        return int(rows.execute(query).fetchone()[0])


def test_a_limit_of_calls_is_never_passed_however_often_the_command_is_given(
    evaluate: Evaluate, server: ChatServer, run: Path
) -> None:
    for _ in range(2):
        result = evaluate("--max-calls", 20)
        assert result.status == 4
        assert "larger limit" in result.stderr
        assert "20 calls" in result.stderr
        assert len(server.requests()) == spent(result)["calls"] == count_rows(run) == 20
    assert evaluate("--max-calls", ALL_CALLS).status == 0
    assert len(server.requests()) == ALL_CALLS


@pytest.mark.parametrize("limit", [("--max-tokens", 1500), ("--max-cost", 1.5)])
def test_tokens_and_cost_end_a_run_before_their_limit(
    serve: Serve, jasco: Jasco, data: Path, run: Path, limit: tuple[str, float]
) -> None:
    server = serve(usage=(60, 5))
    arguments = (
        "respond",
        f"openai/m,max_tokens=5,base_url={server.url}",
        "--data",
        data,
        "--run",
        run,
    )
    prices = "--price-in", 1000, "--price-out", 1000
    for _ in range(2):
        assert jasco(*arguments, "--no-preflight", *limit, *prices).status == 4
        assert 0 < 65 * len(server.requests()) <= 1500
        assert count_rows(run) == len(server.requests())
    larger_limit = limit[0], 10 * limit[1]
    assert (
        jasco(*arguments, "--no-preflight", *larger_limit).status == 0
    )  # the run has stored the prices
    assert len(server.requests()) == 32


def test_a_limited_cost_needs_a_price_of_each_model_and_judge(
    evaluate: Evaluate, server: ChatServer
) -> None:
    result = evaluate("--max-cost", 1, "--price-in", "openai/m=1", "--price-out", "openai/m=1")
    assert result.status == 2
    assert "openai/j" in result.stderr
    assert not server.requests()


def test_calls_without_usage_are_shown_and_count_at_their_upper_bound(
    serve: Serve, jasco: Jasco, data: Path, run: Path
) -> None:
    server = serve(usage=())
    arguments = (
        "respond",
        f"openai/m,max_tokens=5,base_url={server.url}",
        "--data",
        data,
        "--run",
        run,
    )
    assert jasco(*arguments, "--no-preflight", "--max-tokens", 1500).status == 4
    assert 0 < len(server.requests()) < 32
    spending = results_of_run(run).spent
    assert spending
    assert spending.total.without_usage == len(server.requests())
    assert "reported no usage" in jasco("score", run).stdout


def test_a_limit_stops_the_preflight_too(jasco: Jasco, server: ChatServer, run: Path) -> None:
    arguments = [f"openai/m,base_url={server.url}", "--data", "mini", "--max-calls", 5]
    result = jasco("respond", *arguments, "--run", run)
    assert result.status == 4
    assert len(server.requests()) == 5


def test_every_request_counts_and_a_refused_one_has_no_tokens(
    serve: Serve, jasco: Jasco, data: Path, run: Path
) -> None:
    server = serve(busy=3)
    arguments = ["respond", f"openai/m,base_url={server.url}", "--data", data, "--run", run]
    result = jasco(*arguments, "--no-preflight", "--limit", 1)
    assert result.status == 0
    assert "11 calls" in result.stderr
    assert fact(run, SPENT)["openai/m"] == {
        "calls": 11, "prompt_tokens": 8 * IN, "completion_tokens": 8 * OUT,
    }  # fmt: skip


def test_after_a_kill_what_was_in_flight_counts_as_spent(
    serve: Serve, jasco: Jasco, data: Path, run: Path
) -> None:
    slow = serve(latency=0.3)
    arguments = ["respond", f"openai/m,base_url={slow.url}", "--data", data, "--run", run]
    arguments += ["--no-preflight", "--concurrency", "4"]
    command = jasco.start(*arguments)
    slow.wait_for(10)
    command.kill()
    calls = len(slow.requests())
    result = jasco(*arguments, "--max-calls", calls, patch=HASTY)
    assert result.status == 4
    assert len(slow.requests()) <= calls + 4  # at most the requests in flight are uncounted
    assert fact(run, SPENT)["openai/m"]["calls"] == calls


def test_what_probes_took_is_known_after_a_kill(serve: Serve, jasco: Jasco, run: Path) -> None:
    slow = serve(latency=0.3)
    arguments = ["respond", f"openai/m,base_url={slow.url}", "--data", "mini", "--run", run]
    command = jasco.start(*arguments, "--concurrency", "2")
    slow.wait_for(8)
    command.kill()
    spending = results_of_run(run).spent
    assert spending
    assert 4 <= spending.total.calls <= 8


def test_the_spending_of_an_older_run_is_computed_from_its_rows(data: Path, run: Path) -> None:
    usage = {"prompt_tokens": IN, "completion_tokens": OUT}

    def answer(clip: int, number: int) -> Response:
        return Response("They flee.", "stop", usage if clip else {}, "m")

    write_run(run, read_data_set(data), answer, {"j": lambda _, __: verdict(2, "Both")})
    recorded = results_of_run(run).spent
    assert recorded
    assert recorded.by.keys() == {"csv/model"}
    spending = recorded.by["csv/model"]
    assert (spending.calls, spending.without_usage, spending.tokens) == (32, 8, 24 * (IN + OUT))


@pytest.mark.parametrize(
    "arguments",
    [("--max-calls", "0"), ("--max-tokens", "1.5"), ("--max-cost", "-1"), ("--price-in", "free"),
     ("--price-in", "openai/typo=1", "--price-out", "1"), ("--price-in", "1")],
)  # fmt: skip
def test_what_is_no_limit_and_no_price_is_refused_in_one_line(
    evaluate: Evaluate, server: ChatServer, arguments: tuple[str, ...]
) -> None:
    result = evaluate(*arguments)
    assert result.status == 2
    assert result.stderr.count("\n") == 1
    assert not server.requests()


def test_a_dry_run_estimates_the_cost_and_counts_no_tokens_where_there_are_none(
    evaluate: Evaluate, jasco: Jasco, data: Path, run: Path, server: ChatServer
) -> None:
    spec = f"openai/m,base_url={server.url}"
    arguments = "eval", spec, "--data", data, "--run", run, "--judge", "offline", "--dry-run"
    lines = jasco(*arguments, "--price-in", 1000, "--price-out", 1000, "--max-calls", 9).stdout
    by_name = {line.partition(":")[0]: line for line in lines.splitlines()}
    assert "tokens" not in by_name["judge"]
    assert "about" in by_name["tokens"]
    assert float(by_name["cost"].split()[2]) > 0
    assert "no price" not in by_name["cost"]
    assert "9 calls" in by_name["limits"]
    assert "cost" not in jasco(*arguments).stdout


def test_from_python(server: ChatServer, data: Path, run: Path) -> None:
    address = f"base_url={server.url}"
    options: dict[str, Any] = {
        "data": data, "judges": [f"openai/j,{address}"], "run": run, "preflight": False,
    }  # fmt: skip
    with pytest.raises(package.InputError, match="max_calls"):
        package.evaluate(f"openai/m,{address}", **options, max_calls=0)
    with pytest.raises(package.InputError, match="price_in"):
        package.evaluate(f"openai/m,{address}", **options, price_in={"openai/m": "x"})
    with pytest.raises(package.IncompleteError, match="10 calls"):
        package.evaluate(f"openai/m,{address}", **options, max_calls=10)
    prices: dict[str, Any] = {"price_in": {"openai/m": 1, "openai/j": 2.5}, "price_out": 10}
    scores = package.evaluate(f"openai/m,{address}", **options, max_cost=100, **prices)
    assert figures_of(scores)["spent"]["calls"] == ALL_CALLS
    assert figures_of(scores)["spent"]["cost"] == pytest.approx((32 * 7 * 3.5 + 64 * 5 * 10) / 1e6)


def test_an_exam_ends_before_its_limit(jasco: Jasco, server: ChatServer, data: Path) -> None:
    arguments = "exam", f"openai/j,base_url={server.url}", "--data", data, "--price-in", 1
    assert jasco(*arguments).status == 2  # half a price
    result = jasco(*arguments, "--price-out", 1, "--max-calls", 5)
    assert result.status == 4
    assert len(server.requests()) == 5
    assert "5 calls" in result.stderr
    assert jasco(*arguments, "--price-out", 1).status == 0


def test_no_server_is_started_when_there_is_no_room_for_a_call(
    jasco: Jasco, server: ChatServer, vllm: Callable[..., str], data: Path, run: Path, pids: Path
) -> None:
    arguments = [f"openai/m,base_url={server.url}", "--data", data, "--run", run, "--limit", 1]
    assert jasco("respond", *arguments, "--no-preflight", "--max-calls", 8).status == 0
    result = jasco("judge", run, "--judge", vllm("j"), "--max-calls", 8)
    assert result.status == 4
    assert not pids.exists()
    known_question = 1
    limit = 16 + known_question
    assert jasco("judge", run, "--judge", vllm("j"), "--max-calls", limit).status == 0


def test_files_have_spent_nothing(jasco: Jasco, data: Path, tmp_path: Path) -> None:
    make_data(tmp_path / "other", 2)
    run = write_run(
        tmp_path / "made", read_data_set(data), lambda *_: "They flee.",
        {"j": lambda *_: verdict(2, "Both")},
    )  # fmt: skip
    spending = spent(jasco("score", run, "--json"), "csv/model")
    assert (spending["calls"], spending["providers"]) == (0, {})
    assert "spent" not in jasco("score", run).stdout
