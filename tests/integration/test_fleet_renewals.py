"""Tests of the socket on which engines renew their leases: how much of the event loop they can take."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import zmq
import zmq.asyncio

from benchmarks.fleet.dealer_engines import DealerEngine
from fleet.coordinator.renewals import CHUNK_S, MOST_CAMERAS, MOST_PER_S, Renewals
from fleet.settings import CoordinatorConfig
from stream.membership.protocol import MOST_BYTES, PROTOCOL, Assigned, Grant, Renewal, decode_grant, encode
from support.fleet.coordinators import ANY
from support.waiting import until


class Clock:
    def __init__(self) -> None:
        self.now_s = 5.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def connected(
    received: Callable[[bytes, Renewal], None], clock: Clock
) -> AsyncGenerator[tuple[Renewals, zmq.asyncio.Socket]]:
    """Yield the coordinator's socket, and that of an engine."""
    renewals = Renewals(CoordinatorConfig.model_validate({"bind": ANY}), received, clock)
    await renewals.start()
    try:
        with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as engine:
            engine.setsockopt(zmq.LINGER, 0)
            engine.connect(renewals.address)
            yield renewals, engine
    finally:
        await renewals.stop()


def renewal(cameras: int = 0) -> bytes:
    engine = DealerEngine("", "a", generations={f"c{number}": 1 for number in range(cameras)})
    return encode(engine.renewal())


async def test_messages_that_take_long_leave_the_loop_to_others_after_a_short_time() -> None:
    clock = Clock()
    taken: list[bytes] = []
    in_polls: list[int] = []

    def slow(identity: bytes, _: Renewal) -> None:
        taken.append(identity)
        clock.now_s += CHUNK_S * 0.6

    async with connected(slow, clock) as (renewals, engine):
        poll = renewals.poll

        def counted() -> None:
            before = len(taken)
            poll()
            in_polls.append(len(taken) - before)

        renewals.poll = counted
        for _ in range(20):
            await engine.send(renewal())
        await until(lambda: counted() or len(taken) == 20)
        assert max(in_polls) <= 2


async def test_one_engine_is_heard_a_limited_number_of_times_in_a_second() -> None:
    clock = Clock()
    taken: list[bytes] = []
    async with connected(lambda identity, _: taken.append(identity), clock) as (renewals, engine):
        for _ in range(MOST_PER_S + 10):
            await engine.send(renewal())
        await until(lambda: renewals.counts["limited"] == 10)
        assert len(taken) == MOST_PER_S
        clock.now_s += 1
        await engine.send(renewal())
        await until(lambda: len(taken) == MOST_PER_S + 1)


async def test_a_renewal_with_too_many_cameras_is_invalid() -> None:
    taken: list[bytes] = []
    async with connected(lambda identity, _: taken.append(identity), Clock()) as (renewals, engine):
        await engine.send(renewal(MOST_CAMERAS + 1))
        await until(lambda: renewals.counts["invalid"])
        await engine.send(renewal(MOST_CAMERAS))
        await until(lambda: taken)


async def test_a_fault_of_the_coordinator_is_logged_a_few_times_only(caplog: pytest.LogCaptureFixture) -> None:
    def faulty(identity: bytes, _: Renewal) -> None:
        raise RuntimeError("fault")

    async with connected(faulty, Clock()) as (renewals, engine):
        for _ in range(20):
            await engine.send(renewal())
        await until(lambda: renewals.counts["taken"] == 20)
        assert 0 < caplog.text.count("a renewal could not be taken") < 20


async def test_a_grant_that_is_too_long_still_prolongs_the_lease() -> None:
    lease = Grant(PROTOCOL, "c", 1, 2000, "soft", 3)
    long = Grant(PROTOCOL, "c", 1, 2000, "soft", 4, {"a": 1}, {"a": Assigned(1, {"zones": "z" * MOST_BYTES})})
    identities: list[bytes] = []
    async with connected(lambda identity, _: identities.append(identity), Clock()) as (renewals, engine):
        await engine.send(renewal())
        await until(lambda: identities)
        assert renewals.send(identities[0], long, lease)
        assert decode_grant(await engine.recv()) == lease
