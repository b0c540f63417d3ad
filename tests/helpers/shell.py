"""The command in a shell pipeline."""

import os
import subprocess
import sys
from pathlib import Path


def shell(line: str, run: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of bash, in which ``jasco`` is the command."""
    program = f'jasco() {{ {sys.executable} -m jasco "$@"; }}; set -o pipefail; {line}'
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"} | environment
    return subprocess.run(
        ["bash", "-c", program], cwd=run.parent, capture_output=True, text=True, env=environment
    )
