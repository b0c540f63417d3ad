"""The scorer: verdicts of one or several judges on each answer."""

from collections.abc import Sequence
from typing import Any

from inspect_ai.model import (
    ChatMessage,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    Model,
    get_model,
)
from inspect_ai.scorer import Score, Scorer, Target, scorer
from inspect_ai.solver import TaskState
from inspect_ai.util import LimitExceededError, collect

from jasco.data.inspect_log import read_item, response_of_output
from jasco.errors import InputError, one_line
from jasco.integrations.inspect.metrics import figures
from jasco.judges.judge import Judge
from jasco.judges.panel import open_judges
from jasco.protocol.clips import Item
from jasco.protocol.judging import VerdictRequest, request_verdict, take_steps
from jasco.protocol.protocols import Protocol, protocol_named
from jasco.protocol.reasoning import without_reasoning
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Judgement

_DECODING = {"temperature": 0.0, "max_tokens": 1000}  # as the judges of ``jasco eval``
_ROLES = {"system": ChatMessageSystem, "user": ChatMessageUser}


@scorer(metrics=[figures()])
def verdicts(judges: str | list[str] = "offline", protocol: str = "v2") -> Scorer:
    """Return the scorer that has each answer judged.

    The value of a score holds ``JUDGE/rating`` (0, 1 or 2) and ``JUDGE/orientation`` of each judge,
    which are None without a readable verdict. The metadata state why, and hold the judges' replies.
    A judge that fails does not fail the sample.

    Parameters
    ----------
    judges, protocol
        As in :func:`jasco.integrations.inspect.jasco`.

    Raises
    ------
    InputError
        A judge or the protocol is invalid, or a judge is given twice.
    """
    panel, rules = open_panel(judges), protocol_named(protocol)

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001
        item = read_item(state.metadata, f"sample {state.sample_id}")
        answer = answer_of(state)
        outcomes: Sequence[Judgement | Failure]
        if isinstance(answer, Failure):
            outcomes = [Failure("unanswered", "no answer to judge")] * len(panel)
        else:
            outcomes = await collect(
                *(_outcome(judge, item, answer.text, rules) for judge in panel.values())
            )
        judged = dict(zip(panel, map(_record, outcomes), strict=True))
        keys = ("rating", "orientation")
        return Score(
            value={f"{label}/{key}": judged[label][key] for label in judged for key in keys},
            answer=None if isinstance(answer, Failure) else answer.text,
            metadata={
                "epoch": state.epoch,
                "failure": _failure(answer),
                "proxy_judges": [label for label, judge in panel.items() if is_proxy(judge)],
                "judges": judged,
            },
        )

    return score


def open_panel(judges: str | Sequence[str]) -> dict[str, Judge | Model]:
    """Return judges by their label: models of Inspect, or local judges of this package."""
    panel: dict[str, Judge | Model] = {}
    for text in [judges] if isinstance(judges, str) else judges:
        judge = _open(text)
        label = judge.spec.label if isinstance(judge, Judge) else text
        if label in panel:
            raise InputError(f"judge {label} is given twice; give it once")
        panel[label] = judge
    if not panel:
        raise InputError("judges: no judge; give a model of Inspect, or offline")
    return panel


def _open(text: str) -> Judge | Model:
    if "/" in text.partition(",")[0]:
        return get_model(text, config=GenerateConfig(**_DECODING))
    opened = open_judges(text)
    if len(opened) != 1 or opened[0].needs_check:
        raise InputError(f"judge {text!r}: give its models as models of Inspect, one by one")
    return opened[0]


def is_proxy(judge: Judge | Model) -> bool:
    """Return whether a judge stands in for a language model."""
    return isinstance(judge, Judge) and judge.proxy


def answer_of(state: TaskState) -> Response | Failure:
    """Return the answer of a sample, without reasoning."""
    response = response_of_output(state.output.model_dump())
    return response if isinstance(response, Failure) else without_reasoning(response, {})


async def _outcome(
    judge: Judge | Model, item: Item, answer: str, protocol: Protocol
) -> Judgement | Failure:
    """Return a judgement; an error of the judge is a missing verdict."""
    try:
        if isinstance(judge, Judge):
            return await judge.judge(item, answer, protocol)
        return await _ask(judge, item, answer, protocol)
    except LimitExceededError:  # of the sample, not of the judge
        raise
    except Exception as error:  # whatever a provider raises
        return Failure("error", one_line(f"{type(error).__name__}: {error}"))


async def _ask(judge: Model, item: Item, answer: str, protocol: Protocol) -> Judgement | Failure:
    async def ask(request: VerdictRequest) -> Response | Failure:
        output = await judge.generate(_messages(request))
        return response_of_output(output.model_dump())

    return await take_steps(request_verdict(item, answer, protocol), ask)


def _messages(request: VerdictRequest) -> list[ChatMessage]:
    return [_ROLES[message["role"]](content=message["content"]) for message in request.messages]


def _record(outcome: Judgement | Failure) -> dict[str, Any]:
    if isinstance(outcome, Failure):
        return {"rating": None, "orientation": None, "failure": _failure(outcome), "replies": []}
    rating, orientation = outcome.verdict.rating, outcome.verdict.orientation
    return {
        "rating": rating,
        "orientation": None if orientation is None else str(orientation),
        "failure": None,
        "replies": [attempt.text for attempt in outcome.attempts],
    }


def _failure(outcome: object) -> dict[str, str] | None:
    if not isinstance(outcome, Failure):
        return None
    return {"kind": outcome.kind, "message": outcome.message}
