"""The base class of every judge."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from jasco.backends.specs import Provider
from jasco.protocol.clips import Clip, Item
from jasco.protocol.protocols import Protocol
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Judgement, Verdict


class Judge(Provider, ABC):
    """A judge of responses.

    A subclass implements :meth:`judge`; ``prepare``, ``close``, ``check`` and ``fingerprint`` of
    :class:`~jasco.backends.specs.Provider` and the other methods here are optional hooks.
    """

    needs_check: ClassVar[bool] = False
    """Whether it is asked one question with a known verdict before a run's first answers.

    That costs a call, and saves hundreds where a judge refuses each or cannot be read: language
    models set it. Judges that read verdicts from a file, or compute them here, have no need of it.
    """
    proxy: bool = False
    """Whether it only stands in for a protocol's judges: its figures are marked as such."""

    def trained_on(self, clip: Clip) -> bool:  # noqa: ARG002
        """Return whether it was trained on outputs about a clip: an exam leaves those out."""
        return False

    def disowns(self, item: Item, text: str, verdict: Verdict) -> bool:  # noqa: ARG002
        """Return whether a run's verdict is known not to be this judge's; by default never."""
        return False

    def request(
        self,
        item: Item,  # noqa: ARG002
        prediction: str,  # noqa: ARG002
        protocol: Protocol,  # noqa: ARG002
        repair_of: str | None = None,  # noqa: ARG002
    ) -> Mapping[str, Any] | None:
        """Return the body of the request that asks for a verdict on an answer.

        With ``repair_of``, the text that the judge wrote, it is the one that asks once more for
        the orientation. None where nothing is sent as JSON, which is so by default.
        """
        return None

    @abstractmethod
    async def judge(self, item: Item, prediction: str, protocol: Protocol) -> Judgement | Failure:
        """Judge one answer.

        Raises
        ------
        InputError
            Nothing can be judged until the user corrects something.
        ServerGoneError
            The server is gone.
        """
