"""Runs written row by row, of three clips."""

from types import MappingProxyType
from typing import Any

from jasco.backends.specs import Spec
from jasco.data.dataset import DataSet
from jasco.protocol.clips import Clip
from jasco.protocol.judgement import Attempt, Judgement
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.schema import response_row, verdict_row
from jasco.runs.writer import RunWriter

CLIPS = tuple(Clip(str(n), f"rain {n}", "", "a", "b", "c", "犬") for n in range(3))
DATA = DataSet("three", CLIPS)
OTHER = DataSet("other", CLIPS[:2])
FAILED = Failure("timeout", "too late")
ANSWER = Response("they flee", "stop", {"completion_tokens": 3}, "model-7")
JUDGEMENT = Judgement(Verdict(2, Orientation.BOTH), (Attempt("verdict", "Rating: 2 …"),))


def spec(name: str, **options: Any) -> Spec:
    """Return a spec of this name, with these options in its identity."""
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
