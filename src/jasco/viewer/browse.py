"""The report page of runs that may be in progress."""

import gzip
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from jasco.data.audio import Audio, read_unchanged
from jasco.reports.page.content import Shown, clip_audio, clips_of, content_of, packed
from jasco.reports.page.sections import sections_of
from jasco.reports.page.sounds import sound_view, spectrogram
from jasco.viewer.live import Live
from jasco.viewer.web import audio_response, render

_VERSION = "@@version@@"


def lay_out(shown: Mapping[str, Shown], notes: Sequence[str]) -> tuple[str, bytes]:
    """Return the report page of runs, and the content for its script."""
    if not shown:
        return render("waiting.html", notes=notes), packed({})
    sounds: dict[str, Any] = {}
    for clip in clips_of(shown):
        lengths = (_seconds(*model.items.audio.get(clip.id, ("", ""))) for model in shown.values())
        seconds = next((length for length in lengths if length is not None), None)
        if seconds is not None:
            name = quote(clip.id)
            urls = {kind: f"{kind}/{name}" for kind in ("audio", "spectrogram")}
            sounds[clip.id] = {"sound_view": f"sound/{name}", "seconds": seconds, **urls}
    page = render("browse.html", page=sections_of(shown, sounds), notes=notes)
    return page, packed(content_of(shown, sounds))


def _seconds(path: str, sha256: str) -> float | None:
    """Return the length of a file's audio; None if the file is missing or has changed."""
    with suppress(OSError):
        file = Path(path).stat()
        return _seconds_of_version(path, sha256, file.st_size, file.st_mtime_ns)
    return None


@lru_cache(maxsize=100_000)
def _seconds_of_version(path: str, sha256: str, _size: int, _mtime_ns: int) -> float | None:
    audio = read_unchanged(Path(path), sha256)
    return audio.seconds if audio else None


class Browse:
    """The page, its content and its audio."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.routes = [
            Route("/", self.page),
            Route("/state", self.version),
            Route("/data.json", self.content),
            Route("/audio/{clip}", self.audio),
            Route("/sound/{clip}", self.sound),
            Route("/spectrogram/{clip}", self.spectrogram),
        ]

    def page(self, _request: Request) -> Response:
        """Return the page."""
        now = self._live.now()
        before, _, after = now.page.rpartition(_VERSION)  # model outputs come before it
        return HTMLResponse(f"{before}{now.version}{after}")

    def version(self, _request: Request) -> Response:
        """Return the version, which changes whenever there is new content."""
        return PlainTextResponse(self._live.latest().version)

    def content(self, request: Request) -> Response:
        """Return all clips and items, for the page's script."""
        content = self._live.latest().content
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(gzip.decompress(content), media_type="application/json")
        return Response(
            content, media_type="application/json", headers={"Content-Encoding": "gzip"}
        )

    def audio(self, request: Request) -> Response:
        """Return a clip's audio."""
        return audio_response(request, self._audio(request))

    def sound(self, request: Request) -> Response:
        """Return what is seen of a clip's audio."""
        return JSONResponse(sound_view(self._audio(request)))

    def spectrogram(self, request: Request) -> Response:
        """Return a clip's spectrogram."""
        return Response(spectrogram(self._audio(request)), media_type="image/webp")

    def _audio(self, request: Request) -> Audio:
        if audio := clip_audio(self._live.latest().shown, request.path_params["clip"]):
            return audio
        raise HTTPException(404, "Audio not found.")
