"""UnitQueue: bounded, and contains only units that can be decoded."""

from __future__ import annotations

import asyncio
import threading

import pytest

from stream.live.live_video import MAX_BYTES, MAX_UNITS, LiveUnit, QueueClosedError, UnitQueue


def unit(number: int, *, key: bool = False, size: int = 10, codec: str = "h264") -> LiveUnit:
    return LiveUnit(codec, bytes(size), key, 1, number, number)


def nobody() -> None:
    """Ignores the calls."""


async def numbers(queue: UnitQueue, count: int) -> list[int]:
    return [(await queue.get()).media_us for _ in range(count)]


async def test_the_queue_begins_with_a_keyframe_and_keeps_the_order() -> None:
    queue = UnitQueue("h264", nobody)
    for number in range(6):
        queue.put(unit(number, key=number == 2))
    assert await numbers(queue, 4) == [2, 3, 4, 5]
    assert queue.skipped == 0, "units before the first keyframe are not counted"


async def test_only_a_keyframe_follows_a_gap() -> None:
    queue = UnitQueue("h264", nobody)
    queue.put(unit(0, key=True))
    queue.gap()
    queue.put(unit(1))
    queue.put(unit(2, key=True))
    assert await numbers(queue, 2) == [0, 2]


@pytest.mark.parametrize(("size", "most"), [(10, MAX_UNITS), (MAX_BYTES // 4, 4)])
async def test_a_slow_viewer_continues_with_the_next_keyframe(size: int, most: int) -> None:
    wanted: list[bool] = []
    queue = UnitQueue("h264", lambda: wanted.append(True))
    for number in range(most):
        queue.put(unit(number, key=number == 0, size=size))
    assert wanted == []
    queue.put(unit(most, size=size))
    assert wanted == [True]
    queue.put(unit(most + 1, size=size))
    assert queue.skipped == most + 2
    queue.put(unit(most + 2, key=True, size=size))
    queue.put(unit(most + 3, size=size))
    assert await numbers(queue, 2) == [most + 2, most + 3]
    assert queue.skipped == most + 2


async def test_a_unit_larger_than_the_limit_and_units_that_depend_on_it_are_skipped() -> None:
    queue = UnitQueue("h264", nobody)
    queue.put(unit(0, key=True, size=MAX_BYTES + 1))
    queue.put(unit(1))
    queue.put(unit(2, key=True))
    assert await numbers(queue, 1) == [2]


async def test_another_codec_or_closing_ends_the_queue() -> None:
    for end in (lambda queue: queue.put(unit(1, codec="vp8")), UnitQueue.close):
        queue = UnitQueue("h264", nobody)
        queue.put(unit(0, key=True))
        end(queue)
        queue.put(unit(2, key=True))
        with pytest.raises(QueueClosedError):
            await queue.get()


async def test_units_from_another_thread_wake_the_loop_once() -> None:
    queue = UnitQueue("h264", nobody)
    rung: list[object] = []
    loop = asyncio.get_running_loop()
    call = loop.call_soon_threadsafe
    loop.call_soon_threadsafe = lambda *args, **about: (rung.append(args), call(*args, **about))[1]  # pyright: ignore
    waiting = asyncio.create_task(numbers(queue, 5))
    await asyncio.sleep(0)

    def put() -> None:
        for number in range(5):
            queue.put(unit(number, key=number == 0))

    thread = threading.Thread(target=put)
    thread.start()
    thread.join()  # the loop is busy
    assert len(rung) == 1
    loop.call_soon_threadsafe = call
    assert await waiting == [0, 1, 2, 3, 4]
