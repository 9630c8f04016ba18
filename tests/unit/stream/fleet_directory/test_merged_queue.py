"""The bounded queue between several writers and one reader."""

from __future__ import annotations

import asyncio

import pytest

from stream.fleet_directory.merged_queue import MergedQueue
from support.waiting import settle


async def write(queue: MergedQueue[int], *items: int) -> None:
    for item in items:
        await queue.room()
        queue.put(item)


async def read(queue: MergedQueue[int], count: int) -> list[int]:
    items: list[int] = []
    while len(items) < count:
        item = queue.take()
        if item is None:
            await queue.arrival()
        else:
            items.append(item)
    return items


async def test_items_come_out_in_the_order_in_which_they_were_put() -> None:
    queue = MergedQueue[int](8)
    await write(queue, 1, 2, 3)
    assert await read(queue, 3) == [1, 2, 3]


async def test_writers_wait_while_it_is_full_and_all_items_arrive() -> None:
    queue = MergedQueue[int](4)
    writers = [asyncio.create_task(write(queue, *range(start, start + 20))) for start in (0, 100, 200)]
    await settle()
    assert len(queue) == 4
    items = await read(queue, 60)
    await asyncio.gather(*writers)
    for start in (0, 100, 200):
        assert [one for one in items if start <= one < start + 100] == list(range(start, start + 20))


async def test_a_cancelled_wait_loses_nothing() -> None:
    queue = MergedQueue[int](4)
    waiting = asyncio.create_task(queue.arrival())
    await settle()
    waiting.cancel()
    await settle()
    queue.put(7)
    assert await read(queue, 1) == [7]


async def test_a_writers_error_is_raised_after_what_it_wrote() -> None:
    queue = MergedQueue[int](4)
    waiting = asyncio.create_task(read(queue, 2))
    await settle()
    queue.put(1)
    queue.fail(RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        await waiting


async def test_closing_ends_all_waits() -> None:
    full, empty = MergedQueue[int](1), MergedQueue[int](1)
    full.put(1)
    waiting = asyncio.gather(full.room(), empty.arrival())
    await settle()
    full.close()
    empty.close()
    await waiting
    assert full.take() is None
