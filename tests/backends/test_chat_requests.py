"""How a request is written, and what a server's error suggests."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.backends.chat_requests import (
    RequestFormat,
    most_tokens,
    option_for,
    refuses_audio,
)

PLAIN = RequestFormat("m", {"max_tokens": 9, "temperature": 0.0, "seed": None})
AUDIO = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
WITH_AUDIO: list[dict[str, Any]] = [
    {"role": "user", "content": [AUDIO, {"type": "text", "text": "What is it?"}]}
]


def test_the_body_holds_the_messages_and_options() -> None:
    assert PLAIN.body(WITH_AUDIO) == {
        "messages": WITH_AUDIO, "model": "m", "temperature": 0.0, "max_tokens": 9,
    }  # fmt: skip


def with_options(**options: Any) -> dict[str, Any]:
    return {"options": {**PLAIN.options, **options}}


@pytest.mark.parametrize(
    ("changes", "path", "value"),
    [
        ({"limit_name": "max_completion_tokens"}, ["max_completion_tokens"], 9),
        ({"stream": True}, ["stream"], True),
        (with_options(modalities=("text",)), ["modalities"], ["text"]),
        (
            {"audio": "data_url"},
            ["messages", 0, "content", 0, "input_audio"],
            {"data": "data:audio/wav;base64,UklGRg==", "format": "wav"},
        ),
        (
            {"audio": "audio_url"},
            ["messages", 0, "content", 0],
            {"type": "audio_url", "audio_url": {"url": "data:audio/wav;base64,UklGRg=="}},
        ),
        (with_options(extra_body={"top_k": 5}), ["top_k"], 5),
    ],
)
def test_a_format_changes_one_part_of_the_body(changes: Any, path: Any, value: Any) -> None:
    from dataclasses import replace

    body: Any = replace(PLAIN, **changes).body(WITH_AUDIO)
    assert ("max_tokens" in body) == ("limit_name" not in changes)
    for key in path:
        body = body[key]
    assert body == value


MAX_TOKENS = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
    "'max_completion_tokens' instead."
)


@pytest.mark.parametrize(
    ("error", "change"),
    [
        (MAX_TOKENS, {"limit_name": "max_completion_tokens"}),
        ("Unknown part type: input_audio", {"audio": "audio_url"}),
        (
            "Invalid value: 'input_audio'. Supported values are: 'text' and 'audio_url'.",
            {"audio": "audio_url"},
        ),
        (
            (
                "Input tag 'input_audio' found using 'type' does not match any of the expected "
                "tags: "
                "'text', 'image_url', 'audio_url'"
            ),
            {"audio": "audio_url"},
        ),
        (
            (
                "<400> InternalError.Algo.InvalidParameter: The provided URL does not appear to be "
                "valid. Ensure it is correctly formatted."
            ),
            {"audio": "data_url"},
        ),
        (
            (
                "This model only support stream mode, please enable the stream parameter to access "
                "the model. "
            ),
            {"stream": True},
        ),
    ],
)
def test_names_and_transport_follow_the_servers_error_once(
    error: str, change: dict[str, Any]
) -> None:
    assert list(PLAIN.suggested_changes(error)) == [change]
    assert not list(PLAIN.changed(change).suggested_changes(error))


@pytest.mark.parametrize(
    "error",
    [
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 512. This model's maximum "
            "context "
            "length is 2048 tokens and your request has 1900 input tokens"
        ),
        "Unsupported value: 'temperature' does not support 0.0 with this model.",
        "System role not supported",
        "Invalid audio data",
        "Invalid input_audio: cannot decode",
        "input_audio duration is 40 s, expected at most 30 s",
        "",
    ],
)
def test_nothing_else_is_changed(error: str) -> None:
    assert not list(PLAIN.suggested_changes(error))


@given(st.text())
def test_sampling_and_prompt_are_never_changed(error: str) -> None:
    for message in (error, error + MAX_TOKENS + "input_audio temperature system not supported"):
        for change in PLAIN.suggested_changes(message):
            assert set(change) <= {"limit_name", "audio", "stream"}


OPTIONS = ["temperature", "top_p", "seed", "output", "system", "modalities"]


@pytest.mark.parametrize(
    ("error", "option"),
    [
        (
            (
                "Unsupported value: 'temperature' does not support 0.0 with this model. Only the "
                "default (1) value is supported."
            ),
            "temperature=none",
        ),
        ("System role not supported", "system=user"),
        ("Conversation roles must alternate user/assistant/user/assistant/...", "system=user"),
        ("Unsupported response_format type - json_schema", "output=json"),
        ("seed is not supported by this model", "seed"),
        ("modalities: ['audio'] is not supported", "modalities=text"),
    ],
)
def test_what_changes_prompt_or_sampling_is_an_option_to_give(error: str, option: str) -> None:
    assert option in (option_for(error, OPTIONS) or "")


@pytest.mark.parametrize("error", ["The prompt is too long", "no", ""])
def test_another_error_names_no_option(error: str) -> None:
    assert option_for(error, OPTIONS) is None


@pytest.mark.parametrize(
    ("error", "no_audio"),
    [
        ("audio input is not supported - hint: you may need to provide the mmproj", True),
        ("At most 0 audio(s) may be provided in one request.", True),
        ("m is not a multimodal model", True),
        ("This model does not support audio", True),
        ("At most 1 audio(s) may be provided in one request.", False),
        ("This model does not support input of type audio", True),
        ("No endpoints found that support input audio", True),
        ("audio is too long", False),
        ("cannot process audio: the file is corrupt", False),
        ("Audio longer than 30 seconds is not supported", False),
        ("does not support audio files longer than 25 MB", False),
        ("audio sample rate 44100 not supported", False),
        ("audio service is temporarily not available", False),
        ("overloaded", False),
    ],
)
def test_a_server_without_audio_is_recognised(error: str, *, no_audio: bool) -> None:
    assert refuses_audio(error, WITH_AUDIO) == no_audio
    assert not refuses_audio(error, [{"role": "user", "content": "What is it?"}])


@given(st.text(max_size=200), st.integers(1, 2**20))
def test_the_bound_of_tokens_is_no_less_than_the_bytes_and_the_answer(text: str, most: int) -> None:
    assert most_tokens([{"role": "user", "content": text}], most) >= len(text.encode()) + most


def test_audio_counts_towards_the_bound() -> None:
    second = {"data": "A" * (32_000 * 4 // 3), "format": "wav"}
    content = [{"type": "input_audio", "input_audio": second}]
    assert most_tokens([{"role": "user", "content": content}], 1) >= 50
