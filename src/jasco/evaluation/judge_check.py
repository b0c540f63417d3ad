"""Whether a judge can be used at all, seen from one question before hundreds are asked.

The question is about a clip that is in no data set, with an answer that deserves the best verdict.
A judge that refuses it, or none of whose verdicts on three such answers can be read, would fail on
most answers of a run. One
that gives another verdict can be used: how fit it is shows its exam, not a single question.
"""

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

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
"""The next one is asked about where the verdict on the one before cannot be read."""
EXPECTED = Verdict(2, Orientation.BOTH)
_QUOTED = 300


class JudgeUnusableError(RunConflictError):
    """A judge refuses a question that it should answer, or its verdicts cannot be read."""


@dataclass(frozen=True)
class Check:
    """How a judge answered the known question.

    Attributes
    ----------
    judge : str
        Its label.
    outcome : Judgement, Failure or exception
        What it answered, or why nothing can be asked of it.
    """

    judge: str
    outcome: Judgement | Failure | InputError | RunConflictError | IncompleteError

    @property
    def state(self) -> str:
        """``passed``, ``wrong`` (readable, another verdict), ``unreadable`` or ``failed``."""
        if not isinstance(self.outcome, Judgement):
            return "failed"
        if not self.outcome.verdict.readable:
            return "unreadable"
        return "passed" if self.outcome.verdict == EXPECTED else "wrong"

    @property
    def is_usable(self) -> bool:
        """Whether it gave a verdict that can be read."""
        return self.state in ("passed", "wrong")

    @property
    def is_lasting(self) -> bool:
        """Whether the answers of a run would meet the same."""
        if isinstance(self.outcome, Failure):
            return self.outcome.final or self.outcome.kind in LASTING
        return isinstance(self.outcome, RunConflictError) or self.state == "unreadable"

    def as_json(self) -> str:
        """Return the outcome as JSON, as the run stores it."""
        fact: dict[str, Any] = {"state": self.state}
        if isinstance(self.outcome, Judgement):
            verdict = self.outcome.verdict
            fact |= {"rating": verdict.rating, "orientation": verdict.orientation}
            fact["texts"] = [attempt.text for attempt in self.outcome.attempts]
        elif isinstance(self.outcome, Failure):
            fact |= {"failure_kind": self.outcome.kind, "failure_message": self.outcome.message}
        return json.dumps(fact, ensure_ascii=False)

    def complaint(self) -> str:
        """Format why the judge cannot be used, quoting it or its server."""
        if isinstance(self.outcome, Judgement):
            text = self.outcome.attempts[0].text if self.outcome.attempts else ""
            wrote = repr(one_line(text, _QUOTED)) if text.strip() else "nothing"
            return (
                f"{self.judge} gave no readable verdict on {len(ANSWERS)} known questions; it "
                f"wrote {wrote}"
            )
        if isinstance(self.outcome, Failure):
            told = f"{self.outcome.kind}: {one_line(self.outcome.message, _QUOTED)}"
            return f"{self.judge} failed on the known question ({told})"
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
) -> dict[int, Check]:
    """Ask prepared judges the known question; return the checks by the judges' numbers.

    Parameters
    ----------
    judges : mapping of int to Judge
        Those to ask.
    protocol : Protocol
        How they are asked.
    concurrency : int
        Calls in flight at once.
    """
    slots = asyncio.Semaphore(concurrency)
    checks: dict[int, Check] = {}

    async def ask(number: int, judge: Judge) -> None:
        outcome: Judgement | Failure | InputError | RunConflictError | IncompleteError
        async with slots:
            try:
                for answer in ANSWERS:
                    outcome = await judge.judge(ITEM, answer, protocol)
                    if not isinstance(outcome, Judgement) or outcome.verdict.readable:
                        break
            except (InputError, RunConflictError, IncompleteError) as error:
                outcome = error
        checks[number] = Check(judge.spec.label, outcome)

    await all_at_once(ask(*each) for each in judges.items())
    return {number: checks[number] for number in judges}


def refuse_unusable(checks: Collection[Check]) -> None:
    """Raise if a judge cannot be used, with the reasons of all that cannot.

    Raises
    ------
    InputError
        As a judge raised it: a key is wrong, or its server knows no such model.
    JudgeUnusableError
        The server refuses the question, or the verdict cannot be read.
    IncompleteError
        The error may be temporary.
    """
    bad = [each for each in checks if not each.is_usable]
    if not bad:
        return
    if len(bad) == 1 and isinstance(bad[0].outcome, Exception):
        raise bad[0].outcome
    told = "; ".join(dict.fromkeys(each.complaint() for each in bad))
    if any(isinstance(each.outcome, InputError) for each in bad):
        raise InputError(told)
    if any(each.is_lasting for each in bad):
        raise JudgeUnusableError(
            f"{told}; correct the judge's spec or its server, or continue anyway with "
            "--no-preflight"
        )
    raise IncompleteError(f"{told}; repeat the command when this is resolved: it goes on from here")
