"""A judged run for commands that a shell runs."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evaluate a function on one clip; return the run."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "my_model.py").write_text("def answer(audio, sampling_rate, prompt): return 'a – b'")
    arguments = (
        "eval python/my_model:answer --data mini --limit 1 --judge offline --no-preflight --run"
    )
    subprocess.run(
        [sys.executable, "-m", "jasco", *arguments.split(), folder / "run"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "run"
