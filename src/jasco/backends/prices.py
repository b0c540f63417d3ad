"""What tokens cost, as a user says it and as a run keeps it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from jasco.backends.limits import amount
from jasco.errors import InputError, one_line

_PER = 1_000_000


@dataclass(frozen=True)
class Price:
    """What a million prompt tokens (``into``) and completion tokens (``out``) cost."""

    into: Decimal
    out: Decimal

    def of(self, prompt: int, completion: int) -> Decimal:
        """Compute what tokens cost."""
        return (prompt * self.into + completion * self.out) / _PER

    def at_most(self, tokens: int) -> Decimal:
        """Compute what tokens of either kind cost at most."""
        return tokens * max(self.into, self.out) / _PER


@dataclass(frozen=True)
class PriceList:
    """Prices as a user gives them: by name of a model or judge; under ``""``, for all others."""

    into: Mapping[str, Decimal] = field(default_factory=dict)
    out: Mapping[str, Decimal] = field(default_factory=dict)

    def check(self, labels: Sequence[str]) -> None:
        """See that every name is that of a model or judge (``InputError`` where one is not)."""
        known = {*labels, *(label.split(",")[0] for label in labels), ""}
        for name in (*self.into, *self.out):
            if name not in known:
                raise InputError(
                    f"price of {one_line(name)}: there is no such model or judge here; there are: "
                    f"{', '.join(labels)}"
                )

    def of(self, label: str) -> Price | None:
        """Find the price of a model or judge (``InputError`` where half of it is missing)."""
        into, out = _price_of(label, self.into), _price_of(label, self.out)
        if into is None and out is None:
            return None
        if into is None or out is None:
            lacking = "prompt" if into is None else "completion"
            raise InputError(
                f"price of {label}: there is none for its {lacking} tokens; give both prices, 0 "
                "where it is free"
            )
        return Price(into, out)


NO_PRICES = PriceList()


def _price_of(label: str, prices: Mapping[str, Decimal]) -> Decimal | None:
    for name in (label, label.split(",")[0], ""):
        if name in prices:
            return prices[name]
    return None


def prices_as_json(prices: Mapping[str, Price]) -> str:
    """Write prices down, for the run."""
    told = {who: {"in": str(each.into), "out": str(each.out)} for who, each in prices.items()}
    return json.dumps(told, ensure_ascii=False)


def read_prices(text: str) -> dict[str, Price]:
    """Read what :func:`prices_as_json` wrote."""
    return {
        who: Price(Decimal(each["in"]), Decimal(each["out"]))
        for who, each in json.loads(text).items()
    }


def read_price_list(
    into: Sequence[str], out: Sequence[str], names: Sequence[str] = ("--price-in", "--price-out")
) -> PriceList:
    """Read prices: ``2.5`` for all, ``NAME=2.5`` for one model or judge.

    Raises
    ------
    InputError
        A price is no number, or is given twice.
    """
    return PriceList(_read_prices(names[0], into), _read_prices(names[1], out))


def _read_prices(option: str, texts: Sequence[str]) -> dict[str, Decimal]:
    prices: dict[str, Decimal] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        try:
            price = amount(number, zero=True)
        except ValueError as error:
            raise InputError(f"{option}: {error}; write PRICE, or NAME=PRICE") from None
        if name in prices:
            raise InputError(f"{option}: {one_line(name) or 'the price of all'} is given twice")
        if equals and not name:
            raise InputError(f"{option}: {one_line(text)}: no name; write PRICE, or NAME=PRICE")
        prices[name] = price
    return prices
