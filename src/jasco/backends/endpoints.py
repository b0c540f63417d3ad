"""Where the requests of a chat client go: base URLs, the key, and the headers made of them."""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

from yarl import URL

from jasco.backends.options import address
from jasco.backends.secrets import mask_url, read_key
from jasco.backends.specs import Spec
from jasco.errors import InputError, one_line

DEFAULT_BASE_URL = "https://api.openai.com/v1"
"""Where requests go if neither the spec nor the environment has a ``base_url``."""
_OPENAI_HEADERS = {
    "OpenAI-Organization": "OPENAI_ORG_ID",
    "OpenAI-Project": "OPENAI_PROJECT_ID",
}


@dataclass(frozen=True)
class Endpoint:
    """A server's URL of chat completions.

    Attributes
    ----------
    url : yarl.URL
        The URL.
    headers : mapping
        Headers of every request.
    shown : str
        The ``base_url``, without secrets, for messages.
    """

    url: URL
    headers: Mapping[str, str]
    shown: str

    @classmethod
    def of(cls, base_url: str, key: str, key_variable: str | None = None) -> Self:
        """Return the endpoint of a ``base_url``, whose query stays.

        Parameters
        ----------
        base_url : str
            The address up to ``/v1``.
        key : str
            The API key; empty where there is none.
        key_variable : str or None
            The variable that ``api_key_env`` names: its key goes before user and password in the
            address, because it is meant for this server.
        """
        parts = urlsplit(base_url)
        user, at, host = parts.netloc.rpartition("@")
        headers = {"Content-Type": "application/json"}
        if at and not key_variable:
            name, _, password = user.partition(":")
            credentials = f"{unquote(name)}:{unquote(password)}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
        elif key:
            headers["Authorization"] = f"Bearer {key}"
        for header, variable in _OPENAI_HEADERS.items():
            if (value := os.environ.get(variable, "").strip()) and host == "api.openai.com":
                headers[header] = value
        path = parts.path.rstrip("/") + "/chat/completions"
        shown = mask_url(base_url.rstrip("/"))
        try:
            url = URL(urlunsplit((parts.scheme, host, path, parts.query, "")), encoded=True)
        except ValueError:
            raise InputError(
                f"{one_line(shown)}: not an address; write http://HOST:PORT/v1"
            ) from None
        return cls(url, headers, shown)


def default_base_url() -> str:
    """Return the base URL of specs without one (``InputError`` if the environment's is invalid)."""
    base_url = os.environ.get("OPENAI_BASE_URL", "").strip()
    if not base_url:
        return DEFAULT_BASE_URL
    try:
        return address(base_url)
    except ValueError as error:
        raise InputError(f"OPENAI_BASE_URL is not an address: {error}") from None


def api_key(variable: str | None) -> str:
    """Return the key in a variable that ``api_key_env`` names, else in ``OPENAI_API_KEY``."""
    key = read_key(variable or "OPENAI_API_KEY")
    if variable and not key:
        raise InputError(f"api_key_env={variable}: the environment has no such variable")
    return key


def check_default_base_url(spec: Spec) -> None:
    """Raise ``InputError`` if a spec can only fail at the default base URL.

    That is so for names as on the Hugging Face hub (``ORGANISATION/MODEL``), which OpenAI's
    server does not have, and without a key.
    """
    variable = spec.options["api_key_env"] or "OPENAI_API_KEY"
    if spec.options["base_url"] or "/" not in spec.name.strip("/"):
        return
    if any(os.environ.get(name, "").strip() for name in ("OPENAI_BASE_URL", variable)):
        return
    raise InputError(
        f"{spec.label}: asks {DEFAULT_BASE_URL}, because the spec has no base_url and "
        "OPENAI_BASE_URL is not set, and there is no key for it; give "
        f"base_url=http://HOST:PORT/v1, or set {variable}"
    )
