"""The client for servers that speak OpenAI's chat completions, with retries.

A call ends in one of three ways: a :class:`~jasco.protocol.responses.Response`, a
:class:`~jasco.protocol.responses.Failure` of this one call, or an exception because no call can
succeed: ``InputError`` where the user must correct something, :class:`ServerGoneError` or
:class:`QuotaExhaustedError` where the server gives no answers for now.
"""

import asyncio
import base64
import io
import json
import os
import ssl
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential
from yarl import URL

from jasco.backends.addresses import DEFAULT_ADDRESS, default_address_note
from jasco.backends.budget import NOTHING
from jasco.backends.completions import read_completion, reported_status, usage_of
from jasco.backends.rejections import Meaning, Rejection, read_rejection
from jasco.backends.requests import (
    AUDIO_FORMS,
    Message,
    RequestFormat,
    change_in_words,
    changed,
    holds_audio,
    most_tokens,
    option_for,
    suggested_changes,
    takes_no_audio,
)
from jasco.backends.secrets import mask, mask_url, read_key, secrets_of
from jasco.backends.specs import Option, Provider, Spec, address, at_least, one_of, true_or_false
from jasco.errors import IncompleteError, InputError, duration, one_line
from jasco.protocol.responses import Failure, Response

ATTEMPTS = 8
"""How often a call is tried before it counts as failed."""
PATIENCE = 20.0
"""Seconds without a usable response after which a server counts as unavailable."""
RATE_LIMIT_PATIENCE = 900.0
"""Seconds for which a call waits for a rate limit."""
ANNOUNCED_WAIT = 30.0
"""Seconds; longer waits are announced."""
LARGEST_BODY = 8 * 2**20
"""Bytes of a response, unpacked, that are read; a longer one is a failure."""
ALIKE = 3
"""Number of consecutive responses malformed in the same way after which a call is not retried."""
FAILED_IN_A_ROW = 64
"""So many failed calls without an answer between them may mean that the server is gone, ..."""
FAILING_PATIENCE = 60.0
"""... and do so where there has been no answer for so many seconds."""
# A 403 may concern the key, or one input. So many in a row concern the key: ...
_FORBIDDEN_FIRST = 2  # ... before anything was answered, ...
_FORBIDDEN_IN_A_ROW = 16  # ... and afterwards.
_REJECTED_FORMATS = (400, 422)
_BACKOFF = wait_random_exponential(multiplier=0.5, max=8)

TRANSPORT_OPTIONS = (
    Option("base_url", "address up to /v1; several share the load", address, repeatable=True),
    Option("api_key_env", "environment variable that holds the key (else OPENAI_API_KEY)"),
    Option("timeout", "seconds for one call", at_least(0.01, float), 600.0),
    Option("stream", "true requests a streamed response", true_or_false, False),
    Option("modalities", "output modalities to request, such as text", repeatable=True),
)


AUDIO_FORM = Option(
    "audio",
    "how audio is sent: input_audio, data_url or audio_url",
    one_of(*AUDIO_FORMS),
    AUDIO_FORMS[0],
)
"""For models; judges are sent none."""


def temperature(text: str) -> float | None:
    """Read a sampling temperature; ``none`` leaves it to the server."""
    return None if text == "none" else at_least(0, float)(text)


def decoding_options(max_tokens: int) -> tuple[Option, ...]:
    """Options that say how text is sampled; greedy by default."""
    return (
        Option(
            "temperature",
            "sampling temperature; none leaves it to the server",
            temperature,
            0.0,
            identity=True,
        ),
        Option("top_p", "nucleus sampling", at_least(0, float), identity=True),
        Option("max_tokens", "longest answer", at_least(1, int), max_tokens, identity=True),
        Option("seed", "seed of the sampling", int, identity=True),
    )


def further_parameters(text: str) -> None:
    """Raise ``ValueError`` for further parameters that jasco itself sets."""
    ours = {
        "audio", "max_completion_tokens", "max_tokens", "messages", "modalities", "model", "n",
        "response_format", "seed", "stream", "temperature", "top_p",
    } & set(json.loads(text))  # fmt: skip
    if ours:
        raise ValueError(
            f"extra_body.{min(ours)}: jasco sets it; use an option of the spec, such as "
            "max_tokens, temperature or stream"
        )


