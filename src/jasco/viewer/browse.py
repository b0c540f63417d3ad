"""The report page, of runs that may be going on."""

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from jasco.data.audio import Audio
from jasco.reports.page.content import Shown, clip_audio, clips_of, content_of, packed
from jasco.reports.page.sections import sections_of
from jasco.reports.page.sounds import spectrogram
from jasco.viewer.live import Live, Runs
from jasco.viewer.pages import filled, trouble
from jasco.viewer.sending import send_audio

_STATE = "@@state@@"


class Layout:
    """Makes the page of runs; remembers what it knows of their sounds."""

    def __init__(self) -> None:
        self._seconds: dict[object, float | None] = {}

    def __call__(self, runs: Runs) -> tuple[str, bytes]:
        """Make page and content."""
        if not runs.shown:
            return filled("waiting.html", notes=runs.notes, view="browse"), packed({})
        sounds, missing = self._sounds(runs.shown)
        page = filled(
            "browse.html", page=sections_of(runs.shown, missing), notes=runs.notes, view="browse"
        )
        return page, packed(content_of(runs.shown, sounds))

    def _sounds(self, shown: Mapping[str, Shown]) -> tuple[dict[str, Any], list[str]]:
        """Say where the browser finds each clip's sound, and which are gone."""
        sounds, missing = dict[str, Any](), list[str]()
        for clip in clips_of(shown):
            files = [_file(*each.items.audio.get(clip.id, ("", ""))) for each in shown.values()]
            key = clip.id, *files
            if key not in self._seconds:
                heard = clip_audio(shown, clip.id)
                self._seconds[key] = heard.seconds if heard else None
            seconds = self._seconds[key]
            if seconds is None:
                missing.append(clip.id)
            else:
                name = quote(clip.id)
                sounds[clip.id] = {
                    "seconds": seconds,
                    "audio": f"audio/{name}",
                    "spectrogram": f"spectrogram/{name}",
                }
        return sounds, missing


def _file(path: str, sha256: str) -> tuple[str, str, int, int]:
    try:
        file = Path(path).stat()
    except OSError:
        return path, sha256, 0, 0
    return path, sha256, file.st_size, file.st_mtime_ns


class Browse:
    """The page, its content and its sounds."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.routes = [
            Route("/", self.page),
            Route("/state", self.state),
            Route("/data.json", self.content),
            Route("/audio/{clip}", self.audio),
            Route("/spectrogram/{clip}", self.spectrogram),
        ]

    def page(self, _request: Request) -> Response:
        """Answer with the page."""
        now = self._live.now()
        before, _, after = now.page.rpartition(_STATE)  # texts of others stand before it
        return HTMLResponse(f"{before}{now.version}{after}")

    def state(self, _request: Request) -> Response:
        """Tell which version there is: another one when there is something new to show."""
        return PlainTextResponse(self._live.latest().version)

    def content(self, request: Request) -> Response:
        """Answer with all clips and items, for the page's script."""
        content = self._live.latest().content
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(gzip.decompress(content), media_type="application/json")
        headers = {"Content-Encoding": "gzip"}
        return Response(content, media_type="application/json", headers=headers)

    def audio(self, request: Request) -> Response:
        """Answer with a clip's sound."""
        heard = self._heard(request)
        return send_audio(request, heard) if heard else trouble(404, "There is no such sound.")

    def spectrogram(self, request: Request) -> Response:
        """Answer with a picture of a clip's sound."""
        heard = self._heard(request)
        if not heard:
            return trouble(404, "There is no such sound.")
        return Response(spectrogram(heard), media_type="image/webp")

    def _heard(self, request: Request) -> Audio | None:
        return clip_audio(self._live.latest().runs.shown, request.path_params["clip"])
