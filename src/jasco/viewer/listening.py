"""Listening: participants hear a clip, answer the same question as models, and see the solution.

Until an answer is stored, nothing that is sent to the browser contains the solution: a clip is
identified by its position in the participant's order, and its page holds only audio and question.
"""

import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from jasco.data.audio import Audio, read_unchanged
from jasco.data.dataset import DataSet
from jasco.errors import IncompleteError, InputError, RunConflictError, one_line
from jasco.human.listening_score import ListeningScore, answers_to, listening_score
from jasco.human.listening_study import CANNOT_TELL, LONGEST_ANSWER, Participant, exists
from jasco.metrics.bootstrap import LEAST_CLIPS
from jasco.protocol.clips import Item
from jasco.reports.page.plots import marker_of
from jasco.reports.page.shown import Shown
from jasco.runs.participants import participant_name
from jasco.runs.read_run import read_run
from jasco.runs.reader import RunReader
from jasco.viewer import web
from jasco.viewer.live import Live
from jasco.viewer.refreshed import stamp_of

COOKIE = "jasco-participant"
_UNAVAILABLE = (InputError, RunConflictError, IncompleteError)


@dataclass(frozen=True)
class ItemToAnswer:
    """A participant's question about a clip.

    Attributes
    ----------
    participant : Participant
    item : Item
        Clip and instruction.
    place : int
        Position of the clip in the participant's order, from 1.
    """

    participant: Participant
    item: Item
    place: int

    @property
    def address(self) -> str:
        """Address of the question's page."""
        return f"/listen/{self.place}"

    @cached_property
    def answer(self) -> str | None:
        """The participant's answer; None if there is none yet."""
        answers = {item.clip.id: text for item, text in self.participant.answered()}
        return answers.get(self.item.clip.id)

    def audio(self) -> Audio | None:
        """Return the clip's audio; None if it is missing or differs from the participant's run."""
        with RunReader.open(self.participant.folder) as store:
            path, sha256 = store.audio_files().get(self.item.clip.id, ("", ""))
            return read_unchanged(Path(path), sha256)


