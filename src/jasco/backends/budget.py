"""What a run may spend, what tokens cost, and what was spent: calls, tokens, money.

Every HTTP request reserves its upper bound before it is sent and settles what it took afterwards,
so that a limit is never passed. A run's limits hold for all of its commands together.
"""

import asyncio
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Self, TypeVar

from jasco.errors import IncompleteError, InputError, one_line

T = TypeVar("T")
NOTHING = MappingProxyType({"prompt_tokens": 0, "completion_tokens": 0})
"""The usage of a request that was refused before anything was generated."""
_MOST_TOKENS = 10**12  # of one request; a larger number is no count
_PRICED_TOKENS = 1_000_000  # prices are given for so many


class BudgetReachedError(IncompleteError):
    """The next request could pass a limit; what was paid for is kept."""


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


@dataclass(frozen=True)
class Price:
    """The price of a million prompt tokens (``into``) and of a million completion tokens."""

    into: Decimal
    out: Decimal

    def of(self, prompt: int, completion: int) -> Decimal:
        """Compute what tokens cost."""
        return (prompt * self.into + completion * self.out) / _PRICED_TOKENS

    def at_most(self, tokens: int) -> Decimal:
        """Compute what tokens of either kind cost at most."""
        return tokens * max(self.into, self.out) / _PRICED_TOKENS


@dataclass(frozen=True)
class PriceList:
    """Prices as a user gives them: by name of a model or judge; under ``""``, for all others."""

    into: Mapping[str, Decimal] = field(default_factory=dict)
    out: Mapping[str, Decimal] = field(default_factory=dict)

    def check(self, labels: Sequence[str]) -> None:
        """Raise ``InputError`` if a name is not that of a model or judge."""
        known = {*labels, *(label.split(",")[0] for label in labels), ""}
        for name in (*self.into, *self.out):
            if name not in known:
                raise InputError(
                    f"price of {one_line(name)}: there is no such model or judge here; there are: "
                    f"{', '.join(labels)}"
                )

    def of(self, label: str) -> Price | None:
        """Return the price of a model or judge (``InputError`` if half of it is missing)."""
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
                f"price of {label}: there is none for its {missing} tokens; give both prices, 0 "
                "where it is free"
            )
        return Price(into, out)


NO_PRICES = PriceList()


