"""Limits, prices and spending of a run: calls, tokens, money.

Every HTTP request reserves its upper bound before it is sent and settles its actual usage
afterwards, so that a limit is never exceeded. The limits of a run apply to all its commands
together.
"""

import asyncio
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Self, TypeVar

from jasco.errors import IncompleteError, InputError, invalid_value, one_line

T = TypeVar("T")
NOTHING = MappingProxyType({"prompt_tokens": 0, "completion_tokens": 0})
"""The usage of a request that was refused before anything was generated."""
_MOST_TOKENS = 10**12  # of one request; a larger number is not plausible
_PRICED_TOKENS = 1_000_000  # number of tokens that a price is for


class BudgetReachedError(IncompleteError):
    """The next request could exceed a limit; completed work is saved."""


@dataclass(frozen=True)
class Limits:
    """Limits of what is spent on a run, including earlier commands; None: no limit.

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


@dataclass(frozen=True)
class Price:
    """The price of a million prompt tokens (``into``) and of a million completion tokens."""

    into: Decimal
    out: Decimal

    def of(self, prompt: int, completion: int) -> Decimal:
        """Compute the cost of tokens."""
        return (prompt * self.into + completion * self.out) / _PRICED_TOKENS

    def at_most(self, tokens: int) -> Decimal:
        """Compute an upper bound of the cost of tokens, whether prompt or completion."""
        return tokens * max(self.into, self.out) / _PRICED_TOKENS


@dataclass(frozen=True)
class PriceList:
    """Prices given by the user: by name of a model or judge; ``""`` stands for all others."""

    into: Mapping[str, Decimal] = field(default_factory=dict)
    out: Mapping[str, Decimal] = field(default_factory=dict)

    def check(self, labels: Sequence[str]) -> None:
        """Raise ``InputError`` if a name is not one of the models and judges."""
        known = {*labels, *(label.split(",")[0] for label in labels), ""}
        for name in (*self.into, *self.out):
            if name not in known:
                raise InputError(
                    f"price of {one_line(name)}: no such model or judge; expected one of: "
                    f"{', '.join(labels)}"
                )

    def of(self, label: str) -> Price | None:
        """Return the price of a model or judge (``InputError`` if only one half is given)."""
        names = (label, label.split(",")[0], "")
        into, out = (
            next((prices[name] for name in names if name in prices), None)
            for prices in (self.into, self.out)
        )
        if into is None and out is None:
            return None
        if into is None or out is None:
            missing = "prompt" if into is None else "completion"
            raise InputError(
                f"price of {label}: no price for {missing} tokens; give both prices (0 if free)"
            )
        return Price(into, out)


NO_PRICES = PriceList()


@dataclass
class Spent:
    """What was spent on one model or judge.

    Attributes
    ----------
    calls : int
        HTTP requests, including retries.
    prompt_tokens, completion_tokens : int
        Tokens as counted by the server.
    without_usage : int
        Calls whose tokens are unknown: the server did not report them, or never answered.
    at_most : int
        Upper bound of the tokens of those calls.
    in_flight, in_flight_at_most : int
        Calls that were sent but not answered at the time of writing, and the upper bound of their
        tokens.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    without_usage: int = 0
    at_most: int = 0
    in_flight: int = 0
    in_flight_at_most: int = 0

    @property
    def tokens(self) -> int:
        """Tokens that count towards a limit; for calls without usage, their upper bound."""
        return self.prompt_tokens + self.completion_tokens + self.at_most

    def cost(self, price: Price) -> Decimal:
        """Compute the cost that counts towards a limit."""
        known = price.of(self.prompt_tokens, self.completion_tokens)
        return known + price.at_most(self.at_most)

    def add(self, usage: Mapping[str, int] | None, at_most: int) -> None:
        """Count a call; without usage, its tokens are unknown and at most ``at_most``."""
        self.calls += 1
        counts = [(usage or {}).get(name) for name in NOTHING]
        if all(type(number) is int and 0 <= number <= _MOST_TOKENS for number in counts):
            self.prompt_tokens += counts[0] or 0
            self.completion_tokens += counts[1] or 0
        else:
            self.without_usage += 1
            self.at_most += at_most

    def landed(self) -> "Spent":
        """Return the counts with calls in flight, whose command was killed, as without usage."""
        return replace(
            self,
            calls=self.calls + self.in_flight,
            without_usage=self.without_usage + self.in_flight,
            at_most=self.at_most + self.in_flight_at_most,
            in_flight=0,
            in_flight_at_most=0,
        )

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(*map(operator.add, astuple(self), astuple(other)))


