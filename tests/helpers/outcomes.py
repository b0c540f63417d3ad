"""Outcomes of questions to models."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jasco.data.audio import Audio
from jasco.models.batches import Question
from jasco.protocol.responses import Failure, Response

if TYPE_CHECKING:
    from jasco.models.ports.inference import Inference


def texts(outcomes: Sequence[Response | Failure]) -> list[str]:
    """Return the texts of outcomes, all of which must be responses."""
    assert all(isinstance(outcome, Response) for outcome in outcomes), outcomes
    return [outcome.text for outcome in outcomes if isinstance(outcome, Response)]


def answer(inference: "Inference", audio: Audio, prompt: str, preset: str) -> Response:
    """Return a port's response to one question."""
    (response,) = inference.answer_all([Question(audio, prompt)], preset)
    return response
