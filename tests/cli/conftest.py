"""A run with answers, to use from a shell."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a run with answers of a function."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "my_model.py").write_text("def answer(audio, sampling_rate, prompt): return 'a – b'")
    words = "eval python/my_model:answer --data mini --limit 1 --judge offline --no-preflight --run"
    subprocess.run(
        [sys.executable, "-m", "jasco", *words.split(), folder / "run"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "run"
