"""Agreement of human annotators with each other and with the judges of a run."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from jasco.data.responses_csv import Key
from jasco.human.annotations import Annotation
from jasco.metrics.agreement import Agreement, PairAgreement
from jasco.metrics.scoring import score_agreement
from jasco.metrics.verdict_matrix import VerdictMatrix
from jasco.protocol.verdicts import Verdict
from jasco.runs.results import JudgedItems

MOST_ANNOTATORS = 8
"""Maximum number of annotators that are compared: each of them with all others and all judges."""


@dataclass(frozen=True)
class AnnotatorAgreement:
    """Agreement of annotators on a selection of a run's answers.

    Attributes
    ----------
    labels : dict of str to int
        Number of labelled answers of each annotator, the largest first.
    shared : int
        Number of answers with labels of two or more annotators.
    among : Agreement or None
        Agreement between annotators; None if there are fewer than two.
    with_judges : tuple of PairAgreement
        Agreement of each annotator with each judge.
    left_out : int
        Number of annotators beyond ``MOST_ANNOTATORS``, who are not compared.
    """

    labels: dict[str, int]
    shared: int
    among: Agreement | None
    with_judges: tuple[PairAgreement, ...]
    left_out: int


def annotator_agreement(
    items: JudgedItems, annotations: Iterable[Annotation], selection: Collection[Key]
) -> AnnotatorAgreement:
    """Compute the agreement of annotators with each other and with the judges.

    Parameters
    ----------
    items : JudgedItems
        Answers and verdicts of the run.
    annotations : iterable of Annotation
        Those of other answers are ignored: the run may have been replaced since.
    selection : collection of (str, int)
        The answers to include.
    """
    current = [label for label in annotations if _is_current(label, items, selection)]
    labels = dict(Counter(label.annotator for label in current).most_common())
    names = list(labels)[:MOST_ANNOTATORS]
    annotators = [
        _matrix(items, [(_key(each), each.verdict) for each in current if each.annotator == name])
        for name in names
    ]
    judges = [
        _matrix(items, [(key, v) for key, (_, v) in verdicts.items() if key in selection])
        for verdicts in items.judges.values()
    ]
    per_answer = Counter(_key(label) for label in current if label.annotator in names)
    return AnnotatorAgreement(
        labels,
        sum(number > 1 for number in per_answer.values()),
        _agreement(annotators, names),
        _between(annotators, judges, names, list(items.judges)),
        len(labels) - len(names),
    )


def _agreement(matrices: Sequence[VerdictMatrix], names: Sequence[str]) -> Agreement | None:
    # Numbered, because an annotator may have the name of a judge.
    found = score_agreement({str(n): m for n, m in enumerate(matrices)}) if matrices else None
    if found is None:
        return None
    pairs = (
        replace(pair, judges=(names[int(pair.judges[0])], names[int(pair.judges[1])]))
        for pair in found.pairs
    )
    return replace(found, pairs=tuple(pair for pair in pairs if pair.items))


def _between(
    annotators: Sequence[VerdictMatrix],
    judges: Sequence[VerdictMatrix],
    names: Sequence[str],
    judge_names: Sequence[str],
) -> tuple[PairAgreement, ...]:
    pairs: list[PairAgreement] = []
    for name, annotator in zip(names, annotators, strict=True):
        for judge_name, judge in zip(judge_names, judges, strict=True):
            found = _agreement([annotator, judge], [name, judge_name])
            pairs += found.pairs if found else ()
    return tuple(pairs)


def _matrix(items: JudgedItems, verdicts: Iterable[tuple[Key, Verdict]]) -> VerdictMatrix:
    places = {clip.id: place for place, clip in enumerate(items.clips)}
    matrix = VerdictMatrix.none_yet(len(items.clips), instructions=items.instructions)
    for (clip_id, number), verdict in verdicts:
        matrix.enter(places[clip_id], number, verdict)
    return matrix


def _key(label: Annotation) -> Key:
    return label.clip_id, label.number


def _is_current(label: Annotation, items: JudgedItems, selection: Collection[Key]) -> bool:
    return _key(label) in selection and items.answers.get(_key(label)) == label.answer
