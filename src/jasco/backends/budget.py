"""What a run may spend, and what it has spent: calls, tokens, money.

Every HTTP request reserves its upper bound before it is sent and settles what it took afterwards,
so that a limit is never passed. A run's limits hold for all of its commands together.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Self

from jasco.backends.limits import NO_LIMITS, Limits
from jasco.backends.prices import Price
from jasco.errors import IncompleteError, InputError

NOTHING = MappingProxyType({"prompt_tokens": 0, "completion_tokens": 0})
"""The usage of a request that was refused before anything was generated."""
_MOST_TOKENS = 10**12  # of one request; a larger number is no count


class BudgetReachedError(IncompleteError):
    """The next request could pass a limit; what was paid for is kept."""


@dataclass
class Spent:
    """What one model or judge has taken.

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
        prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
        if prompt is None or completion is None:
            self.without_usage += 1
            self.at_most += at_most
        else:
            self.prompt_tokens += prompt
            self.completion_tokens += completion

    def landed(self) -> "Spent":
        """Count what was in flight, when its command was killed, as calls without usage."""
        return Spent(
            self.calls + self.in_flight,
            self.prompt_tokens,
            self.completion_tokens,
            self.without_usage + self.in_flight,
            self.at_most + self.in_flight_at_most,
        )


class Reservation:
    """Room for one HTTP request. As a context manager it settles itself, at worst as unknown."""

    def __init__(self, budget: "Budget", who: str, at_most: int) -> None:
        self._budget = budget
        self._who = who
        self._at_most = at_most
        self._is_open = True

    def settle(self, usage: Mapping[str, int] | None) -> None:
        """Say what the request took; only the first time counts.

        Parameters
        ----------
        usage : mapping of str to int, or None
            ``prompt_tokens`` and ``completion_tokens``, as the server counted them; None, or a
            mapping without both, where that is not known: the upper bound counts towards the
            limit then. :data:`NOTHING` where nothing was generated for certain.
        """
        if self._is_open:
            self._is_open = False
            self._budget._settle(self._who, self._at_most, usage)  # noqa: SLF001

    def cancel(self) -> None:
        """Give the room back: the request was not sent."""
        if self._is_open:
            self._is_open = False
            self._budget._free(self._who, self._at_most)  # noqa: SLF001

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.settle(None)


_Waiting = tuple[str, int, "asyncio.Future[Reservation]"]


