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
    """A classifier that rates by the rubric, without a server: a PROXY, not a protocol's judge.

    Logistic regression on similarities of word vectors between the conclusion of an answer and the
    clip's texts. It does not reason: it fails if the verdict depends on how an action follows from
    the cues, and it supports English only. Use it for first steps, for debugging, and to compare
    your own runs, not for published figures. For its agreement with human annotators, see
    docs/offline-judge.md.
    """

    REVISION = "083407ef491f"
    """Part of the identity; a test requires a new one if any verdict changes."""
    proxy = True

    @cached_property
    def _classifier(self) -> Classifier:
        return Classifier.load()

    @cached_property
    def _vectors(self) -> Vectors:
        return Vectors.load()

    @cached_property
    def _target(self) -> Callable[[Clip], Target]:
        # For the clips used last: a clip's items are judged in close succession.
        return lru_cache(64)(lambda clip: Target.of(clip, self._vectors))

    def trained_on(self, clip: Clip) -> bool:
        """Return whether a clip is part of its training corpus."""
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
        # In the format of a language model, so that it is parsed like the text of other judges.
        text = (
            f"{PROXY_MARK}: by a classifier that gives this orientation a probability of "
            f"{share:.0%}.\n"
            f"Rating: {verdict.rating}\n"
            f"Orientation: {verdict.orientation}\n"
        )
        return Judgement(verdict, (Attempt("verdict", text),))
