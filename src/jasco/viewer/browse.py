"""The report page of runs that may be in progress."""

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from jasco.data.audio import Audio, read_unchanged
from jasco.reports.page.content import content_of, packed
from jasco.reports.page.sections import sections_of
from jasco.reports.page.shown import Shown, clip_audio, clips_of
from jasco.reports.page.sounds import sound_view
from jasco.viewer.catalogue import Catalogue, key_of
from jasco.viewer.live import Live, Snapshot
from jasco.viewer.progress import progress_of
from jasco.viewer.selections import Selections
from jasco.viewer.web import audio_response, redirect, render

# Replaced in each response; texts in the page cannot contain them.
_VERSION = f"version-{token_hex()}"
_PROGRESS = f"progress-{token_hex()}"
_MARKS = {"version": _VERSION, "progress": _PROGRESS}


def lay_out(shown: Mapping[str, Shown], notes: Sequence[str]) -> tuple[str, bytes]:
    """Return the report page of runs, and the content for its script."""
    if not shown:
        return render("waiting.html", notes=notes, **_MARKS), packed({})
    sounds: dict[str, Any] = {}
    for clip in clips_of(shown):
        files = (model.items.audio.get(clip.id, ("", "")) for model in shown.values())
        if any(_is_unchanged(*file) for file in files):
            name = quote(clip.id)
            sounds[clip.id] = {"sound_view": f"sound/{name}", "audio": f"audio/{name}"}
    label = f"/disagreements?run={key_of(next(iter(shown.values())).source)}"
    sections = sections_of(shown, sounds)
    page = render("browse.html", page=sections, notes=notes, label=label, **_MARKS)
    return page, packed(content_of(shown, sounds))


def _is_unchanged(path: str, sha256: str) -> bool:
    """Return whether a file contains the audio with this hash."""
    with suppress(OSError):
        file = Path(path).stat()
        return _is_version_unchanged(path, sha256, file.st_size, file.st_mtime_ns)
    return False


@lru_cache(maxsize=100_000)
def _is_version_unchanged(path: str, sha256: str, _size: int, _mtime_ns: int) -> bool:
    return read_unchanged(Path(path), sha256) is not None


class Browse:
    """The page, its content and its audio: of the first runs, and of any selected ones."""

    def __init__(self, selections: Selections, catalogue: Catalogue) -> None:
        self._selections = selections
        self._catalogue = catalogue
        handlers = {
            "state": self.version,
            "progress": self.progress,
            "data.json": self.content,
            "audio/{clip}": self.audio,
            "sound/{clip}": self.sound,
        }
        self.routes = [
            Route("/", self.start),
            Route("/report/{runs}", self.selected),
            Route("/report/{runs}/", self.page),
            *(
                Route(f"{folder}{path}", handler)
                for folder in ("/", "/report/{runs}/")
                for path, handler in handlers.items()
            ),
        ]

    def start(self, request: Request) -> Response:
        """Return the page of the first runs; redirect if others are selected, or if none fit."""
        if keys := request.query_params.getlist("run"):
            return self._redirect(keys)
        if self._catalogue.has_folders or self._catalogue.differ():
            raise redirect("/runs")
        return self.page(request)

    def selected(self, request: Request) -> Response:
        """Redirect to the page of the selected runs."""
        return self._redirect(_keys(request))

    def _redirect(self, keys: Sequence[str]) -> Response:
        self._selections.of(keys)  # an error if one is not found
        raise redirect(f"/report/{'-'.join(dict.fromkeys(keys))}/")

    def page(self, request: Request) -> Response:
        """Return the page."""
        live = self._live(request)
        snapshot, progress = live.now(), _progress(live)
        version = _version(snapshot, progress)
        return HTMLResponse(snapshot.page.replace(_PROGRESS, progress).replace(_VERSION, version))

    def progress(self, request: Request) -> Response:
        """Return the part of the page that shows the progress of runs."""
        return HTMLResponse(_progress(self._live(request)))

    def version(self, request: Request) -> Response:
        """Return the version of the content and that of the progress: ``CONTENT.PROGRESS``."""
        live = self._live(request)
        return PlainTextResponse(_version(live.latest(), _progress(live)))

    def content(self, request: Request) -> Response:
        """Return all clips and items, for the page's script."""
        content = self._live(request).latest().content
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(gzip.decompress(content), media_type="application/json")
        return Response(
            content, media_type="application/json", headers={"Content-Encoding": "gzip"}
        )

    def audio(self, request: Request) -> Response:
        """Return a clip's audio."""
        return audio_response(request, self._audio(request))

    def sound(self, request: Request) -> Response:
        """Return a clip's waveform, spectrogram and speech."""
        return JSONResponse(sound_view(self._audio(request)))

    def _audio(self, request: Request) -> Audio:
        shown = self._live(request).latest().shown
        if audio := clip_audio(shown, request.path_params["clip"]):
            return audio
        raise HTTPException(404, "Audio not found.")

    def _live(self, request: Request) -> Live:
        keys = _keys(request)
        return self._selections.of(keys) if keys else self._selections.first()


def _keys(request: Request) -> list[str]:
    return request.path_params["runs"].split("-") if "runs" in request.path_params else []


def _progress(live: Live) -> str:
    """Return the progress of runs as HTML; empty if all are complete."""
    runs = progress_of(live.progress(), live.latest().shown, datetime.now(UTC))
    return render("progress.html", runs=runs) if runs else ""


def _version(snapshot: Snapshot, progress: str) -> str:
    return f"{snapshot.version}.{hashlib.sha256(progress.encode()).hexdigest()[:8]}"
