"""A thread with an event loop: it ends when told, whatever hangs in it, and may be told twice."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from stream.sources.loop_thread import LoopStoppedError, LoopThread, outcome
from stream.sources.rtsp.dialling import dial
from stream.sources.transport import StoppedError


async def nothing() -> None:
    pass


async def dialled() -> asyncio.Protocol:
    return await dial("cam.invalid", 554, asyncio.Protocol, None, lambda: None)


def test_a_look_up_that_hangs_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on, stopping = threading.Event(), threading.Event()

    def hang(*asked: Any, **named: Any) -> Any:
        goes_on.wait(20)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    thread = LoopThread("test", asyncio.SelectorEventLoop, nothing)
    work = thread.submit(dialled())
    threading.Timer(0.05, stopping.set).start()
    with pytest.raises(StoppedError):
        outcome(work, stopping, lambda late: None)
    waits = thread.submit(dialled())
    began_s = time.monotonic()
    assert thread.stop()
    assert time.monotonic() - began_s < 1.0
    assert waits.cancelled()
    goes_on.set()


def test_it_may_be_told_to_stop_more_than_once() -> None:
    thread = LoopThread("test", asyncio.SelectorEventLoop, nothing)
    thread.submit(nothing()).result(5)
    assert thread.stop()
    assert thread.stop()
    with pytest.raises(LoopStoppedError):
        thread.submit(nothing())
