"""What tests of evaluations share: evaluating the small data set with a model and judges."""

from pathlib import Path
from typing import Any

import pytest

from jasco.data.dataset import read_data_set
from jasco.evaluation.job import Job
from jasco.evaluation.run_job import run_job


@pytest.fixture
def go(data: Path, tmp_path: Path) -> Any:
    """Evaluate ``go(model, *judges, limit=1)`` in ``run``; return the lines for the user."""

    def go(model: Any = None, *judges: Any, **options: Any) -> list[str]:
        lines: list[str] = []
        options = {"data": read_data_set(data)} | options
        run_job(Job(tmp_path / "run", model=model, judges=judges, **options), lines.append)
        return lines

    return go
