"""Subscribers that take the publisher's memory, over real connections."""

from __future__ import annotations

import asyncio
import logging
import os
import socket as sockets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import Any

import pytest
import zmq
import zmq.asyncio

import support.engines.wire_messages as wire
from fleet.proxy.proxy import Proxy
from partstream import subscribe
from stream.messaging.publisher import Publisher
from stream.messaging.xpub.topic_socket import SUBSCRIPTION_BYTES
from stream.results import LONGEST_TOPIC, Message, decode, stats_topic, topic
from stream.settings.engine import PublishConfig
from stream.subscription.engine_subscription import Connection
from support.repository import REPOSITORY
from support.waiting import until
from telemetry.observer import Observer

CAMERAS = 2000
KINDS = ("results", "events", "status", "alerts", "clips")


@asynccontextmanager
async def publishing(**settings: Any) -> AsyncIterator[Publisher]:
    config = PublishConfig(**{"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0", **settings})
    publisher = Publisher(config, wire.RUN, Observer())
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


@asynccontextmanager
async def subscribed(endpoint: str, *prefixes: bytes) -> AsyncIterator[zmq.asyncio.Socket]:
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RECONNECT_IVL, -1)
    socket.connect(endpoint)
    for prefix in prefixes:
        socket.subscribe(prefix)
    try:
        yield socket
    finally:
        context.destroy(linger=0)


async def receive(socket: zmq.asyncio.Socket) -> Message:
    return decode((await socket.recv_multipart())[1])


async def ends(socket: zmq.asyncio.Socket, act: Callable[[], object]) -> None:
    """Wait until the publisher has closed the connection because of `act`."""
    monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    act()
    await monitor.recv_multipart()
    socket.disable_monitor()


async def test_a_client_with_too_many_subscriptions_is_disconnected_and_another_misses_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with publishing(max_subscriptions=5) as publisher, subscribed(publisher.endpoint, b"status/") as other:
        await until(lambda: publisher.subscriptions == 1)
        async with subscribed(publisher.endpoint, *(b"%d" % number for number in range(5))) as greedy:
            await until(lambda: publisher.subscriptions == 6)
            sent = publisher.publish(wire.status())
            with caplog.at_level(logging.WARNING):
                await ends(greedy, lambda: greedy.subscribe(b"one more"))
        await until(lambda: publisher.subscriptions == 1)
        last = publisher.publish(wire.status())
        assert [await receive(other) for _ in range(2)] == [sent, last]
        assert publisher.closed == {"long": 0, "many": 1, "many_together": 0, "flood": 0, "unfinished": 0}
    assert "a subscriber at 127.0.0.1 was disconnected: it had more than 5 subscriptions" in caplog.text


async def test_if_all_have_too_many_the_one_with_the_most_is_disconnected_and_a_newcomer_gets_last_values() -> None:
    async with publishing(max_subscriptions=3) as publisher, AsyncExitStack() as stack:
        publisher.publish(wire.status())
        most = await stack.enter_async_context(subscribed(publisher.endpoint, b"1", b"2", b"3"))
        await until(lambda: publisher.subscriptions == 3)  # of those with as many, it is the first
        for client in range(3):
            prefixes = (b"%d.%d" % (client, number) for number in range(2 + (client < 2)))
            await stack.enter_async_context(subscribed(publisher.endpoint, *prefixes))
        await until(lambda: publisher.subscriptions == 11)
        late = await stack.enter_async_context(subscribed(publisher.endpoint, b"x"))
        await until(lambda: publisher.subscriptions == 12)
        await ends(most, lambda: late.subscribe(b"status/"))
        assert (await receive(late)).seq == 0
        assert publisher.closed["many_together"] == 1


async def test_a_subscription_longer_than_any_topic_ends_its_connection() -> None:
    longest = [topic("directory", "c" * 63), stats_topic("e" * 63)]
    assert max(map(len, longest)) == LONGEST_TOPIC
    async with publishing() as publisher:
        async with subscribed(publisher.endpoint, *(name.encode() for name in longest)) as subscriber:
            await until(lambda: publisher.subscriptions == 2)
            await ends(subscriber, lambda: subscriber.subscribe(b"x" * (LONGEST_TOPIC + 1)))
        await until(lambda: publisher.subscriptions == 0)
        async with subscribed(publisher.endpoint) as subscriber:
            await ends(subscriber, lambda: subscriber.subscribe(b"x" * SUBSCRIPTION_BYTES))
        assert publisher.closed["long"] == 1  # ZeroMQ itself closed the last one


