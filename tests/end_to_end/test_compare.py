"""Comparisons of runs, of judges, and of a judge with itself, on the command line."""

import csv
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from chat_server import ChatServer, Serve
from command import Jasco, Result
from jasco.data.dataset import read_data_set
from jasco.protocol.clips import Clip
from jasco.protocol.verdicts import Verdict
from jasco.reports.disagreements import write_disagreements
from jasco.runs.results import JudgedItems
from synthetic import make_data

pytestmark = pytest.mark.slow


def evaluate(
    jasco: Jasco, url: str, data: Path, run: Path, *, model: str = "ears", judge: str = "m"
) -> Result:
    """Evaluate a model with a judge on one server."""
    result = jasco(
        "eval", f"openai/{model},base_url={url}", "--data", data, "--run", run,
        "--judge", f"openai/{judge},base_url={url}",
    )  # fmt: skip
    assert result.status in (0, 4), result.stderr
    return result


def compare(jasco: Jasco, *targets: object) -> Any:
    """Return the JSON output of ``compare``."""
    result = jasco("compare", *targets, "--json")
    assert result.status == 0, result.stderr
    return json.loads(result.stdout)


def write_responses(jasco: Jasco, data: Path, path: Path) -> Path:
    """Write a responses CSV that has the same answer to every item."""
    jasco("data", "template", data, "-o", path)
    text = re.sub(r",\r?\n", f",answer of {path.stem}\n", path.read_text())
    path.write_text(text.replace(f"allm_output,answer of {path.stem}", "allm_output"))
    return path


