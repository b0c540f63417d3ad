"""Annotation of a run's answers, one at a time.

Annotations are stored separately from the judges' verdicts (``labels.db``) and do not affect any
figure.
"""

import io
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from jasco.data.responses_csv import Key
from jasco.errors import InputError
from jasco.human.annotations import LONGEST_NOTE, Annotations, Change
from jasco.human.annotator_agreement import annotator_agreement
from jasco.metrics.verdict_matrix import RATINGS
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.runs.participants import participant_name
from jasco.viewer import web
from jasco.viewer.catalogue import Catalogue, key_of
from jasco.viewer.label_queue import Queue, Selection
from jasco.viewer.live import Live
from jasco.viewer.reports import Reports

COOKIE = "jasco-annotator"
_MOST_CHANGES = 1_000  # maximum number of labels that an annotator can undo


class Annotating:
    """The pages of the queue."""

    def __init__(self, reports: Reports, catalogue: Catalogue) -> None:
        self._reports = reports
        self._catalogue = catalogue
        self._changes: dict[tuple[Path, str], deque[Change]] = {}  # since the app was started
        self.routes = [
            Route("/disagreements", self.page),
            web.form_route("/disagreements", self.annotate),
            web.form_route("/disagreements/undo", self.undo),
            Route("/disagreements/name", self.ask_for_name),
            web.form_route("/disagreements/name", self.enter),
            Route("/disagreements/agreement", self.agreement),
            Route("/disagreements/labels.csv", self.download),
        ]

    def page(self, request: Request) -> Response:
        """Return the page of an answer, or a page that explains why there is none."""
        values, annotator = request.query_params, _annotator(request)
        runs = self._live(values).now()
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
            change = Annotations.of_run(queue.folder).put(annotator, *key, _verdict(form), note)
        except InputError as error:
            return self._show(queue, key, form, str(error))
        self._changes_in(queue).append(change)
        queue = self._queue(form, annotator)
        return RedirectResponse(queue.address(queue.after(key)), 303)

    def undo(self, request: Request, form: web.Form) -> Response:
        """Undo the participant's last annotation, and redirect to its answer."""
        queue = self._queue(form, _annotator(request))
        try:
            change = self._changes_in(queue).pop()
        except IndexError:
            return RedirectResponse(queue.address(), 303)
        Annotations.of_run(queue.folder).undo(change)
        return RedirectResponse(queue.address((change.after.clip_id, change.after.number)), 303)

    def agreement(self, request: Request) -> Response:
        """Return the agreement of all annotators with each other and with the judges."""
        queue = self._queue(request.query_params, _annotator(request))
        found = annotator_agreement(queue.items, queue.annotations, set(queue.order))
        return self._page("agreement.html", queue, found=found)

    def download(self, request: Request) -> Response:
        """Return the annotations of all participants as a CSV file for ``jasco exam --gold``."""
        queue, text = self._queue(request.query_params, ""), io.StringIO(newline="")
        Annotations.of_run(queue.folder).write_gold(text)
        headers = {"Content-Disposition": 'attachment; filename="labels.csv"'}
        return Response(text.getvalue(), media_type="text/csv", headers=headers)

    def _changes_in(self, queue: Queue) -> deque[Change]:
        place = queue.folder, queue.annotator
        return self._changes.setdefault(place, deque(maxlen=_MOST_CHANGES))

    def _live(self, values: Mapping[str, str]) -> Live:
        """Return the runs that include the one named by the query or form."""
        key = values.get("run")
        return self._reports.containing(key) if key else self._reports.first()

    def _queue(self, values: Mapping[str, str], annotator: str) -> Queue:
        """Return the queue of the run named by the query or form; redirect if there is no run."""
        key = values.get("run")
        runs = {key_of(run.source): run for run in self._live(values).now().shown.values()}
        if not runs:
            raise web.redirect("/disagreements")
        if key and key not in runs:
            raise HTTPException(404, "This run has no answers yet.")
        run = key or next(iter(runs))
        folder, items = runs[run].source, runs[run].items
        chosen = values.get("queue", "")
        selection = Selection(chosen) if chosen in list(Selection) else Selection.DIFFERING
        return Queue(
            run, folder, items, selection, selection.of(items),
            Annotations.of_run(folder).all(), annotator, bool(values.get("every")),
        )  # fmt: skip

    def _show(
        self, queue: Queue, key: Key | None, form: web.Form | None = None, error: str = ""
    ) -> Response:
        if not key:
            return self._page("queue_empty.html", queue)
        [clip] = [clip for clip in queue.items.clips if clip.id == key[0]]
        return self._page(
            "annotate.html", queue, 422 if error else 200, key=key,
            item=queue.items.items_of(clip)[key[1] - 1], verdicts=queue.items.verdicts_on(key),
            fields=form or queue.fields(key), error=error, longest=LONGEST_NOTE,
        )  # fmt: skip

    def _page(self, template: str, queue: Queue, status: int = 200, **values: object) -> Response:
        runs, changes = self._catalogue.beside(queue.run), len(self._changes_in(queue))
        return web.page(
            template, status, queue=queue, runs=runs, selections=list(Selection),
            changes=changes, label=f"/disagreements?run={queue.run}",
            report=f"/report/{queue.run}/", **values,
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