FURTHER_OPTIONS = (
    Option(
        "extra_body",
        "a further parameter of the request; parsed as JSON if possible",
        further_parameters,
        identity=True,
        family=True,
        if_given=True,
    ),
    Option(
        "chat_template_kwargs",
        "a variable of the model's chat template, such as enable_thinking=false",
        identity=True,
        family=True,
        if_given=True,
    ),
)


class ServerGoneError(IncompleteError):
    """The server gives no answers any more; what is done is kept."""


class QuotaExhaustedError(IncompleteError):
    """The account, or its limit for a longer time, is used up; what is done is kept."""


class _TroubleError(Exception):
    """An attempt that failed and may be repeated."""

    def __init__(self, failure: Failure, wait: float = 0.0) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.wait = wait


def request_format(spec: Spec, adaptations: Mapping[str, Any]) -> RequestFormat:
    """Return how requests of a model or judge are written.

    Parameters
    ----------
    spec : Spec
        Its options are those above.
    adaptations : mapping
        What was changed because the server asked for it.
    """
    options = spec.options
    sampling = {
        name: options[name]
        for name in ("temperature", "top_p", "seed")
        if options[name] is not None
    }
    template = options.get("chat_template_kwargs")
    return changed(
        RequestFormat(
            model=spec.name,
            max_tokens=options["max_tokens"],
            sampling=sampling,
            extra={
                **(options.get("extra_body") or {}),
                **({"chat_template_kwargs": template} if template else {}),
            },
            audio=options.get("audio", AUDIO_FORMS[0]),
            stream=options.get("stream", False),
            modalities=options.get("modalities", ()),
        ),
        adaptations,
    )


