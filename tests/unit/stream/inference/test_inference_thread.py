"""The inference thread runs one batch or call at a time, in order, and passes exceptions to the caller."""

from __future__ import annotations

import asyncio
import queue
import subprocess
import sys
import threading

import pytest

from ring_buffers.doorbell import Doorbell
from stream.inference.inference_thread import InferenceThread
from support.waiting import PATIENCE_S, until


class Worked:
    """A thread that gets its batches from the test, and a record of what it did."""

    def __init__(self) -> None:
        self.batches: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.done: list[str] = []
        self.death: list[BaseException] = []
        self.thread: InferenceThread[str] = InferenceThread(
            self.batches.get, self.work, interrupt=lambda: self.batches.put(None), on_death=self.death.append
        )

    def work(self, batch: str) -> None:
        if batch == "fault":
            raise ZeroDivisionError
        self.done.append(batch)


async def test_calls_run_one_after_another_in_order() -> None:
    worked = Worked()
    seen: list[tuple[int, str]] = []

    def note(number: int) -> int:
        seen.append((number, threading.current_thread().name))
        return number * 2

    answers = await asyncio.gather(*(worked.thread.run(note, number) for number in range(20)))
    assert answers == [number * 2 for number in range(20)]
    assert seen == [(number, "inference") for number in range(20)]
    assert worked.thread.stop(PATIENCE_S)


async def test_calls_run_between_batches_and_no_batch_is_lost() -> None:
    worked = Worked()
    for number in range(50):
        worked.batches.put(f"batch {number}")
        await worked.thread.run(worked.done.append, "call")
    await until(lambda: len(worked.done) == 100)
    assert worked.thread.stop(PATIENCE_S)
    assert [entry for entry in worked.done if entry != "call"] == [f"batch {number}" for number in range(50)]
    assert worked.done.count("call") == 50


async def test_stopping_finishes_the_current_batch_and_the_queued_calls() -> None:
    worked = Worked()
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        release.wait()

    first = asyncio.ensure_future(worked.thread.run(hold))
    second = asyncio.ensure_future(worked.thread.run(worked.done.append, "call"))
    await until(held.is_set)
    stopping = asyncio.ensure_future(asyncio.to_thread(worked.thread.stop, PATIENCE_S))
    release.set()
    assert await stopping
    await asyncio.gather(first, second)
    assert worked.done == ["call"]


async def test_an_exception_reaches_the_caller_and_the_thread_continues() -> None:
    worked = Worked()

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await worked.thread.run(fail)
    assert await worked.thread.run(lambda: 5) == 5
    assert worked.thread.stop(PATIENCE_S)
    assert not worked.death


async def test_an_error_in_a_batch_ends_the_thread_and_is_reported() -> None:
    worked = Worked()
    worked.batches.put("fault")
    assert await asyncio.to_thread(worked.thread.stop, PATIENCE_S)
    assert [type(error) for error in worked.death] == [ZeroDivisionError]


async def test_a_hanging_call_does_not_delay_stop_beyond_its_timeout() -> None:
    worked = Worked()
    held, release = threading.Event(), threading.Event()

    def hang() -> bool:
        held.set()
        return release.wait()

    hanging = asyncio.ensure_future(worked.thread.run(hang))
    await until(held.is_set)
    assert not await asyncio.to_thread(worked.thread.stop, 0.1)
    release.set()
    assert await hanging is True


async def test_a_call_after_the_end_is_refused() -> None:
    worked = Worked()
    assert await asyncio.to_thread(worked.thread.stop, PATIENCE_S)
    with pytest.raises(RuntimeError, match="the inference thread has ended"):
        await worked.thread.run(lambda: 5)


async def test_a_call_that_waits_while_the_work_fails_is_refused() -> None:
    at_work, fail = threading.Event(), threading.Event()
    batches: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    death: list[BaseException] = []

    def work(batch: str) -> None:
        at_work.set()
        fail.wait()
        raise ZeroDivisionError

    thread = InferenceThread(batches.get, work, interrupt=lambda: batches.put(None), on_death=death.append)
    batches.put("batch")
    await until(at_work.is_set)
    waiting = asyncio.ensure_future(thread.run(lambda: 5))
    await asyncio.sleep(0)
    fail.set()
    with pytest.raises(RuntimeError, match="the inference thread has ended"):
        await waiting
    assert [type(error) for error in death] == [ZeroDivisionError]


def test_threads_can_ring_a_doorbell_while_the_process_exits() -> None:
    script = """
import atexit, threading, time
rung = []
def while_exiting():  # registered first, so it runs last
    before = len(rung)
    while len(rung) < before + 3:
        time.sleep(0.001)
atexit.register(while_exiting)
from ring_buffers.doorbell import Doorbell
bell = Doorbell()
def ring():
    while True:
        bell.ring()
        bell.wait(0)
        rung.append(None)
        time.sleep(0.001)
threading.Thread(target=ring, daemon=True).start()
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_doorbell_keeps_one_ring_and_answers_it_once() -> None:
    bell = Doorbell()
    assert not bell.wait(0)
    for _ in range(3):
        bell.ring()
    assert bell.wait(0)
    assert not bell.wait(0)


def test_a_doorbell_rung_from_many_threads_never_fails_and_wakes_the_waiting_thread() -> None:
    bell = Doorbell()
    failed: list[BaseException] = []
    stop = threading.Event()

    def ring() -> None:
        try:
            while not stop.is_set():
                bell.ring()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=ring) for _ in range(4)]
    for thread in threads:
        thread.start()
    woken = sum(bell.wait() for _ in range(20))
    stop.set()
    for thread in threads:
        thread.join()
    assert woken == 20
    assert not failed


async def test_a_call_is_repeated_until_the_thread_has_ended() -> None:
    worked = Worked()
    repeating = asyncio.create_task(worked.thread.repeat(lambda: worked.done.append("call"), 0.001))
    await until(lambda: len(worked.done) >= 3)
    assert worked.thread.stop(PATIENCE_S)
    await repeating  # ends without an error


async def test_an_error_of_a_repeated_call_is_not_taken_for_the_end_of_the_thread() -> None:
    worked = Worked()

    def fail() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await worked.thread.repeat(fail, 0.001)
    assert worked.thread.stop(PATIENCE_S)
