"""A budget: no limit is ever exceeded, and requests without room wait for those in flight."""

import asyncio
import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.backends.budget import (
    NOTHING,
    Budget,
    BudgetReachedError,
    Limits,
    Price,
    Spent,
    prices_as_json,
    read_limits,
    read_price_list,
    read_prices,
    read_spent,
    spent_as_json,
)
from jasco.errors import IncompleteError, InputError

PRICES = {"m": Price(Decimal("2.5"), Decimal(10)), "j": Price(Decimal("0.1"), Decimal("0.3"))}


def usage(prompt: int, completion: int = 0) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion}


def test_calls_up_to_the_limit_are_made_and_none_beyond() -> None:
    async def calls() -> None:
        budget = Budget(Limits(calls=3))
        for _ in range(3):
            (await budget.reserve("m", 10)).settle(usage(5))
        with pytest.raises(BudgetReachedError, match="limit of 3 calls"):
            await budget.reserve("m", 10)

    asyncio.run(calls())
    assert issubclass(BudgetReachedError, IncompleteError)


def test_a_request_without_room_waits_until_an_unused_reservation_is_freed() -> None:
    async def calls() -> None:
        budget = Budget(Limits(tokens=100))
        first = await budget.reserve("m", 90)
        second = asyncio.create_task(budget.reserve("j", 60))
        await asyncio.sleep(0.01)
        assert not second.done()
        first.settle(usage(30, 10))
        (await second).settle(usage(60))
        assert budget.spent["m"].tokens == 40
        with pytest.raises(BudgetReachedError, match="100 tokens"):
            await budget.reserve("m", 1)

    asyncio.run(calls())


def test_what_is_in_flight_may_end_before_the_budget_is_reached() -> None:
    async def calls() -> None:
        budget = Budget(Limits(tokens=100))
        reservations = [await budget.reserve("m", 50), await budget.reserve("m", 50)]
        waiting = [asyncio.create_task(budget.reserve("m", 50)) for _ in range(3)]
        reservations[0].settle(usage(50))
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in waiting)
        reservations[1].settle(usage(50))
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [BudgetReachedError] * 3

    asyncio.run(calls())


def test_once_reached_no_request_gets_room_however_little_it_needs() -> None:
    async def calls() -> None:
        budget = Budget(Limits(tokens=100))
        for upper_bound in (101, 1):
            with pytest.raises(BudgetReachedError):
                await budget.reserve("m", upper_bound)

    asyncio.run(calls())


@pytest.mark.parametrize(
    "reported",
    [None, {}, {"prompt_tokens": 3}, usage(-1), {"prompt_tokens": 1e9, "completion_tokens": "x"},
     {"prompt_tokens": True, "completion_tokens": 1}, usage(10**30)],
)  # fmt: skip
def test_without_usage_the_upper_bound_counts(reported: Mapping[str, Any] | None) -> None:
    async def calls() -> None:
        budget = Budget(Limits(tokens=100))
        (await budget.reserve("m", 60)).settle(reported)
        assert budget.spent["m"] == Spent(calls=1, without_usage=1, at_most=60)
        with pytest.raises(BudgetReachedError, match="upper bound"):
            await budget.reserve("m", 41)

    asyncio.run(calls())


def test_a_refused_request_is_a_call_without_tokens() -> None:
    async def calls() -> None:
        budget = Budget(Limits(tokens=100))
        (await budget.reserve("m", 60)).settle(NOTHING)
        assert budget.spent["m"] == Spent(calls=1)

    asyncio.run(calls())


def test_a_reservation_is_settled_once_and_at_the_end_of_its_block() -> None:
    async def calls() -> None:
        budget = Budget()
        with await budget.reserve("m", 10) as reservation:
            reservation.settle(usage(1, 2))
            reservation.settle(usage(1, 2))
        with await budget.reserve("m", 10):
            pass
        (await budget.reserve("m", 10)).cancel()
        assert budget.spent["m"] == Spent(2, 1, 2, without_usage=1, at_most=10)

    asyncio.run(calls())


def test_a_budget_outlasts_an_event_loop() -> None:
    budget = Budget(Limits(tokens=130))

    async def calls() -> None:
        first = await budget.reserve("m", 90)
        second = asyncio.create_task(budget.reserve("m", 60))
        await asyncio.sleep(0)
        first.settle(usage(20))
        (await second).settle(usage(10))

    asyncio.run(calls())
    asyncio.run(calls())
    assert budget.spent["m"].tokens == 60


def test_a_cancelled_request_keeps_no_room() -> None:
    async def calls() -> None:
        budget = Budget(Limits(calls=1))
        reservation = await budget.reserve("m", 1)
        cancelled, waiting = (asyncio.create_task(budget.reserve("m", 1)) for _ in range(2))
        await asyncio.sleep(0)
        reservation.cancel()  # the first waiting task gets the room as it is cancelled
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await asyncio.wait_for(waiting, 1)
        assert budget.spent["m"].in_flight == 1

    asyncio.run(calls())


