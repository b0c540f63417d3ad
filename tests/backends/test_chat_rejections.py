"""What a server's error concerns, and for how long."""

import json
import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from jasco.backends.chat_rejections import LONGEST_BELIEVED_WAIT, Meaning, Rejection, read_rejection


def read(status: int, error: Any = "no", **headers: str) -> Rejection:
    named_headers = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return read_rejection(status, named_headers, json.dumps({"error": error}).encode())


QUOTA = "You exceeded your current quota, please check your plan and billing details."
GEMINI = {
    "code": 429,
    "message": QUOTA,
    "status": "RESOURCE_EXHAUSTED",
    "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}],
}


@pytest.mark.parametrize(
    ("status", "error", "meaning"),
    [
        (429, {"message": QUOTA, "code": "insufficient_quota"}, Meaning.QUOTA),
        (429, {"message": QUOTA}, Meaning.QUOTA),
        (429, GEMINI, Meaning.RATE_LIMIT),
        (429, {"message": "Rate limit reached for gpt-4o"}, Meaning.RATE_LIMIT),
        (402, {"message": "Insufficient credits"}, Meaning.QUOTA),
        (402, "", Meaning.QUOTA),
        (400, {"message": "Your credit balance is too low"}, Meaning.QUOTA),
        (403, {"message": "x", "code": "insufficient_quota"}, Meaning.QUOTA),
        (400, {"message": "API key not valid. Please pass a valid API key."}, Meaning.KEY),
        (400, {"message": "no", "code": "invalid_api_key"}, Meaning.KEY),
        (401, {"message": "who are you?"}, Meaning.KEY),
        (403, {"message": "Invalid API key"}, Meaning.KEY),
        (403, {"message": "Your input was flagged by moderation"}, Meaning.MODERATION),
        (400, {"message": "filtered", "code": "content_filter"}, Meaning.MODERATION),
        (400, {"message": "x", "code": "data_inspection_failed"}, Meaning.MODERATION),
        (403, {"message": "Forbidden"}, Meaning.FORBIDDEN),
        (400, {"message": "The prompt is too long"}, Meaning.INPUT),
        (413, "too large", Meaning.INPUT),
        (422, [{"loc": ["body"], "msg": "str type expected"}], Meaning.INPUT),
        (404, {"message": "no such model"}, Meaning.UNKNOWN),
        (425, "", Meaning.BUSY),
        (500, "", Meaning.SERVER),
        (529, {"message": "Overloaded"}, Meaning.SERVER),
        (405, "", Meaning.OTHER),
    ],
)
def test_an_error_concerns_a_request_or_all_of_them(
    status: int, error: Any, meaning: Meaning
) -> None:
    assert read(status, error).meaning is meaning


def test_the_servers_own_message_is_quoted() -> None:
    assert read(403, {"message": "flagged", "metadata": {"reasons": ["violence"]}}).message == (
        "HTTP 403: flagged (violence)"
    )
    assert read(502, {"message": "upstream", "metadata": {"raw": "no GPU"}}).message == (
        "HTTP 502: upstream (no GPU)"
    )
    html = b"<html><h1>413 Request Entity Too Large</h1></html>"
    assert read_rejection(413, {}, html).message == "HTTP 413: 413 Request Entity Too Large"
    assert read_rejection(500, {}, b'{"message": "flat"}').message == "HTTP 500: flat"
    listed = b'{"detail":[{"loc":["body"],"msg":"str type expected"}]}'
    assert "str type expected" in read_rejection(422, {}, listed).message
    assert read_rejection(500, {}, b"").message == "HTTP 500"


@pytest.mark.parametrize(
    ("header", "value", "seconds"),
    [
        ("retry_after", "2", 2.0),
        ("retry_after", " 2.5 ", 2.5),
        ("retry_after", "-3", 0.0),
        ("retry_after", "Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("retry_after", "Wed, 21 Oct 2015 07:28:00 -0000", 0.0),
        ("Retry_After_Ms", "500", 0.5),
        ("retry_after", "soon", None),
        ("retry_after", "", None),
        ("retry_after", "nan", None),
        ("retry_after", "inf", None),
        ("retry_after", "9" * 400, None),
        ("retry_after", str(LONGEST_BELIEVED_WAIT + 1), None),
        ("retry_after", "Wed, 21 Oct 2015 07:28:00 +99999999999999999999", None),
        ("retry_after", "Wed, 21 Oct 99999 07:28:00 GMT", None),
    ],
)
def test_the_time_to_wait(header: str, value: str, seconds: float | None) -> None:
    assert read(429, **{header: value}).wait == seconds


def test_the_time_to_wait_may_be_a_date_or_stand_in_the_error() -> None:
    date = formatdate(time.time() + 100, usegmt=True)
    wait = read(429, retry_after=date).wait
    assert wait is not None
    assert 90 < wait <= 100
    assert read(429, GEMINI).wait == 34
    assert read(429, {"message": "Please try again in 1.5s."}).wait == 1.5


@given(
    st.integers(201, 599), st.text(max_size=40), st.binary(max_size=100) | st.text().map(str.encode)
)
def test_whatever_comes_has_a_meaning(status: int, header: str, body: bytes) -> None:
    rejection = read_rejection(status, {"retry-after": header}, body)
    assert rejection.message.startswith(f"HTTP {status}")
    assert rejection.wait is None or 0 <= rejection.wait <= LONGEST_BELIEVED_WAIT
