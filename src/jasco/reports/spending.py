"""What was spent on a run, as JSON and in words."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from jasco.backends.budget import Spent
from jasco.runs.spending import Spending


def summarise_spending(spending: Spending) -> dict[str, Any]:
    """Lay out what was spent: in total, and by label of the model or judge.

    A cost is that of the tokens that are known, and null where a price is missing.
    """
    return {
        **_counts(spending.total, spending.cost),
        "providers": {
            label: _counts(each, spending.cost_of(label))
            for label, each in spending.by.items()
            if each.calls or each.in_flight
        },
        "prices": {
            label: {"in": float(price.into), "out": float(price.out)}
            for label, price in spending.prices.items()
        },
    }


def _counts(spent: Spent, cost: Decimal | None) -> dict[str, Any]:
    return {
        "calls": spent.calls,
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
        "without_usage": spent.without_usage,
        "in_flight": spent.in_flight,
        "cost": None if cost is None else float(cost),
    }


def spending_line(spent: Mapping[str, Any] | None) -> str:
    """Say in one line what was spent; empty if nothing was, or it is not known."""
    if not spent or not spent["calls"]:
        return ""
    parts = spent["providers"]
    words = [_in_words(spent, spent["prices"] if len(parts) == 1 else {}, *parts)]
    if len(parts) > 1:
        words += [
            f"{label}: {_in_words(each, spent['prices'], label)}" for label, each in parts.items()
        ]
    return "spent: " + "; ".join(words)


def _in_words(spent: Mapping[str, Any], prices: Mapping[str, Any], label: str, *_: str) -> str:
    calls, unknown = spent["calls"], spent["without_usage"]
    words = f"{calls:,} call{'' if calls == 1 else 's'}"
    if unknown == calls:
        words += " without usage (tokens not known)"
    else:
        words += f", {spent['prompt_tokens']:,} tokens in, {spent['completion_tokens']:,} out"
        words += f" ({unknown:,} calls without usage, not counted here)" if unknown else ""
    if spent["cost"] is not None:
        words += f", cost {'at least ' if unknown else ''}{money(spent['cost'])}"
        if price := prices.get(label):
            words += f" (at {price['in']:g} in and {price['out']:g} out per million tokens)"
    if spent["in_flight"]:
        words += f", {spent['in_flight']} in flight when this was written"
    return words


def money(value: float | Decimal) -> str:
    """Write an amount of money: cents, or what is less with two digits."""
    return f"{value:,.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"
