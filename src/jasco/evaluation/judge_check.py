"""The judge check: one question with a known verdict, asked before hundreds of others.

The question is about a clip that is in no data set, with a response that deserves the best verdict.
A judge that refuses it, or none of whose verdicts on three such responses is readable, would fail
on most responses of a run. A judge that gives another verdict is usable: its exam shows how good it
is, not a single question.
"""

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from jasco.errors import IncompleteError, InputError, RunConflictError, one_line
from jasco.evaluation.runner import all_at_once
from jasco.judges.judge import Judge
from jasco.protocol.clips import Clip, Item
from jasco.protocol.judgement import Judgement
from jasco.protocol.protocols import Protocol
from jasco.protocol.responses import LASTING, Failure
from jasco.protocol.verdicts import Orientation, Verdict

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
    ("Building a sandcastle: the sounds are those of a beach, and the words are about a castle."),
)
"""Asked in turn, until the verdict on one is readable."""
EXPECTED = Verdict(2, Orientation.BOTH)
_LONGEST_QUOTE = 300

CheckOutcome = Judgement | Failure | InputError | RunConflictError | IncompleteError


class JudgeUnusableError(RunConflictError):
    """A judge refuses a question that it should answer, or its verdicts are not readable."""


@dataclass(frozen=True)
class JudgeCheck:
    """How a judge answered the known question.

    Attributes
    ----------
    judge : str
        Its label.
    outcome : Judgement, Failure or exception
        Its last verdict, or why it gave none.
    """

    judge: str
    outcome: CheckOutcome

    @property
    def state(self) -> str:
        """``passed``, ``wrong`` (readable, another verdict), ``unreadable`` or ``failed``."""
        if not isinstance(self.outcome, Judgement):
            return "failed"
        if not self.outcome.verdict.readable:
            return "unreadable"
        return "passed" if self.outcome.verdict == EXPECTED else "wrong"

    @property
    def is_lasting(self) -> bool:
        """Whether the responses of a run would meet the same."""
        if isinstance(self.outcome, Failure):
            return self.outcome.final or self.outcome.kind in LASTING
        return isinstance(self.outcome, RunConflictError) or self.state == "unreadable"

    def as_json(self) -> str:
        """Return the check as JSON, as the run stores it."""
        fact: dict[str, object] = {"state": self.state}
        if isinstance(self.outcome, Judgement):
            verdict = self.outcome.verdict
            fact |= {"rating": verdict.rating, "orientation": verdict.orientation}
            fact["texts"] = [attempt.text for attempt in self.outcome.attempts]
        elif isinstance(self.outcome, Failure):
            fact |= {"failure_kind": self.outcome.kind, "failure_message": self.outcome.message}
        return json.dumps(fact, ensure_ascii=False)

    def complaint(self) -> str:
        """Format why the judge cannot be used, with a quote of it or its server."""
        if isinstance(self.outcome, Judgement):
            text = self.outcome.attempts[0].text if self.outcome.attempts else ""
            quote = repr(one_line(text, _LONGEST_QUOTE)) if text.strip() else "nothing"
            return (
                f"{self.judge} gave no readable verdict on {len(ANSWERS)} known questions; it "
                f"wrote {quote}"
            )
        if isinstance(self.outcome, Failure):
            reason = f"{self.outcome.kind}: {one_line(self.outcome.message, _LONGEST_QUOTE)}"
            return f"{self.judge} failed on the known question ({reason})"
        return str(self.outcome)

    def remark(self) -> str:
        """Return one line if the verdict is not the expected one; else an empty string."""
        if self.state != "wrong" or not isinstance(self.outcome, Judgement):
            return ""
        verdict = self.outcome.verdict
        return (
            f"{self.judge}: gave rating {verdict.rating}, {verdict.orientation} on a question "
            f"whose verdict is {EXPECTED.rating}, {EXPECTED.orientation}; its exam shows how fit "
            "it is: jasco exam --help"
        )


async def check_judges(
    judges: Mapping[int, Judge], protocol: Protocol, concurrency: int
) -> dict[int, JudgeCheck]:
    """Ask prepared judges the known question.

    Parameters
    ----------
    judges : mapping of int to Judge
        Those to ask, by number.
    protocol : Protocol
        How they are asked.
    concurrency : int
        Calls in flight at once.

    Returns
    -------
    dict of int to JudgeCheck
        By the judges' numbers, in their order.
    """
    slots = asyncio.Semaphore(concurrency)
    outcomes: dict[int, CheckOutcome] = {}

    async def ask(number: int, judge: Judge) -> None:
        async with slots:
            try:
                for answer in ANSWERS:
                    outcome = outcomes[number] = await judge.judge(ITEM, answer, protocol)
                    if not isinstance(outcome, Judgement) or outcome.verdict.readable:
                        break
            except (InputError, RunConflictError, IncompleteError) as error:
                outcomes[number] = error

    await all_at_once(ask(*judge) for judge in judges.items())
    return {n: JudgeCheck(judge.spec.label, outcomes[n]) for n, judge in judges.items()}


def refuse_unusable(checks: Collection[JudgeCheck]) -> None:
    """Raise if a judge cannot be used, with the reasons of all that cannot.

    Raises
    ------
    InputError
        As a judge raised it: a key is wrong, or its server knows no such model.
    JudgeUnusableError
        The server refuses the question, or the verdict is not readable.
    IncompleteError
        The error may be temporary.
    """
    unusable = [check for check in checks if check.state in ("unreadable", "failed")]
    if not unusable:
        return
    if len(unusable) == 1 and isinstance(unusable[0].outcome, Exception):
        raise unusable[0].outcome
    reasons = "; ".join(dict.fromkeys(check.complaint() for check in unusable))
    if any(isinstance(check.outcome, InputError) for check in unusable):
        raise InputError(reasons)
    if any(check.is_lasting for check in unusable):
        raise JudgeUnusableError(
            f"{reasons}; correct the judge's spec or its server, or continue anyway with "
            "--no-preflight"
        )
    raise IncompleteError(
        f"{reasons}; repeat the command when this is resolved: it goes on from here"
    )
