"""What suffices to solve each clip, over several models: an audit of a data set.

A clip that models solve from the instruction or from one cue alone does not test joint reasoning.
Such clips come first.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jasco.data.csv_files import write_rows
from jasco.errors import InputError, count, one_line
from jasco.metrics.reliance import CLIP_CLASSES
from jasco.reports.columns import Column, Table, TableRow
from jasco.reports.exports import DataRow, data_frame
from jasco.reports.reliance_report import UNKNOWN, RelianceReport
from jasco.reports.report import SCHEMA, Json, as_json
from jasco.reports.signature import DIGITS

if TYPE_CHECKING:
    from pandas import DataFrame

ONE_CUE = ("prompt", "sound", "speech", "either")
"""The classes of clips that are solved without both cues."""
_LONGEST_NAME = 40


@dataclass(frozen=True)
class ClipAudit:
    """What suffices to solve a clip.

    Attributes
    ----------
    clip : str
        Its id.
    classes : mapping of str to str
        Its class, one of ``CLIP_CLASSES`` or ``unknown``, by the name of a model.
    """

    clip: str
    classes: Mapping[str, str]

    @cached_property
    def counts(self) -> Counter[str]:
        """Number of models by class."""
        return Counter(self.classes.values())

    @property
    def without_both(self) -> int:
        """Number of models that solve the clip without both cues."""
        return sum(self.counts[each] for each in ONE_CUE)


@dataclass(frozen=True, repr=False)
class RelianceItems:
    """Modality reliance: what suffices to solve the clips of a data set, over several models.

    Attributes
    ----------
    reports : mapping of str to RelianceReport
        By the name of the model.
    clips : tuple of ClipAudit
        First those that most models solve without both cues, of these those that most models solve
        from the instruction alone; the others in the order of the data set.
    """

    reports: Mapping[str, RelianceReport]
    clips: tuple[ClipAudit, ...]

    @property
    def title(self) -> str:
        """What the audit is about, in one line."""
        data = next(iter(self.reports.values())).data
        models = count(len(self.reports), "model")
        return f"What suffices to solve {data.name}: {count(len(self.clips), 'clip')}, {models}"

    @property
    def table(self) -> Table:
        """The table: a row per clip, a column per model."""
        models = [_ClassBy(name, one_line(name, _LONGEST_NAME), _shown) for name in self.reports]
        without = Column("", "without both cues", _without_both)
        return Table("clip", [*models, without], [TableRow(each.clip, each) for each in self.clips])

    @property
    def notes(self) -> list[str]:
        """The number of clips by class, for all models and for each, and cautions."""
        models = self.reports.items()
        most = sum(2 * each.without_both > len(models) for each in self.clips)
        clips = count(len(self.clips), "clip")
        return [
            f"solved without both cues by most models: {most} of {clips}",
            *(f"{name}: {report.classes_line}" for name, report in models),
            *(f"{name}: {line}" for name, report in models for line in report.cautions),
        ]

    def render(self, form: str) -> str | Json:
        """Return the audit in a format: ``text``, ``csv`` or ``json``."""
        forms: Mapping[str, Callable[[], str | Json]] = {
            "text": self.to_text,
            "csv": self.to_csv,
            "json": self.to_json,
        }
        if form not in forms:
            raise InputError(f"--format {form}: with --items, expected one of: {', '.join(forms)}")
        return forms[form]()

    def __str__(self) -> str:
        """Return the output of ``jasco reliance --items``."""
        return self.to_text()

    def __repr__(self) -> str:
        return f"RelianceItems({list(self.reports)}, {len(self.clips)} clips)"

    def to_text(self) -> str:
        """Format the audit for the terminal."""
        return "\n".join([self.title, "", self.table.to_text(), "", *self.notes])

    def to_json(self) -> Json:
        """Return the documented JSON object of ``jasco reliance --items --json``."""
        reports = self.reports
        return as_json(
            {
                "schema": SCHEMA,
                "data": next(iter(reports.values())).data,
                "models": {
                    name: {
                        "run": str(report.run),
                        "signature": report.signature,
                        "proxy": report.proxy,
                        "complete": report.complete,
                        "clip_classes": report.class_counts,
                    }
                    for name, report in reports.items()
                },
                "clips": [
                    {
                        "clip": each.clip,
                        "classes": {
                            name: None if solved == UNKNOWN else solved
                            for name, solved in each.classes.items()
                        },
                        "counts": _counts(each),
                        "without_both_cues": each.without_both,
                    }
                    for each in self.clips
                ],
            }
        )

    def rows(self) -> Iterator[DataRow]:
        """Yield a row per clip: its classes by model, and the number of models by class."""
        for each in self.clips:
            yield {
                "clip": each.clip,
                "without_both_cues": each.without_both,
                **{f"models_{name}": number for name, number in _counts(each).items()},
                **{f"class_{name}": solved for name, solved in each.classes.items()},
            }

    def to_pandas(self) -> "DataFrame":
        """Return the rows of the CSV file as a data frame, with one row per clip.

        The columns are ``clip``, ``without_both_cues`` (number of models), ``models_CLASS`` for
        each class (number of models) and ``class_MODEL`` for each model.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame(list(self.rows()))

    def to_csv(self) -> str:
        """Format the rows as CSV."""
        rows = list(self.rows())
        text = io.StringIO()
        write_rows(text, list(rows[0]) if rows else ["clip"], rows, line_end="\r\n")
        return text.getvalue()


class _ClassBy(Column):
    """What suffices for a model to solve a clip, for a ClipAudit."""

    def value(self, figures: Any) -> str:
        solved: str = figures.classes[self.key]
        return solved


def _shown(solved: str) -> str:
    return "instruction" if solved == "prompt" else solved


def _without_both(audit: ClipAudit) -> str:
    return f"{audit.without_both} of {len(audit.classes)}"


def _counts(audit: ClipAudit) -> dict[str, int]:
    return {name: audit.counts[name] for name in (*CLIP_CLASSES, UNKNOWN)}


def audit_items(reports: Sequence[RelianceReport]) -> RelianceItems:
    """Return what suffices to solve each clip, over several models.

    Parameters
    ----------
    reports : sequence of RelianceReport
        At least one; all about the same clips.

    Raises
    ------
    InputError
        The reports are about different data.
    """
    for one, other in pairwise(reports):
        if one.data.annotations_sha256 != other.data.annotations_sha256 or [*one.clips] != [
            *other.clips
        ]:
            hashes = " and ".join(
                (each.data.annotations_sha256 or "unknown")[:DIGITS] for each in (one, other)
            )
            raise InputError(
                f"{one.run} and {other.run} differ in data ({hashes}); give runs on the same clips"
            )
    names = [report.model for report in reports]
    if len({*names}) < len(names):  # the same model twice
        names = [f"{name} ({place})" for place, name in enumerate(names, start=1)]
    by_name = dict(zip(names, reports, strict=True))
    classes = {name: report.clip_classes for name, report in by_name.items()}
    clips = [
        ClipAudit(clip, {name: of_model[clip] for name, of_model in classes.items()})
        for clip in reports[0].clips
    ]
    clips.sort(key=lambda each: (-each.without_both, -each.counts["prompt"]))
    return RelianceItems(by_name, tuple(clips))
