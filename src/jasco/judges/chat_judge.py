"""A language model as judge, behind a server that speaks OpenAI's chat completions."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jasco.backends.chat_client import ChatClient
from jasco.backends.options import Option, at_least, one_of
from jasco.backends.requests import (
    FURTHER_OPTIONS,
    TRANSPORT_OPTIONS,
    Message,
    decoding_options,
    request_format,
)
from jasco.backends.specs import Spec
from jasco.errors import InputError
from jasco.judges.judge import Judge
from jasco.protocol.clips import Item
from jasco.protocol.judgement import Attempt, Judgement
from jasco.protocol.protocols import SYSTEM_MESSAGE, Protocol
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import (
    Verdict,
    read_constrained,
    read_repair,
    read_verdict,
    verdict_schema,
)

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


class ChatJudge(Judge):
    """A judge as published: a language model that is shown the rubric and one answer.

    Decoding is greedy with at most 1,000 tokens; the published code sampled (temperature 1).
    """

    NAME = "MODEL"
    raw_name = False
    METERED = True
    needs_check = True
    OPTIONS = (*JUDGING_OPTIONS, *TRANSPORT_OPTIONS)

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        if spec.options["repeats"] > 1 and spec.options["seed"] is not None:
            raise InputError(
                f"{spec.label}: with a seed every repeat would be the same; leave out seed"
            )
        self._client = self._connect()

    def _connect(self) -> ChatClient | None:
        return ChatClient(self.spec, self)

    async def judge(self, item: Item, prediction: str, protocol: Protocol) -> Judgement | Failure:
        """Ask for a verdict and, where its orientation cannot be read, once more for that."""
        as_json = self.spec.options["output"] == "json"
        answer = await self._ask(
            item, protocol.judge_prompt(item, prediction), self._form(protocol)
        )
        if isinstance(answer, Failure):
            return answer
        read = read_constrained if as_json else read_verdict
        verdict = read(_whole_lines(answer))
        attempts = [_attempt("verdict", answer)]
        if verdict.orientation is None and not as_json:
            reply = await self._ask(item, protocol.repair_prompt(answer.text))
            if isinstance(reply, Failure):
                return reply
            verdict = Verdict(verdict.rating, read_repair(_whole_lines(reply)))
            attempts.append(_attempt("repair", reply))
        return Judgement(verdict, tuple(attempts))

    def check(self) -> None:
        """See that there is an address that is meant to be asked."""
        if self._client:
            self._client.check()

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.close()

    async def _ask(
        self, item: Item, prompt: str, form: Mapping[str, Any] = MappingProxyType({})
    ) -> Response | Failure:
        assert self._client
        return await self._client.ask(self._messages(prompt), item.clip.id, form)

    def request(
        self, item: Item, prediction: str, protocol: Protocol, repair_of: str | None = None
    ) -> Mapping[str, Any]:
        """Return the body of the request for a verdict, or for a repair of what was said."""
        written = request_format(self.spec, self.adaptations)
        if repair_of is not None:
            return written.body(self._messages(protocol.repair_prompt(repair_of)))
        prompt = protocol.judge_prompt(item, prediction)
        return written.body(self._messages(prompt), self._form(protocol))

    def _messages(self, prompt: str) -> list[Message]:
        if self.spec.options["system"] == "user":
            return [{"role": "user", "content": f"{SYSTEM_MESSAGE}\n\n{prompt}"}]
        return [
            {"role": "system", "content": SYSTEM_MESSAGE},
            {"role": "user", "content": prompt},
        ]

    def _form(self, protocol: Protocol) -> Mapping[str, Any]:
        """Return the form that the answer is to have; empty for a text."""
        if self.spec.options["output"] != "json":
            return {}
        schema = {"name": "verdict", "strict": True, "schema": verdict_schema(protocol.both)}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _whole_lines(answer: Response) -> str:
    """Leave out the line in which an answer was cut off: "Rating: 1" may have become 1.5."""
    if answer.finish_reason != "length":
        return answer.text
    return answer.text[: max(answer.text.rfind("\n"), answer.text.rfind("\r"), 0)]


def _attempt(asked: str, answer: Response) -> Attempt:
    return Attempt(
        asked, answer.text, answer.finish_reason, answer.usage, answer.served, answer.reasoning
    )
