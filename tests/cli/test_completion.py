"""Completion in a shell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from command import Jasco

JASCO = Path(sys.executable).with_name("jasco")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("jasco ev", "eval"),
        ("jasco data f", "fetch"),
        ("jasco eval ca", "cascade"),
        ("jasco eval cascade --data m", "mini"),
        ("jasco judge run --judge three", "three-judges"),
        ("jasco eval cascade --concur", "--concurrency"),
    ],
)
def test_bash_completes_commands_options_and_values(words: str, expected: str) -> None:
    environment = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    environment["_JASCO_COMPLETE"] = "bash_complete"
    completed = subprocess.run(
        [JASCO], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    assert f"plain,{expected}" in completed.stdout.splitlines()


def test_an_unknown_command_completes_to_no_error(jasco: Jasco) -> None:
    environment = {
        "COMP_WORDS": "jasco nosuch x", "COMP_CWORD": "2", "_JASCO_COMPLETE": "bash_complete",
    }  # fmt: skip
    completed = subprocess.run(
        [JASCO], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    assert completed.stderr == ""


def test_the_script_is_one_that_the_shell_reads(jasco: Jasco) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = jasco("completion", shell)
        assert script.status == 0
        assert "_JASCO_COMPLETE" in script.stdout
        if shutil.which(shell):
            command = [shell, "-n"] if shell != "fish" else [shell, "--no-execute"]
            subprocess.run(command, input=script.stdout, text=True, check=True)
    assert jasco("completion", "tcsh").status == 2
