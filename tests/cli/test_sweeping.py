"""The command ``sweep``: options that cannot be combined, and the page."""

import json
from pathlib import Path

import pytest

from command import Jasco, error_line
from sweep_files import write_toml


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Write a plan with one function on one clip."""
    (tmp_path / "my_model.py").write_text("def answer(audio, sampling_rate, prompt): return 'a'")
    values = {
        "run_root": "runs",
        "judges": ["offline"],
        "data": [{"data": "mini", "limit": 1}],
        "models": [{"spec": f"python/{tmp_path / 'my_model.py'}:answer", "name": "a"}],
        "options": {"preflight": False},
    }
    return write_toml(tmp_path / "plan.toml", values)


def test_status_starts_nothing(jasco: Jasco, plan: Path) -> None:
    result = jasco("sweep", plan, "--status")
    assert result.status == 0
    assert "not started" in result.stdout
    assert not (plan.parent / "runs").exists()
    for option in (["--watch"], ["--on", "local"], ["-o", "page.html"]):
        refused = jasco("sweep", plan, "--status", *option)
        assert refused.status == 2
        assert "--status" in error_line(refused)


def test_a_page_that_cannot_be_written_is_refused_first(jasco: Jasco, plan: Path) -> None:
    result = jasco("sweep", plan, "-o", plan.parent / "nowhere" / "page.html")
    assert result.status == 2
    assert "no such folder" in error_line(result)
    assert not (plan.parent / "runs").exists()


def test_the_results_are_one_object_and_a_page(jasco: Jasco, plan: Path) -> None:
    pytest.importorskip("jinja2", reason="needs the extra viewer")
    page = plan.parent / "page.html"
    result = jasco("sweep", plan, "--json", "-o", page)
    assert result.status == 0, result
    assert json.loads(result.stdout)["complete"]
    assert "Sweep plan" in page.read_text()


def test_an_unknown_executor_is_refused(jasco: Jasco, plan: Path) -> None:
    result = jasco("sweep", plan, "--on", "lokal")
    assert result.status == 2
    assert "did you mean local?" in error_line(result)
