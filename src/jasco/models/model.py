"""The base class of every model."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from jasco.backends.options import Option, one_of
from jasco.backends.specs import Provider
from jasco.data.audio import Audio
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response

REASONING = Option(
    "reasoning",
    "drop: judges see only the answer; keep: the reasoning before it as well",
    one_of("drop", "keep"),
    "drop",
    identity=True,
    if_given=True,
)
"""Of models that reason in their text or beside it."""


class Model(Provider, ABC):
    """An auditory LLM.

    A subclass implements :meth:`answer`; ``prepare``, ``close``, ``check`` and ``fingerprint`` of
    :class:`~jasco.backends.specs.Provider` and the other methods here are optional hooks. Calls
    may overlap, as many as the user allows; a model that cannot work so queues them itself.
    """

    uses_audio: ClassVar[bool] = True
    """Whether it is handed audio: without, a clip's file is not even looked for."""
    remote: ClassVar[bool] = False
    """Whether it answers on another machine or process, so that judges may work meanwhile."""

    facts: Mapping[str, str] = MappingProxyType({})
    """After ``prepare``: how it computes (precision, device, versions), for the record."""
    max_audio_seconds: float | None = None
    """After ``prepare``: seconds of a clip that it processes; None: all, or not known."""

    @property
    def greedy(self) -> bool:
        """Whether it decodes greedily, so that repeated answers are nearly identical.

        It is read after ``prepare``; by default, whether the option ``temperature`` is 0.
        """
        return self.spec.options.get("temperature") == 0

    def disowns(self, item: Item, text: str) -> bool:  # noqa: ARG002
        """Return whether a run's answer is known not to be this model's; by default never."""
        return False

    def request(self, item: Item) -> Mapping[str, Any] | None:  # noqa: ARG002
        """Return the body of the request that asks about an item, without the audio's bytes.

        None where nothing is sent as JSON, which is so by default.
        """
        return None

    @abstractmethod
    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Answer one item. What goes wrong with this item alone is a failure, not an error.

        Raises
        ------
        InputError
            Nothing can be answered until the user corrects something.
        ServerGoneError
            The server is gone.
        """
