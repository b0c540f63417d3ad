"""Publishing a run as a bundle, and checking a bundle that was changed in any way."""

import hashlib
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jasco
from jasco.runs.bundles.archive import MEMBERS
from made_bundles import (
    members_of,
    rewritten,
    small_bundle,
    small_data,
    small_run,
    with_object,
    with_rows,
)
from runs import verdict


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small bundle; return its folder."""
    folder = tmp_path_factory.mktemp("bundles")
    small_bundle(folder)
    return folder


@pytest.fixture
def bundle(folder: Path, tmp_path: Path) -> Path:
    """Return a copy of the bundle."""
    path = tmp_path / "bundle.zip"
    path.write_bytes((folder / "bundle.zip").read_bytes())
    return path


def differences(path: Path) -> list[str]:
    return list(map(str, jasco.verify(path).differences))


def test_the_same_run_gives_the_same_digest(folder: Path, tmp_path: Path) -> None:
    written = jasco.bundle(folder / "run", tmp_path / "again.zip")
    assert written.sha256 == hashlib.sha256(written.path.read_bytes()).hexdigest()
    assert written.path.read_bytes() == (folder / "bundle.zip").read_bytes()
    assert (written.model, written.complete) == ("csv/model", False)


def test_an_unchanged_bundle_is_consistent(folder: Path) -> None:
    found = jasco.verify(folder / "bundle.zip", data=folder / "data")
    assert found.consistent
    assert (found.answers, found.verdicts, found.complete) == (24, 46, False)
    assert found.not_checked == ()
    assert found.sha256 in str(found)
    assert "does not show where the texts come from" in str(found)
    scores = json.loads(members_of(folder / "bundle.zip")["scores.json"])
    own = jasco.score(folder / "run").to_json()
    figures = [
        {name: value for name, value in each["models"]["csv/model"].items() if name != "judges"}
        for each in (scores, own)
    ]
    assert figures[0] == figures[1]
    assert scores["signature"] == own["signature"]


def test_the_data_is_checked_only_if_it_is_given(folder: Path, tmp_path: Path) -> None:
    [line] = jasco.verify(folder / "bundle.zip").not_checked
    assert "data set" in line
    found = jasco.verify(folder / "bundle.zip", data="mini")
    assert len(found.differences) == 1 + 3
    with pytest.raises(jasco.InputError):
        jasco.verify(folder / "bundle.zip", data=3)  # type: ignore[arg-type]


def test_changed_bytes_are_found_by_the_manifest(bundle: Path) -> None:
    content = members_of(bundle)["responses.jsonl"]
    with zipfile.ZipFile(bundle) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members["responses.jsonl"] = content.replace(b'"text":"0 1"', b'"text":"1 1"')
    with zipfile.ZipFile(bundle, "w") as file:
        for name, each in members.items():
            file.writestr(name, each)
    [line] = differences(bundle)
    assert line.startswith("responses.jsonl: SHA-256: stored ")


FORGERIES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "verdict": (
        "verdicts.jsonl", lambda rows: rows[0].update(rating=0, orientation="Neither"), "verdict",
    ),
    "judge's text": (
        "verdicts.jsonl",
        lambda rows: rows[0].update(attempts=[{"asked": "verdict", "text": verdict(0, "Neither")}]),
        "verdict",
    ),
    "verdict and text": (
        "verdicts.jsonl",
        lambda rows: rows[0].update(
            rating=0,
            orientation="Neither",
            attempts=[{"asked": "verdict", "text": verdict(0, "Neither")}],
        ),
        "scores.json",
    ),
    "removed verdict": ("verdicts.jsonl", lambda rows: rows.pop(0), "coverage"),
    "removed answer": ("responses.jsonl", lambda rows: rows.pop(0), "no answer to judge"),
    "duplicated verdict": ("verdicts.jsonl", lambda rows: rows.append(rows[0]), "already given"),
    "failure as an answer": (
        "responses.jsonl",
        lambda rows: [
            (row.clear(), row.update(clip=clip, instruction=8, sample=0, text="x"))
            for row in rows
            if "failure_kind" in row
            for clip in [row["clip"]]
        ],
        "answered",
    ),
    "removed clip": ("clips.jsonl", lambda rows: rows.pop(), "annotations_sha256"),
    "clips in another order": ("clips.jsonl", lambda rows: rows.reverse(), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_rows_are_found_although_all_hashes_were_computed_again(
    bundle: Path, name: str
) -> None:
    member, change, expected = FORGERIES[name]
    lines = differences(with_rows(bundle, member, change))
    if name == "clips in another order":  # the same run
        assert lines == []
        return
    assert any(expected in line for line in lines), lines


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda scores: scores["models"]["csv/model"].update(best_mean=2.5), "best_mean"),
        (lambda scores: scores["models"]["csv/model"].update(complete=True), "complete"),
        (lambda scores: scores["models"]["csv/model"]["judges"].popitem(), "judges"),
        (lambda scores: scores["data"].update(name="other"), "data.name"),
        (lambda scores: scores.update(signature="jasco:9|protocol:v1"), "signature"),
        (lambda scores: scores["models"].update(better=scores["models"].popitem()[1]), "models"),
        (lambda scores: scores.clear(), "models"),
    ],
)
def test_forged_figures_are_found(
    bundle: Path, change: Callable[[Any], Any], expected: str
) -> None:
    lines = differences(with_object(bundle, "scores.json", change))
    assert any(line.startswith("scores.json: ") and expected in line for line in lines), lines


def test_a_forged_name_or_setting_is_found_by_the_figures(bundle: Path) -> None:
    for change in (
        lambda run: run["model"].update(label="openai/better"),
        lambda run: run["model"]["identity"].update(temperature=1),
        lambda run: run.update(protocol="v1"),
        lambda run: run.update(preflight={"state": "passed"}),
        lambda run: run.update(samples=2),
        lambda run: run["judges"].reverse(),
    ):
        changed = with_object(bundle, "run.json", change)
        assert differences(changed) or change.__code__.co_names[-1] == "reverse"


def test_a_changed_answer_is_only_found_by_the_published_digest(bundle: Path) -> None:
    published = jasco.verify(bundle).sha256
    found = jasco.verify(
        with_rows(bundle, "responses.jsonl", lambda rows: rows[0].update(text="A better answer."))
    )
    assert found.consistent
    assert found.sha256 != published


@pytest.mark.parametrize(
    ("member", "content", "problem"),
    [
        ("run.json", b"[]", "not a JSON object"),
        ("run.json", b"{", "not valid JSON"),
        ("run.json", b"{}", "missing field"),
        ("verdicts.jsonl", b'{"clip": NaN}\n', "line 1: not valid JSON"),
        ("responses.jsonl", b'{"clip": 3}\n', "line 1: invalid field 'clip'"),
        ("clips.jsonl", b"", "no clip"),
        ("scores.json", b"3", "not a JSON object"),
        ("scores.json", b"1" * 10_000, "an integer is too large"),
        ("scores.json", b"[" * 200_000, "nested too deeply"),
    ],
)
def test_a_malformed_member_is_named(
    bundle: Path, member: str, content: bytes, problem: str
) -> None:
    with pytest.raises(jasco.InputError, match=problem) as error:
        jasco.verify(rewritten(bundle, member, lambda _: content))
    assert f"forged.zip: {member}" in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.update(samples=10**6),
        lambda run: run.update(samples=30, instructions=[str(n) for n in range(64)]),
        lambda run: run.update(instructions=[]),
        lambda run: run.update(condition="loud"),
        lambda run: run["judges"].append(run["judges"][0]),
        lambda run: run["model"].update(label="a\nb"),
        lambda run: run["model"].update(identity={"provider": ["human"]}),
        lambda run: run["judges"][0].update(identity={"provider": {}, "output": []}),
        lambda run: run.update(audio={"1": {"clipped": -1, "warnings": []}}),
        lambda run: run.update(preflight={"state": "great"}),
        lambda run: run.update(tags={"a": ["b"]}),
    ],
)
def test_hostile_settings_are_refused_or_found(bundle: Path, change: Callable[[Any], Any]) -> None:
    changed = with_object(bundle, "run.json", change)
    try:
        assert differences(changed)
    except jasco.InputError as error:
        assert str(error).startswith(f"{changed}: ")
        assert "\n" not in str(error)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10), st.text(max_size=3), st.just([]), st.just({}),
    st.floats(allow_nan=False, allow_infinity=False), st.just([{}]), st.just({"a": {"b": []}}),
)  # fmt: skip


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
def test_any_changed_field_is_found_refused_or_without_effect(
    bundle: Path, data: st.DataObject
) -> None:
    member = data.draw(st.sampled_from(MEMBERS))

    def change(value: Any) -> Any:
        while isinstance(value, dict | list) and value:
            keys = sorted(value) if isinstance(value, dict) else range(len(value))
            key = data.draw(st.sampled_from(keys))
            if not isinstance(value[key], dict | list) or data.draw(st.booleans()):
                value[key] = data.draw(VALUES)
                return
            value = value[key]

    forge = with_rows if member.endswith("jsonl") else with_object
    try:
        found = jasco.verify(forge(bundle, member, change))
    except jasco.InputError as error:
        assert "\n" not in str(error)
    else:
        json.dumps(found.to_json(), allow_nan=False)
        assert all("\n" not in str(each) for each in found.differences)


def test_a_run_whose_verdicts_are_read_otherwise_is_not_published(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", small_data(tmp_path / "data"))
    with sqlite3.connect(run / "run.db") as connection:
        connection.execute("UPDATE verdicts SET rating = 0, orientation = 'Both' WHERE clip = 2")
    with pytest.raises(jasco.InputError, match="judge again"):
        jasco.bundle(run, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_the_output_is_checked_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.zip").mkdir()
    for name, problem in (
        ("b.tar", r"FILE\.zip"),
        ("folder.zip", "not a regular file"),
        ("none/b.zip", "no such folder"),
    ):
        with pytest.raises(jasco.InputError, match=problem):
            jasco.bundle(folder / "run", tmp_path / name)
    with pytest.raises(jasco.InputError, match="path"):
        jasco.bundle(3, "b.zip")  # type: ignore[arg-type]
