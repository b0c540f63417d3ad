"""The offline judge: a small classifier that stands in for a language model."""

from collections.abc import Callable
from functools import cached_property, lru_cache

from jasco.judges.judge import Judge
from jasco.judges.offline.classifier import Classifier
from jasco.judges.offline.features import Target, compare
from jasco.judges.offline.vectors import Vectors
from jasco.protocol.clips import Clip, Item
from jasco.protocol.protocols import Protocol
from jasco.protocol.verdicts import PROXY_MARK, Attempt, Judgement


class Offline(Judge):
    """A classifier that rates by the rubric, without a server: a PROXY, no protocol's judge.

    Logistic regression over similarities of word vectors, between what an answer concludes and
    the clip's texts. It does not reason: it goes wrong where what counts is how an action follows
    from the cues, and it knows no language but English. To try things, to debug, and to compare
    runs of your own; not for figures that you publish. How often it agrees with human annotators:
    docs/offline-judge.md.
    """

    REVISION = "7adf6587b24e"
    """Part of the identity: a test demands another one whenever a verdict changes."""
    proxy = True

    @cached_property
    def _classifier(self) -> Classifier:
        return Classifier.load()

    @cached_property
    def _vectors(self) -> Vectors:
        return Vectors.load()

    @cached_property
    def _target(self) -> Callable[[Clip], Target]:
        # Of the clips used last: a clip's items come close together.
        return lru_cache(64)(lambda clip: Target.of(clip, self._vectors))

    def trained_on(self, clip: Clip) -> bool:
        """Return whether a clip is one of its training corpus."""
        return clip.sha256[:12] in self._classifier.trained_on

    async def judge(
        self,
        item: Item,
        prediction: str,
        protocol: Protocol,  # noqa: ARG002 (the verdicts of all protocols are the same four)
    ) -> Judgement:
        """Judge one answer."""
        features = compare(prediction, self._target(item.clip), self._vectors)
        verdict, share = self._classifier.verdict(features)
        # In the words of a language model, so that it is read like any other judge's.
        text = (
            f"{PROXY_MARK}: by a classifier, which takes this orientation for {share:.0%} likely.\n"
            f"Rating: {verdict.rating}\n"
            f"Orientation: {verdict.orientation}\n"
        )
        return Judgement(verdict, (Attempt("verdict", text),))
