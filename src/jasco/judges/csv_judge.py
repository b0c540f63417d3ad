"""Existing verdicts, from a judged CSV."""

from pathlib import Path

from jasco.backends.specs import Spec
from jasco.data.dataset import DataSet
from jasco.data.responses_csv import Key, check_against, read_responses_csv
from jasco.judges.judge import Judge
from jasco.protocol.clips import Item
from jasco.protocol.protocols import Protocol
from jasco.protocol.responses import Failure
from jasco.protocol.verdicts import Attempt, Judgement, Verdict


class CsvJudge(Judge):
    """The judge's texts in a judged CSV, for exactly the answers that they judge."""

    NAME = "JUDGED.csv"
    raw_name = True
    recorded = True

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._answers: dict[Key, str] = {}
        self._texts: dict[Key, str] = {}
        self._verdicts: dict[Key, Verdict] = {}

    async def prepare(self, data: DataSet) -> None:
        """Read the file and check that it matches the data."""
        file = read_responses_csv(Path(self.spec.name))
        check_against(file, data)
        self._answers = file.answers()
        self._texts = file.judge_texts()
        self._verdicts = file.verdicts()
        self.proxy = file.proxy

    def disowns(self, item: Item, text: str, verdict: Verdict) -> bool:
        """Return whether the file now contains another text or verdict."""
        key = item.clip.id, item.number
        return self._texts.get(key) != text or self._verdicts.get(key) != verdict

    async def judge(
        self,
        item: Item,
        prediction: str,
        protocol: Protocol,  # noqa: ARG002
    ) -> Judgement | Failure:
        """Return the verdict in the file."""
        key = item.clip.id, item.number
        if key not in self._texts:
            return Failure("unjudged", "no verdict in the file")
        if self._answers.get(key, "") != prediction:
            return Failure("unjudged", "the file has a verdict on a different answer")
        return Judgement(self._verdicts[key], (Attempt("verdict", self._texts[key]),))
