"""Make runs of three small models by two judges on ``mini``, to look at pages, apps and tables.

    python recipes/sample_runs/make_runs.py RUNS

Everything is real and runs on this machine: the cascade and its two ablations, ``speech-only`` and
``sound-only`` (``ablations.py``), answer all 128 questions, and the judges of ``rule_judges.py``
rate all answers and are examined. The run of the cascade also has the conditions of modality
reliance. Runs that exist are completed.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rule_judges import JUDGES

from jasco.data.dataset import MINI

_HERE = Path(__file__).parent
MODELS = {
    "cascade": "cascade",
    "speech-only": "python/ablations.py:speech_only",
    "sound-only": "python/ablations.py:sound_only",
}


def main() -> None:
    """Make all runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, help="the folder of the runs")
    runs = parser.parse_args().runs.resolve()
    with _served_judges() as address:
        judges = [f"openai/{name},base_url={address}" for name in JUDGES]
        panel = [word for judge in judges for word in ("--judge", judge)]
        for judge in judges:
            _jasco("exam", judge, "--data", MINI)
        for name, model in MODELS.items():
            run = ("--data", MINI, "--run", runs / name, *panel)
            _jasco("eval", model, "--name", name, *run)
        _jasco("reliance", MODELS["cascade"], "--data", MINI, "--run", runs / "cascade", *panel)


@contextmanager
def _served_judges() -> Iterator[str]:
    """Serve the judges and yield their base URL."""
    command = [sys.executable, str(_HERE / "rule_judges.py")]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        assert server.stdin is not None
        server.stdin.close()


def _jasco(*arguments: object) -> None:
    command = [sys.executable, "-m", "jasco", *map(str, arguments)]
    subprocess.run(command, cwd=_HERE, check=True)


if __name__ == "__main__":
    main()
