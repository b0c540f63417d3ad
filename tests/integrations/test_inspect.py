"""The benchmark as a task of Inspect."""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jasco
from chat_server import ChatServer, audio_in
from inspect_script import Scripted, register

pytestmark = pytest.mark.slow


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scripted:
    """Register the models ``test/...`` in Inspect, in an empty working directory."""
    pytest.importorskip("inspect_ai", reason="needs the extra inspect")
    monkeypatch.chdir(tmp_path)
    script = Scripted()
    register(script)
    return script


def run(judges: Any = "offline", data: str = "mini", **options: Any) -> Any:
    """Run the task in Inspect with the model ``test/model``; return the log."""
    from inspect_ai import eval as evaluate_task

    from jasco.integrations.inspect import jasco as task

    settings = {"model": "test/model", "display": "none", "log_images": False, **options}
    [log] = evaluate_task(task(data, judges), **settings)
    assert log.status == "success", log.error
    return log


def metrics_of(log: Any) -> dict[str, float]:
    [scores] = log.results.scores
    return {name: metric.value for name, metric in scores.metrics.items()}


def check_equal(metrics: dict[str, float], scores: jasco.Scores) -> None:
    """Check that all figures of the scores are among the metrics, exactly."""
    ours = scores.scalars()
    shown = {name: metrics[name] for name in ours}
    assert {name: value for name, value in shown.items() if not math.isnan(value)} == {
        name: value for name, value in ours.items() if not math.isnan(value)
    }
    assert {name for name in shown if math.isnan(shown[name])} == {
        name for name in ours if math.isnan(ours[name])
    }


def evaluate(scripted: Scripted, judges: list[Any], **settings: Any) -> jasco.Scores:
    return jasco.evaluate(scripted.model(), data="mini", judges=judges, preflight=False, **settings)


def test_a_sample_is_an_item_with_its_audio_first(scripted: Scripted) -> None:
    from jasco.integrations.inspect import jasco as task

    built = task("mini")
    data = jasco.load_dataset("mini")
    assert len(built.dataset) == len(data.items()) == 128
    sample, item = built.dataset[9], data.items()[9]
    [message] = sample.input
    audio, text = message.content
    assert (message.role, audio.type, text.text) == ("user", "audio", item.instruction)
    assert Path(audio.audio) == data.audio_path(item.clip).absolute()
    assert (sample.id, sample.target) == ("2-2", item.clip.reference)
    assert (sample.metadata["clip"], sample.metadata["instruction"]) == ("2", 2)
    assert sample.metadata["clip_sha256"] == item.clip.sha256
    assert built.metadata["data"] == "mini"
    assert built.metadata["annotations_sha256"] == data.annotations_sha256
    assert built.metadata["proxy_judges"] == ["offline"]


def test_figures_are_those_of_jasco(scripted: Scripted) -> None:
    metrics = metrics_of(run(limit=24))
    scores = evaluate(scripted, ["offline"], limit=3)
    check_equal(metrics, scores)
    assert metrics["proxy"] == metrics["coverage"] == metrics["complete"] == 1
    assert (metrics["clips"], metrics["samples"]) == (3, 1)
    assert (scripted.configs["model"].temperature, scripted.configs["model"].max_tokens) == (0, 512)


def test_panel_with_a_failing_judge_and_failing_samples(scripted: Scripted) -> None:
    scripted.failing = {("3", number, 0) for number in range(1, 9)} | {("5", 2, 0)}
    scripted.failing_judges = {"two": lambda prompt: "answer 4 " in prompt}
    log = run(["test/one", "test/two"], limit=48)
    metrics = metrics_of(log)
    scores = evaluate(scripted, [scripted.judge("one"), scripted.judge("two")], limit=6)
    check_equal(metrics, scores)
    assert 0 < metrics["unreadable_rate"] < 1
    assert metrics["judges/test/two/coverage"] < metrics["judges/test/one/coverage"] < 39 / 48
    assert (metrics["complete"], metrics["proxy"], metrics["clips"]) == (0, 0, 6)
    judge = scripted.configs["one"]
    assert (judge.temperature, judge.max_tokens) == (0, 1000)
    failed = [sample for sample in log.samples if sample.error]
    assert {sample.id for sample in failed} == {f"3-{n}" for n in range(1, 9)} | {"5-2"}
    [fourth] = [sample for sample in log.samples if sample.id == "4-1"]
    score = fourth.scores["verdicts"]
    assert fourth.error is None
    assert score.value["test/two/rating"] is None
    assert "scripted failure" in score.metadata["judges"]["test/two"]["failure"]["message"]
    assert score.metadata["judges"]["test/one"]["replies"]


def test_judge_without_any_verdict(scripted: Scripted) -> None:
    scripted.failing_judges = {"two": lambda prompt: True}
    metrics = metrics_of(run(["test/one", "test/two"], limit=8))
    scores = evaluate(scripted, [scripted.judge("one"), scripted.judge("two")], limit=1)
    assert list(scores.judges) == ["test/one"]
    check_equal(metrics, scores)
    assert metrics["judges/test/two/coverage"] == metrics["judges/test/two/complete"] == 0


def test_proxy_is_not_averaged_with_other_judges(scripted: Scripted) -> None:
    metrics = metrics_of(run(["offline", "test/one"], limit=8))
    check_equal(metrics, evaluate(scripted, ["offline", scripted.judge("one")], limit=1))
    assert math.isnan(metrics["best_mean"])
    assert metrics["proxy"] == metrics["judges/offline/coverage"] == 1


