"""Annotation of the answers on which judges differ, one at a time.

Annotations are stored separately from the judges' verdicts (``labels.db``) and do not affect any
figure.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from jasco.data.responses_csv import Key
from jasco.errors import InputError
from jasco.human.annotations import LONGEST_NOTE, Annotation, Annotations
from jasco.metrics.verdict_matrix import RATINGS
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.reports.disagreements import disagreements
from jasco.runs.participants import participant_name
from jasco.runs.results import JudgedItems
from jasco.viewer import web
from jasco.viewer.live import Live

COOKIE = "jasco-annotator"


@dataclass(frozen=True)
class Queue:
    """The answers of a run on which its judges differ, the largest difference first.

    Attributes
    ----------
    run : int
        Index of the run among the open runs.
    folder : pathlib.Path
        The run's folder.
    items : JudgedItems
        Answers and verdicts of the run.
    order : sequence of (str, int)
        The answers on which judges differ.
    annotations : sequence of Annotation
        The annotations of all participants.
    annotator : str
        The participant who is annotating.
    every : bool
        Whether to include answers that this participant has annotated already.
    """

    run: int
    folder: Path
    items: JudgedItems
    order: Sequence[Key]
    annotations: Sequence[Annotation]
    annotator: str
    every: bool

    @cached_property
    def own(self) -> dict[Key, Annotation]:
        """The annotations of this participant, by answer."""
        return {
            (annotation.clip_id, annotation.number): annotation
            for annotation in self.annotations
            if annotation.annotator == self.annotator
        }

    @property
    def left(self) -> list[Key]:
        """The answers without an annotation by this participant."""
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

    def address(self, key: Key | None) -> str:
        """Return the address of an answer's page, or of the start of the queue."""
        query = {"run": self.run} | ({"every": 1} if self.every else {})
        place = {"clip": key[0], "prompt": key[1]} if key else {}
        return f"/disagreements?{urlencode(query | place)}"

    def fields(self, key: Key) -> web.Form:
        """Return the form's fields with this participant's annotation, if there is one."""
        if key not in self.own:
            return {}
        note, verdict = self.own[key].note, self.own[key].verdict
        return {
            "rating": str(verdict.rating), "orientation": str(verdict.orientation), "note": note,
        }  # fmt: skip


class Annotating:
    """The pages of the queue."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.routes = [
            Route("/disagreements", self.page),
            web.form_route("/disagreements", self.annotate),
            Route("/disagreements/name", self.ask_for_name),
            web.form_route("/disagreements/name", self.enter),
            Route("/disagreements/labels.csv", self.download),
        ]

    def page(self, request: Request) -> Response:
        """Return the page of an answer, or a page that explains why there is none."""
        values, runs = request.query_params, self._live.now()
        annotator = _annotator(request)
        if not runs.shown:
            return web.page("no_run.html", notes=runs.notes)
        queue = self._queue(values, annotator)
        return self._show(queue, _key(queue, values) if "clip" in values else queue.after(None))

    def ask_for_name(self, request: Request) -> Response:
        """Return the page that asks for the participant's name."""
        return web.page("annotator.html", name=web.read_name(request, COOKIE), error="")

    def enter(self, _request: Request, form: web.Form) -> Response:
        """Store the participant's name in the browser."""
        name = form.get("name", "")
        try:
            return web.redirect_with_name("/disagreements", COOKIE, participant_name(name))
        except InputError as error:
            return web.page("annotator.html", 422, name=name, error=str(error))

    def annotate(self, request: Request, form: web.Form) -> Response:
        """Store an annotation, and redirect to the next answer."""
        annotator = _annotator(request)
        queue = self._queue(form, annotator)
        key, note = _key(queue, form), form.get("note", "")
        try:
            Annotations.of_run(queue.folder).put(annotator, *key, _verdict(form), note)
        except InputError as error:
            return self._show(queue, key, form, str(error))
        queue = self._queue(form, annotator)
        return RedirectResponse(queue.address(queue.after(key)), 303)

    def download(self, request: Request) -> Response:
        """Return the annotations of all participants as a CSV file for ``jasco exam --gold``."""
        queue, text = self._queue(request.query_params, ""), io.StringIO(newline="")
        Annotations.of_run(queue.folder).write_gold(text)
        headers = {"Content-Disposition": 'attachment; filename="labels.csv"'}
        return Response(text.getvalue(), media_type="text/csv", headers=headers)

    def _queue(self, values: Mapping[str, str], annotator: str) -> Queue:
        """Return the queue of the run named by the query or form; redirect if there is no run."""
        runs = list(self._live.now().shown.values())
        if not runs:
            raise web.redirect("/disagreements")
        numbers = [str(number) for number in range(len(runs))]
        run = numbers.index(values["run"]) if values.get("run") in numbers else 0
        folder, items = runs[run].source, runs[run].items
        order = list(disagreements(items))
        annotations = Annotations.of_run(folder).all()
        return Queue(run, folder, items, order, annotations, annotator, bool(values.get("every")))

    def _show(
        self, queue: Queue, key: Key | None, form: web.Form | None = None, error: str = ""
    ) -> Response:
        models = list(self._live.latest().shown)
        if not key:
            return web.page("queue_empty.html", queue=queue, models=models)
        [clip] = [clip for clip in queue.items.clips if clip.id == key[0]]
        return web.page(
            "annotate.html", 422 if error else 200, queue=queue, models=models, key=key,
            item=queue.items.items_of(clip)[key[1] - 1], verdicts=queue.items.verdicts_on(key),
            fields=form or queue.fields(key), error=error, longest=LONGEST_NOTE,
        )  # fmt: skip


def _annotator(request: Request) -> str:
    """Return the participant's name; redirect to the page that asks for it if there is none."""
    if name := web.read_name(request, COOKIE):
        return name
    raise web.redirect("/disagreements/name")


def _key(queue: Queue, values: Mapping[str, str]) -> Key:
    """Return the answer named by the query or form (``HTTPException`` if it is not in the run)."""
    for clip, number in queue.items.answers:
        if (clip, str(number)) == (values.get("clip"), values.get("prompt")):
            return clip, number
    raise HTTPException(404, "Answer not found in this run.")


def _verdict(form: web.Form) -> Verdict:
    rating, orientation = form.get("rating", ""), form.get("orientation", "")
    if rating not in map(str, RATINGS) or orientation not in list(Orientation):
        raise InputError("Choose a rating and an orientation.")
    return Verdict(int(rating), Orientation(orientation))
