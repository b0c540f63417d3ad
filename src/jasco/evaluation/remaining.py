"""Counting the responses and verdicts that a run still lacks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jasco.judges.judge import Judge
from jasco.protocol.instructions import INSTRUCTIONS
from jasco.protocol.protocols import Protocol
from jasco.runs.participants import is_single_prompt
from jasco.runs.store import Store

SAMPLED = 5
"""One clip in so many is judged repeatedly, where a judge's spec asks for repeats."""


def repeats_of(judge: Judge, place: int) -> int:
    """Return how many verdicts a judge gives on each response to the clip at a place in the run."""
    return int(judge.spec.options.get("repeats", 1)) if place % SAMPLED == 0 else 1


def items_per_clip(identity: Mapping[str, Any]) -> int:
    """Return how many items of each clip the model with this identity responds to."""
    return 1 if is_single_prompt(identity) else len(INSTRUCTIONS)


@dataclass(frozen=True)
class Remaining:
    """What a model's part of a run still lacks.

    Attributes
    ----------
    store : Store
        The open run.
    model_number : int
        The model, by its number in the run.
    protocol : Protocol
        The protocol of the verdicts.
    retry_final : bool
        Whether failures and unreadable verdicts that are final count as missing.
    """

    store: Store
    model_number: int
    protocol: Protocol
    retry_final: bool = False

    def responses(self) -> int:
        """Count the items without a response."""
        identities = {number: identity for number, _, identity in self.store.models()}
        expected = self.store.covered * items_per_clip(identities[self.model_number])
        final = 0 if self.retry_final else self.store.count_final(self.model_number)
        return expected - self.store.count_responses(self.model_number)[0] - final

    def verdicts(self, number: int, judge: Judge) -> int:
        """Count the verdicts that a judge has yet to give on the responses that exist."""
        return sum(
            self.store.count_unjudged(
                self.model_number,
                number,
                self.protocol.name,
                repeat,
                SAMPLED if repeat else 1,
                retry_final=self.retry_final,
            )
            for repeat in range(repeats_of(judge, 0))
        )