class Reservation:
    """A reservation for one HTTP request.

    As a context manager, it is settled on exit at the latest, with unknown usage.
    """

    def __init__(self, spent: Spent, at_most: int, freed: asyncio.Event) -> None:
        self._spent = spent
        self._at_most = at_most
        self._freed = freed
        self._is_open = True
        spent.in_flight += 1
        spent.in_flight_at_most += at_most

    def settle(self, usage: Mapping[str, int] | None) -> None:
        """Count the request and release what it did not use; later calls have no effect.

        Parameters
        ----------
        usage : mapping of str to int, or None
            ``prompt_tokens`` and ``completion_tokens`` as counted by the server. If this is None
            or lacks one of them, the upper bound counts towards the limit. :data:`NOTHING` if it
            is certain that nothing was generated.
        """
        if self._is_open:
            self._spent.add(usage, self._at_most)
            self.cancel()

    def cancel(self) -> None:
        """Release the reservation of a request that was not sent."""
        if self._is_open:
            self._is_open = False
            self._spent.in_flight -= 1
            self._spent.in_flight_at_most -= self._at_most
            self._freed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.settle(None)


class Budget:
    """Reservations for requests, granted as long as no limit can be exceeded.

    Parameters
    ----------
    limits : Limits
        Limits of the whole run.
    prices : mapping of str to Price
        By label of the model or judge.
    spent : mapping of str to Spent
        Spending of earlier commands, by label.
    """

    def __init__(
        self,
        limits: Limits = NO_LIMITS,
        prices: Mapping[str, Price] = MappingProxyType({}),
        spent: Mapping[str, Spent] = MappingProxyType({}),
    ) -> None:
        self._limits = limits
        self.prices = prices
        """Known prices, by label."""
        self.spent = {label: earlier.landed() for label, earlier in spent.items()}
        """Spending so far, by label; calls in flight are counted separately."""
        self._reached = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue = asyncio.Lock()  # reservations are granted in the order of the requests
        self._freed = asyncio.Event()

    async def reserve(self, label: str, at_most: int) -> Reservation:
        """Reserve one HTTP request; wait while requests in flight may still release a part.

        Parameters
        ----------
        label : str
            Label of the model or judge.
        at_most : int
            Upper bound of the request's tokens, prompt and completion.

        Raises
        ------
        BudgetReachedError
            The request could exceed a limit, and no other request is in flight.
        InputError
            The cost is limited, and there is no price for this model or judge.
        """
        at_most = max(at_most, 0)
        if self._limits == NO_LIMITS:
            return self._reservation(label, at_most)
        check_priced(self._limits, [label], self.prices)
        if (loop := asyncio.get_running_loop()) is not self._loop:  # one per judge's exam
            self._loop, self._queue, self._freed = loop, asyncio.Lock(), asyncio.Event()
        async with self._queue:
            while self._limit_reached(label, at_most) and not self._reached and self._in_flight():
                self._freed.clear()
                await self._freed.wait()
            # Permanent: clips that start now could not be finished.
            self._reached = self._limit_reached(label, at_most)
            if self._reached:
                raise BudgetReachedError(self._reached)
            return self._reservation(label, at_most)

    def check(self, label: str) -> None:
        """Raise ``BudgetReachedError`` if no request fits; called before a server is started."""
        if not self._in_flight() and (message := self._limit_reached(label, 1)):
            raise BudgetReachedError(message)

    def count(self, label: str, usage: Mapping[str, int] | None) -> None:
        """Count a call that had no reservation."""
        self.spent.setdefault(label, Spent()).add(usage, 0)

    def _reservation(self, label: str, at_most: int) -> Reservation:
        return Reservation(self.spent.setdefault(label, Spent()), at_most, self._freed)

    def _in_flight(self) -> int:
        return sum(spent.in_flight for spent in self.spent.values())

    def _limit_reached(self, label: str, at_most: int) -> str:
        """Format the limit that a request could exceed, given calls in flight; empty if none."""
        limits = self._limits
        if self._reached or limits == NO_LIMITS:
            return self._reached
        landed = {name: spent.landed() for name, spent in self.spent.items()}
        total = sum(landed.values(), Spent())
        if limits.calls is not None and total.calls + 1 > limits.calls:
            return self._message(f"the limit of {limits.calls:,} calls", "")
        if limits.tokens is not None and total.tokens + at_most > limits.tokens:
            limit = f"the limit of {limits.tokens:,} tokens"
            return self._message(limit, f"the next call may take {at_most:,} tokens; ")
        if limits.cost is not None:
            cost = sum(spent.cost(self.prices[name]) for name, spent in landed.items())
            more = self.prices[label].at_most(at_most)
            if cost + more > limits.cost:
                limit = f"the cost limit of {limits.cost}"
                return self._message(limit, f"the next call may cost {more:.4g}; ")
        return ""

    def _message(self, limit: str, reason: str) -> str:
        total = sum(self.spent.values(), Spent())
        amounts = f"{total.calls:,} call{'' if total.calls == 1 else 's'}, {total.tokens:,} tokens"
        if total.at_most:
            amounts += f" ({total.at_most:,} of them an upper bound for calls without usage)"
        if self.prices and self.spent.keys() <= self.prices.keys():
            cost = sum(spent.cost(self.prices[name]) for name, spent in self.spent.items())
            amounts += f", cost {cost:.4g}"
        return (
            f"{limit} is reached: {amounts} spent on this run, including earlier commands; "
            f"{reason}completed work is saved; run the same command with a larger limit to continue"
        )


