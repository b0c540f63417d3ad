"""The client for servers that speak OpenAI's chat completions, and how their trouble is met.

A call ends in one of three ways: a :class:`~jasco.benchmark.responses.Response`, a
:class:`~jasco.benchmark.responses.Failure` of this one call, or an exception because no call can
succeed: ``InputError`` where the user must mend something, :class:`ServerGone` where nobody
answers any more.
"""

import asyncio
import os
import re
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any

import openai
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from jasco.benchmark.errors import CannotGoOn, InputError, one_line
from jasco.benchmark.responses import Failure, Response
from jasco.providers.budget import NOTHING, Budget
from jasco.providers.completions import read_completion
from jasco.providers.specs import Option, Spec, address, at_least

Message = Mapping[str, Any]
"""One chat message, as it goes over the wire."""

ATTEMPTS = 8
"""How often a call is tried before it counts as failed."""
PATIENCE = 20.0
"""Seconds of nothing but trouble after which a server counts as gone."""
RATE_LIMIT_PATIENCE = 900.0
"""Seconds for which a call lets a rate limit put it off."""
# Kinds of failed completions that a repeat may mend. The others would come again, or cost as much
# as a whole answer each time.
_REPEATED = ("error", "malformed")
_REFUSED_INPUT = (400, 413, 415, 422)
_BACKOFF = wait_random_exponential(multiplier=0.5, max=8)

TRANSPORT_OPTIONS = (
    Option("base_url", "address up to /v1; several share the load", address, repeatable=True),
    Option("api_key_env", "environment variable that holds the key (else OPENAI_API_KEY)"),
    Option("timeout", "seconds for one call", at_least(0.01, float), 600.0),
)


def decoding_options(max_tokens: int) -> tuple[Option, ...]:
    """Options that say how text is sampled; greedy by default."""
    return (
        Option("temperature", "sampling temperature", at_least(0, float), 0.0, identity=True),
        Option("top_p", "nucleus sampling", at_least(0, float), identity=True),
        Option("max_tokens", "longest answer", at_least(1, int), max_tokens, identity=True),
        Option("seed", "seed of the sampling", int, identity=True),
    )