def test_two_models_are_compared_pair_by_pair(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    url = serve().url
    other = serve(judge_says={"[Model Prediction]": "Rating: 2\nOrientation: Both"}).url
    for name in ("a", "b"):
        evaluate(jasco, url, data, tmp_path / name, model=name)
    evaluate(jasco, other, data, tmp_path / "c", model="c")
    comparison = compare(jasco, *(tmp_path / name for name in "abc"))
    assert list(comparison["models"]) == ["openai/a", "openai/b", "openai/c"]
    assert [(pair["first"], pair["second"]) for pair in comparison["pairs"]] == [
        ("openai/a", "openai/b"), ("openai/a", "openai/c"), ("openai/b", "openai/c"),
    ]  # fmt: skip
    for pair in comparison["pairs"]:
        means = [
            comparison["models"][pair[position]]["best_mean"] for position in ("first", "second")
        ]
        assert pair["best_mean"] == pytest.approx(means[0] - means[1])
        assert (pair["clips"], pair["items"], pair["complete"]) == (4, 32, True)
        # Four clips are too few for an interval.
        assert (pair["best_mean_ci"], pair["p"], pair["p_holm"]) == (None, None, None)
    table = jasco("compare", *(tmp_path / name for name in "abc"))
    assert "minus openai/c" in table.stdout
    assert "signature: jasco:" in table.stdout
    assert "openai/m: judge not examined" in table.stdout


def test_judged_files_are_several_models(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    url = serve().url
    for name in ("one", "two"):
        path = write_responses(jasco, data, tmp_path / f"{name}.csv")
        output = tmp_path / "judged" / f"{name}.csv"
        result = jasco("judge", path, "--judge", f"openai/m,base_url={url}", "-o", output)
        assert result.status == 0, result.stderr
    comparison = compare(jasco, tmp_path / "judged" / "one.csv", tmp_path / "judged" / "two.csv")
    assert list(comparison["models"]) == ["one", "two"]


def test_runs_with_other_judges_or_data_are_compared_on_demand_only(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    url = serve().url
    evaluate(jasco, url, data, tmp_path / "a")
    evaluate(jasco, url, data, tmp_path / "b", judge="other")
    evaluate(jasco, url, make_data(tmp_path / "less", 3), tmp_path / "c")
    for other, part in (("b", "judges"), ("c", "data")):
        result = jasco("compare", tmp_path / "a", tmp_path / other)
        assert result.status == 3
        assert f"differ in {part}" in result.stderr
        assert "--allow-mismatch" in result.stderr
    assert (
        compare(jasco, tmp_path / "a", tmp_path / "b", "--allow-mismatch")["pairs"][0]["clips"] == 4
    )
    assert (
        compare(jasco, tmp_path / "a", tmp_path / "c", "--allow-mismatch")["pairs"][0]["clips"] == 3
    )


def test_judges_of_one_name_and_another_revision_are_other_judges(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    model = f"openai/ears,base_url={serve().url}"
    for name in "ab":
        jasco("eval", model, "--data", data, "--run", tmp_path / name, "--judge", "offline")
    assert jasco("compare", tmp_path / "a", tmp_path / "b").status == 0
    with sqlite3.connect(tmp_path / "b" / "run.db") as run:
        run.execute("UPDATE judges SET identity = json_set(identity, '$.revision', 'older')")
    result = jasco("compare", tmp_path / "a", tmp_path / "b")
    assert result.status == 3
    assert "differ in judges" in result.stderr
    assert "revision=older" in result.stderr


# --- different judges of the same name ---


def judged_by(
    jasco: Jasco, serve: Serve, data: Path, run: Path, *served: str, judge: str = "m"
) -> Path:
    """Evaluate with a judge whose server reports names of the model, in turn."""
    result = jasco(
        "eval", f"openai/{run.name},base_url={serve().url}", "--data", data, "--run", run,
        "--judge", f"openai/{judge},base_url={serve(served=served).url}",
    )  # fmt: skip
    assert result.status == 0, result.stderr
    return run


@pytest.mark.parametrize(
    ("ours", "theirs"), [(("big",), ("small",)), (("big",), ("big", "small")), (("a", "b"),) * 2]
)
def test_a_judge_that_was_served_as_another_model_is_another_judge(
    ours: tuple[str, ...],
    theirs: tuple[str, ...],
    jasco: Jasco,
    serve: Serve,
    data: Path,
    tmp_path: Path,
) -> None:
    runs = [
        judged_by(jasco, serve, data, tmp_path / name, *served)
        for name, served in (("one", ours), ("two", theirs))
    ]
    result = jasco("compare", *runs)
    assert result.status == 3
    assert "differ in judges" in result.stderr
    assert all(name in result.stderr for name in {*ours, *theirs})
    allowed = jasco("compare", *runs, "--allow-mismatch")
    assert allowed.status == 0
    assert "differ in judges" in allowed.stdout
    [skipped] = json.loads(jasco("report", *runs, "--format", "json").stdout)["not_compared"]
    assert "judges" in skipped["why"]


def test_a_judge_served_as_one_model_is_the_same_judge(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    runs = [judged_by(jasco, serve, data, tmp_path / name, "big") for name in ("one", "two")]
    assert jasco("compare", *runs).status == 0


def test_a_model_or_judge_that_changes_within_a_run_is_reported(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    server = serve(served=("v1", "v2"))
    jasco(
        "eval", f"openai/ears,base_url={server.url}", "--data", data, "--run", run,
        "--judge", f"openai/m,base_url={server.url}",
    )  # fmt: skip
    for command in (["score", run], ["report", run, "--format", "markdown"]):
        output = " ".join(jasco(*command).stdout.split())
        for name in ("openai/ears", "openai/m"):
            assert re.search(rf"{name}\b.{{0,20}}: the server reported .*v1 and v2", output)


def test_files_judged_by_different_judges_are_not_compared(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    url, judged = serve().url, tmp_path / "judged"
    for name, judge in (("one", "m"), ("two", "other"), ("three", "m"), ("proxy", "")):
        spec = f"openai/{judge},base_url={url}" if judge else "offline"
        path = write_responses(jasco, data, tmp_path / f"{name}.csv")
        assert jasco("judge", path, "--judge", spec, "-o", judged / f"{name}.csv").status == 0
    for other in ("two", "proxy"):
        result = jasco("compare", judged / "one.csv", judged / f"{other}.csv")
        assert result.status == 3
        assert "judges" in result.stderr
    assert jasco("compare", judged / "one.csv", judged / "three.csv").status == 0
    # Without the run of the judging, the judge of a file is unknown.
    for name in ("one", "proxy"):
        (judged / f"{name}.run").rename(tmp_path / name)
    for other in ("three", "proxy"):
        assert jasco("compare", judged / "one.csv", judged / f"{other}.csv").status == 3
    (judged / "two.run").rename(tmp_path / "two")
    assert jasco("compare", judged / "one.csv", judged / "two.csv").status == 0


def test_several_files_are_the_judges_of_one_named_model(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    url, judged = serve().url, tmp_path / "judged"
    for name in ("one", "two"):
        path = write_responses(jasco, data, tmp_path / f"{name}.csv")
        for judge in "ab":
            spec, out = f"openai/{judge},base_url={url}", judged / f"{name}-{judge}.csv"
            assert jasco("judge", path, "--judge", spec, "-o", out).status == 0
    models = [f"{name}={judged}/{name}-a.csv+{judged}/{name}-b.csv" for name in ("one", "two")]
    comparison = compare(jasco, *models)
    assert list(comparison["models"]) == ["one", "two"]
    assert list(comparison["models"]["one"]["judges"]) == ["one-a", "one-b"]
    report = json.loads(jasco("report", *models, "--format", "json").stdout)
    assert (list(report["models"]), len(report["pairs"])) == (["one", "two"], 1)
    missing = jasco("compare", *models, f"three={judged}/none.csv")
    assert missing.status == 2
    assert "none.csv" in missing.stderr


def test_a_comparison_has_the_notes_on_its_models(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    for name in "ab":
        result = jasco(
            "eval", f"openai/{name},base_url={serve().url}", "--data", data, "--judge", "offline",
            "--run", tmp_path / name, "--no-preflight",
        )  # fmt: skip
        assert result.status == 0, result.stderr
    output = " ".join(jasco("compare", tmp_path / "a", tmp_path / "b").stdout.split())
    assert "openai/a and openai/b: PROXY figures" in output
    assert "openai/a and openai/b: unknown whether the model uses the audio" in output


def test_one_model_alone_cannot_be_compared(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    evaluate(jasco, serve().url, data, tmp_path / "a")
    result = jasco("compare", tmp_path / "a")
    assert result.status == 2
    assert "at least two models" in result.stderr


def test_runs_without_verdicts_are_not_compared(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    model = f"openai/ears,base_url={serve().url}"
    for name in "ab":
        jasco("respond", model, "--data", data, "--run", tmp_path / name)
    result = jasco("compare", tmp_path / "a", tmp_path / "b")
    assert result.status == 2
    assert "not judged yet" in result.stderr


# --- a judge with itself ---


def count_verdicts(server: ChatServer) -> int:
    """Return the number of requests for a verdict."""
    return sum(request.kind == "verdict" for request in server.requests())


def test_a_judge_judges_a_fifth_of_the_clips_repeatedly(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    server = serve()
    data = make_data(tmp_path / "data", 6)
    judge = f"openai/m,temperature=1,base_url={server.url}"
    arguments = (
        "eval", f"openai/ears,base_url={server.url}", "--data", data, "--run", tmp_path / "run",
    )  # fmt: skip
    plain = jasco(*arguments, "--judge", judge, "--json")
    verdicts = count_verdicts(server)
    assert verdicts == 1 + 6 * 8  # a known question first
    repeated = jasco(*arguments, "--judge", f"{judge},repeats=5", "--json")
    assert repeated.status == 0, repeated.stderr
    assert count_verdicts(server) - verdicts == 2 * 8 * 4  # clips 0 and 5, four times more
    [before], [after] = (
        list(json.loads(result.stdout)["models"].values()) for result in (plain, repeated)
    )
    assert before["best_mean"] == after["best_mean"]
    [(name, figures)] = after["judges"].items()
    assert name == "openai/m,temperature=1.0"
    agreement = figures["agreement_with_itself"]
    assert agreement["rating_alpha"] == 1  # the server always answers the same
    assert len(agreement["pairs"]) == 10
    assert (
        "self-agreement (Krippendorff's alpha): rating 1.00"
        in jasco("score", tmp_path / "run").stdout
    )


# --- judges with each other ---


def test_disagreements_are_written_with_the_judges_texts(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    clip = read_data_set(data).clips[2]
    verdicts = {
        clip.speech: "Rating: 2\nOrientation: hard to say",
        "[Model": "Rating: 0\nOrientation: Neither",
    }
    lenient = serve(judge_says=verdicts, repair_says="Both")
    strict = serve(judge_says={"[Model P": "=1+1\nRating: 0\nOrientation: Neither"})
    ears = serve()
    out = tmp_path / "out.csv"
    jasco(
        "eval",
        f"openai/ears,base_url={ears.url}",
        "--data",
        data,
        "--run",
        tmp_path / "run",
        "--judge",
        f"openai/lenient,base_url={lenient.url}",
        "--judge",
        f"openai/strict,base_url={strict.url}",
    )
    result = jasco("score", tmp_path / "run", "--disagreements", out)
    assert result.status == 0, result.stderr
    assert "8 items on which the judges disagree" in result.stderr
    rows = list(csv.DictReader(out.open(newline="")))
    assert {row["id"] for row in rows} == {clip.id}
    assert {row["difference"] for row in rows} == {"5"}  # 2 gated, 2 rated, 1 orientation
    assert rows[0]["openai/lenient: text"] == "Rating: 2\nOrientation: hard to say\n---\nBoth"
    assert rows[0]["openai/strict: text"].startswith("'=1+1")  # escaped for spreadsheets
    assert rows[0]["tgt_text"] == clip.reference


def test_a_judges_name_is_escaped_in_the_header(tmp_path: Path) -> None:
    clip = Clip("1", "rain", "run", "a", "b", "they flee", "flee")
    judges = {"＝lenient": (2, "Both"), "=strict": (0, "Neither")}
    items = JudgedItems(
        clips=(clip,), answers={("1", 1): "@a"},
        judges={name: {("1", 1): (["text"], Verdict(*pair))} for name, pair in judges.items()},
    )  # fmt: skip
    write_disagreements(tmp_path / "out.csv", items)
    header, row = csv.reader((tmp_path / "out.csv").open(newline="", encoding="utf-8"))
    assert "'=strict: rating" in header
    assert "'＝lenient: rating" in header
    assert "'@a" in row


def test_disagreements_need_two_judges(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    evaluate(jasco, serve().url, data, tmp_path / "run")
    result = jasco("score", tmp_path / "run", "--disagreements", tmp_path / "out.csv")
    assert result.status == 2
    assert "at least two judges" in result.stderr
    assert not (tmp_path / "out.csv").exists()


# --- known issues of the data ---


def test_known_issues_are_reported_with_the_result(jasco: Jasco, published: Path) -> None:
    judged = published.parent / "legacy" / "judge_a.csv"
    [model] = json.loads(jasco("score", judged, "--json").stdout)["models"].values()
    issues = model["known_issues"]
    assert issues["clips"].keys() == {"6", "20", "33", "50", "79"}
    assert issues["best_mean_without"] != model["best_mean"]
    low, high = issues["best_mean_without_ci"]
    assert low < issues["best_mean_without"] < high
    assert "without the clips that have known issues" in jasco("score", judged).stdout
    output = jasco("data", "verify", published).stdout
    assert "clip 20: known issue: " in output
    assert "8 sound labels" in output