class Listening:
    """The pages of the listening study.

    Parameters
    ----------
    find_data : callable
        Returns the data set to listen to (``InputError`` if there is none).
    human_runs : pathlib.Path
        Folder of the participants' runs.
    first : callable
        Returns the runs whose answers are shown next to the participant's.
    """

    def __init__(
        self, find_data: Callable[[], DataSet], human_runs: Path, first: Callable[[], Live]
    ) -> None:
        self._find_data = find_data
        self._human_runs = human_runs
        self._first = first
        self._participants: dict[str, Participant] = {}
        self._opening = threading.Lock()
        self._scores: dict[Path, tuple[tuple[str, str, int], ListeningScore]] = {}
        self.routes = [
            Route("/listen", self.start),
            web.form_route("/listen/name", self.enter),
            Route("/listen/next", self.next),
            Route("/listen/done", self.done),
            Route("/listen/{place}", self.question),
            web.form_route("/listen/{place}", self.answer),
            Route("/listen/{place}/sound", self.audio),
        ]

    # --- participants ---

    def start(self, request: Request, name: str = "", error: str = "") -> Response:
        """Return the page that explains the study and asks for a name."""
        status, clips, known = 422 if error else 200, 0, None
        try:
            clips = len(self._find_data().clips)
            known = self._known(request)
        except _UNAVAILABLE as unavailable:
            error = error or one_line(unavailable, 400)
        return web.page("listen.html", status, clips=clips, known=known, name=name, error=error)

    def enter(self, request: Request, form: web.Form) -> Response:
        """Start or continue under a name; a name used in another browser must be confirmed."""
        name = form.get("name", "")
        try:
            name = participant_name(name)
            confirmed = web.read_name(request, COOKIE) == name or form.get("confirmed") == "yes"
            if not exists(self._human_runs, name):
                self._participants.pop(name, None)  # its run was deleted
            elif not confirmed:
                return web.page("confirm_name.html", name=name)
            self._open(name)
        except _UNAVAILABLE as error:
            return self.start(request, name, one_line(error, 400))
        return web.redirect_with_name("/listen/next", COOKIE, name)

    def _open(self, name: str) -> Participant:
        with self._opening:
            if name not in self._participants:
                data = self._find_data()
                self._participants[name] = Participant.open(self._human_runs, name, data)
            return self._participants[name]

    def _known(self, request: Request) -> Participant | None:
        name = web.read_name(request, COOKIE)
        return self._open(name) if name and exists(self._human_runs, name) else None

    # --- questions ---

    def next(self, request: Request) -> Response:
        """Redirect to the first clip without an answer."""
        participant = self._participant(request)
        item = participant.next()
        place = participant.items.index(item) + 1 if item else "done"
        return RedirectResponse(f"/listen/{place}", 303)

    def question(self, request: Request) -> Response:
        """Return the question about a clip, or the solution if it has been answered."""
        question = self._question(request)
        if question.answer is None:
            return _question_page(question)
        left = question.participant.total - question.participant.done
        others = self._others(question)
        return web.page("solution.html", question=question, left=left, others=others)

    def answer(self, request: Request, form: web.Form) -> Response:
        """Store an answer, and redirect to the solution."""
        participant, text = self._participant(request), form.get("text", "")
        if form.get("participant") != participant.name:
            listening = f"{participant.name} is listening in this browser now"
            raise HTTPException(409, f"This page belongs to another participant; {listening}.")
        question = self._question(request)
        answer = CANNOT_TELL if form.get("answer") == "cannot tell" else text
        try:
            participant.answer(question.item, answer)
        except InputError as error:
            return _question_page(question, text, one_line(error, 400), 422)
        except (RunConflictError, IncompleteError) as error:
            message = f"Answer not saved: {one_line(error, 400)}. Send it again in a moment."
            return _question_page(question, text, message, 503)
        return RedirectResponse(question.address, 303)

    def audio(self, request: Request) -> Response:
        """Return a clip's audio if the participant may see its question."""
        with suppress(HTTPException):
            if audio := self._question(request).audio():
                return web.audio_response(request, audio)
        raise HTTPException(404, "Audio not found.")

    def done(self, request: Request) -> Response:
        """Return the participant's score so far, next to those of the models."""
        participant = self._participant(request)
        version = stamp_of(participant.folder), self._first().latest().version
        answered = [item for item, _ in participant.answered()]
        if not answered:
            raise web.redirect("/listen/next")
        models = self._models(participant)
        runs = [shlex.quote(str(model.source)) for model in models.values()]
        return web.page(
            "done.html", participant=participant, left=participant.total - len(answered),
            items=[(participant.items.index(item) + 1, item) for item in answered],
            score=self._score(participant, answered, models, version), markers=_markers(models),
            folder=shlex.quote(str(participant.folder)), runs=" ".join(runs or ["RUN"]),
            least=LEAST_CLIPS,
        )  # fmt: skip

    def _score(
        self,
        participant: Participant,
        answered: Sequence[Item],
        models: Mapping[str, Shown],
        version: tuple[str, str],
    ) -> ListeningScore:
        """Return the score, which is computed again for a new version of the runs."""
        key = (*version, len(answered))
        if self._scores.get(participant.folder, (None,))[0] != key:
            own = Shown(participant.folder, *read_run(participant.folder))
            self._scores[participant.folder] = key, listening_score(answered, own, models)
        return self._scores[participant.folder][1]

    def _participant(self, request: Request) -> Participant:
        """Return the participant, or raise a redirect to the page that asks for a name."""
        if participant := self._known(request):
            return participant
        raise web.redirect("/listen")

    def _question(self, request: Request) -> ItemToAnswer:
        """Return an answered question or the next one, or raise a redirect to the next one."""
        participant = self._participant(request)
        for place, item in enumerate(participant.items, start=1):
            if str(place) == request.path_params["place"]:
                question = ItemToAnswer(participant, item, place)
                if question.answer is None and item != participant.next():
                    raise web.redirect("/listen/next")
                return question
        raise HTTPException(404, "Clip not found.")

    def _models(self, participant: Participant) -> dict[str, Shown]:
        """Return the open runs by model, without the participant's own run."""
        own = participant.folder.resolve()
        shown = self._first().latest().shown.items()
        return {name: model for name, model in shown if model.source.resolve() != own}

    def _others(self, question: ItemToAnswer) -> Iterator[dict[str, Any]]:
        """Yield the models' answers to the same item, with their verdicts."""
        models = self._models(question.participant)
        markers = _markers(models)
        for model, shown in models.items():
            for key, answer in answers_to([question.item], shown).items():
                yield {
                    "model": model, "marker": markers[model], "answer": answer,
                    "verdicts": shown.items.verdicts_on(key),
                }  # fmt: skip


def _markers(models: Iterable[str]) -> dict[str, int]:
    """Return the number of each model's marker."""
    return {name: marker_of(place) for place, name in enumerate(models)}


def _question_page(
    question: ItemToAnswer, text: str = "", error: str = "", status: int = 200
) -> Response:
    if not question.audio():
        raise HTTPException(503, "The audio of the next clip is missing or has changed.")
    return web.page(
        "question.html", status, question=question, text=text, error=error, longest=LONGEST_ANSWER
    )
