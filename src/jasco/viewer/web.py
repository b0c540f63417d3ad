"""Pages, audio, forms and cookies that the views exchange with a browser."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, unquote

from jinja2 import PackageLoader
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from jasco.data.audio import Audio
from jasco.errors import InputError
from jasco.reports.formats import between, number
from jasco.reports.page.render import environment
from jasco.runs.participants import participant_name

Form: TypeAlias = Mapping[str, str]
"""The fields of a form."""
LARGEST_FORM = 64_000
"""Bytes."""
_MOST_FIELDS = 20
_TEMPLATES = environment(PackageLoader("jasco.viewer"))
_TEMPLATES.globals |= {"number": number, "between": between}
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def render(template: str, **values: Any) -> str:
    """Return a rendered template."""
    return _TEMPLATES.get_template(template).render(values)


def page(template: str, status: int = 200, **values: Any) -> Response:
    """Return a response with a rendered template."""
    return HTMLResponse(render(template, **values), status)


def audio_response(request: Request, audio: Audio) -> Response:
    """Return audio as a WAV file, or the byte range that a player requests when seeking.

    Starlette supports ranges of files only, and a file may have changed since it was verified.
    """
    content, size = audio.wav, len(audio.wav)
    headers = {"Accept-Ranges": "bytes"}
    requested = _RANGE.fullmatch(request.headers.get("range", ""))
    if not requested or not any(requested.groups()):  # the whole file is a valid response
        return Response(content, media_type="audio/wav", headers=headers)
    first, last = requested.groups()
    start = int(first) if first else max(0, size - int(last))  # "-500": the last 500 bytes
    end = min(int(last) + 1, size) if first and last else size
    if start >= end:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return Response(content[start:end], 206, headers, "audio/wav")


def form_route(path: str, handle: Callable[[Request, Form], Response]) -> Route:
    """Return the route of a form; ``handle`` runs in a thread."""

    async def read_and_handle(request: Request) -> Response:
        return await run_in_threadpool(handle, request, await _read_form(request))

    return Route(path, read_and_handle, methods=["POST"])


async def _read_form(request: Request) -> Form:
    """Return the fields of a small form, with LF line endings (``HTTPException`` otherwise).

    Starlette's own form parser has no size limit.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "Unsupported content type; expected a URL-encoded form.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise HTTPException(413, "The form is too large.")
    text = body.decode("ascii", "replace")
    try:
        fields = parse_qsl(text, True, errors="replace", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise HTTPException(400, "The form has too many fields.") from None
    return {name: value.replace("\r\n", "\n") for name, value in fields}


def read_name(request: Request, cookie: str) -> str:
    """Return the participant's name from a cookie; empty if there is none."""
    try:
        return participant_name(unquote(request.cookies.get(cookie, "")))
    except InputError:
        return ""


def redirect(address: str) -> HTTPException:
    """Return an exception that ends a request with a redirect."""
    return HTTPException(303, headers={"Location": address})


def redirect_with_name(address: str, cookie: str, name: str) -> Response:
    """Return a redirect that stores the participant's name in a cookie."""
    response = RedirectResponse(address, 303)
    value, year = quote(name, safe=""), 365 * 24 * 3600  # seconds
    response.set_cookie(cookie, value, max_age=year, httponly=True, samesite="strict")
    return response
