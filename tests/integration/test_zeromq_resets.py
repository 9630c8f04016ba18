"""Connections that end abruptly do not end the process, and others miss nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import support.engines.wire_messages as wire
from stream.messaging.publisher import Publisher
from stream.settings.engine import PublishConfig
from support.engines.engine_program import engine_program
from support.engines.killed_readers import misses_nothing
from support.engines.raw_zmtp import PING, raw_peer, send_and_reset
from support.waiting import until
from telemetry.observer import Observer

ANY = "tcp://127.0.0.1:0"
SUBSCRIBE, REQUEST = b"\x00\x08\x01results", b"\x00\x02{}"
ATTEMPTS = 5


class Waiting(Observer):
    """Holds the thread that answers requests, until it may go on."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()

    def replay_requested(self, status: str, messages: int) -> None:
        self.may_go_on.wait()


@asynccontextmanager
async def publishing(observer: Observer | None = None) -> AsyncIterator[Publisher]:
    publisher = Publisher(PublishConfig(endpoint=ANY, replay=ANY), wire.RUN, observer or Observer())
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


async def reset_often(endpoint: str, kind: bytes, data: bytes) -> None:
    for _ in range(ATTEMPTS):
        await asyncio.to_thread(send_and_reset, endpoint, kind, data)


@pytest.mark.parametrize("number", [3, 200])
async def test_a_reset_while_subscriptions_wait_does_not_end_the_process(number: int) -> None:
    async with publishing() as publisher:
        await reset_often(publisher.endpoint, b"SUB", (SUBSCRIBE * number + PING) * 4)
        await until(lambda: publisher.subscriptions)


async def test_a_reset_while_requests_wait_does_not_end_the_process() -> None:
    waiting = Waiting()
    async with publishing(waiting) as publisher:
        await reset_often(publisher.replay_endpoint, b"DEALER", REQUEST * 1100 + PING)
        waiting.may_go_on.set()
        with raw_peer(publisher.replay_endpoint, b"DEALER") as peer:
            peer.sendall(REQUEST)
            assert await asyncio.to_thread(peer.recv, 1)


async def test_readers_with_many_subscriptions_are_killed_and_another_misses_nothing(tmp_path: Path) -> None:
    with engine_program(tmp_path) as engine:
        await misses_nothing(engine, [100] * 10 + [5000], times=2)
