"""Alerts of the engine's earlier runs, from its store: over a plain socket, and for the Python subscriber."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

from stream.incidents.earlier_alerts import EarlierAlerts, EarlierEpoch
from stream.messaging import replay
from stream.messaging.gaps import Position
from stream.messaging.replay import ALERTS, EarlierUnavailableError
from stream.results import Alert, Message, Stats, decode
from stream.subscriber import Subscription, subscribe
from support.notify.alert_engine import AlertEngine
from support.waiting import until

DOOR, YARD = f"{ALERTS}door/", f"{ALERTS}yard/"


@asynccontextmanager
async def dealer(engine: AlertEngine) -> AsyncIterator[zmq.asyncio.Socket]:
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(engine.replay)
    try:
        yield socket
    finally:
        context.destroy(linger=0)


async def ask(socket: zmq.asyncio.Socket, topic: str, run: str, **changes: Any) -> tuple[list[Alert], dict[str, Any]]:
    await socket.send(json.dumps(request(topic, run) | changes).encode())
    return await answer(socket)


def request(topic: str, run: str) -> dict[str, Any]:
    return {"id": "q", "topic": topic, "run": run, "epoch": 1, "from_seq": 0, "limit": 1000}


async def answer(socket: zmq.asyncio.Socket) -> tuple[list[Alert], dict[str, Any]]:
    messages: list[Alert] = []
    while True:
        _, kind, *rest = await socket.recv_multipart()
        if kind == b"end":
            return messages, json.loads(rest[0])
        message = decode(rest[1])
        assert isinstance(message, Alert)
        messages.append(message)


async def restart(engine: AlertEngine) -> None:
    await engine.stop()
    engine.crash()
    await engine.start()


def names(messages: list[Any]) -> list[str]:
    return [one.alert for one in messages if isinstance(one, Alert)]


# -- the server -----------------------------------------------------------------------------------------------------
async def test_the_next_run_answers_alerts_of_earlier_ones_by_topic_or_all_since_a_run(tmp_path: Path) -> None:
    engine = AlertEngine("door", "yard", incidents=tmp_path)
    await engine.start()
    first = engine.run
    sent = [engine.begin("door") for _ in range(2 * replay.CHUNK + 3)] + [engine.begin("door", epoch=3)]
    in_yard = engine.begin("yard", epoch=2)
    await restart(engine)
    second = engine.run
    in_second = engine.begin("door", epoch=0)
    await restart(engine)
    async with dealer(engine) as socket:
        messages, end = await ask(socket, DOOR, first, from_seq=1)
        assert names(messages) == sent[1:-1]
        assert end == {"next_seq": len(sent) - 1, "oldest_seq": 0, "status": "ok", "later_epochs": [3]}
        messages, end = await ask(socket, DOOR, first, from_seq=5, limit=10)
        assert (names(messages), end["next_seq"]) == (sent[5:15], 15)
        assert await ask(socket, DOOR, first, epoch=7) == ([], {"next_seq": 0, "oldest_seq": 0, "status": "ok"})
        messages, end = await ask(socket, ALERTS, first, epoch=0, limit=len(sent))
        assert (names(messages), end["status"]) == (sent, "ok")
        messages, end = await ask(socket, ALERTS, first, epoch=0, from_seq=end["next_seq"])
        assert names(messages) == [in_yard, in_second]
        assert names((await ask(socket, ALERTS, second, epoch=0))[0]) == [in_second]
        for topic, run in ((DOOR, "f" * 32), ("status/v1/door/", first)):
            assert (await ask(socket, topic, run))[1]["status"] == "unknown_run"
    await engine.stop()


# -- the Python subscriber ------------------------------------------------------------------------------------------
async def read_until_stats(messages: Subscription[Message], engine: AlertEngine) -> list[Message]:
    """Return the messages up to the first statistics of the engine's present run."""
    found: list[Message] = []
    while not (found and isinstance(found[-1], Stats) and found[-1].run == engine.run):
        found.append(await anext(messages))
    return found[:-1]


def subscribed(engine: AlertEngine, *positions: Position, **options: Any) -> Subscription[Message]:
    return subscribe(engine.endpoint, kinds=("alerts", "stats"), replay=engine.replay, resume=positions, **options)


async def test_a_resumed_subscriber_gets_the_alerts_of_all_runs_since_in_order_without_a_gap(tmp_path: Path) -> None:
    engine = AlertEngine("door", "yard", "hall", incidents=tmp_path)
    await engine.start()
    first = engine.run
    wanted = [engine.begin("door") for _ in range(3)][1:]
    wanted += [engine.begin("door", epoch=4), engine.begin("yard")]
    await restart(engine)
    wanted += [engine.begin("door", epoch=2), engine.begin("hall")]
    await restart(engine)  # a run without alerts
    await restart(engine)
    async with subscribed(engine, Position("stats/v1/", first, 0, 1), Position(DOOR, first, 1, 1)) as messages:
        found = await read_until_stats(messages, engine)
        assert names(found) == wanted
        counts = messages.counts
        assert (counts.lost, counts.replayed, counts.restarts) == (0, len(wanted), 0)
        last = engine.begin("yard")
        assert names([await anext(messages)]) == [last]
    await engine.stop()


async def test_a_subscriber_gets_what_it_missed_of_a_run_that_ended_under_it(tmp_path: Path) -> None:
    engine = AlertEngine("door", incidents=tmp_path)
    await engine.start()
    async with subscribe(engine.endpoint, kinds=("alerts", "stats"), replay=engine.replay) as messages:
        await until(lambda: engine.publisher.subscriptions == 2)
        first = engine.begin()
        while names([await anext(messages)]) != [first]:
            pass
        with pytest.MonkeyPatch.context() as patch:  # as if the process was killed before these were sent
            patch.setattr("stream.messaging.topic_socket._send", lambda *frames: None)
            lost = [engine.begin(), engine.begin()]
        await restart(engine)
        assert names(await read_until_stats(messages, engine)) == lost
        assert (messages.counts.restarts, messages.counts.lost) == (1, 0)
    await engine.stop()


async def test_of_a_server_that_keeps_nothing_nothing_is_missed() -> None:
    engine = AlertEngine("door")
    await engine.start()
    first = engine.run
    engine.begin()
    await restart(engine)
    async with subscribed(engine, Position(DOOR, first, 1, 0)) as messages:
        assert await read_until_stats(messages, engine) == []
        assert (messages.counts.gaps, messages.counts.missed) == (0, 0)
    await engine.stop()


@pytest.mark.parametrize("asked", [EarlierAlerts.__call__, EarlierEpoch.read])
async def test_a_store_that_cannot_be_read_for_a_moment_delays_alerts_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Callable[..., Any]
) -> None:
    failures = iter(range(1))

    def fails_at_first(*values: Any) -> Any:
        if next(failures, None) is not None:
            raise EarlierUnavailableError("database is locked")
        return asked(*values)

    monkeypatch.setattr("stream.messaging.gap_filling.REPEAT_S", 0.01)
    owner = EarlierAlerts if asked is EarlierAlerts.__call__ else EarlierEpoch
    monkeypatch.setattr(owner, asked.__name__, fails_at_first)
    engine = AlertEngine("door", incidents=tmp_path)
    await engine.start()
    first = engine.run
    wanted = [engine.begin() for _ in range(3)]
    await restart(engine)
    async with subscribed(engine, Position("stats/v1/", first, 0, 1), replay_timeout_s=0.1) as messages:
        assert names(await read_until_stats(messages, engine)) == wanted
        assert messages.counts.lost == 0
    assert next(failures, None) is None
    await engine.stop()
