"""The queue of answers that an annotator labels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from urllib.parse import urlencode

from jasco.data.responses_csv import Key
from jasco.human.annotations import Annotation
from jasco.reports.disagreements import disagreements
from jasco.runs.results import JudgedItems
from jasco.viewer import web

SAMPLE = 100
"""Number of answers in the random sample."""


class Selection(StrEnum):
    """Which answers of a run to label."""

    DIFFERING = "differing"
    """Those on which judges differ, the largest difference first."""
    SAMPLE = "sample"
    """A random sample, which is the same for all annotators."""
    CLIPS = "clips"
    """All answers, clip by clip, in a random order that is the same for all annotators."""
    ALL = "all"
    """All answers, in the order of the run."""

    @property
    def label(self) -> str:
        """The name of the selection."""
        return _LABELS[self]

    def of(self, items: JudgedItems) -> list[Key]:
        """Return the selected answers of a run, in the order in which they are labelled."""
        if self is Selection.DIFFERING:
            return list(disagreements(items))
        found = [
            (hashlib.sha256(f"{clip.sha256} {item.number}".encode()).digest(), key)
            for clip in items.clips
            for item in items.items_of(clip)
            if (key := (clip.id, item.number)) in items.answers
        ]
        if self is Selection.SAMPLE:  # the order does not change while the run grows
            found = sorted(found)[:SAMPLE]
        elif self is Selection.CLIPS:
            hashes = {clip.id: clip.sha256 for clip in items.clips}
            found.sort(key=lambda entry: hashes[entry[1][0]])
        return [key for _, key in found]


_LABELS = {
    Selection.DIFFERING: "Judges differ",
    Selection.SAMPLE: "Random sample",
    Selection.CLIPS: "Random clips",
    Selection.ALL: "All answers",
}


@dataclass(frozen=True)
class Queue:
    """The selected answers of a run, for one annotator.

    Attributes
    ----------
    run : str
        Key of the run; see :mod:`.catalogue`.
    folder : pathlib.Path
        The run's folder.
    items : JudgedItems
        Answers and verdicts of the run.
    selection : Selection
        Which answers to label.
    order : sequence of (str, int)
        The selected answers, in the order in which they are labelled.
    annotations : sequence of Annotation
        The annotations of all annotators.
    annotator : str
        The annotator who is labelling.
    every : bool
        Whether to include answers that the annotator has labelled already.
    """

    run: str
    folder: Path
    items: JudgedItems
    selection: Selection
    order: Sequence[Key]
    annotations: Sequence[Annotation]
    annotator: str
    every: bool

    @cached_property
    def own(self) -> dict[Key, Annotation]:
        """The annotations of this annotator, by answer."""
        return {
            (annotation.clip_id, annotation.number): annotation
            for annotation in self.annotations
            if annotation.annotator == self.annotator
        }

    @property
    def left(self) -> list[Key]:
        """The answers without an annotation by this annotator."""
        return [key for key in self.order if key not in self.own]

    def after(self, key: Key | None) -> Key | None:
        """Return the next answer to annotate; after the last one, the first that was skipped."""
        start = self.order.index(key) + 1 if key in self.order else 0
        ahead, behind = self.order[start:], self.order[:start]
        left = [other for other in [*ahead, *behind] if other != key and other not in self.own]
        return next(iter(ahead if self.every else left), None)

    def before(self, key: Key) -> Key | None:
        """Return the previous answer, with or without an annotation."""
        start = self.order.index(key) if key in self.order else 0
        return self.order[start - 1] if start else None

    @property
    def choices(self) -> dict[str, object]:
        """The fields that identify the queue in an address or a form."""
        chosen = {} if self.selection is Selection.DIFFERING else {"queue": self.selection.value}
        return {"run": self.run, **chosen, **({"every": 1} if self.every else {})}

    def address(self, key: Key | None = None) -> str:
        """Return the address of an answer's page, or of the start of the queue."""
        place = {"clip": key[0], "prompt": key[1]} if key else {}
        return f"/label?{urlencode(self.choices | place)}"

    def fields(self, key: Key) -> web.Form:
        """Return the form's fields with this annotator's annotation, if there is one."""
        if key not in self.own:
            return {}
        note, verdict = self.own[key].note, self.own[key].verdict
        return {
            "rating": str(verdict.rating), "orientation": str(verdict.orientation), "note": note,
        }  # fmt: skip
