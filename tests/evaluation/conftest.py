"""What tests of evaluations share: evaluating the small data set with a model and judges."""

from pathlib import Path
from typing import Any

import pytest

from jasco.data.dataset import read_data_set
from jasco.evaluation.evaluate import evaluate
from jasco.evaluation.job import Job


@pytest.fixture
def go(data: Path, tmp_path: Path) -> Any:
    """Evaluate ``go(model, *judges, limit=1)`` in ``run``; return the lines for the user."""

    def go(model: Any = None, *judges: Any, **options: Any) -> list[str]:
        lines: list[str] = []
        options = {"data": read_data_set(data)} | options
        evaluate(Job(tmp_path / "run", model=model, judges=judges, **options), lines.append)
        return lines

    return go
