"""What a worker and we say to each other: JSON objects, one a line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jasco.data.audio import SAMPLING_RATE
from jasco.errors import InputError, one_line, whole_text
from jasco.protocol.responses import Failure, Response

LONGEST = 10_000_000
"""Bytes of a line; a longer one is a mistake, and would fill the memory."""
_VERSION = 1


class LineTooLong(ValueError):  # noqa: N818 - says it all
    """A line has more than :data:`LONGEST` bytes."""


class LineSplitter:
    """Makes lines of the pieces in which they come."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """Give the lines that a piece completes (``LineTooLong`` where one has no end)."""
        first, *others = piece.split(b"\n")
        self._begun += first
        if len(self._begun) > LONGEST:
            raise LineTooLong
        if not others:
            return []
        *whole, rest = bytes(self._begun), *others
        self._begun = bytearray(rest)
        return whole


@dataclass(frozen=True)
class Handshake:
    """How a worker introduces itself.

    Attributes
    ----------
    name : str
        What it calls its model.
    versions : mapping
        Of whatever it likes to tell.
    batch : int
        How many requests it takes before it has answered the first.
    """

    name: str
    versions: Mapping[str, Any]
    batch: int


def read_object(line: bytes) -> dict[str, Any] | None:
    """Read a line that is a JSON object; None where it is anything else, such as a print."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        found = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read_handshake(told: Mapping[str, Any]) -> Handshake:
    """Read the handshake (``InputError`` where it is none)."""
    name, versions, batch = told.get("name"), told.get("versions", {}), told.get("batch", 1)
    fits = {
        f'"jasco": {_VERSION}': _is_number(told.get("jasco")) and told["jasco"] == _VERSION,
        '"name": "..."': isinstance(name, str) and name,
        '"versions": {...}': isinstance(versions, dict),
        '"batch": N': _is_number(batch) and batch >= 1,
    }
    wrong = [form for form, fit in fits.items() if not fit]
    if wrong:
        said = one_line(json.dumps(told), 100)
        raise InputError(f"its first message lacks {', '.join(wrong)}: {said}")
    return Handshake(whole_text(str(name)), _whole(versions), int(batch))


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(value: Any) -> Any:
    """Replace lone surrogates anywhere in what JSON held."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {whole_text(key): _whole(each) for key, each in value.items()}
    return value


def write_request(number: int, prompt: str, audio: Path) -> bytes:
    """Put a question into a line. It is ASCII, whatever the worker takes its input for."""
    told = {
        "id": number,
        "prompt": prompt,
        "audio": str(audio),
        "sampling_rate": SAMPLING_RATE,
    }
    return json.dumps(told).encode() + b"\n"


STOP = b'{"id": null, "stop": true}\n'
"""Asks a worker to end."""


def answered_number(told: Mapping[str, Any]) -> int | None:
    """Say which request a message is about; None where it is about none."""
    number = told.get("id")
    return number if _is_number(number) else None


def read_answer(told: Mapping[str, Any], name: str) -> Response | Failure:
    """Read an answer of the worker of that name."""
    error, text = told.get("error"), told.get("text")
    if error is not None:
        return Failure("error", one_line(error))
    if not isinstance(text, str):
        kind = type(text).__name__
        return Failure("malformed", f'an answer needs "text" (a str, not {kind}) or "error"')
    return Response(whole_text(text), served=name)
