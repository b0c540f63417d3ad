"""What is left to do in a run, without starting anything."""

from collections.abc import Sequence
from typing import NamedTuple

from jasco.backends.specs import identity_key
from jasco.evaluation.session import Remaining
from jasco.judges.judge import Judge
from jasco.protocol.protocols import DEFAULT, protocol_named
from jasco.runs.reader import RunReader


class WorkLeft(NamedTuple):
    """Numbers of responses and verdicts that the same command could still collect."""

    responses: int
    verdicts: int


def work_left(store: RunReader, judges: Sequence[Judge]) -> WorkLeft:
    """Count the responses and the verdicts of judges that are missing and not final in a run."""
    model = store.models()[0][0]
    protocol = protocol_named(store.fact("protocol") or DEFAULT)
    remaining = Remaining(store, model, protocol)
    numbers = {identity_key(identity): number for number, _, identity in store.judges()}
    verdicts = 0
    for judge in judges:
        number = numbers.get(identity_key(judge.spec.identity))
        if number is None:
            verdicts += store.count_responses(model)[0]
        else:
            verdicts += remaining.verdicts({number: judge})
    return WorkLeft(remaining.responses(), verdicts)
