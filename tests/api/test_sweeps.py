"""Sweeps from Python."""

import json
from pathlib import Path
from typing import Any

import pytest

import jasco
from sweep_files import write_toml
from synthetic import make_data

FUNCTION = "def answer(audio, sampling_rate, prompt): return 'They flee.'"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Write a plan with a function, two of its checkpoints, and two data sets."""
    for name in ("one", "two"):
        make_data(tmp_path / name, clips=2, seconds=0.02)
    for name in ("base", "step-5", "step-10"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").write_text(FUNCTION)
    values: dict[str, Any] = {
        "run_root": "runs",
        "judges": ["offline"],
        "data": ["one", {"data": "two", "limit": 1}],
        "models": [
            {"spec": f"python/{tmp_path / 'base'}/model.py:answer", "name": "base"},
            {"spec": "python/{checkpoint}/model.py:answer", "checkpoints": "step-*"},
        ],
        "options": {"preflight": False},
        "settle": 0,
    }
    return write_toml(tmp_path / "plan.toml", values)


def test_a_sweep_returns_one_table_and_a_curve(plan: Path, tmp_path: Path) -> None:
    before = jasco.sweep(plan, status=True)
    assert not before.complete
    assert {cell["state"] for cell in before.cells} == {"not started"}
    assert before.to_json()["scores"] is None
    assert "not started" in str(before)
    with pytest.raises(jasco.InputError, match="no results yet"):
        assert before.scores

    sweep = jasco.sweep(str(plan))
    assert sweep.complete
    assert repr(sweep).endswith("complete=6 of 6)")
    assert sweep.scores.models == ("base", "step-5", "step-10") * 2
    frame = sweep.to_pandas()
    assert list(frame.columns[:5]) == ["model", "judge", "data", "step", "state"]
    assert len(frame) == 12
    curve = frame[frame.judge.isna() & (frame.data == "one") & frame.step.notna()]
    assert curve.step.tolist() == [5, 10]
    assert str(sweep).count("best-mean [95%]") == 2
    assert "<table>" in sweep._repr_html_()
    content = json.loads(json.dumps(sweep.to_json()))
    assert [part["data"] for part in content["curves"]] == ["one", "two"]
    pytest.importorskip("jinja2", reason="needs the extra viewer")
    sweep.write_page(tmp_path / "page.html")
    assert "<svg" in (tmp_path / "page.html").read_text()


def test_a_model_that_fails_does_not_raise(plan: Path) -> None:
    (plan.parent / "step-5" / "model.py").unlink()
    (plan.parent / "step-5" / "other.py").touch()
    sweep = jasco.sweep(plan)
    failed = [cell for cell in sweep.cells if cell["state"] == "failed"]
    assert [cell["model"] for cell in failed] == ["step-5"] * 2
    assert all(cell["reason"] for cell in failed)
    assert len(sweep.scores) == 4


def test_invalid_arguments_are_refused(plan: Path) -> None:
    wrong: list[dict[str, Any]] = [
        {"plan": 3}, {"plan": plan, "on": 3}, {"plan": plan, "watch": "yes"},
        {"plan": plan, "on": "nowhere"}, {"plan": plan, "status": True, "watch": True},
        {"plan": plan.parent / "other.toml"},
    ]  # fmt: skip
    for arguments in wrong:
        with pytest.raises(jasco.InputError):
            jasco.sweep(**arguments)
