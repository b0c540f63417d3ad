"""The judge check: one question with a known verdict, asked before hundreds of others.

The question is about a clip that is in no data set, with a response that should get the best
verdict. A judge that refuses it, or whose verdicts on three such responses are all unreadable,
would fail on most responses of a run. A judge that gives a different verdict can be used: its
quality is measured by its exam, not by a single question.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jasco.errors import IncompleteError, InputError, RunConflictError, one_line
from jasco.evaluation.runner import all_at_once
from jasco.evaluation.session import Judges, Session
from jasco.evaluation.shared_checks import once_per_run
from jasco.judges.judge import Judge
from jasco.protocol.clips import Clip, Item
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Judgement, Orientation, Verdict
from jasco.runs.schema import judge_fact

ITEM = Item(
    Clip(
        id="known-question",
        sound="waves breaking on a beach and gulls calling",
        speech="Let's build our castle over there, where it is still wet.",
        audio_only="They are walking along the sea.",
        speech_only="They are planning the construction of a stone castle.",
        reference="They are building a sandcastle on the beach.",
        keywords="sandcastle, beach",
    ),
    1,
)
ANSWERS = (
    (
        "Waves and gulls tell of a beach, and the speaker wants to build a castle where it is "
        "wet: they are building a sandcastle on the beach."
    ),
    (
        "They are building a sandcastle on the beach. The waves and the gulls are heard at the "
        "sea, and the speaker says where the castle is to be built."
    ),
    "Building a sandcastle: the sounds are those of a beach, and the words are about a castle.",
)
"""Responses that are judged in turn, until the verdict on one is readable."""
EXPECTED = Verdict(2, Orientation.BOTH)
_LONGEST_QUOTE = 300


class JudgeUnusableError(RunConflictError):
    """A judge refuses a question that it should answer, or its verdicts are unreadable."""


@dataclass(frozen=True)
class JudgeCheck:
    """How a judge answered the known question.

    Attributes
    ----------
    state : str
        ``passed``, ``wrong`` (a different readable verdict), ``unreadable`` or ``failed``.
    complaint : str
        What is wrong, with a quote of the judge or its server; empty if it passed.
    details : mapping
        The verdict or the failure, as stored in the run.
    is_lasting : bool
        Whether calls about the responses of a run would fail in the same way.
    error : exception or None
        The error that the judge raised, if any.
    """

    state: str
    complaint: str
    details: Mapping[str, object]
    is_lasting: bool = False
    error: Exception | None = None

    def as_json(self) -> str:
        """Return the check as JSON, as the run stores it."""
        return json.dumps({"state": self.state, **self.details}, ensure_ascii=False)


def assess_judge(label: str, outcome: Judgement | Failure | Exception) -> JudgeCheck:
    """Assess a judge by its last verdict on the known question, or by the reason for none."""
    match outcome:
        case Judgement(Verdict(rating, orientation) as verdict, attempts):
            texts = [attempt.text for attempt in attempts]
            details = {"rating": rating, "orientation": orientation, "texts": texts}
            if verdict == EXPECTED:
                return JudgeCheck("passed", "", details)
            if verdict.readable:
                complaint = (
                    f"{label}: gave rating {rating}, {orientation} on the known question (expected "
                    f"{EXPECTED.rating}, {EXPECTED.orientation}); measure its quality with its "
                    "exam: jasco exam --help"
                )
                return JudgeCheck("wrong", complaint, details)
            text = texts[0] if texts else ""
            reply = f"it replied {one_line(text, _LONGEST_QUOTE)!r}"
            complaint = (
                f"{label}: no readable verdict on {len(ANSWERS)} known questions; "
                f"{reply if text.strip() else 'its reply was empty'}"
            )
            return JudgeCheck("unreadable", complaint, details, is_lasting=True)
        case Failure(kind, message) as failure:
            reason = f"{kind}: {one_line(message, _LONGEST_QUOTE)}"
            complaint = f"{label}: failed on the known question ({reason})"
            cause = {"failure_kind": kind, "failure_message": message}
            return JudgeCheck("failed", complaint, cause, is_lasting=failure.lasting)
        case error:
            is_lasting = isinstance(error, RunConflictError)
            return JudgeCheck("failed", str(error), {}, is_lasting, error)


async def check_judges(session: Session, judges: Judges) -> None:
    """Ask prepared judges the known question; record and report the outcome.

    Only judges that have responses to judge and have given no readable verdict yet are asked.

    Parameters
    ----------
    session : Session
        The job and its run.
    judges : mapping of int to Judge
        By number in the run.

    Raises
    ------
    InputError, JudgeUnusableError, IncompleteError
        As :func:`refuse_unusable`.
    """
    if not session.job.preflight:
        return
    slots = asyncio.Semaphore(session.job.concurrency)
    checks: dict[int, JudgeCheck] = {}

    async def ask(number: int, judge: Judge) -> None:
        outcome: Judgement | Failure | Exception
        async with slots:
            try:
                for answer in ANSWERS:
                    outcome = await judge.judge(ITEM, answer, session.protocol)
                    if not isinstance(outcome, Judgement) or outcome.verdict.readable:
                        break
            except (InputError, RunConflictError, IncompleteError) as error:
                outcome = error
        checks[number] = assess_judge(judge.spec.label, outcome)

    new = [number for number in judges if not session.store.has_readable_verdict(number)]
    due = [number for number in new if judges[number].needs_check and session.needs_judge(number)]
    names = {number: judge_fact("check", number) for number in due}
    if not due:
        return

    def open_checks() -> list[int]:
        return [number for number in due if not _is_usable(session.store.json_fact(names[number]))]

    shared = list(names.values())
    async with once_per_run(session, shared, lambda: not open_checks()) as must_be_made:
        if session.job.whole:  # other shards may have asked
            due = open_checks() if must_be_made else []
        await all_at_once(ask(number, judges[number]) for number in due)
        session.store.set_facts({names[number]: checks[number].as_json() for number in due})
    refuse_unusable([checks[number] for number in due])
    for number in due:
        if checks[number].complaint:
            session.notify(checks[number].complaint)


def _is_usable(earlier: Mapping[str, object] | None) -> bool:
    return bool(earlier and earlier["state"] in ("passed", "wrong"))


def refuse_unusable(checks: Sequence[JudgeCheck]) -> None:
    """Raise an error if a judge cannot be used, with the reasons of all such judges.

    Raises
    ------
    InputError
        As raised by a judge: a key is wrong, or its server does not know the model.
    JudgeUnusableError
        The server refuses the question, or the verdict is unreadable.
    IncompleteError
        The error may be temporary.
    """
    unusable = [check for check in checks if check.state in ("unreadable", "failed")]
    if len(unusable) == 1 and unusable[0].error:
        raise unusable[0].error
    reasons = "; ".join(dict.fromkeys(check.complaint for check in unusable))
    if any(isinstance(check.error, InputError) for check in unusable):
        raise InputError(reasons)
    if any(check.is_lasting for check in unusable):
        raise JudgeUnusableError(
            f"{reasons}; fix the judge's spec or its server, or continue anyway with --no-preflight"
        )
    if unusable:
        raise IncompleteError(
            f"{reasons}; when this is resolved, run the same command again to resume"
        )
