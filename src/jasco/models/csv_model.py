"""Existing responses, from a responses CSV."""

from pathlib import Path

from jasco.backends.specs import Spec
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.data.responses_csv import Key, check_against, read_responses_csv
from jasco.models.model import Model
from jasco.protocol.clips import Item
from jasco.protocol.reasoning import without_reasoning
from jasco.protocol.responses import Failure, Response


class CsvModel(Model):
    """The responses in a CSV. An item with an empty ``allm_output`` has no response."""

    NAME = "RESPONSES.csv"
    raw_name = True
    recorded = True
    uses_audio = False
    remote = True

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._answers: dict[Key, str] = {}

    async def prepare(self, data: DataSet) -> None:
        """Read the file and check that it matches the data."""
        file = read_responses_csv(Path(self.spec.name))
        check_against(file, data)
        self._answers = file.answers()

    def disowns(self, item: Item, text: str) -> bool:
        """Return whether the file now contains another answer."""
        answer = self._answers.get((item.clip.id, item.number))
        if answer is None or answer == text:  # with reasoning in runs of older versions
            return answer is None
        shown = without_reasoning(Response(answer), self.spec.identity)
        return isinstance(shown, Failure) or shown.text != text

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:  # noqa: ARG002
        """Return the answer in the file."""
        text = self._answers.get((item.clip.id, item.number))
        if text is None:
            return Failure("unanswered", "no answer in the file")
        return Response(text)
