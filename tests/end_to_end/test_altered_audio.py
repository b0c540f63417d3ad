"""The published annotations with altered audio: the data set's name says so everywhere."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from command import Jasco
from jasco.data.audio import file_sha256
from jasco.data.dataset import name_with_audio, published_files, read_data_set
from jasco.data.sources import verify
from jasco.errors import InputError
from jasco.evaluation.job import Job
from jasco.evaluation.plan import plan
from jasco.evaluation.run_job import run_job
from jasco.models.function_model import FunctionModel
from jasco.protocol.clips import annotations_sha256
from jasco.reports.comparison import summarise_report
from jasco.reports.exports import export
from jasco.reports.page.sections import licence
from jasco.reports.report import shared_data
from jasco.reports.text import title
from jasco.runs.read_run import results_of_run
from jasco.runs.reader import RunReader
from jasco.runs.writer import RunWriter
from synthetic import make_data, tone, write_wav

ALTERED = "watd (altered audio)"


def test_only_audio_that_was_read_counts_as_altered() -> None:
    published = {path.split("/")[-1][:-4]: sha for path, sha in published_files().items()}
    some = {id_: published[id_] for id_ in ("1", "47")}
    assert name_with_audio("watd", {}) == "watd"
    assert name_with_audio("watd", some) == "watd"
    assert name_with_audio("watd", {**some, "2": published["1"]}) == ALTERED
    assert name_with_audio(ALTERED, some) == "watd"  # restored before the first answer
    assert name_with_audio("mine", {"1": "x"}) == "mine"


@pytest.fixture
def watd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data set that the package takes for the published one."""
    folder = make_data(tmp_path / "anything")
    hashes = {
        str(path.relative_to(folder)): file_sha256(path)
        for path in folder.rglob("*")
        if path.is_file()
    }
    sha256 = annotations_sha256(read_data_set(folder).clips)
    monkeypatch.setattr("jasco.data.dataset.PUBLISHED_SHA256", sha256)
    monkeypatch.setattr("jasco.data.sources.PUBLISHED_SHA256", sha256)
    for module in ("dataset", "sources"):
        monkeypatch.setattr(f"jasco.data.{module}.published_files", lambda: hashes)
    return folder


def alter(folder: Path, clip: int = 1) -> None:
    """Replace the audio of a clip."""
    write_wav(folder / "dataset" / "v0" / f"{clip}.wav", tone(77))


@pytest.fixture
def respond(watd: Path, tmp_path: Path) -> Callable[..., Any]:
    """Return a callable that answers the data set and returns the results."""

    def respond(limit: int | None = None, run: str = "run") -> Any:
        model = FunctionModel.of(lambda audio, rate, prompt: str(audio.sum()), "mine")
        run_job(
            Job(tmp_path / run, read_data_set(watd), model, (), limit=limit, preflight=False),
            lambda _: None,
        )
        return results_of_run(tmp_path / run)

    return respond


def test_a_run_on_altered_audio_says_so_in_all_outputs(
    watd: Path, respond: Callable[..., Any], tmp_path: Path
) -> None:
    alter(watd)
    results = respond()
    summary = summarise_report([results])
    assert results.data.name == summary.data.name == ALTERED
    assert title(summary).startswith(f"JASCO on {ALTERED}: ")
    assert f"|data:{ALTERED}[4x8]|" in summary.signature
    for form in ("markdown", "csv", "json"):
        assert ALTERED in export([summary], form)
    assert "altered" in export([summary], "latex")
    assert "CC BY-NC" in licence(ALTERED)
    with RunReader.open(tmp_path / "run") as store:
        assert store.fact("data") == store.data().name == ALTERED


def test_a_run_on_the_published_audio_is_not_called_altered(
    respond: Callable[..., Any], tmp_path: Path
) -> None:
    assert respond().data.name == "watd"
    with RunReader.open(tmp_path / "run") as store:
        assert store.fact("data") == "watd"


def test_altered_clips_beyond_the_limit_do_not_count(
    watd: Path, respond: Callable[..., Any]
) -> None:
    alter(watd, 3)
    assert respond(limit=2).data.name == "watd"
    assert respond().data.name == ALTERED  # the same run, extended


def test_the_name_of_an_older_run_depends_on_its_hashes(
    watd: Path, respond: Callable[..., Any], tmp_path: Path
) -> None:
    alter(watd)
    respond()
    with RunWriter.open(tmp_path / "run") as store:
        store.set_facts({"data": "watd"})
        store.commit([("DELETE FROM facts WHERE name = ?", ("audio",))])
    results = results_of_run(tmp_path / "run")
    assert results.data.name == ALTERED
    assert results.answers.clipped is None


def test_results_with_unknown_audio_do_not_hide_altered_audio(
    watd: Path, respond: Callable[..., Any]
) -> None:
    alter(watd)
    altered = respond()
    unknown = replace(altered, data=replace(altered.data, name="watd", audio_sha256=None))
    for results in ([unknown, altered], [altered, unknown]):
        assert shared_data(results).name == ALTERED


def test_the_plan_and_verify_report_altered_audio(watd: Path, tmp_path: Path) -> None:
    def data_line(limit: int | None = None) -> str:
        model = FunctionModel.of(lambda audio, rate, prompt: "", "mine")
        return next(plan(Job(tmp_path / "run", read_data_set(watd), model, (), limit=limit)))

    assert data_line().startswith("data: watd, ")
    assert any("audio match the published" in line for line in verify(read_data_set(watd)))
    alter(watd, 2)
    assert data_line().startswith(f"data: {ALTERED}, ")
    assert data_line(limit=2).startswith("data: watd, ")
    lines = []
    with pytest.raises(
        InputError, match=r"watd \(altered audio\): .*2\.wav: differs from the published"
    ):
        lines.extend(verify(read_data_set(watd)))
    assert "published" not in "".join(lines)


def test_a_folder_that_is_only_called_watd_is_another_data_set(tmp_path: Path) -> None:
    assert read_data_set(make_data(tmp_path / "watd")).name == "watd (other clips)"


def test_the_published_set_with_one_clip_replaced(
    published: Path, jasco: Jasco, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(published / "dataset" / "v0", copy / "dataset" / "v0")
    (tmp_path / "mine.py").write_text("def answer(audio, rate, prompt): return str(len(audio))\n")

    def respond(run: str) -> str:
        result = jasco(
            "respond", f"python/{tmp_path}/mine.py:answer", "--data", copy, "--limit", 3,
            "--run", tmp_path / run, "--no-preflight",
        )  # fmt: skip
        assert result.status == 0, result
        summary = json.loads(jasco("score", tmp_path / run, "--json").stdout)
        return str(summary["data"]["name"])

    assert respond("one") == "watd"
    first = copy / "dataset" / "v0" / "1.wav"
    first.chmod(0o644)
    shutil.copyfile(copy / "dataset" / "v0" / "2.wav", first)
    assert respond("other") == ALTERED
