"""Who may ask, and what an answer may do in a browser.

The app is for those who can reach its machine, and their browsers also open other people's pages.
So a request must name the app by its own address (a foreign name may be made to resolve to this
machine), a form must come from a page of the app, and on any address but the default one whoever
asks must have the token that was printed. Answers run no script, load nothing and go into no frame
but what the app serves itself.
"""

import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass
from functools import cache
from typing import Self
from urllib.parse import parse_qsl

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEFAULT_HOST = "127.0.0.1"
LARGEST_FORM = 64_000
"""Bytes."""
_MOST_FIELDS = 20
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]/@]+)(?::([0-9]{1,5}))?")
_ENTRANCES = ("/", "/disagreements", "/listen")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    # With no-referrer, browsers would say of our own forms that they come from nowhere (null).
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Go with every answer."""


@dataclass(frozen=True)
class Address:
    """Where the app is served.

    Attributes
    ----------
    host : str
        As it was given.
    port : int
        The one that is listened on.
    token : str or None
        What a visitor must have; None: nothing.
    """

    host: str
    port: int
    token: str | None = None

    @classmethod
    def of(cls, host: str, port: int) -> Self:
        """Make an address, with a token on any but the default one."""
        if host in _EVERYWHERE:
            _names_of_machine()  # may take a while, and not while somebody is waiting
        return cls(host, port, None if host == DEFAULT_HOST else secrets.token_urlsafe(24))

    @property
    def url(self) -> str:
        """What to open."""
        name = socket.gethostname() if self.host in _EVERYWHERE else _written(self.host)
        asked = f"?token={self.token}" if self.token else ""
        return f"http://{name}:{self.port}/{asked}"

    @property
    def cookie(self) -> str:
        """Name the token's cookie: cookies are shared by all ports of a machine."""
        return f"jasco-token-{self.port}"

    def is_ours(self, host: str) -> bool:
        """Whether a request to this name (with its port) is meant for the app."""
        match = _HOST.fullmatch(host.lower())
        if not match or int(match[2] or 80) != self.port:
            return False
        name = match[1]
        if name in (*_LOOPBACK, _written(self.host.lower())):
            return True
        if self.host not in _EVERYWHERE:
            return False
        # A number cannot be made to resolve to something else.
        return name in _names_of_machine() or _is_number(name)


@cache
def _names_of_machine() -> frozenset[str]:
    return frozenset((socket.gethostname().lower(), socket.getfqdn().lower()))


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


class Guard:
    """Lets in who may ask, and sets the headers of every answer."""

    def __init__(self, app: ASGIApp, address: Address) -> None:
        self._app = app
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return  # there is nothing else here

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._refused(Request(scope)) or self._app
        await answer(scope, receive, send_with_headers)

    def _refused(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if not self._address.is_ours(host):
            return PlainTextResponse("This is not served under that name.\n", 421)
        if self._address.token and not self._matches(request.cookies.get(self._address.cookie)):
            if self._matches(request.query_params.get("token")):
                return self._entrance(request)
            return PlainTextResponse("Open the address that jasco view has printed.\n", 403)
        if request.method not in ("GET", "HEAD") and not _comes_from(request, host):
            return PlainTextResponse("That form is not from here.\n", 403)
        return None

    def _matches(self, given: str | None) -> bool:
        token = (self._address.token or "").encode()
        return secrets.compare_digest((given or "").encode(), token)

    def _entrance(self, request: Request) -> Response:
        """Keep the token as a cookie, and go on without it in the address.

        Not by a redirect: after a click on another site's link, it would go without the cookie.
        """
        path = request.url.path if request.url.path in _ENTRANCES else _ENTRANCES[0]
        page = HTMLResponse(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>JASCO</title>'
            '<link rel="icon" href="/static/icon.svg">'
            f'<meta http-equiv="refresh" content="0;url={path}"><a href="{path}">Go on</a></html>'
        )
        page.set_cookie(
            self._address.cookie, self._address.token or "", httponly=True, samesite="strict"
        )
        return page


def _comes_from(request: Request, host: str) -> bool:
    """Whether the page that a form was on is one of ours."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    said = [
        *([] if origin is None else [origin == f"http://{host}"]),
        *([] if site is None else [site == "same-origin"]),
    ]
    return bool(said) and all(said)


async def form_of(request: Request) -> dict[str, str]:
    """Read a small form (``HTTPException`` for anything else)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "Only plain forms are read here.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise HTTPException(413, "That is too much for a form.")
    try:
        fields = parse_qsl(
            body.decode("ascii", "replace"),
            keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS,
        )  # fmt: skip
    except ValueError:
        raise HTTPException(400, "That form has too many fields.") from None
    return dict(fields)