def body(
    spec: Spec, messages: Sequence[Message], form: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Return the body of a request as it is sent."""
    names = ("temperature", "top_p", "max_tokens", "seed")
    decoding = {name: spec.options[name] for name in names if spec.options[name] is not None}
    return {"model": spec.name, "messages": messages, **decoding, **form}


class ServerGone(CannotGoOn):
    """Nobody answers any more; what is done is kept, and the same command goes on from there."""


class _TroubleError(Exception):
    """An attempt that failed and may be repeated."""

    def __init__(self, kind: str, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.failure = Failure(kind, message)
        self.wait = wait


class ChatClient:
    """One model on one or several servers, with retries.

    Parameters
    ----------
    spec : Spec
        Its name is the model's; its options are those above.
    base_urls : sequence of str or None
        Where servers of our own are, which no proxy stands before; None where the spec says it.
    """

    def __init__(self, spec: Spec, base_urls: Sequence[str] | None = None) -> None:
        options = spec.options
        ours = base_urls is not None
        if base_urls is None:
            base_urls = options["base_url"]
        self._model = spec.name
        self._label = spec.label
        self.budget: Budget | None = None
        self._timeout = float(options["timeout"])
        names = ("temperature", "top_p", "max_tokens", "seed")
        self._decoding = {name: options[name] for name in names if options[name] is not None}
        key = _api_key(options.get("api_key_env"))
        try:
            self._clients = [
                openai.AsyncOpenAI(
                    api_key=key,
                    base_url=url,
                    max_retries=0,
                    timeout=openai.Timeout(self._timeout, connect=min(10.0, self._timeout)),
                    http_client=openai.DefaultAsyncHttpxClient(trust_env=False) if ours else None,
                )
                for url in base_urls or (None,)
            ]
        except Exception as error:  # of the HTTP library below: OPENAI_BASE_URL is no address
            raise InputError(f"OPENAI_BASE_URL is no address ({one_line(error)})") from None
        self._secrets = [secret for secret in (key,) if len(secret) > 4]
        self._trouble_since: float | None = None
        self._troubles = 0
        self._served = 0

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
            The server refuses the key or does not know the model.
        ServerGone
            No server has given a usable answer for :data:`PATIENCE` seconds.
        """
        first = zlib.crc32(affinity.encode())
        served_before = self._served

        def is_hopeless(state: RetryCallState) -> bool:
            kind = _trouble(state).failure.kind
            if kind == "rate limit":
                return (state.seconds_since_start or 0.0) > RATE_LIMIT_PATIENCE
            # Silence, while nobody else is served either, is the server's failure: see _ill.
            silent = kind in ("connection", "timeout") and self._served == served_before
            return state.attempt_number >= ATTEMPTS and not silent

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_TroubleError),
            stop=is_hopeless,
            wait=_pause,
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    turn = first + attempt.retry_state.attempt_number - 1
                    return await self._attempt(
                        self._clients[turn % len(self._clients)], messages, form
                    )
        except _TroubleError as trouble:
            return trouble.failure
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            await client.close()

    async def _attempt(
        self, client: openai.AsyncOpenAI, messages: Sequence[Message], form: Mapping[str, Any]
    ) -> Response | Failure:
        if self.budget is None:
            return await self._request(client, messages, form)
        with await self.budget.reserve(self._label, self._at_most(messages)) as room:
            try:
                outcome = await self._request(client, messages, form)
            except (_TroubleError, InputError):
                room.settle(NOTHING)
                raise
            room.settle(outcome.usage if isinstance(outcome, Response) else None)
        return outcome

    def _at_most(self, messages: Sequence[Message]) -> int:
        """Bound the tokens of a request: no token is less than a byte, a second of audio 50."""
        texts, audio = 0, 0
        for message in messages:
            content = message["content"]
            parts: list[Any] = [{"text": content}] if isinstance(content, str) else content
            for part in parts:
                texts += len(str(part.get("text", "")).encode()) + 16
                audio += len(part.get("input_audio", {}).get("data", ""))
        return texts + audio * 50 // 42_000 + int(self._decoding["max_tokens"])

    async def _request(
        self, client: openai.AsyncOpenAI, messages: Sequence[Message], form: Mapping[str, Any]
    ) -> Response | Failure:
        try:
            async with asyncio.timeout(self._timeout):
                raw = await client.chat.completions.with_raw_response.create(
                    model=self._model,
                    messages=(),
                    # Sent as it stands: going through the messages costs the client more time
                    # than all that we do about a call.
                    extra_body={"messages": messages, **self._decoding, **form},
                )
        except (openai.APITimeoutError, TimeoutError):
            raise self._ill(client, "timeout", f"no answer within {self._timeout:g} s") from None
        except openai.APIConnectionError as error:
            raise self._ill(client, "connection", error.__cause__ or error) from None
        except openai.APIStatusError as error:
            return self._refused(client, error)
        self._well()  # the server is there, whatever it says
        return self._read(raw.content)

    def _read(self, body: bytes) -> Response | Failure:
        outcome = read_completion(
            body,
            max_tokens=self._decoding["max_tokens"],
            greedy=self._decoding["temperature"] == 0,
        )
        if isinstance(outcome, Response):
            return outcome
        message = self._quote(outcome.message)
        if outcome.kind in _REPEATED:
            raise _TroubleError(outcome.kind, message)
        return replace(outcome, message=message)

    def _refused(self, client: openai.AsyncOpenAI, error: openai.APIStatusError) -> Failure:
        status = error.status_code
        message = self._quote(f"HTTP {status}: {error.message}")
        where = f"{self._address(client)}, model {self._model}"
        if status in (401, 403):
            raise InputError(
                f"{where}: {message}; the key comes from OPENAI_API_KEY or api_key_env=NAME"
            ) from None
        if status == 404:
            raise InputError(
                f"{where}: {message}; does the server serve it, and does base_url end in /v1?"
            ) from None
        if status >= 500:
            raise self._ill(client, "server", message, _retry_after(error)) from None
        self._well()
        if status in (408, 409, 425, 429):
            kind = "rate limit" if status == 429 else "server"
            raise _TroubleError(kind, message, _retry_after(error)) from None
        return Failure("rejected", message, final=status in _REFUSED_INPUT)

    def _well(self) -> None:
        self._served += 1
        self._trouble_since = None
        self._troubles = 0

    def _ill(
        self, client: openai.AsyncOpenAI, kind: str, message: object, wait: float = 0.0
    ) -> Exception:
        now = time.monotonic()
        if self._trouble_since is None:
            self._trouble_since = now
        self._troubles += 1
        quoted = self._quote(message)
        if self._troubles > 3 and now - self._trouble_since > PATIENCE:
            return ServerGone(
                f"{self._address(client)}: no usable answer for {PATIENCE:g} s ({quoted}); "
                "start the server and give the same command again: it goes on from here"
            )
        return _TroubleError(kind, quoted, wait)

    def _quote(self, message: object) -> str:
        quoted = str(message)
        for secret in self._secrets:
            quoted = quoted.replace(secret, "***")
        return one_line(quoted)

    def _address(self, client: openai.AsyncOpenAI) -> str:
        return re.sub(r"//[^/@]*@", "//***@", str(client.base_url).rstrip("/"))


def _api_key(variable: str | None) -> str:
    key = os.environ.get(variable or "OPENAI_API_KEY", "")
    if variable and not key:
        raise InputError(f"api_key_env={variable}: the environment has no such variable")
    return key or "none"  # local servers ask for none, the client insists on one


def _trouble(state: RetryCallState) -> _TroubleError:
    trouble = state.outcome.exception() if state.outcome else None
    assert isinstance(trouble, _TroubleError)  # nothing else is retried
    return trouble


def _pause(state: RetryCallState) -> float:
    return _trouble(state).wait + _BACKOFF(state)


def _retry_after(error: openai.APIStatusError) -> float:
    told = error.response.headers.get("retry-after", "")
    try:
        wait = float(told)
    except ValueError:
        try:
            wait = parsedate_to_datetime(told).timestamp() - time.time()
        except ValueError:
            return 0.0
    return min(max(wait, 0.0), RATE_LIMIT_PATIENCE) if wait == wait else 0.0
