"""Requesting a verdict without I/O: the messages, the repair, and what is read from the replies."""

from collections.abc import Iterable

import pytest

from jasco.protocol.clips import Clip, Item
from jasco.protocol.judging import VerdictRequest, read_attempts, request_verdict
from jasco.protocol.protocols import PROTOCOLS, SYSTEM_MESSAGE
from jasco.protocol.responses import Response
from jasco.protocol.verdicts import Attempt, Judgement, Orientation, Verdict

ITEM = Item(Clip("7", "waves", "Let's build.", "swimming", "building", "a sandcastle", "sand"), 3)


def drive(
    replies: Iterable[str | Response], **settings: object
) -> tuple[list[VerdictRequest], Judgement]:
    """Answer each request with the next reply; return the requests and the judgement."""
    steps = request_verdict(ITEM, "They build.", **settings)  # type: ignore[arg-type]
    requests, waiting = [next(steps)], iter(replies)
    while True:
        try:
            requests.append(steps.send(next(waiting)))
        except StopIteration as end:
            return requests, end.value


def test_a_readable_reply_needs_one_request() -> None:
    requests, judgement = drive(["Rating: 2\nOrientation: Both"])
    [request] = requests
    assert request.messages == (
        {"role": "system", "content": SYSTEM_MESSAGE},
        {"role": "user", "content": PROTOCOLS["v2"].judge_prompt(ITEM, "They build.")},
    )
    assert request.schema is None
    assert judgement.verdict == Verdict(2, Orientation.BOTH)
    assert [attempt.asked for attempt in judgement.attempts] == ["verdict"]


def test_an_orientation_that_cannot_be_read_is_requested_once_more() -> None:
    requests, judgement = drive(["Rating: 1\nOrientation: unclear", "Speech-Oriented"])
    prompt = PROTOCOLS["v2"].repair_prompt("Rating: 1\nOrientation: unclear")
    assert requests[1].messages[1]["content"] == prompt
    assert judgement.verdict == Verdict(1, Orientation.SPEECH)
    assert [attempt.asked for attempt in judgement.attempts] == ["verdict", "repair"]


def test_nothing_is_guessed() -> None:
    assert drive(["I like it.", "So do I."])[1].verdict == Verdict(None, None)


def test_the_line_in_which_a_reply_was_cut_off_does_not_count() -> None:
    cut = Response("Orientation: Both\nRating: 1", finish_reason="length")
    assert drive([cut])[1].verdict == Verdict(None, Orientation.BOTH)


@pytest.mark.parametrize("protocol", ["v1", PROTOCOLS["v1"]])
def test_a_protocol_is_given_by_name_or_as_itself(protocol: object) -> None:
    requests, judgement = drive(["Rating: 2\nOrientation: Good"], protocol=protocol)
    prompt = PROTOCOLS["v1"].judge_prompt(ITEM, "They build.")
    assert requests[0].messages[1]["content"] == prompt
    assert judgement.verdict == Verdict(2, Orientation.BOTH)


def test_a_schema_replaces_the_repair() -> None:
    requests, judgement = drive(["{}"], output="json")
    assert requests[0].schema
    assert requests[0].schema["properties"]["Rating"]["enum"] == [0, 1, 2]
    assert judgement.verdict == Verdict(None, None)


def test_the_system_message_may_be_part_of_the_users() -> None:
    [message] = drive(["Rating: 2\nOrientation: Both"], system="user")[0][0].messages
    assert message["role"] == "user"
    assert message["content"].startswith(f"{SYSTEM_MESSAGE}\n\n")


@pytest.mark.parametrize(
    ("replies", "settings"),
    [
        (["Rating: 2\nOrientation: Both"], {}),
        (["Rating: 1\nOrientation: unclear", "Speech-Oriented"], {}),
        ([Response("Orientation: Both\nRating: 1", finish_reason="length")], {}),
        (["I like it.", "So do I."], {}),
        (['{"Rating": 2, "Orientation": "Both"}'], {"output": "json"}),
    ],
)
def test_stored_replies_are_read_as_they_were_at_first(
    replies: list[str | Response], settings: dict[str, str]
) -> None:
    _, judgement = drive(replies, **settings)
    output = settings.get("output", "text")
    assert read_attempts(judgement.attempts, output) == judgement.verdict  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "asked",
    [
        [],
        ["repair"],
        ["verdict", "verdict"],
        ["verdict", "repair"],  # the first reply is readable, so no other was requested
    ],
)
def test_replies_that_the_protocol_does_not_request_have_no_verdict(asked: list[str]) -> None:
    attempts = [Attempt(each, "Rating: 2\nOrientation: Both") for each in asked]
    assert read_attempts(attempts) is None


def test_an_unreadable_reply_without_the_repair_has_no_verdict() -> None:
    assert read_attempts([Attempt("verdict", "no idea")]) is None
