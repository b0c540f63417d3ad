"""Spending on a run, stored in it: calls and tokens by model and judge, and their prices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from jasco.backends.budget import (
    Budget,
    Limits,
    Price,
    PriceList,
    Spent,
    check_priced,
    prices_as_json,
    read_prices,
    read_spent,
    spent_as_json,
)
from jasco.backends.specs import Provider
from jasco.runs.reader import RunReader
from jasco.runs.schema import PUT_FACT, Row
from jasco.runs.writer import RunWriter

SPENT, PRICES = "spent", "prices"
"""The facts of a run that hold its spending and prices, as JSON by label."""


@dataclass(frozen=True)
class Spending:
    """What was spent on a run.

    Attributes
    ----------
    by : mapping of str to Spent
        By label of the model or judge.
    prices : mapping of str to Price
        Known prices, by label of the model or judge.
    """

    by: Mapping[str, Spent]
    prices: Mapping[str, Price]

    @classmethod
    def sum(cls, parts: Sequence["Spending"]) -> "Spending":
        """Return the spending on a run, given that on its parts."""
        by: dict[str, Spent] = {}
        for label, spent in (each for part in parts for each in part.by.items()):
            by[label] = by.get(label, Spent()) + spent
        return cls(by, {label: price for part in parts for label, price in part.prices.items()})

    @property
    def total(self) -> Spent:
        """The sum over models and judges."""
        return sum(self.by.values(), Spent())

    def cost_of(self, label: str) -> Decimal | None:
        """Compute the cost of the known tokens; None if there is no price."""
        spent, price = self.by[label], self.prices.get(label)
        return price.of(spent.prompt_tokens, spent.completion_tokens) if price else None

    @property
    def cost(self) -> Decimal | None:
        """The total cost; None if the cost of a model or judge is not known."""
        costs = [self.cost_of(label) for label in self.by]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if known and len(known) == len(costs) else None


def spending_of(run: RunReader) -> Spending:
    """Return what was spent on a run.

    In a run of an older version, it is computed from the usage in its rows, which does not include
    repeated requests and failures.
    """
    if run.shards:
        return Spending.sum([spending_of(part) for part in run.parts()])
    prices = read_prices(run.fact(PRICES) or "{}")
    spent = run.fact(SPENT)
    if spent is not None:
        return Spending(read_spent(spent), prices)
    budget = Budget()
    for label, usage in run.usages():
        budget.count(label, usage)
    return Spending(dict(budget.spent), prices)


def priced_spending(
    limits: Limits,
    price_list: PriceList,
    providers: Sequence[Provider],
    run: RunReader | None = None,
) -> Spending:
    """Return what was spent on a run, with the prices given now or else those in the run.

    Parameters
    ----------
    limits : Limits
        If the cost is limited, every model and judge needs a price.
    price_list : PriceList
        The prices of this command.
    providers : sequence of Provider
        The models and judges to be called.
    run : RunReader or None
        The run; None if there is none, as for an exam.

    Raises
    ------
    InputError
        A price is given for an unknown model or judge, or for only one kind of token; or the cost
        is limited and a price is missing.
    """
    spending = spending_of(run) if run else Spending({}, {})
    in_run = [label for _, label, _ in (*run.models(), *run.judges())] if run else []
    known = [provider.spec.label for provider in providers]
    price_list.check(list(dict.fromkeys([*known, *in_run, *spending.by])))
    metered = [provider.spec.label for provider in providers if provider.METERED]
    metered = list(dict.fromkeys([*metered, *spending.by]))
    given = {label: price for label in metered if (price := price_list.of(label))}
    prices = {**spending.prices, **given}
    check_priced(limits, metered, prices)
    return Spending(spending.by, prices)


def open_budget(
    limits: Limits,
    price_list: PriceList,
    providers: Sequence[Provider],
    run: RunReader | None = None,
) -> Budget:
    """Return the budget of a command; parameters and errors as in :func:`priced_spending`."""
    spending = priced_spending(limits, price_list, providers, run)
    return Budget(limits, spending.prices, spending.by)


def keep_spent(run: RunWriter, budget: Budget) -> None:
    """Store the spending so far and the prices in the run."""
    spent, prices = spent_as_json(budget.spent), prices_as_json(budget.prices)
    run.set_facts({SPENT: spent, PRICES: prices})


def spent_rows(budget: Budget) -> list[Row]:
    """Return the row that holds the spending so far, to be committed with other rows."""
    return [(PUT_FACT, (SPENT, spent_as_json(budget.spent)))]