class Budget:
    """Gives room to requests as long as no limit can be passed.

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
        limits: Limits | None = None,
        prices: Mapping[str, Price] = MappingProxyType({}),
        spent: Mapping[str, Spent] = MappingProxyType({}),
    ) -> None:
        self._limits = limits or NO_LIMITS
        self._prices = prices
        self._spent = {who: each.landed() for who, each in spent.items()}
        self._waiting: deque[_Waiting] = deque()
        self._reached: BudgetReachedError | None = None

    async def reserve(self, who: str, at_most: int) -> Reservation:
        """Reserve room for one HTTP request; wait for it while others are in flight.

        Parameters
        ----------
        who : str
            Label of the model or judge.
        at_most : int
            Upper bound of the request's tokens, prompt and completion.

        Raises
        ------
        BudgetReachedError
            There is no room, and nothing is in flight that could free any.
        InputError
            The cost is limited, and there is no price for this model or judge.
        """
        if self._limits.cost is not None and who not in self._prices:
            raise InputError(_without_price([who]))
        future: asyncio.Future[Reservation] = asyncio.get_running_loop().create_future()
        self._waiting.append((who, max(at_most, 0), future))
        self._serve()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and not future.exception():
                future.result().cancel()
            self._serve()
            raise

    def check(self, who: str) -> None:
        """Raise ``BudgetReachedError`` if there is room for nothing, before a server is started."""
        if not self._in_flight() and (reached := self._reached or self._passed(who, 1)):
            raise reached

    def count(self, who: str, usage: Mapping[str, int] | None, at_most: int = 0) -> None:
        """Count a call that was made without a reservation."""
        self._spent.setdefault(who, Spent()).add(usage, at_most)

    @property
    def prices(self) -> Mapping[str, Price]:
        """Prices by label, where they are known."""
        return self._prices

    @property
    def spent(self) -> Mapping[str, Spent]:
        """What was taken so far, by label; what is in flight beside it."""
        return self._spent

    def _serve(self) -> None:
        """Give room to those who wait, in the order in which they came, or end it."""
        while self._waiting:
            who, at_most, future = self._waiting[0]
            if not future.done():
                passed = self._reached or self._passed(who, at_most)
                if passed and not self._reached and self._in_flight():
                    return
                if passed:  # for good: whoever gets room now would be cut off in the midst
                    self._reached = passed
                    future.set_exception(BudgetReachedError(str(passed)))
                else:
                    mine = self._spent.setdefault(who, Spent())
                    mine.in_flight += 1
                    mine.in_flight_at_most += at_most
                    future.set_result(Reservation(self, who, at_most))
            self._waiting.popleft()

    def _in_flight(self) -> int:
        return sum(each.in_flight for each in self._spent.values())

    def _passed(self, who: str, at_most: int) -> BudgetReachedError | None:
        """Say which limit a request could pass, beside what is spent and in flight."""
        limits = self._limits
        if limits == NO_LIMITS:
            return None
        landed = {name: each.landed() for name, each in self._spent.items()}
        calls, tokens = (sum(getattr(x, n) for x in landed.values()) for n in ("calls", "tokens"))
        if limits.calls is not None and calls + 1 > limits.calls:
            return self._reached_at(f"the limit of {limits.calls:,} calls", "")
        if limits.tokens is not None and tokens + at_most > limits.tokens:
            limit = f"the limit of {limits.tokens:,} tokens"
            return self._reached_at(limit, f"the next call may take {at_most:,} tokens; ")
        if limits.cost is not None:
            cost = sum(each.cost(self._prices[name]) for name, each in landed.items())
            more = self._prices[who].at_most(at_most)
            if cost + more > limits.cost:
                limit = f"the cost limit of {limits.cost}"
                return self._reached_at(limit, f"the next call may cost {more:.4g}; ")
        return None

    def _reached_at(self, limit: str, why: str) -> BudgetReachedError:
        return BudgetReachedError(
            f"{limit} is reached: {self._in_words()} spent on this run, earlier commands "
            f"included; {why}what was done is kept, the same command with a larger limit goes on"
        )

    def _in_words(self) -> str:
        spent = self._spent.values()
        calls, tokens, unknown = (
            sum(getattr(each, name) for each in spent) for name in ("calls", "tokens", "at_most")
        )
        words = f"{calls:,} call{'' if calls == 1 else 's'}, {tokens:,} tokens"
        if unknown:
            words += f" (of which {unknown:,} are the upper bound of calls without usage)"
        if all(name in self._prices for name in self._spent) and self._prices:
            cost = sum(each.cost(self._prices[name]) for name, each in self._spent.items())
            words += f", cost {cost:.4g}"
        return words

    def _settle(self, who: str, at_most: int, usage: Mapping[str, int] | None) -> None:
        self._spent[who].add(usage, at_most)
        self._free(who, at_most)

    def _free(self, who: str, at_most: int) -> None:
        mine = self._spent[who]
        mine.in_flight -= 1
        mine.in_flight_at_most -= at_most
        self._serve()


def _count(usage: Mapping[str, Any] | None, name: str) -> int | None:
    count = (usage or {}).get(name)
    known = isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= _MOST_TOKENS
    return count if known else None


def spent_as_json(spent: Mapping[str, Spent]) -> str:
    """Write down what was spent, for the run."""
    told = {
        who: {name: count for name, count in asdict(each).items() if count}
        for who, each in spent.items()
    }
    return json.dumps(told, ensure_ascii=False)


def read_spent(text: str) -> dict[str, Spent]:
    """Read what :func:`spent_as_json` wrote; what a later version adds is left out."""
    names = {each.name for each in fields(Spent)}
    return {
        who: Spent(**{name: count for name, count in each.items() if name in names})
        for who, each in json.loads(text).items()
    }


def check_priced(limits: Limits, labels: Sequence[str], prices: Mapping[str, Price]) -> None:
    """See that a limited cost can be computed (``InputError`` where a price is missing)."""
    lacking = [label for label in labels if label not in prices]
    if limits.cost is not None and lacking:
        raise InputError(_without_price(lacking))


def _without_price(labels: Sequence[str]) -> str:
    return (
        f"the cost is limited, and there is no price for {', '.join(labels)}; give its prices for "
        "a million tokens, in and out (0 where it is free)"
    )