class ChatClient:
    """One model on one or several servers, with retries.

    Parameters
    ----------
    spec : Spec
        Its name is the model's; its options are those above.
    owner : Provider
        Whose client it is: waits are announced to it, and it holds what was adapted.
    base_urls : sequence of str or None
        Where servers of our own are, which no proxy stands before; None where the spec says it.
    key : str
        The key of such a server.
    """

    def __init__(
        self, spec: Spec, owner: Provider, base_urls: Sequence[str] | None = None, key: str = ""
    ) -> None:
        self._spec = spec
        self._owner = owner
        self._is_ours = base_urls is not None
        options = spec.options
        if base_urls is None:
            base_urls = options["base_url"] or (_address_of_environment(),)
            key = _api_key(options.get("api_key_env"))
        self._servers = [_Server.at(url, key, options.get("api_key_env")) for url in base_urls]
        self._secrets = secrets_of(key, *base_urls)
        # A short word such as "EMPTY" or "none" protects nothing, and occurs in answers.
        self._long_secrets = tuple(
            secret
            for secret in self._secrets
            if len(secret) >= _SHORTEST_IN_TEXT or not secret.isalpha()
        )
        self._timeout = float(options["timeout"])
        self._refused_changes: list[dict[str, Any]] = []
        self._adapting = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._trouble_since: float | None = None
        self._troubles = 0
        self._served = self._answers = 0
        self._accepted = False
        self._failed = 0
        self._answered_at = time.monotonic()
        self._forbidden = 0
        self._announced_until = 0.0

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
            Calls with equal affinity go to the same server while it is well, so that its
            prefix cache serves them.
        form : mapping
            What else goes into the request: the form that the answer is to have.

        Raises
        ------
        InputError
            The server refuses the key, does not know the model, or takes no such request.
        ServerGoneError
            No server has given a usable answer for :data:`PATIENCE` seconds, or nothing but rate
            limits for :data:`RATE_LIMIT_PATIENCE` seconds.
        QuotaExhaustedError
            The account's quota is exhausted.
        """
        first = zlib.crc32(affinity.encode())
        served_before, answers_before = self._served, self._answers
        attempts: list[Failure] = []

        def is_hopeless(state: RetryCallState) -> bool:
            kind = _trouble(state).failure.kind
            if kind == "rate limit":
                return (state.seconds_since_start or 0.0) > RATE_LIMIT_PATIENCE
            # Silence, while nobody else is served either, is the server's failure: see _ill.
            silent = kind in ("connection", "timeout") and self._served == served_before
            attempts.append(_trouble(state).failure)
            if kind == "malformed" and attempts[-ALIKE:] == [attempts[-1]] * ALIKE:
                return True
            return state.attempt_number >= ATTEMPTS and not silent

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_TroubleError),
            stop=is_hopeless,
            wait=_pause,
            before_sleep=self._announce,
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    turn = first + attempt.retry_state.attempt_number - 1
                    server = self._servers[turn % len(self._servers)]
                    return await self._attempt(server, messages, form)
        except _TroubleError as trouble:
            if trouble.failure.kind == "rate limit" and self._answers == answers_before:
                raise ServerGoneError(
                    f"{self._where(server)}: nothing but rate limits for "
                    f"{RATE_LIMIT_PATIENCE:g} s ({trouble.failure.message}); give the same "
                    "command again later, perhaps with a smaller --concurrency"
                ) from None
            self._give_up(server, trouble.failure)
            return trouble.failure
        raise AssertionError("unreachable: the last attempt returns or raises")

    def check(self) -> None:
        """Raise ``InputError`` if the default address is used, but hardly meant."""
        options = self._spec.options
        if not self._is_ours and (
            note := default_address_note(
                self._spec.name, options["base_url"], os.environ, options.get("api_key_env")
            )
        ):
            raise InputError(f"{self._spec.label}: {note}")

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    # --- one attempt ---

    @property
    def _format(self) -> RequestFormat:
        return request_format(self._spec, self._owner.adaptations)

    async def _attempt(
        self, server: "_Server", messages: Sequence[Message], form: Mapping[str, Any]
    ) -> Response | Failure:
        written = self._format
        status, outcome = await self._send(server, written, messages, form)
        if status in _REJECTED_FORMATS and isinstance(outcome, Rejection):
            outcome = await self._adapted(server, written, outcome, messages, form)
        if isinstance(outcome, Rejection):
            return self._refused(server, outcome, messages)
        return self._kept(outcome)

    async def _send(
        self,
        server: "_Server",
        written: RequestFormat,
        messages: Sequence[Message],
        form: Mapping[str, Any],
    ) -> tuple[int, Response | Failure | Rejection]:
        """Make one request; give its status, and what the response says."""
        body = io.BytesIO(
            json.dumps(
                written.body(messages, form), ensure_ascii=False, separators=(",", ":")
            ).encode()
        )
        budget = self._owner.budget
        reservation = None
        if budget:
            at_most = most_tokens(messages, written.max_tokens)
            reservation = await budget.reserve(self._spec.label, at_most)
        usage: Mapping[str, int] | None = None
        connect = min(10.0, self._timeout)
        try:
            async with self._connected().post(
                server.url,
                data=body,
                headers=server.headers,
                timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=connect),
            ) as response:
                content = await _read_body(response)
            status = response.status if response.status != 200 else reported_status(content)
            if status != 200:
                usage = NOTHING
                return status, read_rejection(status, response.headers, content)
            outcome = self._read(content, written)
            usage = outcome.usage if isinstance(outcome, Response) else usage_of(content)
            return 200, outcome
        except aiohttp.ConnectionTimeoutError:
            if reservation:
                reservation.cancel()  # nothing was sent
            failure = Failure("connection", f"no connection within {connect:g} s")
            raise self._ill(server, failure, found=False) from None
        except TimeoutError:
            failure = Failure("timeout", f"no answer within {self._timeout:g} s")
            raise self._ill(server, failure) from None
        except (aiohttp.ClientError, OSError) as error:
            if reservation and isinstance(error, aiohttp.ClientConnectorError):
                reservation.cancel()  # nothing was sent
            failure = Failure("connection", self._quote(_connection_trouble(error)))
            found = not isinstance(error, aiohttp.ClientConnectorError)
            raise self._ill(server, failure, found=found) from None
        except UnicodeError as error:  # of a host's name
            raise InputError(f"{self._where(server)}: not an address ({one_line(error)})") from None
        finally:
            body.close()  # a clip of minutes is megabytes: they are freed at once
            if reservation:
                reservation.settle(usage)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                trust_env=not self._is_ours,  # proxies
                headers={"User-Agent": "jasco"},
            )
        return self._session

    async def _adapted(
        self,
        server: "_Server",
        written: RequestFormat,
        rejection: Rejection,
        messages: Sequence[Message],
        form: Mapping[str, Any],
    ) -> Response | Failure | Rejection:
        """Ask again in the format that the server's error asks for; keep it if it is accepted."""
        async with self._adapting:  # one call finds the format, others wait for it
            if self._format == written:
                refused = rejection
                changes: dict[str, Any] = {}
                while change := self._next_change(refused.message, changed(written, changes)):
                    changes |= change
                    again = changed(written, changes)
                    status, outcome = await self._send(server, again, messages, form)
                    if not isinstance(outcome, Rejection):
                        self._adopt(changes, rejection)
                        return outcome
                    if status not in _REJECTED_FORMATS:
                        return outcome
                    refused = outcome
                if changes:
                    self._refused_changes.append(changes)
                return rejection
        return (await self._send(server, self._format, messages, form))[1]

    def _next_change(self, error: str, written: RequestFormat) -> dict[str, Any] | None:
        if self._accepted:  # the format is one that the server takes: this request is at fault
            return None
        for change in suggested_changes(error, written):
            if change not in self._refused_changes:
                return change
        return None

    def _adopt(self, changes: dict[str, Any], rejection: Rejection) -> None:
        self._owner.adaptations.update(changes)
        self._owner.notify(
            f"{self._spec.label}: {change_in_words(changes)} from now on, because the server asks "
            f"for it ({one_line(self._quote(rejection.message))})"
        )

    def _read(self, body: bytes, written: RequestFormat) -> Response | Failure:
        """Read what a completion says, without secrets."""
        if len(body) > LARGEST_BODY:
            size = f"{LARGEST_BODY // 2**20} MiB"
            return Failure("malformed", f"the response is larger than {size}")
        outcome = read_completion(
            self._masked_body(body), max_tokens=written.max_tokens, greedy=written.greedy
        )
        if isinstance(outcome, Response):
            return self._masked(outcome)
        return replace(outcome, message=self._quote(outcome.message))

    def _kept(self, outcome: Response | Failure) -> Response | Failure:
        """Return what is kept of a call; raise what is to be repeated."""
        self._well()  # the server is there, whatever it says
        if isinstance(outcome, Failure) and outcome.kind in ("error", "malformed"):
            raise _TroubleError(outcome)
        self._has_answered()  # other failures would come again, and cost as much each time
        self._accepted = True
        self._forbidden = 0
        return outcome

    def _refused(
        self, server: "_Server", rejection: Rejection, messages: Sequence[Message]
    ) -> Failure:
        """Return the failure of this call, or raise what concerns more than this call."""
        message = self._quote(rejection.message).removesuffix(".")
        where = self._where(server)
        match rejection.meaning:
            case Meaning.SERVER:
                if rejection.status in (500, 501):
                    self._refuse_audio(where, message, messages)
                raise self._ill(server, Failure("server", message), rejection.wait or 0.0)
            case Meaning.QUOTA:
                raise QuotaExhaustedError(
                    f"{where}: {message}; what is done is kept: give the same command again when "
                    "the account has quota"
                )
            case Meaning.KEY:
                raise InputError(f"{where}: {message}; {_WHERE_KEYS_COME_FROM}")
            case Meaning.UNKNOWN:
                self._refuse_audio(where, message, messages)
                raise InputError(
                    f"{where}: {message}; does the server serve it, and does base_url end in /v1?"
                )
        self._well()
        match rejection.meaning:
            case Meaning.RATE_LIMIT | Meaning.BUSY:
                is_limit = rejection.meaning is Meaning.RATE_LIMIT
                return self._put_off(where, message, rejection.wait, is_limit=is_limit)
            case Meaning.MODERATION:
                return Failure("moderation", message, final=True)
            case Meaning.FORBIDDEN:
                self._forbidden += 1
                if self._forbidden > (_FORBIDDEN_IN_A_ROW if self._accepted else _FORBIDDEN_FIRST):
                    raise InputError(f"{where}: {message}; {_WHERE_KEYS_COME_FROM}")
                return Failure("rejected", message, final=self._accepted)
            case Meaning.INPUT:
                self._refuse_audio(where, message, messages)
                if not self._accepted and (advice := option_for(message, list(self._spec.options))):
                    raise InputError(f"{where}: {message}; {advice}")
                return Failure("rejected", message, final=True)
        return Failure("rejected", message)

    def _refuse_audio(self, where: str, message: str, messages: Sequence[Message]) -> None:
        if not self._accepted and holds_audio(messages) and takes_no_audio(message):
            raise InputError(
                f"{where}: the server takes no audio ({message}); serve a model that hears, with "
                "what its server needs for audio"
            )

    def _put_off(self, where: str, message: str, wait: float | None, *, is_limit: bool) -> Failure:
        """Wait as long as the server asks for; stop if that is too long."""
        if is_limit and wait and wait > RATE_LIMIT_PATIENCE:
            raise QuotaExhaustedError(
                f"{where}: {message}; it asks to wait {duration(wait)}: give the same command "
                "again then"
            )
        kind = "rate limit" if is_limit else "server"
        raise _TroubleError(Failure(kind, message), min(wait or 0.0, RATE_LIMIT_PATIENCE))

    # --- the server's state ---

    def _well(self) -> None:
        self._served += 1
        self._trouble_since = None
        self._troubles = 0

    def _ill(
        self, server: "_Server", failure: Failure, wait: float = 0.0, *, found: bool = True
    ) -> Exception:
        now = time.monotonic()
        if self._trouble_since is None:
            self._trouble_since = now
        self._troubles += 1
        if self._troubles > 3 and now - self._trouble_since > PATIENCE:
            return ServerGoneError(
                f"{server.shown}: no usable answer for {PATIENCE:g} s ({failure.message}); "
                f"{self._advice(found=found)}"
            )
        return _TroubleError(failure, min(wait, RATE_LIMIT_PATIENCE))

    def _has_answered(self) -> None:
        self._answers += 1
        self._failed = 0
        self._answered_at = time.monotonic()

    def _give_up(self, server: "_Server", failure: Failure) -> None:
        """Count a call that has failed; stop after many in a row (:class:`ServerGoneError`)."""
        self._failed += 1
        silent = time.monotonic() - self._answered_at
        if self._failed >= FAILED_IN_A_ROW and silent > FAILING_PATIENCE:
            raise ServerGoneError(
                f"{server.shown}: {self._failed} calls in a row have failed, each after several "
                f"attempts ({failure.message}); see the server's log, then give the same command "
                "again: it goes on from here"
            )

    def _advice(self, *, found: bool) -> str:
        again = "give the same command again: it goes on from here"
        if not found:
            if not self._is_ours and not self._spec.options["base_url"]:
                return (
                    "it was asked because neither the spec nor OPENAI_BASE_URL names another "
                    "address: base_url=http://HOST:PORT/v1"
                )
            return f"start the server and {again}"
        return f"see the server's log, then {again}"

    def _announce(self, state: RetryCallState) -> None:
        """Announce that a call waits, and why, once for all calls that wait at the same time."""
        wait = state.next_action.sleep if state.next_action else 0.0
        waited = state.seconds_since_start or 0.0
        now = time.monotonic()
        if waited + wait < ANNOUNCED_WAIT or now + wait < self._announced_until + ANNOUNCED_WAIT:
            return
        self._announced_until = now + wait
        trouble = _trouble(state)
        reason = one_line(trouble.failure.message)
        asked = f"; the server asks for {duration(trouble.wait)}" if trouble.wait else ""
        self._owner.notify(
            f"{self._spec.label}: waiting {duration(wait)}, after {duration(waited)} of trying "
            f"({trouble.failure.kind}: {reason}{asked})"
        )

    # --- what is quoted ---

    def _quote(self, message: object) -> str:
        return one_line(mask(str(message), self._secrets))

    def _masked_body(self, body: bytes) -> bytes:
        """Mask secrets that stand in a body, before anything of it is quoted in part."""
        if not any(secret.encode() in body for secret in self._long_secrets):
            return body
        text = body.decode("utf-8", "surrogateescape")
        masked = mask(text, self._long_secrets, shortest=_SHORTEST_IN_TEXT)
        return masked.encode("utf-8", "surrogateescape")

    def _masked(self, answer: Response) -> Response:
        if not self._long_secrets:
            return answer

        def clean(text: str) -> str:
            return mask(text, self._long_secrets, shortest=_SHORTEST_IN_TEXT)

        return replace(
            answer,
            text=clean(answer.text),
            reasoning=clean(answer.reasoning),
            finish_reason=None if answer.finish_reason is None else clean(answer.finish_reason),
            served=None if answer.served is None else clean(answer.served),
        )

    def _where(self, server: "_Server") -> str:
        return f"{server.shown}, model {self._spec.name}"