def test_epochs_are_samples(scripted: Scripted) -> None:
    scripted.failing = {("1", 1, 1), ("2", 7, 0)}
    metrics = metrics_of(run("test/one", epochs=2, max_samples=1, limit=16))
    scores = evaluate(scripted, [scripted.judge("one")], samples=2, limit=2)
    check_equal(metrics, scores)
    assert metrics["samples"] == 2
    assert metrics["complete"] == 0


def test_limit_counts_samples(scripted: Scripted) -> None:
    metrics = metrics_of(run(limit=16))
    check_equal(metrics, evaluate(scripted, ["offline"], limit=2))
    assert (metrics["clips"], metrics["coverage"]) == (2, 1)
    assert metrics_of(run(limit=12))["coverage"] == 12 / 16  # of two clips


def test_nothing_is_answered(scripted: Scripted) -> None:
    scripted.failing = {(str(clip), number, 0) for clip in range(17) for number in range(1, 9)}
    scripted.empty = True
    metrics = metrics_of(run(limit=8))
    assert metrics["coverage"] == metrics["complete"] == metrics["judges/offline/coverage"] == 0
    assert math.isnan(metrics["best_mean"])


def test_changed_audio_is_not_sent(scripted: Scripted, tmp_path: Path) -> None:
    import shutil

    from inspect_ai import eval as evaluate_task

    from jasco.integrations.inspect import jasco as task

    shutil.copytree(jasco.load_dataset("mini").folder, tmp_path / "mine")
    built = task(str(tmp_path / "mine"))
    audio = tmp_path / "mine/dataset/v0/1.wav"
    audio.write_bytes((tmp_path / "mine/dataset/v0/2.wav").read_bytes())
    [log] = evaluate_task(built, model="test/model", display="none", limit=9)
    assert {sample.id for sample in log.samples if sample.error} == {f"1-{n}" for n in range(1, 9)}
    assert "changed" in log.samples[0].error.message
    assert metrics_of(log)["coverage"] == 1 / 16


@pytest.mark.parametrize("judges", [[], ["offline", "offline"], "three-judges", "unknown"])
def test_invalid_judges(scripted: Scripted, judges: Any) -> None:
    from jasco.integrations.inspect import jasco as task

    with pytest.raises(jasco.InputError, match="judge"):
        task("mini", judges)


def test_failed_samples_are_repeated(scripted: Scripted) -> None:
    from inspect_ai import eval_retry

    scripted.failing = {("1", 1, 0)}
    log = run("test/one", limit=8)
    assert metrics_of(log)["coverage"] < 1
    [again] = eval_retry(log.location, display="none")
    assert not any(sample.error for sample in again.samples)
    assert scripted.calls == {("1", number): 1 + (number == 1) for number in range(1, 9)}
    judged = jasco.judge(again.location, judges=[scripted.judge("one")], output="judged.csv")
    check_equal(metrics_of(again), judged)


def test_command_sends_the_audio_before_the_instruction(scripted: Scripted, tmp_path: Path) -> None:
    inspect = Path(sys.executable).with_name("inspect")
    arguments = "-T data=mini -T judges=openai-api/local/judge --limit 8 --display none"
    with ChatServer(tmp_path / "requests", bodies=True, usage=()) as server:
        finished = subprocess.run(
            [inspect, "eval", "jasco/jasco", "--model", "openai-api/local/m", *arguments.split()],
            env=os.environ | {"LOCAL_API_KEY": "none", "LOCAL_BASE_URL": server.url},
            capture_output=True,
            text=True,
            check=False,
        )
        requests = server.requests()
    assert finished.returncode == 0, finished.stderr
    answered = [request.body for request in requests if request.model == "m"]
    judged = [request.body for request in requests if request.model == "judge"]
    assert len(answered) == len(judged) == 8
    assert len({audio_in(body) for body in answered}) == 1
    assert [message["role"] for message in judged[0]["messages"]] == ["system", "user"]
    [path] = (tmp_path / "logs").iterdir()
    scores = jasco.judge(path, judges="offline", output=tmp_path / "judged.csv")
    assert (scores.model, scores.coverage) == ("openai-api/local/m", 1)


def test_empty_answers_in_a_log_are_reported(
    scripted: Scripted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.silent = {("1", 3)}
    log = run("test/one", limit=8)
    assert metrics_of(log)["samples"] == 1
    assert not log.samples[2].error
    with caplog.at_level("INFO", "jasco"):
        scores = jasco.judge(log.location, judges="offline", output=tmp_path / "judged.csv")
    assert scores.coverage == 7 / 8
    assert "1 answer with an empty text" in caplog.text


def test_log_is_judged_like_a_csv_file(scripted: Scripted, tmp_path: Path) -> None:
    scripted.failing = {("1", 3, 0), ("2", 5, 0)}
    log = run("test/one", limit=16)
    judged = tmp_path / "judged.csv"
    scores = jasco.judge(log.location, judges=[scripted.judge("one")], output=judged)
    check_equal(metrics_of(log), scores)
    assert scores.model == "test/model"
    assert jasco.score(judged).coverage == scores.coverage < 1
    # The answers are also those of a model that is evaluated again.
    again = jasco.evaluate(
        f"csv/{log.location}", data="mini", judges=[scripted.judge("one")], limit=2, preflight=False
    )
    assert again.best_mean == scores.best_mean
    repeated = run("test/one", limit=8, epochs=2)
    with pytest.raises(jasco.InputError, match="several answers"):
        jasco.judge(repeated.location, judges="offline", output=tmp_path / "other.csv")
