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
    """Whether it is asked one question with a known verdict before the first answers of a run.

    This costs one call, and saves hundreds if a judge refuses all calls or is unreadable: language
    models set it. Judges that read verdicts from a file, or compute them locally, do not need it.
    """
    proxy: bool = False
    """Whether it stands in for a protocol's judges; its figures are marked as such."""

    def trained_on(self, clip: Clip) -> bool:  # noqa: ARG002
        """Return whether it was trained on outputs about a clip; exams exclude such clips."""
        return False

    def disowns(self, item: Item, text: str, verdict: Verdict) -> bool:  # noqa: ARG002
        """Return whether a verdict in a run is known not to be this judge's; by default never."""
        return False

    def request(
        self,
        item: Item,  # noqa: ARG002
        prediction: str,  # noqa: ARG002
        protocol: Protocol,  # noqa: ARG002
        repair_of: str | None = None,  # noqa: ARG002
    ) -> Mapping[str, Any] | None:
        """Return the body of the request for a verdict on an answer.

        With ``repair_of``, the text that the judge wrote, return the request that asks again for
        the orientation. None, the default, if nothing is sent as JSON.
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
