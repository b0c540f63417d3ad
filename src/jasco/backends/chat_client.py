"""The client for servers that speak OpenAI's chat completions, with retries.

A call ends in one of three ways: a :class:`~jasco.protocol.responses.Response`, a
:class:`~jasco.protocol.responses.Failure` of this one call, or an exception because no call can
succeed: ``InputError`` if the user must correct something, :class:`ServerGoneError` or
:class:`QuotaExhaustedError` if the server gives no answers for now.
"""

import asyncio
import random
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, TypeGuard

from jasco.backends.chat_rejections import Meaning, Rejection
from jasco.backends.chat_requests import (
    Message,
    RequestFormat,
    change_in_words,
    option_for,
    refuses_audio,
    request_format,
)
from jasco.backends.chat_transport import (
    AttemptError,
    Endpoint,
    Transport,
    api_key,
    check_default_base_url,
    default_base_url,
)
from jasco.backends.secrets import secrets_of
from jasco.backends.specs import Provider
from jasco.errors import IncompleteError, InputError, duration, one_line
from jasco.protocol.responses import Failure, Response

ATTEMPTS = 8
"""Number of attempts before a call counts as failed."""
LONGEST_BACKOFF = 8.0
"""Maximum number of seconds between two attempts, in addition to the wait that the server asks for.
"""
PATIENCE = 20.0
"""Seconds without a usable response after which a server counts as unavailable."""
RATE_LIMIT_PATIENCE = 900.0
"""Maximum number of seconds that a call waits for a rate limit."""
ANNOUNCED_WAIT = 30.0
"""Seconds; longer waits are announced."""
ALIKE = 3
"""Number of consecutive responses with the same malformation after which a call is not retried."""
FAILED_IN_A_ROW = 64
"""Number of consecutive failed calls after which a server counts as gone, ..."""
FAILING_PATIENCE = 60.0
"""... if there has been no answer for this number of seconds."""
# A 403 may concern the key or one input. More consecutive ones than this concern the key:
_FORBIDDEN_FIRST = 2  # before the first answer
_FORBIDDEN_IN_A_ROW = 16  # after it
_REJECTED_FORMATS = (400, 422)
_MAY_CONCERN_AUDIO = (400, 404, 413, 415, 422, 500, 501)
_KEY_ADVICE = "check the API key (OPENAI_API_KEY, or api_key_env=NAME)"
_AGAIN = "run the same command again to resume"

_Outcome = Response | Failure | Rejection
_Send = Callable[[RequestFormat], Awaitable[_Outcome]]


class ServerGoneError(IncompleteError):
    """The server no longer answers; completed work is saved."""


class QuotaExhaustedError(IncompleteError):
    """The account's quota, or a long-term limit, is exhausted; completed work is saved."""


