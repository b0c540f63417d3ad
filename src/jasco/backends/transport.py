"""HTTP requests of a chat client: each reserves its budget, and no secret is in what it returns."""

import io
import json
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import aiohttp

from jasco.backends.budget import NOTHING, Budget
from jasco.backends.completions import read_completion, reported_status, usage_of
from jasco.backends.endpoints import Endpoint
from jasco.backends.rejections import Rejection, read_rejection
from jasco.backends.requests import Message, RequestFormat, most_tokens
from jasco.backends.secrets import mask
from jasco.backends.specs import Provider
from jasco.errors import InputError, one_line
from jasco.protocol.responses import Failure, Response

LARGEST_BODY = 8 * 2**20
"""Bytes of a response, unpacked, that are read; a longer one is a failure."""
_LARGEST_ERROR = 2**16
# A shorter part of a key may well be a word of an answer.
_SHORTEST_IN_TEXT = 12


class AttemptError(Exception):
    """An attempt failed, and may be repeated.

    Attributes
    ----------
    failure : Failure
        Why.
    wait : float
        Seconds that the server asks to wait before.
    is_trouble : bool
        Whether the server gave no usable response at all.
    is_unreached : bool
        Whether nothing was sent, because there was no connection.
    """

    def __init__(
        self,
        failure: Failure,
        wait: float | None = None,
        *,
        is_trouble: bool = False,
        is_unreached: bool = False,
    ) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.wait = wait or 0.0
        self.is_trouble = is_trouble
        self.is_unreached = is_unreached


class Transport:
    """The connections of one model or judge to its servers.

    Parameters
    ----------
    owner : Provider
        The model or judge, which has the budget.
    secrets : sequence of str
        What is masked in responses and messages.
    trust_env : bool
        Whether the proxies of the environment are used.
    """

    def __init__(self, owner: Provider, secrets: Sequence[str], *, trust_env: bool) -> None:
        self._owner = owner
        self._secrets = secrets
        # A short word such as "EMPTY" or "none" protects nothing, and occurs in answers.
        self._long_secrets = tuple(
            secret for secret in secrets if len(secret) >= _SHORTEST_IN_TEXT or not secret.isalpha()
        )
        self._trust_env = trust_env
        self._timeout = float(owner.spec.options["timeout"])
        self._connect_timeout = min(10.0, self._timeout)
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
            There is no room for the request.
        """
        body = io.BytesIO(
            json.dumps(
                written.body(messages, form), ensure_ascii=False, separators=(",", ":")
            ).encode()
        )
        at_most = most_tokens(messages, written.max_tokens)
        label = self._owner.spec.label
        # A clip of minutes is megabytes, which are freed when the body is closed.
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
                raise InputError(f"{endpoint.shown}: not an address ({one_line(error)})") from None
            if status == 200:
                status = reported_status(content)
            if status != 200:
                reservation.settle(NOTHING)
                return read_rejection(status, headers, content)
            reservation.settle(usage_of(content))
            return self._read(content, written)

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    def quote(self, message: str) -> str:
        """Format a message of a server in one line, without secrets."""
        return one_line(mask(message, self._secrets))

    async def _post(
        self, endpoint: Endpoint, body: io.BytesIO
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Return the status, the headers and the body of a response, up to the largest size."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                trust_env=self._trust_env,
                headers={"User-Agent": "jasco"},
            )
        timeout = aiohttp.ClientTimeout(total=self._timeout, sock_connect=self._connect_timeout)
        async with self._session.post(
            endpoint.url, data=body, headers=endpoint.headers, timeout=timeout
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
        """Return why there is no connection, or no complete response."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return Failure("connection", f"no connection within {self._connect_timeout:g} s")
        if isinstance(error, TimeoutError):
            return Failure("timeout", f"no answer within {self._timeout:g} s")
        reason = str(error) or type(error).__name__
        if isinstance(error, aiohttp.ClientPayloadError):
            reason = "the response broke off, or cannot be unpacked"
        elif isinstance(error, aiohttp.ClientConnectorError):
            cause, number = error.os_error, error.os_error.errno or 0
            if isinstance(cause, ssl.SSLError):
                reason = str(cause)
            else:
                reason = os.strerror(number) if number > 0 else cause.strerror or reason
        return Failure("connection", self.quote(reason))

    def _read(self, body: bytes, written: RequestFormat) -> Response | Failure:
        """Read a completion, without secrets."""
        if len(body) > LARGEST_BODY:
            size = f"{LARGEST_BODY // 2**20} MiB"
            return Failure("malformed", f"the response is larger than {size}")
        if any(secret.encode() in body for secret in self._long_secrets):
            # Before anything of it is quoted in part.
            text = self._mask_in_text(body.decode("utf-8", "surrogateescape"))
            body = text.encode("utf-8", "surrogateescape")
        outcome = read_completion(body, max_tokens=written.max_tokens, greedy=written.greedy)
        if isinstance(outcome, Failure):
            return replace(outcome, message=self.quote(outcome.message))
        return replace(
            outcome,
            text=self._mask_in_text(outcome.text),
            reasoning=self._mask_in_text(outcome.reasoning),
            finish_reason=outcome.finish_reason and self._mask_in_text(outcome.finish_reason),
            served=outcome.served and self._mask_in_text(outcome.served),
        )

    def _mask_in_text(self, text: str) -> str:
        return mask(text, self._long_secrets, shortest=_SHORTEST_IN_TEXT)
