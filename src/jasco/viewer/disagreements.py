"""Where judges differ: people read one answer at a time, and say what they make of it.

What they say lies beside the judges' verdicts (``labels.db``) and counts in no figure.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from markupsafe import escape
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from jasco.errors import InputError
from jasco.human.annotations import LONGEST_NOTE, Annotation, Annotations
from jasco.metrics.verdict_matrix import RATINGS
from jasco.protocol.clips import Item
from jasco.protocol.verdicts import Orientation, Verdict
from jasco.reports.disagreements import disagreements
from jasco.runs.participants import participant_name
from jasco.runs.results import JudgedItems
from jasco.viewer.forms import Form, form_route, name_in, remember_name
from jasco.viewer.live import Live
from jasco.viewer.pages import page

COOKIE = "jasco-labeller"
_KEYS = {
    Orientation.AUDIO: ("a", "Audio", "it follows from the sound alone"),
    Orientation.SPEECH: ("s", "Speech", "it follows from the words alone"),
    Orientation.BOTH: ("b", "Both", "it takes the sound and the words"),
    Orientation.NEITHER: ("n", "Neither", "it names no action"),
}
_RATED = {0: "wrong", 1: "partly", 2: "right"}

Place = tuple[str, int]
"""Which answer of a run: clip id and prompt."""


@dataclass(frozen=True)
class Queue:
    """The answers of a run on which its judges differ, most apart first.

    Attributes
    ----------
    run : int
        The run's place among those that are open.
    model : str
        Whose answers.
    folder : pathlib.Path
        The run's.
    items : JudgedItems
        What its judges wrote.
    order : sequence of (str, int)
        The answers, in order.
    labels : sequence of Annotation
        All that people have said.
    person : str
        Who is asking.
    every : bool
        Whether answers that this person has labelled are shown again.
    """

    run: int
    model: str
    folder: Path
    items: JudgedItems
    order: Sequence[Place]
    labels: Sequence[Annotation]
    person: str
    every: bool

    @property
    def mine(self) -> dict[Place, Annotation]:
        """What this person has said, by answer."""
        return {
            (label.clip_id, label.number): label
            for label in self.labels
            if label.annotator == self.person
        }

    def after(self, place: Place | None) -> Place | None:
        """Give the next answer to read; from the beginning again behind the last one."""
        start = self.order.index(place) + 1 if place in self.order else 0
        mine = {} if self.every else self.mine
        ahead = [each for each in self.order[start:] if each not in mine]
        behind = [each for each in self.order[:start] if each not in mine and each != place]
        return next(iter([*ahead, *([] if self.every else behind)]), None)

    def before(self, place: Place) -> Place | None:
        """Give the answer before, labelled or not: to look at it again."""
        start = self.order.index(place) if place in self.order else 0
        return self.order[start - 1] if start else None

    def address(self, place: Place | None = None) -> str:
        """Write the address of an answer's page, or of the queue's beginning."""
        asked: dict[str, Any] = {"run": self.run}
        if self.every:
            asked["every"] = 1
        if place:
            asked |= {"clip": place[0], "prompt": place[1]}
        return f"/disagreements?{urlencode(asked)}"


class Disagreements:
    """The queue, one answer at a time."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.routes = [
            Route("/disagreements", self.page),
            form_route("/disagreements", self.label),
            Route("/disagreements/name", self.ask_for_name),
            form_route("/disagreements/name", self.name),
            Route("/disagreements/labels.csv", self.labels),
        ]

    def page(self, request: Request) -> Response:
        """Answer with an answer to label, or say that there is none."""
        asked = request.query_params
        person = name_in(request, COOKIE)
        if not person:
            return self._ask_for_name()
        queue = self._queue(asked.get("run", ""), person, every=bool(asked.get("every")))
        if not queue:
            return self._no_run()
        place = _place(queue, asked) if "clip" in asked else queue.after(None)
        return self._show(queue, place)

    def ask_for_name(self, request: Request) -> Response:
        """Ask who is reading."""
        return self._ask_for_name(name_in(request, COOKIE))

    def name(self, _request: Request, form: Form) -> Response:
        """Keep who is reading."""
        try:
            name = participant_name(form.get("name", ""))
        except InputError as error:
            return self._ask_for_name(form.get("name", ""), str(error))
        answer = RedirectResponse("/disagreements", 303)
        remember_name(answer, COOKIE, name)
        return answer

    def label(self, request: Request, form: Form) -> Response:
        """Keep what somebody says of an answer, and go on to the next one."""
        person = name_in(request, COOKIE)
        if not person:
            return self._ask_for_name()
        queue = self._queue(form.get("run", ""), person, every=bool(form.get("every")))
        if not queue:
            return self._no_run()
        place = _place(queue, form)
        try:
            Annotations.of_run(queue.folder).put(person, *place, _verdict(form), _note(form))
        except InputError as error:
            return self._show(queue, place, form, str(error))
        after = self._queue(form["run"], person, every=queue.every)
        assert after
        return RedirectResponse(after.address(after.after(place)), 303)

    def labels(self, request: Request) -> Response:
        """Answer with all that people have said of a run's answers, as an exam reads it."""
        queue = self._queue(request.query_params.get("run", ""), "", every=True)
        if not queue:
            return self._no_run()
        text = io.StringIO(newline="")
        Annotations.of_run(queue.folder).write_gold(text)
        headers = {"Content-Disposition": 'attachment; filename="labels.csv"'}
        return Response(text.getvalue(), media_type="text/csv", headers=headers)

    def _queue(self, run: str, person: str, *, every: bool) -> Queue | None:
        runs = self._live.now().runs
        if not runs.shown:
            return None
        numbers = [str(number) for number in range(len(runs.shown))]
        number = numbers.index(run) if run in numbers else 0
        model, shown = list(runs.shown.items())[number]
        folder = runs.folders[model]
        order = [(each.clip, each.number) for each in disagreements(shown.items)]
        labels = Annotations.of_run(folder).all()
        return Queue(number, model, folder, shown.items, order, labels, person, every)

    def _no_run(self) -> Response:
        return page("no_run.html", notes=self._live.latest().runs.notes, view="disagreements")

    def _ask_for_name(self, name: str = "", wrong: str = "") -> Response:
        status = 422 if wrong else 200
        return page("labeller.html", status, name=name, wrong=wrong, view="disagreements")

    def _show(
        self, queue: Queue, place: Place | None, form: Form | None = None, wrong: str = ""
    ) -> Response:
        return page(
            "disagreements.html" if place else "agreed.html",
            422 if wrong else 200,
            queue=queue,
            runs=list(self._live.latest().runs.shown),
            left=sum(each not in queue.mine for each in queue.order),
            wrong=wrong,
            view="disagreements",
            **(_facts(queue, place, form) if place else {}),
        )


