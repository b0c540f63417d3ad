"""Sounds sent to a player, which asks for parts of them to seek."""

import re

from starlette.requests import Request
from starlette.responses import Response

from jasco.data.audio import Audio

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def send_audio(request: Request, audio: Audio) -> Response:
    """Answer with audio as a WAV file, or with the part of it that is asked for."""
    content, size = audio.wav, len(audio.wav)
    headers = {"Accept-Ranges": "bytes"}
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if not asked or not any(asked.groups()):  # several ranges at once may be answered by all
        return Response(content, media_type="audio/wav", headers=headers)
    first, last = (int(each) if each else None for each in asked.groups())
    if first is None:  # so many from the end
        first, last = max(0, size - (last or 0)), None
    last = size - 1 if last is None else min(last, size - 1)
    if first > last:
        headers["Content-Range"] = f"bytes */{size}"
        return Response(status_code=416, headers=headers)
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Response(content[first : last + 1], 206, headers, "audio/wav")
