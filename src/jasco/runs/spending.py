"""What was spent on a run, stored in it: calls and tokens by model and judge, and their prices."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
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
"""The facts of a run that hold it, as JSON by label."""


@dataclass(frozen=True)
class Spending:
    """What was spent on a run.

    Attributes
    ----------
    by : mapping of str to Spent
        By label of the model or judge.
    prices : mapping of str to Price
        Likewise, where they are known.
    """

    by: Mapping[str, Spent]
    prices: Mapping[str, Price]

    @property
    def total(self) -> Spent:
        """The sum over models and judges."""
        counts = zip(*(astuple(spent) for spent in self.by.values()), strict=True)
        return Spent(*map(sum, counts))

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


def spending_of(run: RunReader) -> Spending:
    """Return what was spent on a run.

    In a run of an older version it is computed from the usage that its rows hold: requests that
    were repeated, and failures, are not in it.
    """
    prices = read_prices(run.fact(PRICES) or "{}")
    spent = run.fact(SPENT)
    if spent is not None:
        return Spending(read_spent(spent), prices)
    budget = Budget()
    for label, usage in run.usages():
        budget.count(label, usage)
    return Spending(dict(budget.spent), prices)


def is_metered(provider: Provider) -> bool:
    """Return whether the calls and tokens of a provider are counted; by default they are not."""
    return getattr(provider, "METERED", False)


def open_budget(
    run: RunReader, limits: Limits, price_list: PriceList, providers: Sequence[Provider]
) -> Budget:
    """Make a run's budget for a command; nothing is written.

    Raises
    ------
    InputError
        A price is given for an unknown model or judge, or only half of it; or the cost is limited
        and a price is missing.
    """
    spending = spending_of(run)
    labels = [label for _, label, _ in (*run.models(), *run.judges())]
    prices = prices_for(limits, price_list, providers, spending, labels)
    return Budget(limits, prices, spending.by)


def exam_budget(limits: Limits, price_list: PriceList, judges: Sequence[Provider]) -> Budget:
    """Make the budget of one exam, whatever earlier ones took (``InputError`` as above)."""
    return Budget(limits, prices_for(limits, price_list, judges, Spending({}, {})))


def prices_for(
    limits: Limits,
    price_list: PriceList,
    providers: Sequence[Provider],
    spending: Spending,
    labels: Sequence[str] = (),
) -> dict[str, Price]:
    """Return the price of each metered model and judge: as given now, else as stored in the run.

    Parameters
    ----------
    limits : Limits
        If the cost is limited, every model and judge needs a price.
    price_list : PriceList
        The prices of this command.
    providers : sequence of Provider
        The models and judges that are to be called.
    spending : Spending
        What the run holds.
    labels : sequence of str
        Other models and judges of the run.

    Raises
    ------
    InputError
        As :func:`open_budget`.
    """
    known = [provider.spec.label for provider in providers]
    price_list.check(list(dict.fromkeys([*known, *labels, *spending.by])))
    metered = [provider.spec.label for provider in providers if is_metered(provider)]
    metered = list(dict.fromkeys([*metered, *spending.by]))
    prices = dict(spending.prices)
    prices |= {label: price for label in metered if (price := price_list.of(label))}
    check_priced(limits, metered, prices)
    return prices


def keep_spent(run: RunWriter, budget: Budget) -> None:
    """Store what was spent so far, and the prices, in the run."""
    spent, prices = spent_as_json(budget.spent), prices_as_json(budget.prices)
    run.set_facts({SPENT: spent, PRICES: prices})


def keep_spent_of_rows(run: RunWriter) -> None:
    """Store what is computed from the rows of a run, before some of them are removed."""
    if run.fact(SPENT) is None:
        run.set_facts({SPENT: spent_as_json(spending_of(run).by)})


def spent_rows(budget: Budget) -> list[Row]:
    """Return the row that holds what was spent so far, to be committed with others."""
    return [(PUT_FACT, (SPENT, spent_as_json(budget.spent)))]