def _facts(queue: Queue, place: Place, form: Form | None) -> dict[str, Any]:
    clip_id, number = place
    [clip] = [each for each in queue.items.clips if each.id == clip_id]
    verdicts = {
        judge: said[place] for judge, said in queue.items.judges.items() if place in said
    }  # fmt: skip
    held = queue.mine.get(place)
    said = form or (
        {
            "rating": str(held.verdict.rating),
            "orientation": str(held.verdict.orientation),
            "note": held.note,
        }
        if held
        else {}
    )
    return {
        "clip": clip,
        "item": Item(clip, number),
        "answer": queue.items.answers[place],
        "cut": place in queue.items.cut_off,
        "sound": clip_id in queue.items.audio,
        "verdicts": verdicts,
        "number": queue.order.index(place) + 1 if place in queue.order else None,
        "held": held,
        "ratings": _RATED,
        "orientations": _KEYS,
        "rating": said.get("rating"),
        "orientation": said.get("orientation"),
        "note": escape(said.get("note", "")),  # theirs: not to be changed, whatever is in it
        "longest": LONGEST_NOTE,
        "before": queue.before(place),
        "skip": queue.after(place),
    }


def _place(queue: Queue, said: Mapping[str, str]) -> Place:
    """Read which answer is meant (``HTTPException`` where the run has none such)."""
    for clip, number in queue.items.answers:
        if (clip, str(number)) == (said.get("clip"), said.get("prompt")):
            return clip, number
    raise HTTPException(404, "There is no such answer in the run.")


def _verdict(form: Form) -> Verdict:
    rating, orientation = form.get("rating", ""), form.get("orientation", "")
    if rating not in map(str, RATINGS) or orientation not in list(Orientation):
        raise InputError("Choose a rating and what the answer rests on.")
    return Verdict(int(rating), Orientation(orientation))


def _note(form: Form) -> str:
    return form.get("note", "").replace("\r\n", "\n")
