"""The messages between a worker and jasco: no line raises an exception."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jasco.models.worker import messages
from jasco.protocol.responses import Response


@given(st.one_of(st.binary(), st.text().map(str.encode), st.just(b"[" * 100_000)))
def test_any_line_is_read_or_ignored(line: bytes) -> None:
    message = messages.read_message(b"{" + line)
    assert message is None or isinstance(message, dict)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.fixed_dictionaries({}, optional={"id": json_values, "text": json_values,
                                           "error": json_values}))  # fmt: skip
def test_any_message_is_an_answer_or_a_failure(message: dict[str, Any]) -> None:
    number = messages.request_number(message)
    assert number is None or type(number) is int
    answer = messages.read_answer(message, "m")
    if isinstance(answer, Response):
        answer.text.encode()
    else:
        assert "\n" not in answer.message


@given(st.text(), st.integers(1), st.sampled_from([None, "/a b/ü.wav"]))
def test_a_request_is_one_line_of_ascii(prompt: str, number: int, audio: str | None) -> None:
    line = messages.write_request(number, prompt, Path(audio) if audio else None)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "id": number, "prompt": prompt, "audio": audio, "sampling_rate": 16_000,
    }  # fmt: skip
