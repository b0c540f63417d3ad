"""People answer what models were asked: they hear a clip, say what goes on, and see what it was.

Until an answer is kept, nothing that goes to the browser tells of the solution: a clip is called by
its place in the listener's own order, and its page holds its sound and the question only.
"""

import shlex
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from markupsafe import escape
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from jasco.data.audio import Audio, read_unchanged
from jasco.data.dataset import DataSet
from jasco.errors import IncompleteError, InputError, RunConflictError, one_line
from jasco.human.listening_study import LONGEST_ANSWER, Participant, exists
from jasco.protocol.clips import Item
from jasco.runs.participants import participant_name
from jasco.runs.reader import RunReader
from jasco.viewer.forms import Form, form_route, name_in, remember_name
from jasco.viewer.live import Live
from jasco.viewer.pages import page, trouble
from jasco.viewer.sending import send_audio

COOKIE = "jasco-listener"


class Listening:
    """The rounds of all who listen.

    Parameters
    ----------
    find_data : callable
        Gives what there is to hear (``InputError`` where there is nothing).
    keep : pathlib.Path
        Where the listeners' runs are.
    live : Live
        Runs whose answers are shown beside the listener's.
    """

    def __init__(self, find_data: Callable[[], DataSet], keep: Path, live: Live) -> None:
        self._find_data = find_data
        self._keep = keep
        self._live = live
        self._listeners: dict[str, Participant] = {}
        self._opening = threading.Lock()
        self.routes = [
            Route("/listen", self.start),
            form_route("/listen/name", self.name),
            Route("/listen/next", self.next),
            Route("/listen/done", self.done),
            Route("/listen/{place}", self.round),
            form_route("/listen/{place}", self.answer),
            Route("/listen/{place}/sound", self.sound),
        ]

    # --- who ---

    def start(self, request: Request) -> Response:
        """Say what this is, and ask who listens."""
        data = None
        try:
            data = self._find_data()
            known = self._who(request)
        except (InputError, RunConflictError, IncompleteError) as error:
            return self._start(data, wrong=one_line(error, 400))
        return self._start(data, known)

    def name(self, request: Request, form: Form) -> Response:
        """Let somebody in, under a name that is theirs."""
        given, data = form.get("name", ""), None
        try:
            data = self._find_data()
            name = participant_name(given)
            been = name_in(request, COOKIE) == name or form.get("sure") == "yes"
            if not exists(self._keep, name):
                self._listeners.pop(name, None)  # its run was taken away
            elif not been:
                return page("is_that_you.html", name=name)
            self._open(name)
        except (InputError, RunConflictError, IncompleteError) as error:
            return self._start(data, given=given, wrong=one_line(error, 400), status=422)
        answer = RedirectResponse("/listen/next", 303)
        remember_name(answer, COOKIE, name)
        return answer

    def _start(
        self,
        data: DataSet | None = None,
        known: Participant | None = None,
        given: str = "",
        wrong: str = "",
        status: int = 200,
    ) -> Response:
        return page(
            "listen.html", status, known=known, given=given, wrong=wrong,
            clips=len(data.clips) if data else 0, view="listen",
        )  # fmt: skip

    def _open(self, name: str) -> Participant:
        with self._opening:
            if name not in self._listeners:
                self._listeners[name] = Participant.open(self._keep, name, self._find_data())
            return self._listeners[name]

    def _who(self, request: Request) -> Participant | None:
        name = name_in(request, COOKIE)
        return self._open(name) if name and exists(self._keep, name) else None

    # --- rounds ---

    def next(self, request: Request) -> Response:
        """Go on to the first clip that has no answer yet."""
        listener = self._who(request)
        if not listener:
            return RedirectResponse("/listen", 303)
        return RedirectResponse(_address(listener, listener.next()), 303)

    def round(self, request: Request) -> Response:
        """Ask about a clip, or show what it was where that is answered already."""
        listener = self._who(request)
        if not listener:
            return RedirectResponse("/listen", 303)
        item = _item(listener, request)
        said = _said(listener, item)
        if said is not None:
            return self._solution(listener, item, said)
        if item != listener.next():
            return RedirectResponse("/listen/next", 303)
        return self._question(listener, item)

    def answer(self, request: Request, form: Form) -> Response:
        """Keep an answer, then show what it was."""
        listener = self._who(request)
        if not listener:
            return RedirectResponse("/listen", 303)
        item = _item(listener, request)
        text = form.get("text", "").replace("\r\n", "\n")
        if form.get("listener") != listener.name:
            return trouble(
                409, f"{listener.name} is listening in this browser now; this was another's page."
            )
        if _said(listener, item) is None and item != listener.next():
            return RedirectResponse("/listen/next", 303)
        try:
            if form.get("say") == "cannot":
                listener.cannot_tell(item)
            else:
                listener.answer(item, text)
        except InputError as error:
            return self._question(listener, item, text, one_line(error, 400), 422)
        except (RunConflictError, IncompleteError) as error:
            wrong = f"Not kept yet: {one_line(error, 400)}. Send it again in a moment."
            return self._question(listener, item, text, wrong, 503)
        return RedirectResponse(_address(listener, item), 303)

    def sound(self, request: Request) -> Response:
        """Answer with a clip's sound, where that clip's turn has come."""
        listener = self._who(request)
        item = _item(listener, request) if listener else None
        if listener and item and (item == listener.next() or _said(listener, item) is not None):
            heard = _heard(listener, item)
            if heard:
                return send_audio(request, heard)
        return trouble(404, "There is no such sound.")

    def done(self, request: Request) -> Response:
        """Thank somebody who has heard everything, and say what can be made of it."""
        listener = self._who(request)
        if not listener or listener.next():
            return RedirectResponse("/listen", 303)
        others = [shlex.quote(str(each)) for each in self._live.latest().runs.folders.values()]
        return page(
            "done.html", listener=listener, folder=shlex.quote(str(listener.folder)),
            others=" ".join(others or ["RUN"]), view="listen",
        )  # fmt: skip

    def _question(
        self, listener: Participant, item: Item, text: str = "", wrong: str = "", status: int = 200
    ) -> Response:
        if not _heard(listener, item):
            return trouble(503, "The sound of the next clip is gone, or is not what it was.")
        # What was typed is theirs: not to be changed, whatever is in it.
        return page(
            "question.html", status, text=escape(text), wrong=wrong, longest=LONGEST_ANSWER,
            view="listen", **_round(listener, item),
        )  # fmt: skip

    def _solution(self, listener: Participant, item: Item, said: str) -> Response:
        return page(
            "solution.html", said=said, others=list(self._others(listener, item)), view="listen",
            left=listener.total - listener.done, **_round(listener, item),
        )  # fmt: skip

    def _others(self, listener: Participant, item: Item) -> Iterator[dict[str, Any]]:
        """Say how others answered the same."""
        key, runs = (item.clip.id, item.number), self._live.latest().runs
        for name, shown in runs.shown.items():
            own = runs.folders[name].resolve() == listener.folder.resolve()
            if not own and item.clip in shown.items.clips and key in shown.items.answers:
                verdicts = {judge: said.get(key) for judge, said in shown.items.judges.items()}
                yield {
                    "model": name,
                    "answer": shown.items.answers[key],
                    "verdicts": {judge: each[1] for judge, each in verdicts.items() if each},
                }


def _round(listener: Participant, item: Item) -> dict[str, Any]:
    return {"listener": listener, "item": item, "place": listener.items.index(item) + 1}


def _address(listener: Participant, item: Item | None) -> str:
    return f"/listen/{listener.items.index(item) + 1}" if item else "/listen/done"


def _item(listener: Participant, request: Request) -> Item:
    for place, item in enumerate(listener.items, start=1):
        if str(place) == request.path_params["place"]:
            return item
    raise HTTPException(404, "There is no such clip to listen to.")


def _said(listener: Participant, item: Item) -> str | None:
    """Give what the listener has answered; None where that is nothing yet."""
    said = {answered.clip.id: text for answered, text in listener.answered()}
    return said.get(item.clip.id)


def _heard(listener: Participant, item: Item) -> Audio | None:
    """Read the sound of a clip, if it is still the one that the listener's run knows."""
    with RunReader.open(listener.folder) as store:
        path, sha256 = store.audio_files().get(item.clip.id, ("", ""))
        return read_unchanged(Path(path), sha256)