async def test_a_client_with_many_topics_gets_all_of_them_with_the_default_limit() -> None:
    async with publishing() as publisher:
        cameras = [f"camera-{number:056d}" for number in range(CAMERAS)]
        async with subscribe(publisher.endpoint, cameras=cameras, kinds=KINDS) as messages:
            reading = asyncio.create_task(anext(messages))
            await until(lambda: publisher.subscriptions == CAMERAS * len(KINDS))
            publisher.publish(wire.status(cameras[-1]))
            assert (await reading).camera == cameras[-1]
        assert sum(publisher.closed.values()) == 0


async def test_hundreds_of_clients_that_send_without_a_pause_are_disconnected_and_another_misses_nothing() -> None:
    """Of their messages, ZeroMQ takes more than are read, and keeps all of them."""
    async with publishing(max_subscriptions=1000) as publisher, subscribed(publisher.endpoint, b"status/") as other:
        await until(lambda: publisher.subscriptions == 1)
        clients = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "support.engines.flooding_clients"),
            *("127.0.0.1", publisher.endpoint.rpartition(":")[2], "300"),
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / "tests")},
        )
        ended = asyncio.create_task(clients.wait())
        try:
            while not ended.done():
                sent = publisher.publish(wire.status())
                assert await receive(other) == sent
                await asyncio.sleep(0)
        finally:
            if not ended.done():
                clients.kill()
            await ended
        assert publisher.closed["flood"] > 0
        async with subscribed(publisher.endpoint, b"late"):
            await until(lambda: publisher.subscriptions == 2)


def old_client(endpoint: str, subscriptions: int) -> closing[sockets.socket]:
    """Connect a subscriber that speaks ZMTP 2.0, as libzmq before 4.0 does."""
    client = sockets.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])))
    client.sendall(b"\xff" + bytes(7) + b"\x01\x7f" + b"\x01\x02" + b"\x00\x00")  # SUB, no identity
    for number in range(subscriptions):
        client.sendall(b"\x00\x02\x01%d" % number)
    return closing(client)


async def test_an_old_client_that_connects_again_and_again_ends_no_connection() -> None:
    async with publishing(max_subscriptions=5) as publisher, subscribed(publisher.endpoint, b"status/"):
        await until(lambda: publisher.subscriptions == 1)
        for _ in range(4):
            with old_client(publisher.endpoint, subscriptions=3) as client:
                await until(lambda: publisher.subscriptions == 4)
                client.shutdown(sockets.SHUT_WR)
                await until(lambda: publisher.subscriptions == 1)
        assert sum(publisher.closed.values()) == 0


async def test_old_clients_that_cannot_be_told_apart_end_all_connections_and_others_return() -> None:
    async with publishing(max_subscriptions=5) as publisher:
        publisher.publish(wire.status())
        context = zmq.asyncio.Context()
        other = context.socket(zmq.SUB)
        other.subscribe(b"status/")
        other.connect(publisher.endpoint)
        assert (await receive(other)).seq == 0
        with old_client(publisher.endpoint, subscriptions=6):
            await until(lambda: publisher.closed["many"] == 1)
            # It connects again, subscribes again, and gets the last value.
            assert (await receive(other)).seq == 0
            await until(lambda: publisher.subscriptions == 1)
        context.destroy(linger=0)


async def test_a_proxy_has_the_same_limits() -> None:
    serving = PublishConfig(endpoint="tcp://127.0.0.1:0", replay="tcp://127.0.0.1:0", max_subscriptions=3)
    proxy = Proxy(Connection("tcp://127.0.0.1:1"), serving, ("results",), None)
    await proxy.start()
    try:
        async with subscribed(proxy.endpoint, b"a", b"b", b"c") as greedy:
            await until(lambda: proxy.subscriptions == 3)
            await ends(greedy, lambda: greedy.subscribe(b"d"))
        await until(lambda: proxy.subscriptions == 0)
        assert proxy.closed["many"] == 1
    finally:
        await proxy.stop()
