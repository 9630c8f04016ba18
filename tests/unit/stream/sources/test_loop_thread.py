"""A thread with an event loop ends when it is stopped, even if a coroutine hangs, and may be stopped twice."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from typing import Any

import pytest

from stream.sources import loop_thread
from stream.sources.loop_thread import LoopStoppedError, LoopThread, outcome
from stream.sources.rtsp.dialling import dial
from stream.sources.transport import StoppedError
from support.waiting import PATIENCE_S, wait_until, waits


async def nothing() -> None:
    pass


async def dialled() -> asyncio.Protocol:
    return await dial("cam.invalid", 554, asyncio.Protocol, None, lambda: None)


def test_a_hanging_name_lookup_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on, stopping = threading.Event(), threading.Event()

    def hang(*asked: Any, **named: Any) -> Any:
        goes_on.wait()
        raise socket.gaierror

    def stop_once_it_waits() -> None:
        wait_until(lambda: waits(threading.main_thread()))
        stopping.set()

    monkeypatch.setattr(loop_thread, "STOP_WITHIN_S", PATIENCE_S)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    thread = LoopThread("test", asyncio.SelectorEventLoop, nothing)
    work = thread.submit(dialled())
    threading.Thread(target=stop_once_it_waits).start()
    with pytest.raises(StoppedError):
        outcome(work, stopping, lambda late: None)
    hangs = thread.submit(dialled())
    assert thread.stop()
    assert hangs.cancelled()
    goes_on.set()


def test_it_can_be_stopped_more_than_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_thread, "STOP_WITHIN_S", PATIENCE_S)
    thread = LoopThread("test", asyncio.SelectorEventLoop, nothing)
    thread.submit(nothing()).result()
    assert thread.stop()
    assert thread.stop()
    with pytest.raises(LoopStoppedError):
        thread.submit(nothing())


def test_work_is_refused_while_no_loop_can_be_made_and_taken_afterwards() -> None:
    errors = [OSError(errno.EMFILE, "Too many open files")]

    def make() -> asyncio.AbstractEventLoop:
        if errors:
            raise errors.pop()
        return asyncio.SelectorEventLoop()

    thread = LoopThread("test", make, nothing)
    with pytest.raises(OSError, match="Too many open files"):
        thread.submit(nothing())
    assert thread.submit(nothing()).result() is None
    assert thread.stop()
