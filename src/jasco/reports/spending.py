"""Calls, tokens and costs of a run, as JSON and as one line."""

from decimal import Decimal
from typing import Any

from jasco.backends.budget import Price, Spent
from jasco.runs.spending import Spending


def spending_json(spending: Spending) -> dict[str, Any]:
    """Return calls, tokens and costs, in total and by label of the model or judge.

    A cost covers the reported tokens only; it is null if a price is missing.
    """
    return {
        **_spent_json(spending.total, spending.cost),
        "providers": {
            label: _spent_json(spent, spending.cost_of(label))
            for label, spent in _used(spending).items()
        },
        "prices": {
            label: {"in": float(price.into), "out": float(price.out)}
            for label, price in spending.prices.items()
        },
    }


def _used(spending: Spending) -> dict[str, Spent]:
    return {label: spent for label, spent in spending.by.items() if spent.calls or spent.in_flight}


def _spent_json(spent: Spent, cost: Decimal | None) -> dict[str, Any]:
    names = ("calls", "prompt_tokens", "completion_tokens", "without_usage", "in_flight")
    return {
        **{name: getattr(spent, name) for name in names},
        "cost": None if cost is None else float(cost),
    }


def spending_line(spending: Spending | None) -> str:
    """Format calls, tokens and costs in one line; empty if there are none or they are unknown."""
    if not spending or not spending.total.calls:
        return ""
    used = _used(spending)
    [only, *others] = used
    price = None if others else spending.prices.get(only)
    parts = [_format(spending.total, spending.cost, price)]
    if others:
        parts += [
            f"{label}: {_format(spent, spending.cost_of(label), spending.prices.get(label))}"
            for label, spent in used.items()
        ]
    return "spent: " + "; ".join(parts)


def _format(spent: Spent, cost: Decimal | None, price: Price | None) -> str:
    unknown = spent.without_usage
    text = f"{spent.calls:,} call{'' if spent.calls == 1 else 's'}"
    if unknown == spent.calls:
        text += " (tokens unknown: the server reported no usage)"
    else:
        text += f", {spent.prompt_tokens:,} tokens in, {spent.completion_tokens:,} out"
        text += f" (without {unknown:,} calls of unknown usage)" if unknown else ""
    if cost is not None:
        text += f", cost {'at least ' if unknown else ''}{money(cost)}"
        if price:
            text += (
                f" (at {float(price.into):g} in and {float(price.out):g} out per million tokens)"
            )
    if spent.in_flight:
        text += f", {spent.in_flight} in flight at the time of writing"
    return text


def money(value: float | Decimal) -> str:
    """Format an amount of money with two decimals, or two significant digits below 0.1."""
    return f"{value:,.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"
