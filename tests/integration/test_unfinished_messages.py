"""Clients that send parts of a message and never the last one, which ZeroMQ collects."""

from __future__ import annotations

import asyncio
import json
import logging
import select
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

import support.engines.wire_messages as wire
from commands.keys import make_keys
from fleet.coordinator.renewals import Renewals
from fleet.proxy.proxy import Proxy
from fleet.settings import CoordinatorConfig
from stream.messaging.connections.connection_watch import UNFINISHED
from stream.messaging.curve.keys import ClientKeys, read_pair
from stream.messaging.publisher import Publisher
from stream.settings.engine import PublishConfig
from stream.subscription.engine_subscription import Connection
from support.engines.raw_zmtp import part, raw_peer
from support.waiting import until
from telemetry.observer import Observer

ANY = "tcp://127.0.0.1:0"


def is_closed_after_parts(endpoint: str, kind: bytes, size: int) -> bool:
    """Send parts of this size, which take some hundred megabytes. Return whether the connection was closed."""
    most = (16 if size < 100 else 256) << 20
    some = part(b"y" * size) * 1000
    with raw_peer(endpoint, kind) as peer:
        peer.setblocking(False)
        poll = select.poll()
        poll.register(peer, select.POLLIN | select.POLLOUT)
        sent = 0
        try:
            while sent < most:
                events = poll.poll()[0][1]
                if events & ~select.POLLOUT and not peer.recv(65536):
                    return True
                if events & select.POLLOUT:  # continues in the middle of a part
                    sent += peer.send(some[sent % len(some) :])
        except ConnectionError:
            return True
        return False


class Answered(Observer):
    """Counts answers of replay."""

    def __init__(self) -> None:
        self.number = 0

    def replay_requested(self, status: str, messages: int) -> None:
        self.number += 1


async def publishing(observer: Observer | None = None, **settings: Any) -> Publisher:
    publisher = Publisher(
        PublishConfig(**{"endpoint": ANY, "replay": ANY, **settings}), wire.RUN, observer or Observer()
    )
    await publisher.start()
    return publisher


@pytest.mark.parametrize(("kind", "size"), [(b"SUB", 1), (b"SUB", 127), (b"DEALER", 1), (b"DEALER", 4000)])
async def test_a_client_that_does_not_finish_a_message_is_disconnected(
    kind: bytes, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = await publishing()
    try:
        endpoint = publisher.endpoint if kind == b"SUB" else publisher.replay_endpoint
        for number in (1, 2):
            assert await asyncio.to_thread(is_closed_after_parts, endpoint, kind, size)
            await until(lambda number=number: publisher.closed[UNFINISHED] == number)
        logged = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        text = "a client at 127.0.0.1 was disconnected: it sent over 1024 KiB that are no complete message"
        assert logged == [f"{endpoint}: {text}"]
        assert sum(publisher.closed.values()) == 2
    finally:
        await publisher.stop()


async def test_a_proxy_and_a_coordinator_have_the_same_limit() -> None:
    proxy = Proxy(
        Connection("tcp://127.0.0.1:1"),
        PublishConfig.model_validate({"endpoint": ANY, "replay": ANY}),
        ("results",),
        None,
    )
    renewals = Renewals(CoordinatorConfig.model_validate({"bind": ANY}), lambda *_: None)
    await proxy.start()
    await renewals.start()
    try:
        assert await asyncio.to_thread(is_closed_after_parts, proxy.endpoint, b"SUB", 100)
        await until(lambda: proxy.closed[UNFINISHED] == 1)
        assert await asyncio.to_thread(is_closed_after_parts, renewals.address, b"DEALER", 100)
        await until(lambda: renewals.closed == 1)
    finally:
        await renewals.stop()
        await proxy.stop()


async def test_a_listed_client_is_disconnected_too(tmp_path: Path) -> None:
    make_keys(tmp_path, ["wall"])
    server = tmp_path / "server.key_secret"
    publisher = await publishing(curve_secret_key_file=str(server), curve_allowed_keys=str(tmp_path / "allowed"))
    context = zmq.asyncio.Context()
    try:
        client = context.socket(zmq.DEALER)
        client.setsockopt(zmq.SNDHWM, 1)
        ClientKeys(read_pair(server).public, read_pair(tmp_path / "clients" / "wall.key_secret")).protect(client)
        client.connect(publisher.replay_endpoint)
        # libzmq sends a message only if it is complete. A long one is not complete for a while.
        while not publisher.closed[UNFINISHED]:
            await client.send_multipart([b"y" * 1000] * 20_000)
    finally:
        context.destroy(linger=0)
        await publisher.stop()


async def test_thousands_of_subscriptions_and_requests_at_once_are_read() -> None:
    answered = Answered()
    publisher = await publishing(answered)
    context = zmq.asyncio.Context()
    try:
        subscriber = context.socket(zmq.SUB)
        subscriber.setsockopt(zmq.SNDHWM, 0)
        for number in range(2000):
            subscriber.subscribe(b"results/v1/camera-%050d" % number)
        subscriber.connect(publisher.endpoint)
        client = context.socket(zmq.DEALER)
        client.setsockopt(zmq.SNDHWM, 0)
        client.setsockopt(zmq.RCVHWM, 0)
        client.connect(publisher.replay_endpoint)
        request = {"id": "x" * 128, "topic": "y" * 256, "run": "", "epoch": 1, "from_seq": 0, "limit": 9}
        for _ in range(4000):  # two megabytes
            await client.send(json.dumps(request).encode())
        await until(lambda: publisher.subscriptions == 2000)
        await until(lambda: answered.number == 4000)
        assert sum(publisher.closed.values()) == 0
    finally:
        context.destroy(linger=0)
        await publisher.stop()
