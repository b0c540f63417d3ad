"""What may be spent on a run, as a user says it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from jasco.errors import InputError, one_line

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What may be spent on a run, earlier commands included; None sets no limit.

    Attributes
    ----------
    calls : int or None
        HTTP requests.
    tokens : int or None
        Prompt and completion tokens together.
    cost : Decimal or None
        In the currency of the prices.
    """

    calls: int | None = None
    tokens: int | None = None
    cost: Decimal | None = None


NO_LIMITS = Limits()


def read_limits(
    calls: object,
    tokens: object,
    cost: object,
    names: Sequence[str] = ("--max-calls", "--max-tokens", "--max-cost"),
) -> Limits:
    """Read limits, from texts or numbers; None sets none.

    Raises
    ------
    InputError
        One is no number above 0; it is named as in ``names``.
    """
    return Limits(
        _read(names[0], calls, whole_amount),
        _read(names[1], tokens, whole_amount),
        _read(names[2], cost, amount),
    )


def _read(name: str, value: object, read: Callable[[str], T]) -> T | None:
    try:
        return None if value is None else read(str(value))
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None


def whole_amount(text: str) -> int:
    """Read a number of calls or tokens.

    Raises
    ------
    ValueError
        It is no whole number above 0.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 15 and int(text) > 0):
        raise ValueError(f"{one_line(text, 40)!r} is no whole number above 0")
    return int(text)


def amount(text: str, *, zero: bool = False) -> Decimal:
    """Read an amount of money.

    Raises
    ------
    ValueError
        It is no number above 0 (or, where ``zero`` is fine, below it), or has no bounds.
    """
    try:
        value = Decimal(text.strip()) if text.isascii() and "_" not in text else Decimal("nan")
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite() or not (0 <= value < 10**9) or (value == 0 and not zero):
        least = "a number of at least 0" if zero else "a number above 0"
        raise ValueError(f"{one_line(text, 40)!r} is not {least}")
    if value and value < Decimal("1e-9"):
        raise ValueError(f"{one_line(text, 40)!r} is too small")
    return value + 0
