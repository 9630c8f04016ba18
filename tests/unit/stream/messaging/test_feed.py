"""A feed never delays its writer and is bounded: a slow reader loses the oldest messages, which are counted."""

from __future__ import annotations

import asyncio

from stream.messaging.feed import Feed


async def test_messages_come_out_in_order_and_iteration_ends_after_close() -> None:
    feed: Feed[int] = Feed(8)
    for number in range(5):
        feed.put(number)
    feed.close()
    assert [number async for number in feed] == [0, 1, 2, 3, 4]


async def test_a_slow_reader_misses_the_oldest_messages_and_learns_their_number() -> None:
    feed: Feed[int] = Feed(3)
    for number in range(10):
        feed.put(number)
    feed.close()
    assert [number async for number in feed] == [7, 8, 9]
    assert feed.missed == 7


async def test_a_waiting_reader_wakes_for_a_message() -> None:
    feed: Feed[int] = Feed(3)
    reader = asyncio.ensure_future(anext(feed))
    await asyncio.sleep(0)
    feed.put(1)
    assert await reader == 1


async def test_a_reader_slower_than_the_writer_leaves_the_loop_to_others() -> None:
    feed: Feed[int] = Feed(1000)
    others_had_a_turn = asyncio.Event()

    def take_turns(left: int) -> None:
        if left:
            asyncio.get_running_loop().call_soon(take_turns, left - 1)
        else:
            others_had_a_turn.set()

    async def read() -> None:
        async for _ in feed:
            if others_had_a_turn.is_set():
                return
            feed.put(1)  # as the inference thread does meanwhile: there is always another one waiting

    feed.put(0)
    take_turns(3)
    await read()


async def test_nothing_is_added_after_close() -> None:
    feed: Feed[int] = Feed(3)
    feed.close()
    feed.put(1)
    assert [number async for number in feed] == []
