"""A model that returns the answers in a run, to judge them with other annotations."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jasco.backends.specs import Spec
from jasco.data.audio import Audio
from jasco.models.model import Model
from jasco.protocol.clips import Item
from jasco.protocol.responses import Failure, Response
from jasco.runs.reader import RunReader

_CLIPS = 64  # whose answers are kept in memory


class StoredAnswers(Model):
    """The answers of a model in a run.

    Parameters
    ----------
    spec : Spec
        The spec of the model that gave the answers.
    source : pathlib.Path
        The folder of the run.
    """

    uses_audio = False
    remote = True

    def __init__(self, spec: Spec, source: Path) -> None:
        super().__init__(spec)
        self._source = source
        self._answers = lru_cache(_CLIPS)(self._read)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a worker creates an equal model."""
        return type(self), (self.spec, self._source)

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:  # noqa: ARG002
        """Return the answer in the run, or the failure that it holds instead."""
        answers = self._answers(item.clip.id, item.sample)
        return answers.get(item.number) or Failure("unanswered", "not answered yet")

    def disowns(self, item: Item, text: str) -> bool:
        """Return whether the run now holds another answer."""
        answer = self._answers(item.clip.id, item.sample).get(item.number)
        return isinstance(answer, Response) and answer.text != text

    async def close(self) -> None:
        """Forget the answers: the run may hold more when it is used again."""
        self._answers.cache_clear()

    def _read(self, clip_id: str, sample: int) -> Mapping[int, Response | Failure]:
        with RunReader.open(self._source) as run:
            place = run.clip_index(clip_id)
            with run.part_with(place) as part:
                return part.responses(run.models()[0][0], place, sample)
