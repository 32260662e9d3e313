"""The batches of the server, without a server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from sqznet.serving.batching import Batcher, answers


class Held:
    """A task that waits until it is released, and remembers its batches."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.batches: list[list[Any]] = []

    def work(self, items: Sequence[Any], others: bool = False) -> list[Any]:
        self.batches.append(list(items))
        assert self.open.wait(10)
        return [10 * item for item in items]

    def other(self, items: Sequence[Any], others: bool) -> list[Any]:
        return self.work(items)


@pytest.fixture
def held() -> Held:
    return Held()


def test_what_waits_becomes_batches_and_every_caller_gets_its_answer(held: Held) -> None:
    batcher = Batcher(1, 4, 0)

    async def ask() -> list[int]:
        asked = [asyncio.ensure_future(batcher.run(held.work, i)) for i in range(12)]
        while not held.batches:
            await asyncio.sleep(0.001)
        held.open.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == [10 * i for i in range(12)]
    batcher.close()
    assert [item for batch in held.batches for item in batch] == list(range(12))
    assert max(map(len, held.batches)) == 4
    assert batcher.waiting == 0


def test_a_batch_holds_one_task_and_none_is_overtaken_by_its_kind(held: Held) -> None:
    held.open.set()
    batcher = Batcher(1, 8, 0.05)

    async def ask() -> None:
        tasks = (held.work, held.other, held.work, held.other)
        await asyncio.gather(*(batcher.run(task, i) for i, task in enumerate(tasks)))

    asyncio.run(ask())
    batcher.close()
    found = [item for batch in held.batches for item in batch]
    assert sorted(found) == [0, 1, 2, 3]
    assert found.index(0) < found.index(2)
    assert found.index(1) < found.index(3)
    assert all(len({item % 2 for item in batch}) == 1 for batch in held.batches)


def test_a_single_item_waits_no_longer_than_it_may(held: Held) -> None:
    held.open.set()
    batcher = Batcher(2, 8, 0.05)

    async def ask() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await batcher.run(held.work, 1)
        return loop.time() - start

    assert asyncio.run(ask()) >= 0.05
    assert held.batches == [[1]]
    batcher.close()


def test_a_full_batch_does_not_wait(held: Held) -> None:
    held.open.set()
    batcher = Batcher(1, 2, 3600)

    async def ask() -> list[int]:
        return await asyncio.gather(*(batcher.run(held.work, i) for i in range(2)))

    assert asyncio.run(ask()) == [0, 10]
    batcher.close()


def test_an_item_whose_caller_left_is_not_worked_on(held: Held) -> None:
    batcher = Batcher(1, 1, 0)

    async def ask() -> None:
        first = [asyncio.ensure_future(batcher.run(held.work, i)) for i in range(2)]
        left = asyncio.ensure_future(batcher.run(held.work, 2))
        await asyncio.sleep(0)
        left.cancel()
        held.open.set()
        await asyncio.gather(*first)
        assert await batcher.run(held.work, 3) == 30

    asyncio.run(ask())
    batcher.close()
    assert held.batches == [[0], [1], [3]]


def test_a_task_is_told_whether_others_work_too(held: Held) -> None:
    told: list[bool] = []

    def note(items: Sequence[Any], others: bool) -> Sequence[Any]:
        told.append(others)
        assert held.open.wait(10)
        return items

    batcher = Batcher(2, 1, 0)

    async def ask() -> None:
        first = [batcher.run(note, i) for i in range(3)]
        while len(told) < 2:
            await asyncio.sleep(0.001)
        held.open.set()
        await asyncio.gather(*first)
        await batcher.run(note, 3)

    asyncio.run(ask())
    batcher.close()
    assert told == [False, True, True, False]


def test_one_failure_does_not_touch_the_others_of_its_batch() -> None:
    def halves(items: Sequence[int], others: bool) -> list[float]:
        return [12 / item for item in items]

    found = answers(halves, [1, 0, 3], False)
    assert found[0] == 12
    assert isinstance(found[1], ZeroDivisionError)
    assert found[2] == 4
    batcher = Batcher(1, 1, 0)

    async def ask() -> None:
        await batcher.run(halves, 0)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(ask())
    batcher.close()
