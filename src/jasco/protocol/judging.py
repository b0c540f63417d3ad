"""Requesting a verdict from a language model: messages, schema and repair, without I/O.

:func:`request_verdict` does everything except the calls, so that any client can make them.
"""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jasco.protocol.clips import Clip, Item
from jasco.protocol.protocols import SYSTEM_MESSAGE, Protocol, protocol_named
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdict_parser import (
    read_constrained,
    read_repair,
    read_verdict,
    verdict_schema,
)
from jasco.protocol.verdicts import Attempt, Judgement, Verdict


@dataclass(frozen=True)
class VerdictRequest:
    """One request to a judge.

    Attributes
    ----------
    messages : tuple of mapping
        The chat messages, each with ``role`` and ``content``.
    schema : mapping or None
        The JSON schema that constrains the reply; None for a reply in plain text.
    """

    messages: tuple[Mapping[str, str], ...]
    schema: Mapping[str, Any] | None = None


def request_verdict(
    item: Item,
    answer: str,
    protocol: str | Protocol | None = None,
    *,
    output: Literal["text", "json"] = "text",
    system: Literal["system", "user"] = "system",
) -> Generator[VerdictRequest, str | Response, Judgement]:
    r"""Request a verdict on an answer, step by step, without making any call.

    The generator yields a request, receives the judge's reply, and returns the judgement. If no
    orientation can be read from the first reply, it yields a second request with the repair prompt
    of the protocol. A rating or orientation that cannot be read is None; it is never guessed.

    Parameters
    ----------
    item : Item
        The item that the model answered.
    answer : str
        The model's answer.
    protocol : str, Protocol or None
        The judging protocol: ``"v2"`` (the default) or ``"v1"``.
    output : {"text", "json"}
        The format of the reply. ``"text"`` is the published format; ``"json"`` adds a schema to the
        request, and there is no repair.
    system : {"system", "user"}
        The role of the system message. ``"user"`` puts it into the user message, for models without
        a system role.

    Yields
    ------
    VerdictRequest
        The request to the judge. Send the reply to the generator, as a str or as a
        :class:`~jasco.plugins.Response`, which includes the finish reason and the token usage.

    Returns
    -------
    Judgement
        The verdict, and the replies from which it was read.

    Examples
    --------
    >>> from jasco import load_dataset, request_verdict
    >>> item = load_dataset("mini").items()[0]
    >>> steps = request_verdict(item, "They are building a sandcastle.")
    >>> request = next(steps)
    >>> [message["role"] for message in request.messages]
    ['system', 'user']
    >>> try:
    ...     steps.send("Rating: 2\nOrientation: Both")
    ... except StopIteration as end:
    ...     print(end.value.verdict.rating, end.value.verdict.orientation)
    2 Both
    """
    if not isinstance(protocol, Protocol):
        protocol = protocol_named(protocol)
    schema = verdict_schema(protocol.both) if output == "json" else None
    messages = verdict_messages(protocol.judge_prompt(item, answer), system)
    reply = _as_response((yield VerdictRequest(messages, schema)))
    attempts = [_attempt("verdict", reply)]
    if output == "json":
        return Judgement(read_constrained(_complete_lines(reply)), tuple(attempts))
    verdict = read_verdict(_complete_lines(reply))
    if verdict.orientation is None:
        messages = verdict_messages(protocol.repair_prompt(reply.text), system)
        repair = _as_response((yield VerdictRequest(messages)))
        attempts.append(_attempt("repair", repair))
        verdict = Verdict(verdict.rating, read_repair(_complete_lines(repair)))
    return Judgement(verdict, tuple(attempts))


_ANY_ITEM = Item(Clip("any", "", "", "", "", "", ""), 1)


async def take_steps(
    steps: Generator[VerdictRequest, str | Response, Judgement],
    ask: Callable[[VerdictRequest], Awaitable[Response | Failure]],
) -> Judgement | Failure:
    """Return the judgement of :func:`request_verdict`, or the first failure of a request.

    Parameters
    ----------
    steps : generator
        The requests.
    ask : callable
        Makes a request and returns the reply.
    """
    request = next(steps)
    while True:
        reply = await ask(request)
        if isinstance(reply, Failure):
            return reply
        try:
            request = steps.send(reply)
        except StopIteration as end:
            judgement: Judgement = end.value
            return judgement


def read_attempts(
    attempts: Sequence[Attempt], output: Literal["text", "json"] = "text"
) -> Verdict | None:
    """Read a verdict again from a judge's stored replies.

    Parameters
    ----------
    attempts : sequence of Attempt
        The replies, as in :attr:`Judgement.attempts`.
    output : {"text", "json"}
        The format of the replies, as in :func:`request_verdict`.

    Returns
    -------
    Verdict or None
        The verdict; None if :func:`request_verdict` would not have requested these replies.
    """
    steps = request_verdict(_ANY_ITEM, "", output=output)
    next(steps)
    for place, attempt in enumerate(attempts, start=1):
        if attempt.asked != ("verdict", "repair")[place > 1]:
            return None
        try:
            steps.send(Response(attempt.text, attempt.finish_reason))
        except StopIteration as end:
            judgement: Judgement = end.value
            return judgement.verdict if place == len(attempts) else None
    return None


def verdict_messages(prompt: str, system: str = "system") -> tuple[Mapping[str, str], ...]:
    """Return the chat messages of a prompt to a judge; ``system`` as in :func:`request_verdict`."""
    if system == "user":
        return ({"role": "user", "content": f"{SYSTEM_MESSAGE}\n\n{prompt}"},)
    return (
        {"role": "system", "content": SYSTEM_MESSAGE},
        {"role": "user", "content": prompt},
    )


def _as_response(reply: str | Response) -> Response:
    return Response(reply) if isinstance(reply, str) else reply


def _complete_lines(reply: Response) -> str:
    """Return a reply without its last line if it was cut off ("Rating: 1" may be 1.5)."""
    if reply.finish_reason != "length":
        return reply.text
    return reply.text[: max(reply.text.rfind("\n"), reply.text.rfind("\r"), 0)]


def _attempt(purpose: str, reply: Response) -> Attempt:
    return Attempt(
        purpose, reply.text, reply.finish_reason, reply.usage, reply.served, reply.reasoning
    )