class ChatClient:
    """One model on one or several servers, with retries.

    Parameters
    ----------
    owner : Provider
        The model or judge. The name in its spec is the model's name, its options are those of
        :mod:`jasco.backends.chat_requests`. Waits are announced to it, and it stores adaptations.
    own_url : str
        The base URL of a server that was started for it, which is reached without a proxy; empty
        if the spec names the server.
    own_key : str
        The API key of that server.
    """

    def __init__(self, owner: Provider, own_url: str = "", own_key: str = "") -> None:
        self._owner = owner
        self._spec = spec = owner.spec
        variable = spec.options.get("api_key_env")
        base_urls = (own_url,) if own_url else spec.options["base_url"] or (default_base_url(),)
        key = own_key if own_url else api_key(variable)
        self._endpoints = [
            Endpoint.of(base_url, key, variable, use_proxy=not own_url) for base_url in base_urls
        ]
        proxies = [str(endpoint.proxy) for endpoint in self._endpoints if endpoint.proxy]
        self._transport = Transport(owner, secrets_of(key, *base_urls, *proxies))
        self._rejected_changes: list[dict[str, Any]] = []
        self._adapting = asyncio.Lock()
        self._announced_until = 0.0
        # Responses of any kind, and problems since the last one.
        self._responses = 0
        self._troubles = 0
        self._trouble_since = 0.0
        # Answers, and failures since the last one.
        self._answers = 0
        self._answered_at = time.monotonic()
        self._failed = 0
        self._forbidden = 0

    async def ask(
        self,
        messages: Sequence[Message],
        affinity: str = "",
        form: Mapping[str, Any] = MappingProxyType({}),
    ) -> Response | Failure:
        """Make one call.

        Parameters
        ----------
        messages : sequence of mapping
            The chat so far.
        affinity : str
            Calls with equal affinity go to the same server while it responds, so that they benefit
            from its prefix cache.
        form : mapping
            Additional parameters of the request: the format of the answer (``response_format``).

        Raises
        ------
        InputError
            The server rejects the key, does not know the model, or does not accept such requests.
        ServerGoneError
            No server has given a usable answer for :data:`PATIENCE` seconds, or only rate-limit
            responses for :data:`RATE_LIMIT_PATIENCE` seconds.
        QuotaExhaustedError
            The account's quota is exhausted.
        """
        first = zlib.crc32(affinity.encode())
        responses, answers = self._responses, self._answers
        began = time.monotonic()
        failures: list[Failure] = []
        number = 0
        while True:
            endpoint = self._endpoints[(first + number) % len(self._endpoints)]
            try:
                return await self._attempt(endpoint, messages, form)
            except AttemptError as error:
                trouble = error.with_traceback(
                    None
                )  # the traceback would keep the request in memory
            if trouble.is_trouble:
                self._count_trouble(endpoint, trouble)
            failure = trouble.failure
            waited = time.monotonic() - began
            if failure.kind == "rate limit":
                is_last = waited > RATE_LIMIT_PATIENCE
                if is_last and self._answers == answers:
                    raise ServerGoneError(
                        f"{self._where(endpoint)}: only rate-limit responses for "
                        f"{RATE_LIMIT_PATIENCE:g} s ({failure.message}); run the same command "
                        "again later, perhaps with a smaller --concurrency"
                    )
            else:
                failures.append(failure)
                # Silence while no call gets a response is handled by _count_trouble.
                is_silent = (
                    failure.kind in ("connection", "timeout") and self._responses == responses
                )
                is_last = (number + 1 >= ATTEMPTS and not is_silent) or (
                    failure.kind == "malformed" and failures[-ALIKE:] == [failure] * ALIKE
                )
            if is_last:
                self._count_failed(endpoint, failure)
                return failure
            backoff = min(LONGEST_BACKOFF, 0.5 * 2 ** min(number, 10))
            wait = min(trouble.wait, RATE_LIMIT_PATIENCE)
            wait += random.uniform(0, backoff)  # noqa: S311 (no secret)
            self._announce(trouble, wait, waited)
            await asyncio.sleep(wait)
            number += 1

    def check(self) -> None:
        """Raise ``InputError`` if the default base URL is used but cannot work."""
        check_default_base_url(self._spec)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    # --- one attempt ---

    @property
    def _format(self) -> RequestFormat:
        return request_format(self._spec, self._owner.adaptations)

    async def _attempt(
        self, endpoint: Endpoint, messages: Sequence[Message], form: Mapping[str, Any]
    ) -> Response | Failure:
        send = partial(self._transport.send, endpoint, messages, form)
        written = self._format
        outcome = await send(written)
        if _is_rejected_format(outcome):
            async with self._adapting:  # one call finds the format, the others wait
                found_by_another = self._format != written
                if not found_by_another:
                    outcome = await self._adapt(send, written, outcome)
            if found_by_another:
                outcome = await send(self._format)
        if isinstance(outcome, Rejection):
            return self._on_rejection(endpoint, outcome, messages)
        self._count_response()  # the server responds, whatever the response is
        if isinstance(outcome, Failure) and outcome.kind in ("error", "malformed"):
            raise AttemptError(outcome)
        # Other failures would recur, at the same cost each time.
        self._answers += 1
        self._answered_at = time.monotonic()
        self._failed = self._forbidden = 0
        return outcome

    # --- adaptation to the server ---

    async def _adapt(self, send: _Send, written: RequestFormat, rejection: Rejection) -> _Outcome:
        """Send again in the format that the server's error requires; keep it if accepted."""
        outcome: _Outcome = rejection
        changes: dict[str, Any] = {}
        while _is_rejected_format(outcome) and (
            change := self._next_change(outcome.message, written.changed(changes))
        ):
            changes |= change
            outcome = await send(written.changed(changes))
        if _is_rejected_format(outcome):
            if changes:
                self._rejected_changes.append(changes)
            return rejection
        if not isinstance(outcome, Rejection):
            self._owner.adaptations.update(changes)
            self._owner.notify(
                f"{self._spec.label}: {change_in_words(changes)} from now on, because the server "
                f"requires it ({self._transport.quote(rejection.message)})"
            )
        return outcome

    def _next_change(self, error: str, written: RequestFormat) -> dict[str, Any] | None:
        # After an answer, the server is known to accept the format: this request is at fault.
        changes = [] if self._answers else written.suggested_changes(error)
        return next((change for change in changes if change not in self._rejected_changes), None)

    # --- the meaning of errors ---

    def _on_rejection(
        self, endpoint: Endpoint, rejection: Rejection, messages: Sequence[Message]
    ) -> Failure:
        """Return the failure of this call, or raise an error that concerns other calls as well."""
        message = self._transport.quote(rejection.message).removesuffix(".")
        error = f"{self._where(endpoint)}: {message}"
        if rejection.meaning is not Meaning.SERVER:
            self._count_response()
        may_concern_audio = rejection.status in _MAY_CONCERN_AUDIO and not self._answers
        if may_concern_audio and refuses_audio(message, messages):
            raise InputError(
                f"{self._where(endpoint)}: the server does not accept audio ({message}); serve an "
                "audio model, with audio input enabled on the server"
            )
        advice = None
        match rejection.meaning:
            case Meaning.SERVER:
                raise AttemptError(
                    Failure("server", message), rejection.wait or 0.0, is_trouble=True
                )
            case Meaning.QUOTA:
                raise QuotaExhaustedError(
                    f"{error}; completed work is saved; run the same command again when the "
                    "account has quota"
                )
            case Meaning.RATE_LIMIT:
                if rejection.wait and rejection.wait > RATE_LIMIT_PATIENCE:
                    raise QuotaExhaustedError(
                        f"{error}; the server asks to wait {duration(rejection.wait)}; run the "
                        "same command again after that"
                    )
                raise AttemptError(Failure("rate limit", message), rejection.wait or 0.0)
            case Meaning.BUSY:
                raise AttemptError(Failure("server", message), rejection.wait or 0.0)
            case Meaning.MODERATION:
                return Failure("moderation", message, final=True)
            case Meaning.KEY:
                advice = _KEY_ADVICE
            case Meaning.FORBIDDEN:
                self._forbidden += 1
                if self._forbidden > (_FORBIDDEN_IN_A_ROW if self._answers else _FORBIDDEN_FIRST):
                    advice = _KEY_ADVICE
            case Meaning.UNKNOWN:
                advice = "check that the server serves this model and that base_url ends in /v1"
            case Meaning.INPUT if not self._answers:
                advice = option_for(message, list(self._spec.options))
        if advice:
            raise InputError(f"{error}; {advice}")
        is_final = rejection.meaning is Meaning.INPUT or (
            rejection.meaning is Meaning.FORBIDDEN and self._answers > 0
        )
        return Failure("rejected", message, final=is_final)

    # --- the server's state ---

    def _count_response(self) -> None:
        self._responses += 1
        self._troubles = 0

    def _count_trouble(self, endpoint: Endpoint, trouble: AttemptError) -> None:
        """Count an attempt without a usable response (:class:`ServerGoneError` after too many)."""
        now = time.monotonic()
        if not self._troubles:
            self._trouble_since = now
        self._troubles += 1
        if self._troubles <= 3 or now - self._trouble_since <= PATIENCE:
            return
        if not trouble.is_unreached:
            advice = f"check the server's log, then {_AGAIN}"
        elif self._spec.options.get("base_url", True):  # jasco started a server without the option
            advice = f"start the server, then {_AGAIN}"
        else:
            advice = (
                "this is the default address; for another server, set OPENAI_BASE_URL or "
                "base_url=http://HOST:PORT/v1"
            )
        raise ServerGoneError(
            f"{endpoint.shown}: no usable answer for {PATIENCE:g} s "
            f"({trouble.failure.message}); {advice}"
        )

    def _count_failed(self, endpoint: Endpoint, failure: Failure) -> None:
        """Count a call that has failed; stop after many in a row (:class:`ServerGoneError`)."""
        self._failed += 1
        silent = time.monotonic() - self._answered_at
        if self._failed >= FAILED_IN_A_ROW and silent > FAILING_PATIENCE:
            raise ServerGoneError(
                f"{endpoint.shown}: {self._failed} consecutive calls failed, each after several "
                f"attempts ({failure.message}); check the server's log, then {_AGAIN}"
            )

    def _announce(self, trouble: AttemptError, wait: float, waited: float) -> None:
        """Notify the owner that a call waits, and why; once for all waiting calls."""
        now = time.monotonic()
        if waited + wait < ANNOUNCED_WAIT or now + wait < self._announced_until + ANNOUNCED_WAIT:
            return
        self._announced_until = now + wait
        request = f"; the server asks for {duration(trouble.wait)}" if trouble.wait else ""
        self._owner.notify(
            f"{self._spec.label}: waiting {duration(wait)}, after {duration(waited)} of attempts "
            f"({trouble.failure.kind}: {one_line(trouble.failure.message)}{request})"
        )

    def _where(self, endpoint: Endpoint) -> str:
        return f"{endpoint.shown}, model {self._spec.name}"


def _is_rejected_format(outcome: _Outcome) -> TypeGuard[Rejection]:
    return isinstance(outcome, Rejection) and outcome.status in _REJECTED_FORMATS
