"""The inference thread runs one call at a time, in order, and hands exceptions to the one who asked."""

from __future__ import annotations

import asyncio
import threading

import pytest

from stream.inference import InferenceThread


async def test_calls_run_one_after_another_in_the_order_asked() -> None:
    thread = InferenceThread()
    seen: list[tuple[int, str]] = []

    def note(number: int) -> int:
        seen.append((number, threading.current_thread().name))
        return number * 2

    answers = await asyncio.gather(*(thread.run(note, number) for number in range(20)))
    assert answers == [number * 2 for number in range(20)]
    assert seen == [(number, "inference") for number in range(20)]
    assert thread.stop(1.0)


async def test_an_exception_reaches_the_caller_and_the_thread_goes_on() -> None:
    thread = InferenceThread()

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await thread.run(fail)
    assert await thread.run(lambda: 5) == 5
    assert thread.stop(1.0)


async def test_a_call_that_hangs_does_not_hold_up_stop_beyond_its_time() -> None:
    thread = InferenceThread()
    release = threading.Event()
    hanging = asyncio.ensure_future(thread.run(release.wait))
    await asyncio.sleep(0.05)
    assert not await asyncio.to_thread(thread.stop, 0.1)
    release.set()
    assert await hanging is True
