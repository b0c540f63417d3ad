"""A language model as judge, behind a server that speaks OpenAI's chat completions."""

from collections.abc import Mapping
from typing import Any

from jasco.backends.chat_provider import ChatProvider
from jasco.backends.chat_requests import (
    FURTHER_OPTIONS,
    TRANSPORT_OPTIONS,
    Message,
    decoding_options,
)
from jasco.backends.options import Option, at_least, one_of
from jasco.backends.specs import Spec
from jasco.errors import InputError
from jasco.judges.judge import Judge
from jasco.protocol.clips import Item
from jasco.protocol.protocols import SYSTEM_MESSAGE, Protocol
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdict_parser import (
    read_constrained,
    read_repair,
    read_verdict,
    verdict_schema,
)
from jasco.protocol.verdicts import Attempt, Judgement, Verdict

JUDGING_OPTIONS = (
    *decoding_options(max_tokens=1000),
    Option(
        "output",
        "text, or json: the server holds it to a schema",
        one_of("text", "json"),
        "text",
        identity=True,
    ),
    Option(
        "system",
        "user puts the system message into the user's, for models without that role",
        one_of("system", "user"),
        "system",
        identity=True,
        if_given=True,
    ),
    *FURTHER_OPTIONS,
    Option("repeats", "how often a fifth of the clips is judged", at_least(1, int), 1),
)


class ChatJudge(ChatProvider, Judge):
    """A judge as published: a language model that is shown the rubric and one answer.

    Decoding is greedy with at most 1,000 tokens; the published code sampled (temperature 1).
    """

    needs_check = True
    OPTIONS = (*JUDGING_OPTIONS, *TRANSPORT_OPTIONS)

    def __init__(self, spec: Spec) -> None:
        if spec.options["repeats"] > 1 and spec.options["seed"] is not None:
            raise InputError(
                f"{spec.label}: with a seed every repeat would be the same; leave out seed"
            )
        super().__init__(spec)

    async def judge(self, item: Item, prediction: str, protocol: Protocol) -> Judgement | Failure:
        """Request a verdict and, where its orientation cannot be read, once more that."""
        assert self._client
        answer = await self._client.ask(
            self._messages(protocol.judge_prompt(item, prediction)),
            item.clip.id,
            self._response_format(protocol),
        )
        if isinstance(answer, Failure):
            return answer
        attempts = [_attempt("verdict", answer)]
        if self._as_json:
            return Judgement(read_constrained(_whole_lines(answer)), tuple(attempts))
        verdict = read_verdict(_whole_lines(answer))
        if verdict.orientation is None:
            messages = self._messages(protocol.repair_prompt(answer.text))
            repair = await self._client.ask(messages, item.clip.id)
            if isinstance(repair, Failure):
                return repair
            verdict = Verdict(verdict.rating, read_repair(_whole_lines(repair)))
            attempts.append(_attempt("repair", repair))
        return Judgement(verdict, tuple(attempts))

    def request(
        self, item: Item, prediction: str, protocol: Protocol, repair_of: str | None = None
    ) -> Mapping[str, Any]:
        """Return the body of the request for a verdict, or for the repair of a text."""
        if repair_of is not None:
            return self._request_body(self._messages(protocol.repair_prompt(repair_of)))
        messages = self._messages(protocol.judge_prompt(item, prediction))
        return self._request_body(messages, self._response_format(protocol))

    def _messages(self, prompt: str) -> list[Message]:
        if self.spec.options["system"] == "user":
            return [{"role": "user", "content": f"{SYSTEM_MESSAGE}\n\n{prompt}"}]
        return [
            {"role": "system", "content": SYSTEM_MESSAGE},
            {"role": "user", "content": prompt},
        ]

    @property
    def _as_json(self) -> bool:
        return bool(self.spec.options["output"] == "json")

    def _response_format(self, protocol: Protocol) -> Mapping[str, Any]:
        """Return the part of a request that prescribes the answer's schema; empty for a text."""
        if not self._as_json:
            return {}
        schema = {"name": "verdict", "strict": True, "schema": verdict_schema(protocol.both)}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _whole_lines(answer: Response) -> str:
    """Return an answer without the line in which it was cut off: "Rating: 1" may become 1.5."""
    if answer.finish_reason != "length":
        return answer.text
    return answer.text[: max(answer.text.rfind("\n"), answer.text.rfind("\r"), 0)]


def _attempt(purpose: str, answer: Response) -> Attempt:
    return Attempt(
        purpose, answer.text, answer.finish_reason, answer.usage, answer.served, answer.reasoning
    )
