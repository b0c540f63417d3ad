"""A language model as judge, behind a server that speaks OpenAI's chat completions."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jasco.benchmark.clips import Item
from jasco.benchmark.errors import InputError
from jasco.benchmark.protocols import SYSTEM_MESSAGE, Protocol
from jasco.benchmark.responses import Failure, Response
from jasco.benchmark.verdicts import (
    Verdict,
    read_constrained,
    read_repair,
    read_verdict,
    verdict_schema,
)
from jasco.judges.judge import Attempt, Judge, Judgement
from jasco.providers.chat import TRANSPORT_OPTIONS, ChatClient, body, decoding_options
from jasco.providers.specs import Option, Spec, at_least, one_of

DECODING = decoding_options(max_tokens=1000)
JUDGING_OPTIONS = (
    Option(
        "output",
        "text, or json: the server holds it to a schema",
        one_of("text", "json"),
        "text",
        identity=True,
    ),
    Option("repeats", "how often a fifth of the clips is judged", at_least(1, int), 1),
)


class ChatJudge(Judge):
    """A judge as published: a language model that is shown the rubric and one answer.

    Decoding is greedy with at most 1,000 tokens; the published code sampled (temperature 1).
    """

    NAME = "MODEL"
    VERBATIM = False
    METERED = True
    OPTIONS = (*DECODING, *JUDGING_OPTIONS, *TRANSPORT_OPTIONS)

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        if spec.options["repeats"] > 1 and spec.options["seed"] is not None:
            raise InputError(
                f"{spec.label}: with a seed every repeat would be the same; leave out seed"
            )
        self._client = self._connect()

    def _connect(self) -> ChatClient | None:
        return ChatClient(self.spec)

    def request(
        self, item: Item, prediction: str, protocol: Protocol, repair_of: str | None = None
    ) -> Mapping[str, Any]:
        """Return the body that asks for a verdict, or once more for its orientation."""
        if repair_of is not None:
            return body(self.spec, _messages(protocol.repair_prompt(repair_of)))
        as_json = self.spec.options["output"] == "json"
        form = _response_format(protocol.both) if as_json else {}
        return body(self.spec, _messages(protocol.judge_prompt(item, prediction)), form)

    async def judge(self, item: Item, prediction: str, protocol: Protocol) -> Judgement | Failure:
        """Ask for a verdict and, where its orientation cannot be read, once more for that."""
        as_json = self.spec.options["output"] == "json"
        form = _response_format(protocol.both) if as_json else {}
        answer = await self._ask(item, protocol.judge_prompt(item, prediction), form)
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

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.close()

    async def _ask(
        self, item: Item, prompt: str, form: Mapping[str, Any] = MappingProxyType({})
    ) -> Response | Failure:
        assert self._client
        self._client.budget = self.budget
        return await self._client.ask(_messages(prompt), item.clip.id, form)


def _messages(prompt: str) -> list[dict[str, Any]]:
    return [{"role": "system", "content": SYSTEM_MESSAGE}, {"role": "user", "content": prompt}]


def _response_format(both: str) -> dict[str, Any]:
    schema = {"name": "verdict", "strict": True, "schema": verdict_schema(both)}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _whole_lines(answer: Response) -> str:
    """Leave out the line in which an answer was cut off: "Rating: 1" may have become 1.5."""
    if answer.finish_reason != "length":
        return answer.text
    return answer.text[: max(answer.text.rfind("\n"), answer.text.rfind("\r"), 0)]


def _attempt(asked: str, answer: Response) -> Attempt:
    return Attempt(asked, answer.text, answer.finish_reason, answer.usage, answer.served)