def check_priced(limits: Limits, labels: Sequence[str], prices: Mapping[str, Price]) -> None:
    """Raise ``InputError`` if the cost is limited and a price is missing."""
    missing = [label for label in labels if label not in prices]
    if limits.cost is not None and missing:
        raise InputError(
            f"the cost is limited, but no price is given for {', '.join(missing)}; give its prices "
            "per million tokens with --price-in and --price-out (0 if free)"
        )


# --- stored in a run ---


def spent_as_json(spent: Mapping[str, Spent]) -> str:
    """Format spending for storage in a run."""
    counts = {
        label: {name: number for name, number in asdict(part).items() if number}
        for label, part in spent.items()
    }
    return json.dumps(counts, ensure_ascii=False)


def read_spent(text: str) -> dict[str, Spent]:
    """Read the output of :func:`spent_as_json`; fields of later versions are ignored."""
    names = {attribute.name for attribute in fields(Spent)}
    return {
        label: Spent(**{name: number for name, number in counts.items() if name in names})
        for label, counts in json.loads(text).items()
    }


def prices_as_json(prices: Mapping[str, Price]) -> str:
    """Format prices for storage in a run."""
    texts = {
        label: {"in": str(price.into), "out": str(price.out)} for label, price in prices.items()
    }
    return json.dumps(texts, ensure_ascii=False)


def read_prices(text: str) -> dict[str, Price]:
    """Read the output of :func:`prices_as_json`."""
    return {
        label: Price(Decimal(price["in"]), Decimal(price["out"]))
        for label, price in json.loads(text).items()
    }


# --- given by the user ---


def read_limits(calls: object, tokens: object, cost: object) -> Limits:
    """Read limits from texts or numbers; None: no limit.

    Raises
    ------
    InputError
        A limit is not a positive number; the message names its command-line option.
    """
    return Limits(
        _read_limit("--max-calls", calls, _read_count),
        _read_limit("--max-tokens", tokens, _read_count),
        _read_limit("--max-cost", cost, _read_amount),
    )


def _read_limit(option: str, value: object, read: Callable[[str], T]) -> T | None:
    try:
        return None if value is None else read(str(value))
    except ValueError as error:
        raise InputError(invalid_value(option, value, error)) from None


def _read_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15 and int(text) > 0):
        raise ValueError("expected a positive integer")
    return int(text)


def _read_amount(text: str, *, zero: bool = False) -> Decimal:
    """Read an amount of money (``ValueError`` if it is not a number, or out of bounds)."""
    try:
        value = Decimal(text.strip()) if text.isascii() and "_" not in text else Decimal("nan")
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite() or not (0 <= value < 10**9) or (value == 0 and not zero):
        raise ValueError(f"expected a number {'>=' if zero else '>'} 0")
    if value and value < Decimal("1e-9"):
        raise ValueError("too small; expected at least 1e-9")
    return value + 0


def read_price_list(into: Sequence[str], out: Sequence[str]) -> PriceList:
    """Read prices: ``2.5`` for all, ``NAME=2.5`` for one model or judge.

    Raises
    ------
    InputError
        A price is not a number, or is given twice.
    """
    return PriceList(_read_prices("--price-in", into), _read_prices("--price-out", out))


def _read_prices(option: str, texts: Sequence[str]) -> dict[str, Decimal]:
    prices: dict[str, Decimal] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        try:
            price = _read_amount(number, zero=True)
        except ValueError as error:
            problem = invalid_value(option, number, error)
            raise InputError(f"{problem}; write PRICE or NAME=PRICE") from None
        if name in prices:
            raise InputError(f"{option}: duplicate price for {one_line(name) or 'all'}; give one")
        if equals and not name:
            raise InputError(
                f"{option}: missing name in {one_line(text)!r}; write PRICE or NAME=PRICE"
            )
        prices[name] = price
    return prices
