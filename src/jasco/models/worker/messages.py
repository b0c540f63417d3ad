"""The messages between a worker and jasco: JSON objects, one per line."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jasco.backends.secrets import mask
from jasco.data.audio import SAMPLING_RATE
from jasco.errors import InputError, one_line, whole_text
from jasco.protocol.responses import Failure, Response

_VERSION = 1
_MOST_VERSIONS = 20
STOP = b'{"id": null, "stop": true}\n'
"""Asks a worker to exit."""


@dataclass(frozen=True)
class Handshake:
    """The first message of a worker.

    Attributes
    ----------
    name : str
        Its name for its model.
    versions : mapping of str to str
        Versions of its libraries, as it reports them.
    batch : int
        Maximum number of outstanding requests.
    accepts_no_audio : bool
        Whether it accepts requests without audio.
    """

    name: str
    versions: Mapping[str, str]
    batch: int
    accepts_no_audio: bool


def read_message(line: bytes, secrets: Sequence[str] = ()) -> dict[str, Any] | None:
    """Parse a line with a JSON object; None if it is anything else, such as printed text.

    In its strings, secrets are hidden and lone surrogates are replaced.
    """
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        message: dict[str, Any] = _cleaned(json.loads(line.decode("utf-8", "replace")), secrets)
    except (ValueError, RecursionError):
        return None
    return message


def _cleaned(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        return whole_text(mask(value, secrets) if secrets else value)
    if isinstance(value, list):
        return [_cleaned(part, secrets) for part in value]
    if isinstance(value, dict):
        return {_cleaned(key, secrets): _cleaned(part, secrets) for key, part in value.items()}
    return value


def read_handshake(message: Mapping[str, Any]) -> Handshake:
    """Parse the handshake (``InputError`` if it is invalid)."""
    name, versions = message.get("name"), message.get("versions", {})
    version, batch = message.get("jasco"), message.get("batch", 1)
    accepts_no_audio = message.get("accepts_no_audio", False)
    requirements = {
        f'"jasco": {_VERSION}': _is_integer(version) and version == _VERSION,
        '"name": "..."': isinstance(name, str) and name,
        '"versions": {...}': isinstance(versions, dict),
        '"batch": N': _is_integer(batch) and batch >= 1,
        '"accepts_no_audio": true or false': isinstance(accepts_no_audio, bool),
    }
    if missing := [form for form, is_met in requirements.items() if not is_met]:
        quoted = one_line(json.dumps(message), 100)
        raise InputError(f"its first message lacks {', '.join(missing)}: {quoted}")
    first = list(versions.items())[:_MOST_VERSIONS]
    lines = {one_line(key, 40): one_line(value, 100) for key, value in first}
    return Handshake(str(name), lines, batch, accepts_no_audio)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def write_request(number: int, prompt: str, audio: Path | None) -> bytes:
    """Format a question as a line of ASCII, which does not depend on the worker's encoding."""
    request = {
        "id": number,
        "prompt": prompt,
        "audio": audio and str(audio),
        "sampling_rate": SAMPLING_RATE,
    }
    return json.dumps(request).encode() + b"\n"


def request_number(message: Mapping[str, Any]) -> int | None:
    """Return the number of the request that a message answers; None if there is none."""
    number = message.get("id")
    return number if _is_integer(number) else None


def read_answer(message: Mapping[str, Any], name: str) -> Response | Failure:
    """Parse an answer of the worker with this name."""
    error, text = message.get("error"), message.get("text")
    if error is not None:
        return Failure("error", one_line(error))
    if not isinstance(text, str):
        kind = type(text).__name__
        return Failure("malformed", f'an answer needs "text" (a str, not {kind}) or "error"')
    return Response(text, served=name)
