"""A language model as judge, behind a server that speaks OpenAI's chat completions."""

from collections.abc import Generator, Mapping
from typing import Any

from jasco.backends.chat_provider import ChatProvider
from jasco.backends.chat_requests import FURTHER_OPTIONS, TRANSPORT_OPTIONS, decoding_options
from jasco.backends.options import Option, at_least, one_of
from jasco.backends.specs import Spec
from jasco.errors import InputError
from jasco.judges.judge import Judge
from jasco.protocol.clips import Item
from jasco.protocol.judging import VerdictRequest, request_verdict, take_steps, verdict_messages
from jasco.protocol.protocols import Protocol
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Judgement

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
        """Request a verdict and, if its orientation cannot be read, once more its orientation."""
        client = self._client
        assert client

        async def ask(request: VerdictRequest) -> Response | Failure:
            form = _response_format(request.schema)
            return await client.ask(request.messages, item.clip.id, form)

        return await take_steps(self._steps(item, prediction, protocol), ask)

    def request(
        self, item: Item, prediction: str, protocol: Protocol, repair_of: str | None = None
    ) -> Mapping[str, Any]:
        """Return the body of the request for a verdict, or for the repair of a text."""
        if repair_of is not None:
            prompt = protocol.repair_prompt(repair_of)
            return self._request_body(verdict_messages(prompt, self.spec.options["system"]))
        request = next(self._steps(item, prediction, protocol))
        return self._request_body(request.messages, _response_format(request.schema))

    def _steps(
        self, item: Item, prediction: str, protocol: Protocol
    ) -> Generator[VerdictRequest, str | Response, Judgement]:
        options = self.spec.options
        output, system = options["output"], options["system"]
        return request_verdict(item, prediction, protocol, output=output, system=system)


def _response_format(schema: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the parameter of a request that prescribes the reply's schema; empty without one."""
    if schema is None:
        return {}
    json_schema = {"name": "verdict", "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": json_schema}}
