"""The peak memory of a command on long clips in small files."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from chat_server import Serve
from synthetic import make_data

_COMMAND = (
    "import re, sys; from pathlib import Path; from jasco.cli.main import main\n"
    "status = main()\n"
    # Not ru_maxrss, which is at least the peak of the parent process.
    "print(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024)\n"
    "sys.exit(status)\n"
)


@pytest.mark.slow
def test_a_run_on_long_clips_takes_less_memory_than_all_its_requests(
    serve: Serve, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", 2)
    for clip in range(2):
        wav = data / "dataset" / "v0" / f"{clip}.wav"
        soundfile.write(wav, np.zeros(1500 * 16_000, np.int16), 16_000, format="FLAC")
        assert wav.stat().st_size < 200_000
    arguments = [f"openai/ears,base_url={serve().url}", "--data", data, "--run", tmp_path / "run"]
    result = subprocess.run(
        [sys.executable, "-c", _COMMAND, "respond", *map(str, arguments), "--no-preflight"],
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout.split()[-1]) < 700  # the 16 requests together have 3,200 MB
