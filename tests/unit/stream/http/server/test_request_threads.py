"""Threads for requests that block: few of them, few calls that wait, and none of the event loop's own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from stream.http.server.problems import Problem
from stream.http.server.request_threads import MOST_WAITING, RequestThreads
from support.waiting import until


async def test_more_calls_than_may_wait_are_refused_with_the_reason_and_admitted_again_later() -> None:
    threads, free, begun = RequestThreads("readers", 2, "kept alerts"), threading.Event(), list[str]()

    def work() -> str:
        begun.append(threading.current_thread().name)
        free.wait()
        return "done"

    calls = [asyncio.create_task(threads.run(work)) for _ in range(2 + MOST_WAITING)]
    await until(lambda: len(begun) == 2)
    with pytest.raises(Problem, match="too many requests wait for kept alerts") as refused:
        await threads.run(work)
    assert (refused.value.status, refused.value.code, refused.value.headers) == (503, "not-now", {"Retry-After": "2"})
    calls[0].cancel()
    await asyncio.wait([calls[0]])
    with pytest.raises(Problem):  # the thread is still busy with it
        await threads.run(work)
    free.set()
    assert await asyncio.gather(*calls[1:]) == ["done"] * (1 + MOST_WAITING)
    assert await threads.run(work) == "done"
    assert {name.rpartition("_")[0] for name in begun} == {"readers"} and len(set(begun)) == 2
    threads.close()


async def test_a_call_after_the_end_is_refused_and_one_that_waited_is_not_made() -> None:
    threads, free, begun = RequestThreads("readers", 1, "kept alerts"), threading.Event(), list[int]()
    first = asyncio.create_task(threads.run(free.wait))
    second = asyncio.create_task(threads.run(begun.append, 1))
    await asyncio.sleep(0)
    threads.close()
    with pytest.raises(Problem, match="the engine is stopping"):
        await threads.run(begun.append, 2)
    free.set()
    assert await first
    await asyncio.wait([second])
    assert second.cancelled() and begun == []
