"""Resets of connections do not end the process, and clients that were killed are found."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import support.engines.wire_messages as wire
from fleet.coordinator.renewals import Renewals
from fleet.settings import CoordinatorConfig
from stream.messaging.connections import connection_watch, tcp_state
from stream.messaging.connections.open_connections import Connections
from stream.messaging.connections.tcp_state import TcpState
from stream.messaging.publisher import Publisher
from stream.settings.engine import PublishConfig
from support.engines.raw_zmtp import PING, raw_peer, reset_when_closed, send_and_reset
from support.waiting import until
from telemetry.observer import Observer

ANY = "tcp://127.0.0.1:0"
SUBSCRIBE, REQUEST = b"\x00\x08\x01results", b"\x00\x02{}"
ATTEMPTS = 5


class Answering(Observer):
    """Holds the thread that answers requests, until it may go on."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.number = 0

    def replay_requested(self, status: str, messages: int) -> None:
        self.may_go_on.wait()
        self.number += 1


@asynccontextmanager
async def publishing(observer: Observer | None = None, **settings: Any) -> AsyncIterator[Publisher]:
    publisher = Publisher(
        PublishConfig(**{"endpoint": ANY, "replay": ANY, **settings}), wire.RUN, observer or Observer()
    )
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
    answering = Answering()
    async with publishing(answering) as publisher:
        await reset_often(publisher.replay_endpoint, b"DEALER", REQUEST * 1100 + PING)
        answering.may_go_on.set()
        await until(lambda: answering.number == ATTEMPTS * 1100)


async def test_a_reset_while_renewals_wait_does_not_end_the_coordinator() -> None:
    renewals = Renewals(CoordinatorConfig.model_validate({"bind": ANY}), lambda *_: None)
    await renewals.start()
    try:
        for _ in range(ATTEMPTS):  # without reading meanwhile
            send_and_reset(renewals.address, b"DEALER", REQUEST * 300 + PING)
        await until(lambda: renewals.counts.total() == ATTEMPTS * 300)
    finally:
        await renewals.stop()


async def test_closing_a_client_that_sends_heartbeats_does_not_end_the_process() -> None:
    async with publishing(max_subscriptions=2) as publisher:
        flood = b"".join(b"\x00\x03\x01%02d" % number + PING for number in range(100))
        for _ in range(ATTEMPTS):
            with raw_peer(publisher.endpoint, b"SUB") as peer:
                peer.sendall(flood)
                assert await asyncio.to_thread(is_ended, peer)
        assert publisher.closed["many"] >= ATTEMPTS


def is_ended(peer: Any) -> bool:
    try:
        while peer.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


def is_gone(publisher: Publisher, *, publishes: bool) -> bool:
    if publishes:
        publisher.publish(wire.frame(camera="abc"))
    return publisher.subscriptions < 2


@pytest.mark.parametrize("publishes", [True, False])
async def test_a_subscriber_that_was_killed_is_found_dead(publishes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_watch, "SWEEP_S", 0.1)
    monkeypatch.setattr(tcp_state, "SILENT_MS", 500)
    monkeypatch.setattr(tcp_state, "PROBES", 2)
    monkeypatch.setattr(tcp_state, "KEEPALIVE_IDLE_S", 1)
    monkeypatch.setattr(tcp_state, "KEEPALIVE_S", 1)
    async with publishing() as publisher:
        with raw_peer(publisher.endpoint, b"SUB") as peer, raw_peer(publisher.endpoint, b"SUB") as other:
            peer.sendall(SUBSCRIBE)
            other.sendall(SUBSCRIBE)
            await until(lambda: publisher.subscriptions == 2)
            reset_when_closed(peer)
            peer.close()
            await until(lambda: is_gone(publisher, publishes=publishes))
            assert publisher.subscriptions == 1, "the other one answers"


async def test_a_quiet_client_whose_kernel_probes_the_engine_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_watch, "SWEEP_S", 0.1)
    async with publishing() as publisher:
        with raw_peer(publisher.endpoint, b"SUB") as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
            peer.sendall(SUBSCRIBE)
            await until(lambda: publisher.subscriptions == 1)
            connections = Connections(publisher.endpoint)
            (descriptor,) = connections.descriptors()
            await until(lambda: probed(connections.state(descriptor)))
            assert publisher.subscriptions == 1


def probed(state: TcpState | None) -> bool:
    assert state is not None, "it was closed"
    return state.drops >= 3
