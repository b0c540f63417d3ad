"""The published panel under one name."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pytest

from chat_server import KNOWN_QUESTION, ChatServer, Serve
from command import Jasco, Result
from jasco.backends.vllm_server import serve_command
from jasco.data.csv_files import write_table
from jasco.data.dataset import read_data_set
from jasco.data.responses_csv import COLUMNS, template_rows
from jasco.errors import InputError
from jasco.judges.panel import PANELS, open_judges
from jasco.protocol.clips import items_of
from jasco.protocol.protocols import PROTOCOLS, SYSTEM_MESSAGE
from jasco.runs.read_run import judged_items_of_run
from synthetic import make_data

MODELS = PANELS["three-judges"]


def test_without_an_address_each_is_served_in_turn_as_published() -> None:
    judges = open_judges("three-judges,serve.max-model-len=4096,temperature=1")
    assert [judge.spec.name for judge in judges] == list(MODELS)
    assert all(judge.exclusive and judge.spec.options["temperature"] == 1 for judge in judges)
    assert serve_command(judges[0].spec)[0] == [
        "vllm", "serve", MODELS[0], "--max-model-len", "4096", "--tensor-parallel-size", "4",
    ]  # fmt: skip


def test_one_address_is_a_gateway_and_three_are_one_each() -> None:
    gateway = open_judges("three-judges,base_url=http://g/v1")
    assert [judge.spec.label for judge in gateway] == [f"openai/{model}" for model in MODELS]
    assert {judge.spec.options["base_url"] for judge in gateway} == {("http://g/v1",)}
    judges = open_judges(
        "three-judges,base_url=http://a/v1,base_url=http://b/v1,base_url=http://c/v1"
    )
    assert [judge.spec.options["base_url"] for judge in judges] == [
        ("http://a/v1",), ("http://b/v1",), ("http://c/v1",),
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"2 .*3 judges"):
        open_judges("three-judges,base_url=http://a/v1,base_url=http://b/v1")


def test_any_other_name_is_one_judge() -> None:
    [judge] = open_judges("offline")
    assert judge.spec.label == "offline"


def evaluate(
    jasco: Jasco, model_server: ChatServer, servers: Sequence[ChatServer], data: Path, run: Path
) -> Result:
    addresses = ",".join(f"base_url={server.url}" for server in servers)
    return jasco(
        "eval", f"openai/ears,base_url={model_server.url}", "--data", data, "--run", run,
        "--judge", f"three-judges,{addresses}", "--json",
    )  # fmt: skip


def test_each_is_asked_in_the_protocols_words_and_their_figures_are_averaged(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    model_server, servers = serve(), [serve(bodies=True) for _ in MODELS]
    result = evaluate(jasco, model_server, servers, data, tmp_path / "run")
    assert result.status == 0, result.stderr
    [model] = json.loads(result.stdout)["models"].values()
    figures = list(model["judges"].values())
    assert list(model["judges"]) == [f"openai/{name}" for name in MODELS]
    assert model["best_mean"] == pytest.approx(fmean(judge["best_mean"] for judge in figures))
    assert model["agreement"]["rating_alpha"] is not None

    expected = [
        (item, prompt)
        for clip in read_data_set(data).clips
        for item in items_of(clip)
        for prompt in [PROTOCOLS["v2"].judge_prompt(item, "PREDICTION")]
    ]
    for server, name in zip(servers, MODELS, strict=True):
        first, *bodies = [request.body for request in server.requests()]
        assert KNOWN_QUESTION in first["messages"][1]["content"]
        assert {body["model"] for body in bodies} == {name}
        assert all(
            body.keys() == {"messages", "model", "temperature", "max_tokens"} for body in bodies
        )
        system_messages = {body["messages"][0]["content"] for body in bodies}
        assert system_messages == {SYSTEM_MESSAGE}
        prompts = sorted(body["messages"][1]["content"] for body in bodies)
        assert len(prompts) == len(expected)
        for prompt in prompts:
            prediction = prompt.split("[Model Prediction]\n")[1].split("\n\n[Task1]")[0]
            assert any(prompt == text.replace("PREDICTION", prediction) for _, text in expected)


def test_the_panels_figures_are_the_mean_of_three_judged_files(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    model_server, servers = serve(), [serve() for _ in MODELS]
    summary = json.loads(evaluate(jasco, model_server, servers, data, tmp_path / "run").stdout)
    [model] = summary["models"].values()
    judged = judged_items_of_run(tmp_path / "run")
    rows = list(template_rows(read_data_set(data), {clip.id: 0 for clip in judged.clips}))
    keys = [(str(row["id"]), index % 8 + 1) for index, row in enumerate(rows)]
    single_judges = []
    for number, verdicts in enumerate(judged.judges.values()):
        path = tmp_path / f"judge-{number}.csv"
        judged_rows = [
            row | {"allm_output": judged.answers[key], "judge_output": verdicts[key][0][0]}
            for row, key in zip(rows, keys, strict=True)
        ]
        write_table(path, [*COLUMNS, "judge_output"], judged_rows)
        [figures] = json.loads(jasco("score", path, "--json").stdout)["models"].values()
        single_judges.append(figures)
    assert model["best_mean"] == pytest.approx(fmean(judge["best_mean"] for judge in single_judges))
    for part in ("audio", "both", "speech"):
        values = [judge["modality_dependence"][part] for judge in single_judges]
        assert model["modality_dependence"][part] == pytest.approx(fmean(values))


def test_one_judge_that_misses_a_row_makes_the_headline_incomplete(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", 4)
    model_server, working = serve(), [serve(), serve()]
    clip = read_data_set(data).clips[0]
    question = items_of(clip)[2].instruction
    refusing = serve(status_by_text={f"{clip.speech}\n\n[Question]\n{question}\n": 400})
    result = evaluate(jasco, model_server, [*working, refusing], data, tmp_path / "run")
    assert result.status == 0, result.stderr  # a refusal by the server is final
    [model] = json.loads(result.stdout)["models"].values()
    assert not model["complete"]
    assert model["coverage"] == pytest.approx((1 + 1 + 31 / 32) / 3)
    low, high = model["best_mean_bounds"]
    assert low <= model["best_mean"] <= high
    third = model["judges"][f"openai/{MODELS[2]}"]
    assert third["coverage"] == 31 / 32
    assert third["failed"] == {"rejected": 1}
    assert third["best_at_k"] is None
    table = jasco("score", tmp_path / "run")
    assert table.status == 0
    assert "INCOMPLETE" in table.stdout
