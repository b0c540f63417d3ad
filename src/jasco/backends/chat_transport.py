"""The transport of a chat client's requests: base URLs, keys, HTTP.

Each request reserves its budget, and secrets are masked in what is returned.
"""

import base64
import io
import json
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from jasco.backends.budget import NOTHING, Budget
from jasco.backends.chat_completions import Completion, reported_status
from jasco.backends.chat_rejections import Rejection, read_rejection
from jasco.backends.chat_requests import Message, RequestFormat, most_tokens
from jasco.backends.options import address
from jasco.backends.secrets import mask, mask_url, read_key
from jasco.backends.specs import Provider, Spec
from jasco.errors import InputError, one_line
from jasco.protocol.responses import Failure, Response

DEFAULT_BASE_URL = "https://api.openai.com/v1"
"""The base URL if neither the spec nor the environment sets one."""
_OPENAI_HEADERS = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
LARGEST_BODY = 8 * 2**20
"""Maximum size of a decompressed response in bytes; a larger one is a failure."""
_LARGEST_ERROR = 2**16
# A shorter part of a key may also be an ordinary word of an answer.
_SHORTEST_IN_TEXT = 12


@dataclass(frozen=True)
class Endpoint:
    """A server's URL for chat completions.

    Attributes
    ----------
    url : yarl.URL
        The URL.
    headers : mapping
        Headers of every request.
    shown : str
        The ``base_url`` without secrets, for messages.
    proxy : yarl.URL or None
        The proxy through which it is reached, with its credentials.
    """

    url: URL
    headers: Mapping[str, str]
    shown: str
    proxy: URL | None = None

    @classmethod
    def of(
        cls,
        base_url: str,
        key: str,
        key_variable: str | None = None,
        *,
        use_proxy: bool = True,
    ) -> Self:
        """Return the endpoint of a ``base_url``, whose query is preserved.

        Parameters
        ----------
        base_url : str
            The address up to ``/v1``.
        key : str
            The API key; empty if there is none.
        key_variable : str or None
            The variable named by ``api_key_env``: its key takes precedence over user and password
            in the address, because it is meant for this server.
        use_proxy : bool
            Whether to use the proxy of the environment, if there is one.
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
                f"{one_line(shown)}: invalid address; write http://HOST:PORT/v1"
            ) from None
        return cls(url, headers, shown, proxy_for(url) if use_proxy else None)


def proxy_for(url: URL) -> URL | None:
    """Return the proxy that the environment sets for an address (``http_proxy``, ``no_proxy``).

    Raises
    ------
    InputError
        The address of the proxy is invalid.
    """
    address = getproxies().get(url.scheme)
    if not address or proxy_bypass(url.authority):
        return None
    try:
        proxy = URL(address if "://" in address else f"http://{address}")
        if proxy.scheme not in ("http", "https") or not proxy.host:
            raise ValueError
    except ValueError:  # not quoted: it may contain a password
        raise InputError(
            f"{url.scheme}_proxy: invalid address of a proxy; write http://HOST:PORT"
        ) from None
    return proxy


def default_base_url() -> str:
    """Return the base URL of specs without one (``InputError`` if the environment's is invalid)."""
    base_url = os.environ.get("OPENAI_BASE_URL", "").strip()
    if not base_url:
        return DEFAULT_BASE_URL
    try:
        return address(base_url)
    except ValueError as error:
        raise InputError(f"OPENAI_BASE_URL: invalid address ({error})") from None


def api_key(variable: str | None) -> str:
    """Return the key in the variable named by ``api_key_env``, else in ``OPENAI_API_KEY``."""
    key = read_key(variable or "OPENAI_API_KEY")
    if variable and not key:
        raise InputError(
            f"api_key_env={variable}: environment variable is not set; set it to the API key"
        )
    return key


def check_default_base_url(spec: Spec) -> None:
    """Raise ``InputError`` if a spec can only fail at the default base URL.

    This is the case for names as on the Hugging Face hub (``ORGANISATION/MODEL``), which OpenAI
    does not serve, without a key.
    """
    variable = spec.options["api_key_env"] or "OPENAI_API_KEY"
    is_set = any(os.environ.get(name, "").strip() for name in ("OPENAI_BASE_URL", variable))
    if is_set or spec.options["base_url"] or "/" not in spec.name.strip("/"):
        return
    raise InputError(
        f"{spec.label}: no base_url in the spec, OPENAI_BASE_URL is not set, and there is no API "
        f"key for the default {DEFAULT_BASE_URL}; give base_url=http://HOST:PORT/v1, or set "
        f"{variable}"
    )


@dataclass(eq=False)
class AttemptError(Exception):
    """An attempt failed, and may be repeated.

    Attributes
    ----------
    failure : Failure
        The reason.
    wait : float
        Seconds that the server asks to wait before the next attempt.
    is_trouble : bool
        Whether the server gave no usable response at all.
    is_unreached : bool
        Whether nothing was sent, because there was no connection.
    """

    failure: Failure
    wait: float = 0.0
    is_trouble: bool = False
    is_unreached: bool = False


class Transport:
    """The connections of one model or judge to its servers.

    Parameters
    ----------
    owner : Provider
        The model or judge, which has the budget.
    secrets : sequence of str
        Texts to mask in responses and messages.
    """

    def __init__(self, owner: Provider, secrets: Sequence[str]) -> None:
        self._owner = owner
        self._secrets = secrets
        # A short word such as "EMPTY" or "none" is not secret, and occurs in answers.
        self._long_secrets = tuple(
            secret for secret in secrets if len(secret) >= _SHORTEST_IN_TEXT or not secret.isalpha()
        )
        seconds = float(owner.spec.options["timeout"])
        self._timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=min(10.0, seconds))
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        endpoint: Endpoint,
        messages: Sequence[Message],
        form: Mapping[str, Any],
        written: RequestFormat,
    ) -> Response | Failure | Rejection:
        """Make one HTTP request and read its response.

        Raises
        ------
        AttemptError
            There is no complete response.
        InputError
            The endpoint's address is invalid.
        BudgetReachedError
            The request could exceed a limit.
        """
        body = io.BytesIO(
            json.dumps(
                written.body(messages, form), ensure_ascii=False, separators=(",", ":")
            ).encode()
        )
        at_most = most_tokens(messages, written.max_tokens)
        label = self._owner.spec.label
        # A clip of several minutes takes megabytes, which are freed when the body is closed.
        with body, await (self._owner.budget or Budget()).reserve(label, at_most) as reservation:
            try:
                status, headers, content = await self._post(endpoint, body)
            except (aiohttp.ClientError, OSError) as error:
                is_unreached = isinstance(
                    error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError
                )
                if is_unreached:
                    reservation.cancel()
                failure = self._connection_failure(error)
                raise AttemptError(failure, is_trouble=True, is_unreached=is_unreached) from None
            except UnicodeError as error:  # of a host's name
                raise InputError(f"{endpoint.shown}: invalid address ({one_line(error)})") from None
            if status == 200:
                status = reported_status(content)
            if status != 200:
                reservation.settle(NOTHING)
                return read_rejection(status, headers, content)
            if len(content) > LARGEST_BODY:
                size = f"{LARGEST_BODY // 2**20} MiB"
                return Failure("malformed", f"the response is larger than {size}")
            completion = Completion(self._masked_body(content))
            reservation.settle(completion.usage)
            return self._masked(
                completion.read(max_tokens=written.max_tokens, greedy=written.greedy)
            )

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    def quote(self, message: str) -> str:
        """Format a server's message in one line, without secrets."""
        return one_line(mask(message, self._secrets))

    async def _post(
        self, endpoint: Endpoint, body: io.BytesIO
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Return the status, the headers and the body of a response, up to the largest size."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                headers={"User-Agent": "jasco"},
            )
        async with self._session.post(
            endpoint.url,
            data=body,
            headers=endpoint.headers,
            timeout=self._timeout,
            # With its ``trust_env``, aiohttp would look for it in two threads at each request.
            proxy=endpoint.proxy,
        ) as response:
            largest = LARGEST_BODY if response.status == 200 else _LARGEST_ERROR
            content = bytearray()
            async for piece in response.content.iter_chunked(2**16):
                content += piece
                if len(content) > largest:
                    response.close()  # the rest is not read
                    break
            return response.status, response.headers, bytes(content)

    def _connection_failure(self, error: Exception) -> Failure:
        """Return the reason why there is no connection, or no complete response."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return Failure("connection", f"no connection within {self._timeout.sock_connect:g} s")
        if isinstance(error, TimeoutError):
            return Failure("timeout", f"no answer within {self._timeout.total:g} s")
        reason = str(error) or type(error).__name__
        if isinstance(error, aiohttp.ClientPayloadError):
            reason = "the response is incomplete or cannot be decompressed"
        elif isinstance(error, aiohttp.ClientConnectorError):
            cause, number = error.os_error, error.os_error.errno or 0
            if isinstance(cause, ssl.SSLError):
                reason = str(cause)
            else:
                reason = os.strerror(number) if number > 0 else cause.strerror or reason
        return Failure("connection", self.quote(reason))

    def _masked_body(self, body: bytes) -> bytes:
        """Mask secrets in a body, before parts of it are quoted."""
        if not any(secret.encode() in body for secret in self._long_secrets):
            return body
        text = self._mask_in_text(body.decode("utf-8", "surrogateescape"))
        return text.encode("utf-8", "surrogateescape")

    def _masked(self, outcome: Response | Failure) -> Response | Failure:
        """Mask secrets in an outcome."""
        if isinstance(outcome, Failure):
            return replace(outcome, message=self.quote(outcome.message))
        if not self._long_secrets:
            return outcome
        return replace(
            outcome,
            text=self._mask_in_text(outcome.text),
            reasoning=self._mask_in_text(outcome.reasoning),
            finish_reason=outcome.finish_reason and self._mask_in_text(outcome.finish_reason),
            served=outcome.served and self._mask_in_text(outcome.served),
        )

    def _mask_in_text(self, text: str) -> str:
        return mask(text, self._long_secrets, shortest=_SHORTEST_IN_TEXT)
