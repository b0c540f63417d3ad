"""Comparing runs, a judge with itself, and judges with each other: from the command line."""

import csv
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from chat_server import Serve
from command import Jasco, Result
from jasco.data.dataset import read_data_set
from jasco.protocol.clips import Clip
from jasco.protocol.verdicts import Verdict
from jasco.reports.disagreements import write_disagreements
from jasco.runs.results import JudgedItems
from synthetic import make_data


def evaluated(
    jasco: Jasco, url: str, data: Path, run: Path, *, model: str = "ears", judge: str = "m"
) -> Result:
    done = jasco(
        "eval", f"openai/{model},base_url={url}", "--data", data, "--run", run,
        "--judge", f"openai/{judge},base_url={url}",
    )  # fmt: skip
    assert done.status in (0, 4), done.stderr
    return done


def compared(jasco: Jasco, *targets: object) -> Any:
    done = jasco("compare", *targets, "--json")
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)


def test_two_models_are_compared_pair_by_pair(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    url = serve().url
    other = serve(judge_says={"[Model Prediction]": "Rating: 2\nOrientation: Both"}).url
    for name in ("a", "b"):
        evaluated(jasco, url, data, tmp_path / name, model=name)
    evaluated(jasco, other, data, tmp_path / "c", model="c")
    told = compared(jasco, *(tmp_path / name for name in "abc"))
    assert list(told["models"]) == ["openai/a", "openai/b", "openai/c"]
    assert [(pair["first"], pair["second"]) for pair in told["pairs"]] == [
        ("openai/a", "openai/b"), ("openai/a", "openai/c"), ("openai/b", "openai/c"),
    ]  # fmt: skip
    for pair in told["pairs"]:
        means = [told["models"][pair[place]]["best_mean"] for place in ("first", "second")]
        assert pair["best_mean"] == pytest.approx(means[0] - means[1])
        assert (pair["clips"], pair["items"], pair["complete"]) == (4, 32, True)
        # Four clips are too few.
        assert (pair["best_mean_ci"], pair["p"], pair["p_holm"]) == (None, None, None)
    table = jasco("compare", *(tmp_path / name for name in "abc"))
    assert "minus openai/c" in table.stdout
    assert "signature: jasco:" in table.stdout
    assert "openai/m: not examined" in table.stdout


def test_judged_files_are_several_models(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    url = serve().url
    jasco("data", "template", data, "-o", tmp_path / "t.csv")
    for name in ("one", "two"):
        text = re.sub(r",\r?\n", f",answer of {name}\n", (tmp_path / "t.csv").read_text())
        (tmp_path / f"{name}.csv").write_text(
            text.replace(f"allm_output,answer of {name}", "allm_output")
        )
        done = jasco(
            "judge",
            tmp_path / f"{name}.csv",
            "--judge",
            f"openai/m,base_url={url}",
            "-o",
            tmp_path / "judged" / f"{name}.csv",
        )
        assert done.status == 0, done.stderr
    told = compared(jasco, tmp_path / "judged" / "one.csv", tmp_path / "judged" / "two.csv")
    assert list(told["models"]) == ["one", "two"]


def test_what_would_not_be_a_difference_of_models_is_refused_unless_told(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    url = serve().url
    evaluated(jasco, url, data, tmp_path / "a")
    evaluated(jasco, url, data, tmp_path / "b", judge="other")
    evaluated(jasco, url, make_data(tmp_path / "less", 3), tmp_path / "c")
    for other, what in (("b", "judges"), ("c", "data")):
        done = jasco("compare", tmp_path / "a", tmp_path / other)
        assert done.status == 3
        assert f"differ in {what}" in done.stderr
        assert "--allow-mismatch" in done.stderr
    assert (
        compared(jasco, tmp_path / "a", tmp_path / "b", "--allow-mismatch")["pairs"][0]["clips"]
        == 4
    )
    assert (
        compared(jasco, tmp_path / "a", tmp_path / "c", "--allow-mismatch")["pairs"][0]["clips"]
        == 3
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
    done = jasco("compare", tmp_path / "a", tmp_path / "b")
    assert done.status == 3
    assert "differ in judges" in done.stderr
    assert "revision=older" in done.stderr


# --- other judges than they seem ---


def judged_by(
    jasco: Jasco, serve: Serve, data: Path, run: Path, *served: str, judge: str = "m"
) -> Path:
    """Evaluate with a judge that its server calls something, in turn."""
    done = jasco(
        "eval", f"openai/{run.name},base_url={serve().url}", "--data", data, "--run", run,
        "--judge", f"openai/{judge},base_url={serve(served=served).url}",
    )  # fmt: skip
    assert done.status == 0, done.stderr
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
    done = jasco("compare", *runs)
    assert done.status == 3
    assert "differ in judges" in done.stderr
    assert all(name in done.stderr for name in {*ours, *theirs})
    over = jasco("compare", *runs, "--allow-mismatch")
    assert over.status == 0
    [line] = [line for line in over.stdout.splitlines() if line.startswith("compared all the same")]
    assert "differ in judges" in line
    [why] = json.loads(jasco("report", *runs, "--format", "json").stdout)["not_compared"]
    assert "judges" in why["why"]


def test_a_judge_served_as_one_model_is_the_same_judge(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    runs = [judged_by(jasco, serve, data, tmp_path / name, "big") for name in ("one", "two")]
    assert jasco("compare", *runs).status == 0


def test_a_model_or_judge_that_changes_within_a_run_is_told(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    server = serve(served=("v1", "v2"))
    jasco(
        "eval", f"openai/ears,base_url={server.url}", "--data", data, "--run", run,
        "--judge", f"openai/m,base_url={server.url}",
    )  # fmt: skip
    for command in (["score", run], ["report", run, "--format", "markdown"]):
        told = jasco(*command).stdout
        for who in ("openai/ears", "openai/m"):
            assert f"{who}: its server called it v1 and v2 within this run" in told


def filled(jasco: Jasco, data: Path, path: Path) -> Path:
    jasco("data", "template", data, "-o", path)
    text = re.sub(r",\r?\n", f",answer of {path.stem}\n", path.read_text())
    path.write_text(text.replace(f"allm_output,answer of {path.stem}", "allm_output"))
    return path


def test_files_judged_by_different_judges_are_not_compared(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    url, judged = serve().url, tmp_path / "judged"
    for name, judge in (("one", "m"), ("two", "other"), ("three", "m"), ("proxy", "")):
        spec = f"openai/{judge},base_url={url}" if judge else "offline"
        path = filled(jasco, data, tmp_path / f"{name}.csv")
        assert jasco("judge", path, "--judge", spec, "-o", judged / f"{name}.csv").status == 0
    for other in ("two", "proxy"):
        done = jasco("compare", judged / "one.csv", judged / f"{other}.csv")
        assert done.status == 3
        assert "judges" in done.stderr
    assert jasco("compare", judged / "one.csv", judged / "three.csv").status == 0
    # Without the run in which it was judged, nobody knows by whom a file was judged.
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
        path = filled(jasco, data, tmp_path / f"{name}.csv")
        for judge in "ab":
            spec, out = f"openai/{judge},base_url={url}", judged / f"{name}-{judge}.csv"
            assert jasco("judge", path, "--judge", spec, "-o", out).status == 0
    models = [f"{name}={judged}/{name}-a.csv+{judged}/{name}-b.csv" for name in ("one", "two")]
    told = compared(jasco, *models)
    assert list(told["models"]) == ["one", "two"]
    assert list(told["models"]["one"]["judges"]) == ["one-a", "one-b"]
    report = json.loads(jasco("report", *models, "--format", "json").stdout)
    assert (list(report["models"]), len(report["pairs"])) == (["one", "two"], 1)
    missing = jasco("compare", *models, f"three={judged}/none.csv")
    assert missing.status == 2
    assert "none.csv" in missing.stderr


def test_cautions_stand_in_a_comparison_too(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    for name in "ab":
        done = jasco(
            "eval", f"openai/{name},base_url={serve().url}", "--data", data, "--judge", "offline",
            "--run", tmp_path / name, "--no-preflight",
        )  # fmt: skip
        assert done.status == 0, done.stderr
    told = jasco("compare", tmp_path / "a", tmp_path / "b").stdout
    assert "openai/a: PROXY figures" in told
    assert "openai/b: it is not known whether the model uses the audio" in told


def test_one_model_alone_cannot_be_compared(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    evaluated(jasco, serve().url, data, tmp_path / "a")
    done = jasco("compare", tmp_path / "a")
    assert done.status == 2
    assert "two models or more" in done.stderr


def test_an_answering_run_without_verdicts_is_told(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    model = f"openai/ears,base_url={serve().url}"
    for name in "ab":
        jasco("respond", model, "--data", data, "--run", tmp_path / name)
    done = jasco("compare", tmp_path / "a", tmp_path / "b")
    assert done.status == 2
    assert "not judged yet" in done.stderr


# --- a judge with itself ---


def test_a_judge_is_asked_repeatedly_about_a_fifth_of_the_clips(
    jasco: Jasco, serve: Serve, tmp_path: Path
) -> None:
    server = serve()
    data = make_data(tmp_path / "data", 6)
    judge = f"openai/m,temperature=1,base_url={server.url}"
    arguments = (
        "eval", f"openai/ears,base_url={server.url}", "--data", data, "--run", tmp_path / "run",
    )  # fmt: skip
    plain = jasco(*arguments, "--judge", judge, "--json")
    asked = len([each for each in server.requests() if each.kind == "verdict"])
    assert asked == 1 + 6 * 8  # a known question first
    repeated = jasco(*arguments, "--judge", f"{judge},repeats=5", "--json")
    assert repeated.status == 0, repeated.stderr
    asked = len([each for each in server.requests() if each.kind == "verdict"]) - asked
    assert asked == 2 * 8 * 4  # clips 0 and 5, four times more
    [before], [after] = (
        list(json.loads(done.stdout)["models"].values()) for done in (plain, repeated)
    )
    assert before["best_mean"] == after["best_mean"]
    [(name, figures)] = after["judges"].items()
    assert name == "openai/m,temperature=1.0"
    itself = figures["agreement_with_itself"]
    assert itself["rating_alpha"] == 1  # this server always says the same
    assert len(itself["pairs"]) == 10
    assert "agrees with itself (alpha): rating 1.00" in jasco("score", tmp_path / "run").stdout


# --- judges with each other ---


def test_where_judges_differ_most_comes_first_with_all_they_wrote(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    clip = read_data_set(data).clips[2]
    says = {
        clip.speech: "Rating: 2\nOrientation: hard to say",
        "[Model": "Rating: 0\nOrientation: Neither",
    }
    kind = serve(judge_says=says, repair_says="Both")
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
        f"openai/kind,base_url={kind.url}",
        "--judge",
        f"openai/strict,base_url={strict.url}",
    )
    done = jasco("score", tmp_path / "run", "--disagreements", out)
    assert done.status == 0, done.stderr
    assert "8 items on which the judges differ" in done.stderr
    rows = list(csv.DictReader(out.open(newline="")))
    assert {row["id"] for row in rows} == {clip.id}
    assert {row["difference"] for row in rows} == {"5"}  # 2 gated, 2 rated, 1 orientation
    assert rows[0]["openai/kind: text"] == "Rating: 2\nOrientation: hard to say\n---\nBoth"
    assert rows[0]["openai/strict: text"].startswith("'=1+1")  # no formula in a spreadsheet
    assert rows[0]["tgt_text"] == clip.reference


def test_a_judge_s_name_is_no_formula_in_the_header(tmp_path: Path) -> None:
    clip = Clip("1", "rain", "run", "a", "b", "they flee", "flee")
    judges = {"＝kind": (2, "Both"), "=strict": (0, "Neither")}
    items = JudgedItems(
        clips=(clip,), answers={("1", 1): "@a"},
        judges={name: {("1", 1): (["said"], Verdict(*told))} for name, told in judges.items()},
    )  # fmt: skip
    write_disagreements(tmp_path / "out.csv", items)
    header, row = csv.reader((tmp_path / "out.csv").open(newline="", encoding="utf-8"))
    assert "'=strict: rating" in header
    assert "'＝kind: rating" in header
    assert "'@a" in row


def test_one_judge_disagrees_with_nobody(
    jasco: Jasco, serve: Serve, data: Path, tmp_path: Path
) -> None:
    evaluated(jasco, serve().url, data, tmp_path / "run")
    done = jasco("score", tmp_path / "run", "--disagreements", tmp_path / "out.csv")
    assert done.status == 2
    assert "two judges or more" in done.stderr
    assert not (tmp_path / "out.csv").exists()


# --- what is known of the data ---


def test_known_faults_are_told_with_the_result(jasco: Jasco, published: Path) -> None:
    judged = published.parent / "legacy" / "judge_a.csv"
    [model] = json.loads(jasco("score", judged, "--json").stdout)["models"].values()
    faults = model["known_issues"]
    assert faults["clips"].keys() == {"6", "20", "33", "50", "79"}
    assert faults["best_mean_without"] != model["best_mean"]
    low, high = faults["best_mean_without_ci"]
    assert low < faults["best_mean_without"] < high
    assert "without the clips that have known issues" in jasco("score", judged).stdout
    told = jasco("data", "verify", published).stdout
    assert "clip 20: known issue: the voice does not say the sentence" in told
    assert "8 labels of sound belong to more than one clip" in told
