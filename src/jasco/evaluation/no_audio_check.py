"""The check, before a condition without audio, that the model can be asked without audio."""

from jasco.errors import RunConflictError
from jasco.evaluation.runner import response_of
from jasco.evaluation.session import Session
from jasco.evaluation.shared_checks import once_per_run
from jasco.models.model import Model
from jasco.protocol.responses import Failure
from jasco.runs.schema import SKIPPED_FACT

_TRANSIENT = ("timeout", "connection", "server", "rate limit")
"""Kinds of failures that say nothing about the input."""


class NoAudioRefusedError(RunConflictError):
    """The model cannot be asked without audio."""


async def check_no_audio(session: Session, model: Model) -> NoAudioRefusedError | None:
    """Check that a prepared model can be asked without audio, if the condition requires it.

    A model that declares it is asked one question, because a server, or a function of the user, may
    still refuse. The reason is stored in the run.

    Returns
    -------
    NoAudioRefusedError or None
        The error to raise if the model does not accept questions without audio.
    """
    if session.condition.has_audio or not session.missing_responses():
        return None
    store = session.store

    def is_made() -> bool:
        return store.fact(SKIPPED_FACT) is not None

    async with once_per_run(session, [SKIPPED_FACT], is_made) as must_be_made:
        if must_be_made and not store.has_answers():
            reason = await _refusal(session, model)
            store.set_facts({SKIPPED_FACT: reason})
    reason = store.fact(SKIPPED_FACT) or ""
    return NoAudioRefusedError(f"{model.spec.label}: {reason}") if reason else None


async def _refusal(session: Session, model: Model) -> str:
    if not model.accepts_no_audio:
        return "the model cannot be asked without audio (accepts_no_audio is false)"
    item = session.asked(session.items(session.clips[0])[0])
    outcome = await response_of(model, item, None)
    if isinstance(outcome, Failure) and outcome.kind not in _TRANSIENT:
        return f"a question without audio failed ({outcome.kind}: {outcome.message})"
    return ""
