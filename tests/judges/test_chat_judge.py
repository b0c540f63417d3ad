"""A language model as judge: its prompts, and verdicts from its replies."""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pytest

from jasco.backends.specs import open_spec
from jasco.errors import InputError
from jasco.judges.chat_judge import ChatJudge
from jasco.protocol.clips import Clip, items_of
from jasco.protocol.protocols import PROTOCOLS, SYSTEM_MESSAGE
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Attempt, Judgement, Orientation, Verdict

ITEM = items_of(Clip("7", "rain", "run", "a", "b", "they flee", "flee"))[3]
UNCLEAR = "Rating: 2\nExplanation2: It rests on much.\nOrientation: hard to say"


class Client:
    """A client with answers in turn; it records the prompts and options."""

    def __init__(self, *answers: Response | Failure) -> None:
        self._answers = list(answers)
        self.prompts: list[list[tuple[str, str]]] = []
        self.options: list[Mapping[str, Any]] = []

    async def ask(
        self,
        messages: Sequence[dict[str, Any]],
        affinity: str,
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> Response | Failure:
        self.options.append(options)
        self.prompts.append([(message["role"], message["content"]) for message in messages])
        return self._answers.pop(0)


def judge_with(
    monkeypatch: pytest.MonkeyPatch,
    *answers: str | Response | Failure,
    protocol: str = "v2",
    spec: str = "openai/m",
) -> tuple[Judgement | Failure, list[list[tuple[str, str]]]]:
    client = Client(
        *(Response(answer) if isinstance(answer, str) else answer for answer in answers)
    )
    judge: ChatJudge = open_spec("judge", spec)
    monkeypatch.setattr(judge, "_client", client)
    outcome = asyncio.run(judge.judge(ITEM, "they {reference}", PROTOCOLS[protocol]))
    return outcome, client.prompts


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_rubric_is_asked_once_where_the_answer_is_readable(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    text = "Rating: 2\nOrientation: Both"
    outcome, prompts = judge_with(monkeypatch, text, protocol=protocol)
    assert outcome == Judgement(Verdict(2, Orientation.BOTH), (Attempt("verdict", text),))
    prompt = PROTOCOLS[protocol].judge_prompt(ITEM, "they {reference}")
    assert prompts == [[("system", SYSTEM_MESSAGE), ("user", prompt)]]
    assert "they {reference}" in prompt


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_unreadable_orientation_is_asked_for_once_more(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    outcome, prompts = judge_with(monkeypatch, UNCLEAR, "Good", protocol=protocol)
    assert outcome == Judgement(
        Verdict(2, Orientation.BOTH), (Attempt("verdict", UNCLEAR), Attempt("repair", "Good"))
    )
    assert prompts[1] == [
        ("system", SYSTEM_MESSAGE),
        ("user", PROTOCOLS[protocol].repair_prompt(UNCLEAR)),
    ]


def test_a_repair_that_is_unreadable_too_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, prompts = judge_with(monkeypatch, UNCLEAR, "cannot tell")
    assert isinstance(outcome, Judgement)
    assert outcome.verdict == Verdict(2, None)
    assert len(prompts) == 2


def test_an_unreadable_rating_stays_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, prompts = judge_with(monkeypatch, "Rating: 1 or 2\nOrientation: Both")
    assert isinstance(outcome, Judgement)
    assert outcome.verdict == Verdict(None, Orientation.BOTH)
    assert len(prompts) == 1


def test_an_orientation_is_asked_for_whatever_the_rating(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, prompts = judge_with(monkeypatch, "I cannot tell.", "'Neither.'")
    assert isinstance(outcome, Judgement)
    assert outcome.verdict == Verdict(None, Orientation.NEITHER)
    assert len(prompts) == 2


def test_a_rating_in_the_repair_reply_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, _ = judge_with(monkeypatch, UNCLEAR, "Rating: 0\nOrientation: Neither")
    assert isinstance(outcome, Judgement)
    assert outcome.verdict == Verdict(2, Orientation.NEITHER)


def test_a_call_that_fails_is_a_failure_and_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = Failure("timeout", "too late")
    assert judge_with(monkeypatch, failure)[0] == failure
    assert judge_with(monkeypatch, UNCLEAR, failure)[0] == failure


def test_decoding_is_greedy_with_a_thousand_tokens() -> None:
    identity = open_spec("judge", "openai/m").spec.identity
    assert (identity["temperature"], identity["max_tokens"]) == (0, 1000)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (
            "<think>Rating: 0?\nNo.</think>\nRating: 2\nOrientation: Both",
            Verdict(2, Orientation.BOTH),
        ),
        ("<think>First I thought\nRating: 0\nOrientation: Neither", Verdict(None, None)),
        ("Rating: 2\nOrientation: Both\nRating: 1", Verdict(2, Orientation.BOTH)),
        ("Rating: 2\nOrientation: Both", Verdict(2, None)),
        ("Rating: 2\rOrientation: Both\rRating: 1", Verdict(2, Orientation.BOTH)),
        ("~~Rating: 2\nOrientation: Both\nno, ra", Verdict(None, Orientation.BOTH)),
        ('{"Rating": 2, "Orientation": "Both"', Verdict(None, None)),
        ("Rating: 1", Verdict(None, None)),
    ],
)
def test_of_an_answer_that_was_cut_off_only_whole_lines_after_the_thinking_count(
    monkeypatch: pytest.MonkeyPatch, text: str, verdict: Verdict
) -> None:
    response = Response(text + ("\n" if "</think>" in text else ""), "length")
    outcome, _ = judge_with(monkeypatch, response, "no idea")
    assert isinstance(outcome, Judgement)
    assert outcome.verdict == verdict


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_constrained_judge_is_held_to_a_schema_and_asked_once(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    both = PROTOCOLS[protocol].both
    text = f'{{"Explanation1": "x", "Rating": 2, "Explanation2": "y", "Orientation": "{both}"}}'
    client = Client(Response(text))
    judge: ChatJudge = open_spec("judge", "openai/m,output=json")
    monkeypatch.setattr(judge, "_client", client)
    outcome = asyncio.run(judge.judge(ITEM, "x", PROTOCOLS[protocol]))
    assert outcome == Judgement(Verdict(2, Orientation.BOTH), (Attempt("verdict", text),))
    schema = client.options[0]["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["Explanation1", "Rating", "Explanation2", "Orientation"]
    assert schema["properties"]["Rating"]["enum"] == [0, 1, 2]
    assert both in schema["properties"]["Orientation"]["enum"]
    assert judge.spec.identity["output"] == "json"
    assert judge.spec.label == "openai/m,output=json"


@pytest.mark.parametrize(
    "text",
    [
        "", "Rating: 2\nOrientation: Both", "[2]", '{"Rating": 2}', "[" * 100_000,
        '{"Rating": true, "Orientation": "Both"}', '{"Rating": 3, "Orientation": "Both"}',
        '{"Rating": "2", "Orientation": "Both"}', '{"Rating": 1.5, "Orientation": "Both"}',
    ],
)  # fmt: skip
def test_what_breaks_the_schema_is_unreadable(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    outcome, prompts = judge_with(monkeypatch, text, spec="openai/m,output=json")
    assert isinstance(outcome, Judgement)
    assert not outcome.verdict.readable
    assert len(prompts) == 1


def test_repeats_and_a_seed_exclude_each_other() -> None:
    with pytest.raises(InputError, match=r"seed .*repeat"):
        open_spec("judge", "openai/m,repeats=5,temperature=1,seed=3")
