"""Access to the app, and browser restrictions on its responses.

A browser that can reach the app also opens pages of other sites, which could send requests to it.
Therefore a request must use the app's own host name (another name could be made to resolve to this
machine), a form must come from a page of the app, and on any address except the default one a
request must contain the printed token. Pages load scripts and other resources only from the app,
and cannot be embedded in frames.
"""

import ipaddress
import re
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Self

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jasco.viewer.web import page

DEFAULT_HOST = "127.0.0.1"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]/@]+)(?::([0-9]{1,5}))?")
_ENTRANCES = re.compile(r"/(|runs|label|listen|report/[0-9a-f-]{1,99}/)")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    # With no-referrer, browsers would send the origin "null" with the app's own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every response."""


@dataclass(frozen=True)
class Address:
    """Address at which the app is served.

    Attributes
    ----------
    host : str
        Host as entered by the user.
    port : int
        Port.
    token : str or None
        Token that a request must contain; None if none is needed.
    """

    host: str
    port: int
    token: str | None = None

    @classmethod
    def of(cls, host: str, port: int) -> Self:
        """Return an address, with a token on any host except the default one."""
        if host in _EVERYWHERE:
            _machine_names()  # may be slow, so not during a request
        return cls(host, port, None if host == DEFAULT_HOST else secrets.token_urlsafe(24))

    @property
    def url(self) -> str:
        """URL to open, including the token."""
        name = socket.gethostname() if self.host in _EVERYWHERE else _in_url(self.host)
        query = f"?token={self.token}" if self.token else ""
        return f"http://{name}:{self.port}/{query}"

    @property
    def cookie(self) -> str:
        """Name of the token's cookie, with the port because cookies are shared by all ports."""
        return f"jasco-token-{self.port}"

    def is_ours(self, host: str) -> bool:
        """Return whether a request to this host (with its port) is meant for the app."""
        match = _HOST.fullmatch(host.lower())
        if not match or int(match[2] or 80) != self.port:
            return False
        name = match[1]
        if name in (*_LOOPBACK, _in_url(self.host.lower())):
            return True
        # An IP address cannot be made to resolve to something else.
        return self.host in _EVERYWHERE and (name in _machine_names() or _is_number(name))


@cache
def _machine_names() -> frozenset[str]:
    return frozenset((socket.gethostname().lower(), socket.getfqdn().lower()))


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_number(name: str) -> bool:
    with suppress(ValueError):
        ipaddress.ip_address(name.strip("[]"))
        return True
    return False


class AccessMiddleware:
    """Refuses requests without access, and sets the headers of every response.

    It wraps the whole app, so error responses have the headers as well.
    """

    def __init__(self, app: ASGIApp, address: Address) -> None:
        self._app = app
        self._address = address
        self._token = address.token or ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        response = self._refusal(Request(scope)) or self._app
        await response(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if not self._address.is_ours(host):
            return PlainTextResponse(
                "Unknown host name; open the address printed by jasco view.\n", 421
            )
        if self._token and not self._is_token(request.cookies.get(self._address.cookie)):
            if self._is_token(request.query_params.get("token")):
                return self._entrance(request)
            return PlainTextResponse(
                "Missing or invalid token; open the address printed by jasco view.\n", 403
            )
        if request.method not in ("GET", "HEAD") and not _is_from(host, request):
            return PlainTextResponse("The form was not sent from a page of this app.\n", 403)
        return None

    def _is_token(self, text: str | None) -> bool:
        return secrets.compare_digest((text or "").encode(), self._token.encode())

    def _entrance(self, request: Request) -> Response:
        """Return a page that sets the token's cookie and opens a URL without the token.

        A redirect would be sent without the cookie if the user clicked a link on another site.
        """
        path = request.url.path if _ENTRANCES.fullmatch(request.url.path) else "/"
        response = page("entrance.html", path=path)
        response.set_cookie(self._address.cookie, self._token, httponly=True, samesite="strict")
        return response


def _is_from(host: str, request: Request) -> bool:
    """Return whether a form came from a page of this host; browsers send one header or both."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    is_known = origin is not None or site is not None
    return is_known and origin in (None, f"http://{host}") and site in (None, "same-origin")
