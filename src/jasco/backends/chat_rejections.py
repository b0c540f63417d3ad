"""Reading responses with a status other than 200: what the error concerns, and for how long.

An error concerns one request (it is too long or was flagged), every request (the key, the account,
the name of the model), or is temporary (a rate limit, an overloaded server).
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any


class Meaning(StrEnum):
    """What an error response is about."""

    KEY = "the key is rejected"
    QUOTA = "the account's quota is exhausted"
    UNKNOWN = "the address or model does not exist"
    MODERATION = "this input was flagged"
    INPUT = "this input is rejected"
    FORBIDDEN = "the key or this input is rejected"
    RATE_LIMIT = "too many requests"
    BUSY = "the server is busy"
    SERVER = "the server has failed"
    OTHER = "rejected for another reason"


@dataclass(frozen=True)
class Rejection:
    """A response with a status other than 200.

    Attributes
    ----------
    meaning : Meaning
        What the error is about.
    message : str
        The status and the server's message.
    status : int
        The HTTP status, or the status that a gateway reports in the body.
    wait : float or None
        Seconds that the server asks to wait; None if it does not ask to wait.
    """

    meaning: Meaning
    message: str
    status: int
    wait: float | None = None


LONGEST_BELIEVED_WAIT = 7 * 24 * 3600.0
"""A longer wait that a server asks for is ignored."""
_KEY = re.compile(
    r"(?:api|access|subscription)[ _-]?(?:key|token)[^.]{0,40}\b(?:invalid|not valid|incorrect|"
    r"expired|missing|revoked|disabled|required)|"
    r"(?:invalid|incorrect|missing|expired|no) (?:api|access|subscription)[ _-]?(?:key|token)|"
    r"api_key_invalid|invalid_api_key|invalid x-api-key|authentication_error",
    re.IGNORECASE,
)
_QUOTA_CODES = {
    "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded",
    "insufficient_balance", "insufficient_credits", "credit_limit_reached", "arrearage",
    "account_deactivated",
}  # fmt: skip
_QUOTA = re.compile(
    r"exceeded your current quota|check your plan and billing|insufficient (?:account )?"
    r"(?:balance|credits?|funds|quota)|credit balance is too low|out of credits|"
    r"(?:quota|credits?) (?:has been|is|are) (?:exhausted|used up)|payment required|"
    r"billing (?:hard )?limit|requires more credits|free-models-per-day",
    re.IGNORECASE,
)
_MODERATION = re.compile(
    r"flagged|moderation|content[ _-]?(?:filter|policy|management policy)|"
    r"data[ _]?inspection|inappropriate content|safety (?:system|filter|policy)|"
    r"responsible ?ai|usage polic|prohibited[ _]content",
    re.IGNORECASE,
)
_INPUT = (400, 413, 415, 422)
_BY_STATUS = {
    401: Meaning.KEY,
    402: Meaning.QUOTA,
    403: Meaning.FORBIDDEN,
    404: Meaning.UNKNOWN,
    429: Meaning.RATE_LIMIT,
    **dict.fromkeys(_INPUT, Meaning.INPUT),
    **dict.fromkeys((408, 409, 425), Meaning.BUSY),
}
_LONGEST_MESSAGE = 2_000


def read_rejection(status: int, headers: Mapping[str, str], body: bytes) -> Rejection:
    """Read a response with a status other than 200.

    Parameters
    ----------
    status : int
        The HTTP status.
    headers : mapping
        Headers, in a case-insensitive mapping.
    body : bytes
        The part of the body that was read.
    """
    error = _error_of(body)
    text = _text_of(error, body)
    message = f"HTTP {status}: {text}" if text else f"HTTP {status}"
    codes = {str(error.get(name, "")).lower() for name in ("code", "type", "status")}
    wait = _wait(headers, error, text)
    return Rejection(_meaning(status, text, codes, wait), message, status, wait)


def _meaning(status: int, text: str, codes: set[str], wait: float | None) -> Meaning:
    text_and_codes = " ".join([text, *codes])
    if status in (400, 401, 403, 429) and (
        codes & _QUOTA_CODES
        # With a time to wait, the same message means a limit per minute, as with Gemini.
        or (wait is None and _QUOTA.search(text))
    ):
        return Meaning.QUOTA
    if status in (400, 403) and _KEY.search(text_and_codes):
        return Meaning.KEY
    if status in (403, *_INPUT) and _MODERATION.search(text_and_codes):
        return Meaning.MODERATION
    return _BY_STATUS.get(status, Meaning.SERVER if status >= 500 else Meaning.OTHER)


def _error_of(body: bytes) -> Mapping[str, Any]:
    """Return the object that describes the error; empty if there is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    content = content[0] if isinstance(content, list) and content else content
    error = content.get("error", content) if isinstance(content, dict) else {}
    return error if isinstance(error, dict) else {"message": error}


def _text_of(error: Mapping[str, Any], body: bytes) -> str:
    """Return the server's message, or its body without markup."""
    message = error.get("message") or error.get("detail") or error.get("msg")
    if not isinstance(message, str):
        message = json.dumps(message, ensure_ascii=False) if message else ""
    if not message:
        message = re.sub(
            r"<[^>]{0,500}>", " ", body[: 2 * _LONGEST_MESSAGE].decode("utf-8", "replace")
        )
    elif reasons := _reasons(error):
        message = f"{message} ({reasons})"
    return " ".join(message[:_LONGEST_MESSAGE].split())


def _reasons(error: Mapping[str, Any]) -> str:
    """Return a gateway's details: the error of the server behind it, or why input was flagged."""
    metadata = error.get("metadata")
    reasons = metadata.get("raw") or metadata.get("reasons") if isinstance(metadata, dict) else ""
    if isinstance(reasons, list):
        reasons = ", ".join(map(str, reasons))
    return reasons if isinstance(reasons, str) else ""


def _wait(headers: Mapping[str, str], error: Mapping[str, Any], text: str) -> float | None:
    """Return the seconds that a server asks to wait, in a header or in its error."""
    texts = [(headers.get("retry-after-ms", ""), 0.001), (headers.get("retry-after", ""), 1.0)]
    details = error.get("details")
    texts.extend(
        (str(detail.get("retryDelay")).removesuffix("s"), 1.0)
        for detail in (details if isinstance(details, list) else ())
        if isinstance(detail, dict)
    )
    if match := re.search(r"(?:retry|try again) in (\d{1,6}(?:\.\d{1,9})?) ?s", text):
        texts.append((match[1], 1.0))
    waits = (_seconds(text, unit) for text, unit in texts)
    return next((wait for wait in waits if wait is not None), None)


def _seconds(text: str, unit: float) -> float | None:
    """Read seconds, or a date; None if it is neither, or implausible."""
    try:
        seconds = float(text) * unit
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError, IndexError, OSError):
            return None
    return max(seconds, 0.0) if seconds <= LONGEST_BELIEVED_WAIT else None  # False for NaN
