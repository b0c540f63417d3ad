"""A language model as judge, behind a server that speaks OpenAI's chat completions."""

from jasco.benchmark.clips import Item
from jasco.benchmark.protocols import SYSTEM_MESSAGE, Protocol
from jasco.benchmark.responses import Failure, Response
from jasco.benchmark.verdicts import Verdict, read_repair, read_verdict
from jasco.judges.judge import Attempt, Judge, Judgement
from jasco.providers.chat import TRANSPORT_OPTIONS, ChatClient, decoding_options
from jasco.providers.specs import Spec


class ChatJudge(Judge):
    """A judge as published: a language model that is shown the rubric and one answer.

    Decoding is greedy with at most 1,000 tokens; the published code sampled (temperature 1).
    """

    NAME = "MODEL"
    VERBATIM = False
    OPTIONS = (*decoding_options(max_tokens=1000), *TRANSPORT_OPTIONS)

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._client = ChatClient(spec)

    async def judge(self, item: Item, prediction: str, protocol: Protocol) -> Judgement | Failure:
        """Ask for a verdict and, where its orientation cannot be read, once more for that."""
        answer = await self._ask(item, protocol.judge_prompt(item, prediction))
        if isinstance(answer, Failure):
            return answer
        verdict = read_verdict(answer.text)
        attempts = [_attempt("verdict", answer)]
        if verdict.orientation is None:
            reply = await self._ask(item, protocol.repair_prompt(answer.text))
            if isinstance(reply, Failure):
                return reply
            verdict = Verdict(verdict.rating, read_repair(reply.text))
            attempts.append(_attempt("repair", reply))
        return Judgement(verdict, tuple(attempts))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _ask(self, item: Item, prompt: str) -> Response | Failure:
        return await self._client.ask(
            [{"role": "system", "content": SYSTEM_MESSAGE}, {"role": "user", "content": prompt}],
            item.clip.id,
        )


def _attempt(asked: str, answer: Response) -> Attempt:
    return Attempt(asked, answer.text, answer.finish_reason, answer.usage, answer.served)
