"""A limit on what many tasks hold at once."""

import asyncio

from jasco.evaluation.runner import Capacity


async def most_at_once(amounts: list[int], total: int) -> int:
    budget, held, most = Capacity(total), 0, 0

    async def work(amount: int) -> None:
        nonlocal held, most
        async with budget.hold(amount):
            held += amount
            most = max(most, held)
            await asyncio.sleep(0.001)
            held -= amount

    async with asyncio.timeout(10):
        await asyncio.gather(*map(work, amounts))
    return most


def test_no_more_is_held_than_the_total() -> None:
    assert 10 < asyncio.run(most_at_once([3, 4, 5, 1, 9, 2, 7] * 20, 12)) <= 12


def test_what_is_larger_than_the_total_is_held_alone() -> None:
    assert asyncio.run(most_at_once([1, 50, 1, 50, 1], 12)) == 50


def test_who_is_cancelled_while_waiting_or_holding_gives_everything_back() -> None:
    async def cancel() -> int:
        budget = Capacity(2)

        async def work() -> None:
            async with budget.hold(2):
                await asyncio.sleep(60)

        tasks = [asyncio.create_task(work()) for _ in range(3)]
        await asyncio.sleep(0.01)
        for task in tasks[:2]:
            task.cancel()
        await asyncio.sleep(0.01)
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(1), budget.hold(2):
            return 1

    assert asyncio.run(cancel()) == 1
