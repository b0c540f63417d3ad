"""The metrics: the figures of ``jasco score``, computed from the verdicts of all samples.

Inspect leaves samples without a score out, and averages the scores of epochs. These metrics
therefore take the scores before that, and expect a verdict of each judge on every instruction of
every clip that occurs, in every epoch: what is missing lowers the coverage.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from inspect_ai.scorer import Metric, SampleScore, Value, metric

from jasco.api.scores import Scores
from jasco.errors import InputError
from jasco.metrics.verdict_matrix import VerdictMatrix, verdict_matrix
from jasco.protocol.clips import ClipHash
from jasco.reports.report import summarise
from jasco.runs.results import Answers, Data, JudgeFacts, Results

_FIELDS = ("rating", "orientation")


@metric(scores="unreduced")
def figures() -> Metric:
    """Return the metric that computes all figures, with the keys of :meth:`jasco.Scores.scalars`.

    Further keys are ``clips``, ``samples`` (answers expected to each item) and ``proxy`` (1 if a
    judge is a proxy). A judge without any verdict has only ``coverage`` and ``complete``, both 0.
    """

    def compute(scores: list[SampleScore]) -> Value:
        return scalars_of(scores)

    return compute


def scalars_of(scores: Iterable[SampleScore]) -> dict[str, float]:
    """Compute the figures of the samples of an evaluation, as :func:`figures` returns them."""
    judged = [_Sample(score) for score in scores]
    results = _results(judged)
    summary = Scores((summarise([results]),))
    labels = dict.fromkeys(label for sample in judged for label in sample.labels)
    without = {
        f"judges/{label}/{name}": 0.0
        for label in labels
        if label not in results.judges
        for name in ("coverage", "complete")
    }
    return {
        **summary.scalars(),
        **without,
        "clips": float(len(results.clips)),
        "samples": float(results.samples),
        "proxy": float(summary.proxy),
    }


class _Sample:
    """The verdicts on one answer, from its score and the metadata of its sample."""

    def __init__(self, score: SampleScore) -> None:
        item, details = score.sample_metadata or {}, score.score.metadata or {}
        value = score.score.value
        try:
            self.clip = ClipHash(item["clip"], item["clip_sha256"])
            self.position, self.instruction = int(item["position"]), int(item["instruction"])
            self.epoch = int(details["epoch"])
            records: Mapping[str, Mapping[str, Any]] = details["judges"]
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"sample {score.sample_id}: not a sample of the task jasco/jasco; use its scorer"
            ) from None
        self.labels = list(records)
        self.is_answered = details.get("failure") is None
        self.proxies = set(details.get("proxy_judges", ()))
        # The value is used rather than the record of it in the metadata: it may have been edited.
        values = value if isinstance(value, Mapping) else {}
        rows = {
            label: {field: values.get(f"{label}/{field}") for field in _FIELDS} for label in records
        }
        self.verdicts = {
            label: {"clip": self.clip.id, "instruction": self.instruction, **row}
            for label, row in rows.items()
            if records[label].get("failure") is None or None not in row.values()
        }


def _results(samples: list[_Sample]) -> Results:
    clips = [clip for _, clip in sorted({(sample.position, sample.clip) for sample in samples})]
    epochs = max((sample.epoch for sample in samples), default=1)
    # In the order of the panel, in whatever order samples end: sums depend on it.
    labels = dict.fromkeys(label for sample in samples for label in sample.labels)
    rows: dict[str, list[list[dict[str, Any]]]] = {
        label: [[] for _ in range(epochs)] for label in labels
    }
    for sample in samples:
        for label, row in sample.verdicts.items():
            rows[label][sample.epoch - 1].append(row)
    rows = {label: of_judge for label, of_judge in rows.items() if any(of_judge)}
    proxies = {label for sample in samples for label in sample.proxies}
    data = Data.of("", clips)
    return Results(
        model="model",
        data=data,
        protocol="",
        answers=Answers(data.items * epochs, sum(sample.is_answered for sample in samples)),
        judges={
            label: JudgeFacts(proxy=label in proxies, verdicts=sum(map(len, of_judge)))
            for label, of_judge in rows.items()
        },
        clips=tuple(clips),
        matrices={
            label: VerdictMatrix.of_samples(
                [verdict_matrix(of_epoch, [clip.id for clip in clips]) for of_epoch in of_judge]
            )
            for label, of_judge in rows.items()
        },
        samples=epochs,
    )
