"""What was spent on a run, kept in it: calls and tokens by model and judge, and their prices."""

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
from jasco.runs.schema import PUT_FACT, Row
from jasco.runs.store import Store

SPENT, PRICES = "spent", "prices"
"""The facts of a run that say so, as JSON by label."""


@dataclass(frozen=True)
class Spending:
    """What was spent on a run.

    Attributes
    ----------
    by : mapping of str to Spent
        By label of the model or judge.
    prices : mapping of str to Price
        Likewise, where they were given.
    """

    by: Mapping[str, Spent]
    prices: Mapping[str, Price]

    @property
    def total(self) -> Spent:
        """The sum over models and judges."""
        total = Spent()
        for each in self.by.values():
            for name, count in vars(each).items():
                setattr(total, name, getattr(total, name) + count)
        return total

    def cost_of(self, label: str) -> Decimal | None:
        """Compute what the tokens that are known have cost; None where there is no price."""
        spent, price = self.by[label], self.prices.get(label)
        return price.of(spent.prompt_tokens, spent.completion_tokens) if price else None

    @property
    def cost(self) -> Decimal | None:
        """The total cost; None if the cost of a model or judge is not known."""
        costs = [self.cost_of(label) for label in self.by]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if known and len(known) == len(costs) else None


def spending_of(store: Store) -> Spending:
    """Look up what was spent on a run."""
    return Spending(spent_of(store), read_prices(store.fact(PRICES) or "{}"))


def spent_of(store: Store) -> dict[str, Spent]:
    """Look up what was spent on a run, by label.

    In a run of an older version it is put together from the usage that its rows hold: requests
    that were repeated, and failures, are not in it.
    """
    told = store.fact(SPENT)
    if told is not None:
        return read_spent(told)
    counted = Budget()
    for label, usage in store.usages():
        counted.count(label, usage)
    return dict(counted.spent)


def is_metered(provider: Provider) -> bool:
    """Return whether the calls and tokens of a provider are counted; by default they are not."""
    return getattr(provider, "METERED", False)


def open_budget(
    store: Store, limits: Limits, given: PriceList, providers: Sequence[Provider]
) -> Budget:
    """Make a run's budget for a command; nothing is written.

    Raises
    ------
    InputError
        A price is given for an unknown model or judge, or only half of it; or the cost is limited
        and a price is missing.
    """
    held = spending_of(store)
    labels = [label for _, label, _ in (*store.models(), *store.judges())]
    return Budget(limits, prices_for(limits, given, providers, held, labels), held.by)


def exam_budget(limits: Limits, given: PriceList, judges: Sequence[Provider]) -> Budget:
    """Make the budget of one exam, whatever earlier ones took (``InputError`` as above)."""
    return Budget(limits, prices_for(limits, given, judges, Spending({}, {})))


def prices_for(
    limits: Limits,
    given: PriceList,
    providers: Sequence[Provider],
    held: Spending,
    labels: Sequence[str] = (),
) -> dict[str, Price]:
    """Find the price of each metered model and judge: as given now, else as stored in the run.

    Parameters
    ----------
    limits : Limits
        If the cost is limited, every model and judge needs a price.
    given : PriceList
        What the user says now.
    providers : sequence of Provider
        Who is to be asked.
    held : Spending
        What the run holds.
    labels : sequence of str
        Whom the run knows, besides.

    Raises
    ------
    InputError
        As :func:`open_budget`.
    """
    asked = [each.spec.label for each in providers if is_metered(each)]
    given.check(list(dict.fromkeys([*(p.spec.label for p in providers), *labels, *held.by])))
    takers = list(dict.fromkeys([*asked, *held.by]))
    prices = dict(held.prices)
    prices |= {label: price for label in takers if (price := given.of(label))}
    check_priced(limits, takers, prices)
    return prices


def keep_spent(store: Store, budget: Budget) -> None:
    """Write what was spent so far, and the prices, into the run."""
    spent, prices = spent_as_json(budget.spent), prices_as_json(budget.prices)
    store.remember({SPENT: spent, PRICES: prices})


def keep_spent_of_rows(store: Store) -> None:
    """Keep what the rows of a run tell of its spending, before some of them are removed."""
    if store.fact(SPENT) is None:
        store.remember({SPENT: spent_as_json(spent_of(store))})


def spent_rows(budget: Budget) -> list[Row]:
    """Make the row that says what was spent so far, to be committed beside others."""
    return [(PUT_FACT, (SPENT, spent_as_json(budget.spent)))]
