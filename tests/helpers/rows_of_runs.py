"""Runs on three clips, written row by row."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jasco.backends.specs import Spec
from jasco.data.dataset import DataSet
from jasco.protocol.clips import Clip
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Attempt, Judgement, Orientation, Verdict
from jasco.runs.schema import response_row, verdict_row
from jasco.runs.writer import RunWriter

CLIPS = tuple(Clip(str(n), f"rain {n}", "", "a", "b", "c", "犬") for n in range(3))
DATA = DataSet("three", CLIPS)
OTHER = DataSet("other", CLIPS[:2])
FAILED = Failure("timeout", "too late")
ANSWER = Response("they flee", "stop", {"completion_tokens": 3}, "model-7")
JUDGEMENT = Judgement(Verdict(2, Orientation.BOTH), (Attempt("verdict", "Rating: 2 …"),))

READER = """
import sqlite3, sys
run = sqlite3.connect(sys.argv[1], isolation_level=None)
run.execute("BEGIN")
run.execute("SELECT * FROM sqlite_master").fetchone()
print("reading", flush=True)
sys.stdin.read()
"""


def spec(name: str, **options: Any) -> Spec:
    """Return a spec with a name and, in its identity, options."""
    identity = {"provider": "p", "name": name, **options}
    return Spec("p", name, MappingProxyType({}), MappingProxyType(identity), f"p/{name}")


def add_answers(run: RunWriter, *answers: Response | Failure, name: str = "m") -> int:
    """Write responses of a model to the first item; return the model's number."""
    model = run.set_model(spec(name))
    run.widen(3)
    for answer in answers:
        run.commit([response_row(model, 0, 1, answer, 0.5)])
    return model


def add_verdicts(run: RunWriter, *outcomes: Judgement | Failure) -> tuple[int, int]:
    """Write verdicts on the first item; return the numbers of model and judge."""
    model = add_answers(run, ANSWER)
    [judge] = run.add_judges([spec("j")])
    run.set_protocol("v2")
    for outcome in outcomes:
        run.commit([verdict_row(model, judge, "v2", 0, 0, 1, outcome, 0.5)])
    return model, judge


@contextmanager
def another_program_that_reads(run: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a program that has a read transaction open until its input is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", READER, run / "run.db"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as reader:  # fmt: skip
        assert reader.stdout
        assert reader.stdin
        reader.stdout.readline()
        yield reader
        reader.stdin.close()
