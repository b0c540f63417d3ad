"""What a model is to the rest of the house."""

from typing import ClassVar, Protocol

from jasco.benchmark.clips import Item
from jasco.benchmark.dataset import DataSet
from jasco.benchmark.responses import Failure, Response
from jasco.providers.audio import Audio
from jasco.providers.specs import Provider, Spec


class Model(Provider, Protocol):
    """An auditory LLM.

    A model is made from a :class:`Spec` without doing any work; ``prepare`` loads what it needs.
    Calls may overlap, as many as the user allows; a model that cannot work so queues them itself.
    """

    HEARS: ClassVar[bool]
    """Whether it is handed audio: without, a clip's file is not even looked for."""
    SERVED: ClassVar[bool]
    """Whether it answers on another machine or process, so that judges may work meanwhile."""

    spec: Spec

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    async def prepare(self, data: DataSet) -> None:
        """Get ready for this data set; by default nothing.

        Raises
        ------
        InputError
            What it needs is not to be had, or the data does not fit.
        """

    def disowns(self, item: Item, text: str) -> bool:  # noqa: ARG002
        """Whether an answer that a run holds is known not to be this model's; by default never."""
        return False

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        """Answer one item. What goes wrong with this item alone is a failure, not an error.

        Raises
        ------
        InputError
            Nothing can be answered until the user mends something.
        ServerGone
            There is nobody left to ask.
        """
        ...

    async def close(self) -> None:
        """Give everything back; by default nothing."""