def test_a_limited_cost_needs_a_price() -> None:
    async def calls() -> None:
        budget = Budget(Limits(cost=Decimal(1)), PRICES)
        with pytest.raises(InputError, match="other"):
            await budget.reserve("other", 1)

    asyncio.run(calls())


def test_what_was_in_flight_when_a_command_was_killed_counts_for_the_next() -> None:
    async def calls() -> str:
        budget = Budget()
        await budget.reserve("m", 70)
        return spent_as_json(budget.spent)

    stored = asyncio.run(calls())
    assert read_spent(stored)["m"] == Spent(in_flight=1, in_flight_at_most=70)
    after = Budget(spent=read_spent(stored))
    assert after.spent["m"] == Spent(calls=1, without_usage=1, at_most=70)


CALL = st.tuples(
    st.sampled_from(["m", "j"]),
    st.integers(0, 500),  # at most
    st.floats(0, 1),  # the share of it that is used
    st.sampled_from(["usage", "unknown", "nothing", "cancelled"]),
)


@given(
    calls=st.lists(CALL, min_size=1, max_size=40),
    limits=st.builds(
        Limits,
        st.none() | st.integers(1, 30),
        st.none() | st.integers(1, 3000),
        st.none() | st.integers(1, 20_000).map(lambda cost: Decimal(cost) / 1_000_000),
    ),
    # Not st.randoms: where it runs out of data, it raises within a coroutine that others wait for.
    rng=st.integers(0, 2**32 - 1).map(random.Random),
)
def test_no_limit_is_ever_passed_and_every_request_is_served_or_refused(
    calls: list[tuple[str, int, float, str]], limits: Limits, rng: random.Random
) -> None:
    budget = Budget(limits, PRICES)
    totals = {"calls": 0, "tokens": 0, "cost": Decimal(0)}

    def check_limits() -> None:
        assert limits.calls is None or totals["calls"] <= limits.calls
        assert limits.tokens is None or totals["tokens"] <= limits.tokens
        assert limits.cost is None or totals["cost"] <= limits.cost

    async def call(label: str, upper_bound: int, share: float, ending: str) -> None:
        for _ in range(rng.randrange(3)):
            await asyncio.sleep(0)
        reservation = await budget.reserve(label, upper_bound)
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)
        if ending == "cancelled":
            reservation.cancel()
            return
        prompt = int(upper_bound * share)
        completion = rng.randrange(upper_bound - prompt + 1)
        totals["calls"] += 1
        if ending != "nothing":
            totals["tokens"] += prompt + completion
            totals["cost"] += PRICES[label].of(prompt, completion)
        check_limits()
        usages = {"usage": usage(prompt, completion), "nothing": NOTHING}
        reservation.settle(usages.get(ending))

    async def make_all_calls() -> list[Any]:
        requests = asyncio.gather(
            *(call(*arguments) for arguments in calls), return_exceptions=True
        )
        return await asyncio.wait_for(requests, 10)

    results = asyncio.run(make_all_calls())
    assert all(result is None or isinstance(result, BudgetReachedError) for result in results)
    spent = budget.spent.values()
    assert sum(entry.calls for entry in spent) == totals["calls"]
    assert sum(entry.tokens for entry in spent) >= totals["tokens"]
    assert not any(entry.in_flight or entry.in_flight_at_most for entry in spent)


# --- limits and prices of the command line ---


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "1e3", "١", "9" * 16, "True"])
def test_a_limit_that_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="max-calls"):
        read_limits(text, None, None)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x", "1_0", "1e99", "1e-99"])
def test_a_cost_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="max-cost"):
        read_limits(None, None, text)


@given(st.text())
def test_any_text_is_a_number_or_one_line(text: str) -> None:
    for read in (
        lambda: read_limits(text, None, text),
        lambda: read_price_list([text], [f"m={text}"]),
    ):
        try:
            read()
        except InputError as error:
            assert "\n" not in str(error)


def test_the_price_of_one_goes_before_the_price_of_all() -> None:
    prices = read_price_list(["1", "openai/x=2", "openai/y,seed=1=3"], ["4"])
    assert prices.of("openai/z") == Price(Decimal(1), Decimal(4))
    assert prices.of("openai/x,seed=5") == Price(Decimal(2), Decimal(4))
    assert prices.of("openai/y,seed=1") == Price(Decimal(3), Decimal(4))
    assert prices.of("openai/y") == Price(Decimal(1), Decimal(4))
    stored = {"openai/y": Price(Decimal("0.1"), Decimal(0))}
    assert read_prices(prices_as_json(stored)) == stored


@pytest.mark.parametrize(
    "prices_in", [["x"], ["m=-1"], ["m="], ["=1"], ["1", "2"], ["m=1", "m=2"], ["m=nan"]]
)
def test_a_price_that_is_none_is_refused(prices_in: list[str]) -> None:
    with pytest.raises(InputError, match="price-in"):
        read_price_list(prices_in, [])


def test_half_a_price_and_a_price_of_an_unknown_name_are_refused() -> None:
    with pytest.raises(InputError, match="completion"):
        read_price_list(["1"], []).of("m")
    with pytest.raises(InputError, match="openai/typo"):
        read_price_list(["openai/typo=1"], []).check(["openai/x"])
