"""Annotators' labels of a model's answers."""

from collections.abc import Sequence

import numpy as np

from jasco.data.labelled_rows import LabelledFile
from jasco.metrics.verdict_matrix import ratio
from jasco.protocol.clips import AnyClip
from jasco.runs.results import AnswerLabels, JudgedItems


def labels_of_answers(
    file: LabelledFile, clips: Sequence[AnyClip], items: JudgedItems
) -> AnswerLabels:
    """Return the labels of a model's answers.

    A row is used if it is about one of the clips and its text is that of the model's answer to the
    instruction. Line ends are not compared. Several rows about an answer are averaged.

    Parameters
    ----------
    file : LabelledFile
        The labelled rows.
    clips : sequence of Clip or ClipHash
        The clips in the order of the verdict matrices.
    items : JudgedItems
        The answers.
    """
    samples = items.samples
    shape = len(samples), len(clips), len(items.instructions)
    sums, counts, used = np.zeros(shape), np.zeros(shape), 0
    for row, place in zip(file.rows, file.places(clips), strict=True):
        if place is None or row.number > shape[2]:
            continue
        key, text = (clips[place].id, row.number), _lines(row.answer)
        answered = [
            sample
            for sample, responses in enumerate(samples)
            if key in responses.answers and _lines(responses.answers[key]) == text
        ]
        sums[answered, place, row.number - 1] += row.verdict.gated
        counts[answered, place, row.number - 1] += 1
        used += bool(answered)
    return AnswerLabels(ratio(sums, counts), len(file.rows), used, file.sha256)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
