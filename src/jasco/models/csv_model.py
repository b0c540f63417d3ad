"""Existing responses, from a responses CSV or a log of Inspect."""

from pathlib import Path

from jasco.backends.optional_imports import import_optional
from jasco.backends.specs import Spec
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.data.inspect_log import SUFFIX, read_log
from jasco.data.responses_csv import (
    Key,
    ResponsesCsv,
    check_against,
    read_responses_csv,
    responses_of_items,
)
from jasco.models.model import Model
from jasco.protocol.clips import Item
from jasco.protocol.reasoning import without_reasoning
from jasco.protocol.responses import Failure, Response


class CsvModel(Model):
    """The responses in a CSV or a log of Inspect.

    An item with an empty ``allm_output`` has no response.
    """

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
        file = read_responses(Path(self.spec.name))
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


def read_responses(path: Path) -> ResponsesCsv:
    """Read a responses CSV, or the answers in a log of Inspect (``.eval``).

    Raises
    ------
    InputError
        The file is invalid, or it is a log and Inspect is not installed.
    """
    if path.suffix != SUFFIX:
        return read_responses_csv(path)
    # The module adds the compression of logs to ``zipfile``.
    import_optional("inspect_ai.log", str(path), extra="inspect")
    log = read_log(path)
    return responses_of_items(path, log.answers, log.model, log.empty)
