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
    "drop: judges see only the answer; keep: they also see the reasoning",
    one_of("drop", "keep"),
    "drop",
    identity=True,
    if_given=True,
)
"""For models that reason in their text or in a separate field."""


class Model(Provider, ABC):
    """An auditory LLM.

    A subclass implements :meth:`answer`; ``prepare``, ``close``, ``check`` and ``fingerprint`` of
    :class:`~jasco.backends.specs.Provider` and the other methods here are optional hooks. Calls
    may overlap, up to the concurrency that the user allows; a model that does not support this must
    queue them.
    """

    uses_audio: ClassVar[bool] = True
    """Whether it receives audio; if not, the clips' audio files are not read."""
    remote: ClassVar[bool] = False
    """Whether it runs on another machine or in another process, in parallel with judges."""

    facts: Mapping[str, str] = MappingProxyType({})
    """After ``prepare``: its runtime (precision, device, versions), for the record."""
    max_audio_seconds: float | None = None
    """After ``prepare``: maximum number of seconds that it processes; None: no limit or unknown."""
    batch_size: int = 1
    """Maximum number of questions that it answers together."""
    accepts_no_audio: bool = False
    """After ``prepare``: whether :meth:`answer` accepts None as audio, for prompts without a clip.

    The prompt is then all that the model receives: no audio, no silence and no placeholder. Only
    such a model is evaluated in the conditions ``none`` and ``text`` of modality reliance.
    """

    @property
    def greedy(self) -> bool:
        """Whether it decodes greedily, so that repeated answers are nearly identical.

        It is read after ``prepare``; by default, whether the option ``temperature`` is 0.
        """
        return self.spec.options.get("temperature") == 0

    def disowns(self, item: Item, text: str) -> bool:  # noqa: ARG002
        """Return whether an answer in a run is known not to be this model's; by default never."""
        return False

    def request(self, item: Item, *, has_audio: bool = True) -> Mapping[str, Any] | None:  # noqa: ARG002
        """Return the body of the request for an item, without the audio data.

        None, the default, if nothing is sent as JSON. Without ``has_audio``, the body is that of a
        request without audio, which only models with :attr:`accepts_no_audio` need to support.
        """
        return None

    @abstractmethod
    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Answer one item. A problem of this item alone is returned as a failure, not raised.

        Parameters
        ----------
        item : Item
        audio : Audio or None
            The audio of the clip. None only if :attr:`uses_audio` is false or
            :attr:`accepts_no_audio` is true.

        Returns
        -------
        Response or Failure

        Raises
        ------
        InputError
            Nothing can be answered until the user corrects something.
        ServerGoneError
            The server is gone.
        """
