"""Chat completions as responses or failures."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.backends.chat_completions import Completion, reported_status
from jasco.protocol.responses import Failure, Response

ERROR = {"code": 502, "message": "Provider returned error"}


def read(
    text: Any, reason: Any = "stop", *, greedy: bool = True, **message: Any
) -> Response | Failure:
    choice = {"index": 0, "message": {"content": text, **message}, "finish_reason": reason}
    return read_body({"choices": [choice]}, greedy=greedy)


def read_body(body: Any, *, greedy: bool = True) -> Response | Failure:
    return Completion(json.dumps(body).encode()).read(max_tokens=77, greedy=greedy)


def expect_failure(outcome: Response | Failure) -> Failure:
    assert isinstance(outcome, Failure)
    return outcome


def choice(**fields: Any) -> dict[str, Any]:
    return {"index": 0, "message": {"content": "They flee."}, "finish_reason": "stop", **fields}


@pytest.mark.parametrize("reason", ["stop", None, "", "STOP", "eos_token", "end_turn"])
@pytest.mark.parametrize("text", ["", " \n", "They flee."])
def test_a_text_that_the_model_ended_is_an_answer_even_if_it_is_empty(
    text: str, reason: str | None
) -> None:
    assert read(text, reason) == Response(text, reason)


@pytest.mark.parametrize("reason", ["length", "LENGTH", "MAX_TOKENS", "model_length"])
def test_a_text_that_was_cut_off_is_an_answer_whatever_the_server_calls_it(reason: str) -> None:
    assert read("They", reason) == Response("They", "length")


@pytest.mark.parametrize("text", [None, "", " \n"])
@pytest.mark.parametrize("reason", ["length", "max_tokens"])
def test_nothing_within_max_tokens_is_no_answer(text: str | None, reason: str) -> None:
    outcome = expect_failure(read(text, reason))
    assert (outcome.kind, outcome.final) == ("cut off", True)
    assert "max_tokens=77" in outcome.message
    assert repr(reason) in outcome.message


def test_a_text_that_was_cut_off_before_it_began_may_come_where_it_is_sampled() -> None:
    assert not expect_failure(read("", "length", greedy=False)).final


@pytest.mark.parametrize("text", [None, "", "They fl"])
@pytest.mark.parametrize(
    "reason", ["content_filter", "Content-Filter", "content_filter: RECITATION", "SAFETY"]
)
def test_a_filtered_text_is_no_answer_not_even_in_part(text: str | None, reason: str) -> None:
    outcome = expect_failure(read(text, reason, greedy=False))
    assert (outcome.kind, outcome.final) == ("content filter", True)
    assert reason in outcome.message
    assert (text or "") in outcome.message


@pytest.mark.parametrize("text", [None, "", "They fl"])
@pytest.mark.parametrize("reason", ["error", "ERROR", "abort", "insufficient_system_resource"])
def test_a_text_that_an_error_ended_is_no_answer(text: str | None, reason: str) -> None:
    outcome = expect_failure(read(text, reason))
    assert (outcome.kind, outcome.final) == ("error", False)
    assert repr(reason) in outcome.message
    assert (text or "") in outcome.message


@pytest.mark.parametrize(
    "body",
    [
        {"error": ERROR},
        {"error": ERROR, "choices": []},
        {"error": ERROR, "choices": [choice()]},
        {"choices": [choice(error=ERROR)]},
        {"choices": [choice(error=ERROR, finish_reason="error", message=None)]},
        {"choices": [choice(message={"content": "They flee.", "error": ERROR})]},
    ],
)
def test_an_error_object_is_a_failure_wherever_it_stands(body: dict[str, Any]) -> None:
    assert read_body(body) == Failure("error", "Provider returned error (code 502)")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("overloaded", "overloaded"),
        ({"message": "overloaded"}, "overloaded"),
        ({"message": "", "type": "x"}, '{"message": "", "type": "x"}'),
        ({"detail": ["é"]}, '{"detail": ["é"]}'),
        (["a"], '["a"]'),
        (7, "7"),
        (True, "true"),
    ],
)
def test_an_error_has_the_servers_message(error: Any, message: str) -> None:
    assert read_body({"choices": [choice()], "error": error}) == Failure("error", message)


@pytest.mark.parametrize("no_error", [None, {}, "", False])
def test_an_error_that_is_none_changes_nothing(no_error: Any) -> None:
    body = {"choices": [choice(error=no_error)], "error": no_error}
    assert read_body(body) == Response("They flee.", "stop")


@pytest.mark.parametrize("code", ["content_filter", "content_filtered"])
def test_an_error_may_name_the_filter(code: str) -> None:
    outcome = expect_failure(read_body({"error": {"code": code, "message": "flagged"}}))
    assert (outcome.kind, outcome.final) == ("content filter", True)


def test_a_refusal_in_a_field_of_its_own_is_the_models_answer() -> None:
    for text in (None, "", " "):
        assert read(text, refusal="I cannot help.") == Response("I cannot help.", "stop")
    assert read("They flee.", refusal="I cannot help.") == Response("They flee.", "stop")
    assert read("They flee.", refusal=None) == Response("They flee.", "stop")


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("reason", ["tool_calls", "function_call", "other"])
def test_nothing_is_no_answer_where_the_model_did_not_end_it(reason: str, *, greedy: bool) -> None:
    for text in (None, ""):
        assert expect_failure(read(text, reason, greedy=greedy)).kind == "malformed"
        outcome = expect_failure(read(text, reason, greedy=greedy, tool_calls=[{"id": "1"}]))
        assert (outcome.kind, outcome.final) == ("no text", greedy)
    assert expect_failure(read(None)).kind == "malformed"
    assert read("They flee.", reason) == Response("They flee.", reason)


PARTS: list[Any] = [
    [{"type": "text", "text": "They "}, {"type": "text", "text": "flee."}],
    [{"type": "output_text", "text": "They flee."}],
    ["They ", "flee."],
]


@pytest.mark.parametrize("parts", PARTS)
def test_a_text_may_come_in_parts(parts: list[Any]) -> None:
    assert read(parts) == Response("They flee.", "stop")


@pytest.mark.parametrize(
    "reasoning", ["A siren.", [{"type": "text", "text": "A "}, {"type": "text", "text": "siren."}]]
)
def test_a_part_that_is_reasoning_is_kept_apart(reasoning: Any) -> None:
    parts = [{"type": "thinking", "thinking": reasoning}, {"type": "text", "text": "They flee."}]
    assert read(parts) == Response("They flee.", "stop", reasoning="A siren.")


@pytest.mark.parametrize("part", [7, {"type": "image_url"}, {"type": "text", "text": None}])
def test_a_part_that_is_no_text_is_malformed(part: Any) -> None:
    assert expect_failure(read([part])).kind == "malformed"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_in_a_field_of_its_own_is_kept_apart_and_is_no_answer(field: str) -> None:
    assert read("They flee.", **{field: "A siren."}).reasoning == "A siren."  # type: ignore[union-attr]
    for text in (None, "", " "):
        outcome = expect_failure(read(text, **{field: "A siren."}))
        assert (outcome.kind, outcome.final) == ("no text", True)
        assert "A siren." in outcome.message
        assert expect_failure(read(text, "length", **{field: "A siren."})).kind == "cut off"


def test_a_legacy_completion_has_a_text_without_a_message() -> None:
    body = {"choices": [{"index": 0, "text": "They flee.", "finish_reason": "stop"}]}
    assert read_body(body) == Response("They flee.", "stop")


def read_stream(*pieces: Any, end: str = "data: [DONE]\n\n") -> Response | Failure:
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in pieces) + end
    return Completion(body.encode()).read(max_tokens=77, greedy=True)


def chunk(text: str | None, reason: str | None = None, **delta: Any) -> dict[str, Any]:
    delta |= {} if text is None else {"content": text}
    return {"model": "org/m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def test_a_streamed_body_is_joined() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    chunks = [chunk(None, role="assistant"), chunk("They "), chunk("flee."), chunk(None, "stop")]
    response = read_stream(*chunks, {"choices": [], "usage": usage})
    assert response == Response("They flee.", "stop", usage, "org/m")
    assert read_stream(*chunks[1:], end="") == Response("They flee.", "stop", served="org/m")
    with_comment = b": keep-alive\n\ndata: " + json.dumps(chunk("They flee.", "stop")).encode()
    assert Completion(with_comment).read(max_tokens=1, greedy=True) == Response(
        "They flee.", "stop", served="org/m"
    )


def test_reasoning_may_be_streamed() -> None:
    chunks = chunk(None, reasoning_content="A "), chunk(None, reasoning_content="siren.")
    assert read_stream(*chunks, chunk("They flee.", "stop")) == Response(
        "They flee.", "stop", served="org/m", reasoning="A siren."
    )


def test_separators_of_lines_within_a_streamed_text_stay() -> None:
    text = "They\u2028flee\u0085now\x0c."
    body = "data: " + json.dumps(chunk(text, "stop"), ensure_ascii=False) + "\n\n"
    outcome = Completion(body.encode()).read(max_tokens=1, greedy=True)
    assert isinstance(outcome, Response)
    assert outcome.text == text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 402, "message": "Insufficient credits"}, 402),
        ({"code": "429"}, 429),
        ({"code": "insufficient_quota"}, 429),
        ({"code": 502}, 200),
        ({"code": "x"}, 200),
        ("overloaded", 200),
        (None, 200),
    ],
)
def test_a_gateway_may_report_a_status_within_a_body(error: Any, status: int) -> None:
    assert reported_status(json.dumps({"error": error, "choices": []}).encode()) == status


def test_a_finish_reason_is_a_text_that_can_be_kept() -> None:
    body = (
        b'{"choices": [{"message": {"content": "x"}, "finish_reason": "\\ud800'
        + b"y" * 200
        + b'"}]}'
    )
    outcome = Completion(body).read(max_tokens=1, greedy=True)
    assert isinstance(outcome, Response)
    assert outcome.finish_reason is not None
    assert outcome.finish_reason.encode()
    assert len(outcome.finish_reason) <= 100


def test_a_stream_that_breaks_off_or_ends_in_an_error_is_no_answer() -> None:
    assert expect_failure(read_stream(chunk("They "), end="")).kind == "malformed"
    assert expect_failure(read_stream(chunk("They "), {"error": ERROR}, end="")).kind == "error"
    assert expect_failure(read_stream(chunk("They "), end="data: {broken")).kind == "malformed"


@pytest.mark.parametrize("index", [1, -1, True, False, "0", [], 0.5])
def test_a_choice_with_another_index_is_not_the_answer(index: Any) -> None:
    assert expect_failure(read_body({"choices": [choice(index=index)]})).kind == "malformed"
    other = choice(index=index, message={"content": "They sing."})
    assert read_body({"choices": [other, choice()]}) == Response("They flee.", "stop")


@pytest.mark.parametrize("index", [{}, {"index": None}, {"index": 0}, {"index": 0.0}])
def test_a_choice_without_an_index_is_the_first(index: dict[str, Any]) -> None:
    first = {"message": {"content": "They flee."}, **index}
    assert read_body({"choices": [first]}) == Response("They flee.")
    assert expect_failure(read_body({"choices": [first, first]})).kind == "malformed"


@pytest.mark.parametrize(
    "body",
    [
        None, 7, "x", [], [{"choices": [choice()]}], {}, {"choices": None}, {"choices": "two"},
        {"choices": []}, {"choices": [None]}, {"choices": ["x"]}, {"choices": {"0": choice()}},
        {"choices": [choice(message="hello")]}, {"choices": [choice(message=None)]},
        {"choices": [choice(message={"content": 42})]},
        {"choices": [choice(finish_reason=0)]},
    ],
)  # fmt: skip
def test_what_holds_no_one_text_is_malformed(body: Any) -> None:
    outcome = expect_failure(read_body(body))
    assert (outcome.kind, outcome.final) == ("malformed", False)
    assert json.dumps(body)[:40] in outcome.message


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"choices": [', b'{"a": "\xe9"}', b"[" * 200_000, b"data: {}\n\n"]
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    assert expect_failure(Completion(body).read(max_tokens=1, greedy=True)).kind == "malformed"


@pytest.mark.parametrize("depth", [200, 900, 990])
@pytest.mark.parametrize("field", ["error", "finish_reason"])
def test_deep_nesting_is_a_failure(depth: int, field: str) -> None:
    nested = "[" * depth + "]" * depth
    body = f'{{"choices": [{{"message": {{"content": "x"}}, "{field}": {nested}}}]}}'
    expect_failure(Completion(body.encode()).read(max_tokens=1, greedy=True))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["stop", "length", "error", "content_filter", "They flee."]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "index", "message", "content", "finish_reason", "error", "code", "refusal"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


def texts_of(choices: list[Any]) -> list[str]:
    """Return every text of these choices that may be the answer: unchanged, or joined parts."""
    texts = []
    for item in choices:
        message = item.get("message") or {"content": item.get("text")}
        content = message.get("content")
        if isinstance(content, list):
            parts = [part if isinstance(part, str) else part.get("text", "") for part in content]
            content = "".join(parts)
        texts += [content or "", message.get("refusal")]
    return texts


@given(body=JSON, choices=st.lists(JSON, max_size=2), message=JSON, reason=JSON)
def test_whatever_comes_is_an_answer_or_a_failure_with_a_kind(
    body: Any, choices: list[Any], message: Any, reason: Any
) -> None:
    completion = {"choices": [*choices, {"message": message, "finish_reason": reason}]}
    for candidate in (body, completion):
        outcome = read_body(candidate)
        if isinstance(outcome, Failure):
            assert outcome.kind
            assert outcome.message
        else:
            assert outcome.text in texts_of(candidate["choices"])


def test_usage_and_the_name_of_the_model_that_answered_are_kept() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    body = {"choices": [choice()], "usage": usage, "model": "org/m"}
    counts = {"prompt_tokens": 7, "completion_tokens": 5}
    assert read_body(body) == Response("They flee.", "stop", counts, "org/m")


@pytest.mark.parametrize(
    "usage",
    [
        "many", 7, [1], {"prompt_tokens": "7", "completion_tokens": -1},
        {"prompt_tokens": 10**400, "completion_tokens": True}, {"prompt_tokens": [7]},
        {"prompt_tokens": float("inf"), "completion_tokens": float("nan")},
    ],
)  # fmt: skip
def test_a_count_of_tokens_that_is_none_is_left_out(usage: Any) -> None:
    outcome = read_body({"choices": [choice()], "usage": usage})
    assert isinstance(outcome, Response)
    assert outcome.usage == {}
