"""The offline judge: a small classifier that stands in for a language model."""

from functools import lru_cache

from jasco.data.dataset import DataSet
from jasco.judges.judge import Judge
from jasco.judges.offline.classifier import Classifier
from jasco.judges.offline.features import Target, compare, target
from jasco.judges.offline.vectors import Vectors
from jasco.protocol.clips import Clip, Item
from jasco.protocol.judgement import Attempt, Judgement
from jasco.protocol.protocols import Protocol
from jasco.protocol.verdicts import PROXY_MARK, Verdict

REVISION = "7adf6587b24e"
"""Part of the judge's identity: changes whenever a verdict does, as a test makes sure."""
_REMEMBERED = 64  # clips; a clip's items come close together


@lru_cache(1)
def _corpus() -> frozenset[str]:
    return Classifier.load().trained_on


class Offline(Judge):
    """A classifier that rates by the rubric, without a server: a PROXY, no protocol's judge.

    Logistic regression over similarities of word vectors, between what an answer concludes and
    the clip's texts. It does not reason: it goes wrong where what counts is how an action follows
    from the cues, and it knows no language but English. To try things, to debug, and to compare
    runs of your own; not for figures that you publish. How often it agrees with people:
    docs/offline-judge.md.
    """

    NAME = None
    raw_name = False
    OPTIONS = ()
    REVISION = REVISION
    proxy = True

    def trained_on(self, clip: Clip) -> bool:
        """Whether a clip is one of its training corpus."""
        return clip.sha256[:12] in _corpus()

    async def prepare(self, data: DataSet) -> None:  # noqa: ARG002 (any data will do)
        """Load the word vectors and the weights that ship with the package."""
        self._vectors = Vectors.load()
        self._classifier = Classifier.load()
        self._target = lru_cache(_REMEMBERED)(self._prepare_clip)

    def _prepare_clip(self, clip: Clip) -> Target:
        return target(clip, self._vectors)

    async def judge(
        self,
        item: Item,
        prediction: str,
        protocol: Protocol,  # noqa: ARG002 (the verdicts of all protocols are the same four)
    ) -> Judgement:
        """Mark one answer."""
        found = compare(prediction, self._target(item.clip), self._vectors)
        verdict, share = self._classifier.verdict(found)
        return Judgement(verdict, (Attempt("verdict", _in_words(verdict, share)),))


def _in_words(verdict: Verdict, share: float) -> str:
    """Write a verdict as a judge does, so that it is read like any other."""
    return (
        f"{PROXY_MARK}: by a classifier, which takes this orientation for {share:.0%} likely.\n"
        f"Rating: {verdict.rating}\n"
        f"Orientation: {verdict.orientation}\n"
    )
