"""A fixture that evaluates the small data set with a model and judges."""

from pathlib import Path
from typing import Any

import pytest

from jasco.data.dataset import read_data_set
from jasco.evaluation.job import Job
from jasco.evaluation.run_job import run_job


@pytest.fixture
def run_evaluation(data: Path, tmp_path: Path) -> Any:
    """Return a function that evaluates a model into ``run`` and returns the messages."""

    def run_evaluation(model: Any = None, *judges: Any, **options: Any) -> list[str]:
        lines: list[str] = []
        options = {"data": read_data_set(data)} | options
        run_job(Job(tmp_path / "run", model=model, judges=judges, **options), lines.append)
        return lines

    return run_evaluation