@dataclass
class Spent:
    """What was spent on one model or judge.

    Attributes
    ----------
    calls : int
        HTTP requests, repeated ones included.
    prompt_tokens, completion_tokens : int
        As the server counted them.
    without_usage : int
        Calls whose tokens are not known: the server did not count them, or never answered.
    at_most : int
        Upper bound of the tokens of those.
    in_flight, in_flight_at_most : int
        Calls that were sent and not yet answered when this was written, and their upper bound.
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
        """Tokens that count towards a limit: where they are not known, their upper bound."""
        return self.prompt_tokens + self.completion_tokens + self.at_most

    def cost(self, price: Price) -> Decimal:
        """Compute the cost that counts towards a limit."""
        known = price.of(self.prompt_tokens, self.completion_tokens)
        return known + price.at_most(self.at_most)

    def add(self, usage: Mapping[str, int] | None, at_most: int) -> None:
        """Count a call; without usage, its tokens are not known, and ``at_most`` so many."""
        self.calls += 1
        counts = [(usage or {}).get(name) for name in NOTHING]
        if all(type(number) is int and 0 <= number <= _MOST_TOKENS for number in counts):
            self.prompt_tokens += counts[0] or 0
            self.completion_tokens += counts[1] or 0
        else:
            self.without_usage += 1
            self.at_most += at_most

    def landed(self) -> "Spent":
        """Count calls in flight, when their command was killed, as calls without usage."""
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
    """Room for one HTTP request. As a context manager it settles itself, at worst as unknown."""

    def __init__(self, spent: Spent, at_most: int, freed: asyncio.Event) -> None:
        self._spent = spent
        self._at_most = at_most
        self._freed = freed
        self._is_open = True
        spent.in_flight += 1
        spent.in_flight_at_most += at_most

    def settle(self, usage: Mapping[str, int] | None) -> None:
        """Count the request, and free what it did not use; only the first time counts.

        Parameters
        ----------
        usage : mapping of str to int, or None
            ``prompt_tokens`` and ``completion_tokens``, as the server counted them; None, or a
            mapping without both, where that is not known: the upper bound counts towards the
            limit then. :data:`NOTHING` where nothing was generated for certain.
        """
        if self._is_open:
            self._spent.add(usage, self._at_most)
            self.cancel()

    def cancel(self) -> None:
        """Free the room: the request was not sent."""
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
    """Reservations for requests, as long as no limit can be passed.

    Parameters
    ----------
    limits : Limits
        What the run may take in total.
    prices : mapping of str to Price
        By label of the model or judge.
    spent : mapping of str to Spent
        What earlier commands took, by label.
    """

    def __init__(
        self,
        limits: Limits = NO_LIMITS,
        prices: Mapping[str, Price] = MappingProxyType({}),
        spent: Mapping[str, Spent] = MappingProxyType({}),
    ) -> None:
        self._limits = limits
        self.prices = prices
        """Prices by label, where they are known."""
        self.spent = {label: earlier.landed() for label, earlier in spent.items()}
        """What was spent so far, by label; calls in flight are counted separately."""
        self._reached = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue = asyncio.Lock()  # requests get room in the order in which they ask for it
        self._freed = asyncio.Event()

    async def reserve(self, label: str, at_most: int) -> Reservation:
        """Reserve room for one HTTP request; wait for it while others are in flight.

        Parameters
        ----------
        label : str
            Of the model or judge.
        at_most : int
            Upper bound of the request's tokens, prompt and completion.

        Raises
        ------
        BudgetReachedError
            There is no room, and nothing is in flight that could free any.
        InputError
            The cost is limited, and there is no price for this model or judge.
        """
        check_priced(self._limits, [label], self.prices)
        at_most = max(at_most, 0)
        if (loop := asyncio.get_running_loop()) is not self._loop:  # each judge's exam has its own
            self._loop, self._queue, self._freed = loop, asyncio.Lock(), asyncio.Event()
        async with self._queue:
            while self._limit_reached(label, at_most) and not self._reached and self._in_flight():
                self._freed.clear()
                await self._freed.wait()
            # For good: what got room now would be cut off in the midst.
            self._reached = self._limit_reached(label, at_most)
            if self._reached:
                raise BudgetReachedError(self._reached)
            return Reservation(self.spent.setdefault(label, Spent()), at_most, self._freed)

    def check(self, label: str) -> None:
        """Raise ``BudgetReachedError`` if there is room for nothing, before a server is started."""
        if not self._in_flight() and (message := self._limit_reached(label, 1)):
            raise BudgetReachedError(message)

    def count(self, label: str, usage: Mapping[str, int] | None) -> None:
        """Count a call that was made without a reservation."""
        self.spent.setdefault(label, Spent()).add(usage, 0)

    def _in_flight(self) -> int:
        return sum(spent.in_flight for spent in self.spent.values())

    def _limit_reached(self, label: str, at_most: int) -> str:
        """Describe the limit that a request could pass, and calls in flight; empty if none."""
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
            amounts += f" (of which {total.at_most:,} are the upper bound of calls without usage)"
        if self.prices and self.spent.keys() <= self.prices.keys():
            cost = sum(spent.cost(self.prices[name]) for name, spent in self.spent.items())
            amounts += f", cost {cost:.4g}"
        return (
            f"{limit} is reached: {amounts} spent on this run, earlier commands included; "
            f"{reason}what was done is kept, the same command with a larger limit goes on"
        )


def check_priced(limits: Limits, labels: Sequence[str], prices: Mapping[str, Price]) -> None:
    """Raise ``InputError`` if the cost is limited and a price is missing."""
    missing = [label for label in labels if label not in prices]
    if limits.cost is not None and missing:
        raise InputError(
            f"the cost is limited, and there is no price for {', '.join(missing)}; give its prices "
            "for a million tokens, in and out (0 where it is free)"
        )


# --- as a run keeps them ---


def spent_as_json(spent: Mapping[str, Spent]) -> str:
    """Format what was spent, for the run."""
    counts = {
        label: {name: number for name, number in asdict(part).items() if number}
        for label, part in spent.items()
    }
    return json.dumps(counts, ensure_ascii=False)


def read_spent(text: str) -> dict[str, Spent]:
    """Read what :func:`spent_as_json` wrote; what a later version adds is left out."""
    names = {attribute.name for attribute in fields(Spent)}
    return {
        label: Spent(**{name: number for name, number in counts.items() if name in names})
        for label, counts in json.loads(text).items()
    }


def prices_as_json(prices: Mapping[str, Price]) -> str:
    """Format prices, for the run."""
    texts = {
        label: {"in": str(price.into), "out": str(price.out)} for label, price in prices.items()
    }
    return json.dumps(texts, ensure_ascii=False)


def read_prices(text: str) -> dict[str, Price]:
    """Read what :func:`prices_as_json` wrote."""
    return {
        label: Price(Decimal(price["in"]), Decimal(price["out"]))
        for label, price in json.loads(text).items()
    }


# --- as a user gives them ---


def read_limits(calls: object, tokens: object, cost: object) -> Limits:
    """Read limits, from texts or numbers; None sets none.

    Raises
    ------
    InputError
        One is no number above 0; the message names its option of the command line.
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
        raise InputError(f"{option}: {error}") from None


def _read_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15 and int(text) > 0):
        raise ValueError(f"{one_line(text, 40)!r} is no whole number above 0")
    return int(text)


def _read_amount(text: str, *, zero: bool = False) -> Decimal:
    """Read an amount of money (``ValueError`` if it is none, or out of bounds)."""
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


def read_price_list(into: Sequence[str], out: Sequence[str]) -> PriceList:
    """Read prices: ``2.5`` for all, ``NAME=2.5`` for one model or judge.

    Raises
    ------
    InputError
        A price is no number, or is given twice.
    """
    return PriceList(_read_prices("--price-in", into), _read_prices("--price-out", out))


def _read_prices(option: str, texts: Sequence[str]) -> dict[str, Decimal]:
    prices: dict[str, Decimal] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        try:
            price = _read_amount(number, zero=True)
        except ValueError as error:
            raise InputError(f"{option}: {error}; write PRICE, or NAME=PRICE") from None
        if name in prices:
            raise InputError(f"{option}: {one_line(name) or 'the price of all'} is given twice")
        if equals and not name:
            raise InputError(f"{option}: {one_line(text)}: no name; write PRICE, or NAME=PRICE")
        prices[name] = price
    return prices
