"""What people send: small forms, and who they are."""

from collections.abc import Callable, Mapping
from typing import TypeAlias
from urllib.parse import quote, unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jasco.errors import InputError
from jasco.runs.participants import participant_name
from jasco.viewer.security import form_of

Form: TypeAlias = Mapping[str, str]
"""What stands in the fields of a form."""
_A_YEAR = 365 * 24 * 3600


def form_route(path: str, handle: Callable[[Request, Form], Response]) -> Route:
    """Make a route for a form; ``handle`` is run in a thread."""

    async def read_and_handle(request: Request) -> Response:
        return await run_in_threadpool(handle, request, await form_of(request))

    return Route(path, read_and_handle, methods=["POST"])


def name_in(request: Request, cookie: str) -> str:
    """Read a person's name from a cookie; empty where there is none."""
    try:
        return participant_name(unquote(request.cookies.get(cookie, "")))
    except InputError:
        return ""


def remember_name(response: Response, cookie: str, name: str) -> None:
    """Keep a person's name in a cookie."""
    response.set_cookie(
        cookie, quote(name, safe=""), max_age=_A_YEAR, httponly=True, samesite="strict"
    )