# A shorter part of a key may well be a word of an answer.
_SHORTEST_IN_TEXT = 12
_WHERE_KEYS_COME_FROM = "the key comes from OPENAI_API_KEY or api_key_env=NAME"


class _Server:
    """Where requests go, and what they carry.

    Attributes
    ----------
    url : yarl.URL
        Of chat completions.
    headers : mapping
        Of every request.
    shown : str
        The address up to ``/v1``, without secrets, for messages.
    """

    def __init__(self, url: URL, headers: Mapping[str, str], shown: str) -> None:
        self.url = url
        self.headers = headers
        self.shown = shown

    @classmethod
    def at(cls, base_url: str, key: str, variable: str | None) -> "_Server":
        """Make it of the address up to ``/v1``; its query stays."""
        parts = urlsplit(base_url)
        user, at, host = parts.netloc.rpartition("@")
        headers = {"Content-Type": "application/json"}
        if at and not variable:  # a key that is meant for this address is named
            name, _, password = user.partition(":")
            headers["Authorization"] = _basic(unquote(name), unquote(password))
        elif key:
            headers["Authorization"] = f"Bearer {key}"
        for header, name in (
            ("OpenAI-Organization", "OPENAI_ORG_ID"),
            ("OpenAI-Project", "OPENAI_PROJECT_ID"),
        ):
            if (value := os.environ.get(name, "").strip()) and host == "api.openai.com":
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


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Read a body, and not much beyond the largest that is accepted."""
    largest = LARGEST_BODY if response.status == 200 else _LARGEST_ERROR
    pieces, size = [], 0
    async for piece in response.content.iter_chunked(2**16):
        pieces.append(piece)
        size += len(piece)
        if size > largest:
            response.close()  # the rest is not read
            break
    return b"".join(pieces)


_LARGEST_ERROR = 2**16


def _connection_trouble(error: Exception) -> str:
    """Format why there is no connection, or no complete response."""
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, ssl.SSLError):
            return str(error.os_error)
        number = error.os_error.errno or 0
        return os.strerror(number) if number > 0 else error.os_error.strerror or str(error)
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the response broke off, or cannot be unpacked"
    return str(error) or type(error).__name__


def _basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def _address_of_environment() -> str:
    given = os.environ.get("OPENAI_BASE_URL", "").strip()
    if not given:
        return DEFAULT_ADDRESS
    try:
        return address(given)
    except ValueError as error:
        raise InputError(f"OPENAI_BASE_URL is not an address: {error}") from None


def _api_key(variable: str | None) -> str:
    key = read_key(variable or "OPENAI_API_KEY")
    if variable and not key:
        raise InputError(f"api_key_env={variable}: the environment has no such variable")
    return key


def _trouble(state: RetryCallState) -> _TroubleError:
    trouble = state.outcome.exception() if state.outcome else None
    assert isinstance(trouble, _TroubleError)  # nothing else is retried
    return trouble


def _pause(state: RetryCallState) -> float:
    return _trouble(state).wait + _BACKOFF(state)
