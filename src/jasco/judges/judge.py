"""What a judge is to the rest of the house."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from jasco.benchmark.clips import Clip, Item
from jasco.benchmark.protocols import Protocol as BenchmarkProtocol
from jasco.benchmark.responses import Failure
from jasco.benchmark.verdicts import Verdict
from jasco.providers.specs import Provider


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a judge wrote when it was asked: ``asked`` is ``verdict`` or ``repair``."""

    asked: str
    text: str
    finish_reason: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    served: str | None = None
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and every word it was read from."""

    verdict: Verdict
    attempts: tuple[Attempt, ...]


class Judge(Provider, Protocol):
    """Somebody who marks answers."""

    CHECKED: ClassVar[bool] = False
    """Whether it is asked one question with a known verdict before a run's first answers.

    That costs a call, and saves hundreds where a judge refuses each or cannot be read: language
    models set it. Judges that read verdicts from a file, or compute them here, have no need of it.
    """

    def trained_on(self, clip: Clip) -> bool:  # noqa: ARG002
        """Whether it was trained on outputs about a clip: an exam leaves those out."""
        return False

    def disowns(self, item: Item, text: str, verdict: Verdict) -> bool:  # noqa: ARG002
        """Whether a verdict that a run holds is known not to be this judge's; by default never."""
        return False

    def request(
        self,
        item: Item,  # noqa: ARG002
        prediction: str,  # noqa: ARG002
        protocol: BenchmarkProtocol,  # noqa: ARG002
        repair_of: str | None = None,  # noqa: ARG002
    ) -> Mapping[str, Any] | None:
        """Return the body of the request that asks for a verdict on an answer.

        With ``repair_of``, what the judge wrote, it is the one that asks once more for the
        orientation. None where nothing is sent as JSON, which is so by default.
        """
        return None

    async def judge(
        self, item: Item, prediction: str, protocol: BenchmarkProtocol
    ) -> Judgement | Failure:
        """Mark one answer.

        Raises
        ------
        InputError
            Nothing can be judged until the user mends something.
        ServerGone
            There is nobody left to ask.
        """
        ...
