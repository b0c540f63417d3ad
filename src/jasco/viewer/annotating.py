"""Annotation of a run's answers, one at a time.

Annotations are stored separately from the judges' verdicts (``labels.db``) and do not affect any
figure.
"""

import io
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from jasco.data.responses_csv import Key
from jasco.errors import InputError
from jasco.human.annotations import LONGEST_NOTE, Annotations, Change
from jasco.human.annotator_agreement import annotator_agreement
from jasco.metrics.agreement import PairAgreement
from jasco.metrics.verdict_matrix import RATINGS
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.reports import columns
from jasco.runs.participants import participant_name
from jasco.runs.results import JudgedItems
from jasco.viewer import web
from jasco.viewer.catalogue import Catalogue, key_of
from jasco.viewer.label_queue import Queue, Selection
from jasco.viewer.live import Live
from jasco.viewer.reports import Reports

COOKIE = "jasco-annotator"
_CHOICES = ("run", "queue", "every", "clip", "prompt")  # in a query
_MOST_CHANGES = 1_000  # maximum number of labels that an annotator can undo


class Annotating:
    """The pages of the queue."""

    def __init__(self, reports: Reports, catalogue: Catalogue) -> None:
        self._reports = reports
        self._catalogue = catalogue
        self._changes: dict[tuple[Path, str], deque[Change]] = {}  # since the app was started
        self.routes = [
            Route("/label", self.page),
            web.form_route("/label", self.annotate),
            web.form_route("/label/undo", self.undo),
            Route("/label/name", self.ask_for_name),
            web.form_route("/label/name", self.enter),
            Route("/label/agreement", self.agreement),
            Route("/label/labels.csv", self.download),
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
        """Return the page that asks for the annotator's name."""
        return _name_page(request, web.read_name(request, COOKIE))

    def enter(self, request: Request, form: web.Form) -> Response:
        """Store the annotator's name in the browser, and redirect to the chosen answers."""
        name = form.get("name", "")
        try:
            address = _with_choices("/label", request.query_params)
            return web.redirect_with_name(address, COOKIE, participant_name(name))
        except InputError as error:
            return _name_page(request, name, str(error))

    def annotate(self, request: Request, form: web.Form) -> Response:
        """Store an annotation, and redirect to the next answer."""
        annotator = _annotator(request)
        queue = self._queue(form, annotator)
        key, note = _key(queue, form), form.get("note", "")
        try:
            change = Annotations.of_run(queue.folder).put(annotator, *key, _verdict(form), note)
        except InputError as error:
            return self._show(queue, key, form, str(error))
        self._changes.setdefault(_place(queue), deque(maxlen=_MOST_CHANGES)).append(change)
        queue = self._queue(form, annotator)
        return RedirectResponse(queue.address(queue.after(key)), 303)

    def undo(self, request: Request, form: web.Form) -> Response:
        """Undo the annotator's last annotation, and redirect to its answer."""
        queue = self._queue(form, _annotator(request))
        changes = self._changes_in(queue)
        if not changes:
            return RedirectResponse(queue.address(), 303)
        change = changes[-1]
        try:
            Annotations.of_run(queue.folder).undo(change)
        except InputError:  # it can never be undone; after any other error, it can be later
            _remove(change, changes)
            raise
        _remove(change, changes)
        return RedirectResponse(queue.address((change.after.clip_id, change.after.number)), 303)

    def agreement(self, request: Request) -> Response:
        """Return the agreement of all annotators with each other and with the judges."""
        queue = self._queue(request.query_params, _annotator(request))
        found = annotator_agreement(queue.items, queue.annotations, set(queue.order))
        among = found.among.pairs if found.among and found.shared else ()
        tables = {
            "Annotators with each other": pairs(among, queue.items),
            "Annotators with judges": pairs(found.with_judges, queue.items),
        }
        return self._page(
            "agreement.html", queue, path="/label/agreement", found=found,
            tables={title: table for title, table in tables.items() if table.rows},
        )  # fmt: skip

    def download(self, request: Request) -> Response:
        """Return the annotations of all annotators as a CSV file for ``jasco exam --gold``."""
        queue, text = self._queue(request.query_params, ""), io.StringIO(newline="")
        Annotations.of_run(queue.folder).write_gold(text)
        headers = {"Content-Disposition": 'attachment; filename="labels.csv"'}
        return Response(text.getvalue(), media_type="text/csv", headers=headers)

    def _changes_in(self, queue: Queue) -> deque[Change]:
        """Return the annotator's labels that can be undone."""
        return self._changes.get(_place(queue), deque())

    def _live(self, values: Mapping[str, str]) -> Live:
        """Return the runs that include the one named by the query or form."""
        key = values.get("run")
        return self._reports.containing(key) if key else self._reports.first()

    def _queue(self, values: Mapping[str, str], annotator: str) -> Queue:
        """Return the queue of the run named by the query or form; redirect if there is no run."""
        key = values.get("run")
        runs = {key_of(run.source): run for run in self._live(values).now().shown.values()}
        if not runs:
            raise web.redirect("/label")
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

    def _page(
        self, template: str, queue: Queue, status: int = 200, path: str = "/label", **values: object
    ) -> Response:
        """Return a page about a queue; ``path`` is that of the same page for other answers."""
        runs, changes = self._catalogue.beside(queue.run), len(self._changes_in(queue))
        return web.page(
            template, status, queue=queue, runs=runs, selections=list(Selection),
            changes=changes, path=path, label=f"/label?run={queue.run}",
            report=f"/report/{queue.run}/", **values,
        )  # fmt: skip


def _annotator(request: Request) -> str:
    """Return the annotator's name; redirect to the page that asks for it if there is none."""
    if name := web.read_name(request, COOKIE):
        return name
    raise web.redirect(_with_choices("/label/name", request.query_params))


def _name_page(request: Request, name: str, error: str = "") -> Response:
    action = _with_choices("/label/name", request.query_params)
    return web.page("annotator.html", 422 if error else 200, action=action, name=name, error=error)


def _with_choices(path: str, values: Mapping[str, str]) -> str:
    """Return an address with the run and the answers that a query names."""
    chosen = {name: values[name] for name in _CHOICES if name in values}
    return f"{path}?{urlencode(chosen)}" if chosen else path


def pairs(found: Iterable[PairAgreement], items: JudgedItems) -> columns.Table:
    """Return a table of the agreement of pairs of annotators and judges."""

    def name(label: str) -> str:
        return f"{label} (proxy)" if label in items.proxies else label

    rows = [columns.TableRow(" and ".join(map(name, pair.judges)), pair) for pair in found]
    return columns.Table("pair", columns.PAIRWISE_AGREEMENT, rows)


def _remove(change: Change, changes: deque[Change]) -> None:
    with suppress(ValueError):  # another request has removed it
        changes.remove(change)


def _place(queue: Queue) -> tuple[Path, str]:
    return queue.folder, queue.annotator


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
