"""The subscriber with a real publisher over TCP: delivery, missed messages, and replay."""

from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import astuple
from typing import Any

import msgspec
import pytest
import zmq
import zmq.asyncio

import support.engines.wire_messages as wire
from stream.messaging.publisher import Publisher
from stream.messaging.replay_client import WINDOW
from stream.results import Event, Frame, Message, Stats, Status
from stream.subscriber import KINDS, Gap, Subscription, subscribe
from support.engines.archiving import publishing
from support.engines.narrow_buffers import narrow_buffers
from support.engines.silent_replay import Replay
from support.open_files import open_files
from support.ports import reserved_port
from support.slow_work import pace
from support.waiting import PATIENCE_S, settle, until


@asynccontextmanager
async def narrow(**settings: Any) -> AsyncIterator[Publisher]:
    """Return a publisher that can queue four messages, and a few kilobytes in the kernel."""
    async with narrow_buffers(), publishing(high_water_mark=4, **settings) as publisher:
        yield publisher


async def take(subscription: Subscription[Any], count: int) -> list[Any]:
    """Return the next `count` messages."""
    taken: list[Any] = []
    async for message in subscription:
        taken.append(message)
        if len(taken) == count:
            break
    return taken


async def read_all(publisher: Publisher, results: Subscription[Frame], sent: list[Frame]) -> list[Frame]:
    """Return all frames up to the last in `sent`, to which frames are appended until the last one is received.

    ZeroMQ drops the newest messages when its queues are full, so a gap at the end shows only with a further message.
    """
    taken: list[Frame] = []

    async def read() -> None:
        while True:
            taken.append(await anext(results))

    reading = asyncio.ensure_future(read())
    before = None
    while not taken or taken[-1] != sent[-1]:
        progress = astuple(results.counts)
        if progress == before:
            publish_next(publisher, sent)
        before = progress
        await pace(0.05)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return taken


def publish_next(publisher: Publisher, sent: list[Frame]) -> None:
    """Publish another frame of the last one's epoch."""
    sent.append(publisher.publish(wire.frame(epoch=sent[-1].epoch, number=len(sent), people=2)))


def small(publisher: Publisher, **options: Any) -> Subscription[Frame]:
    """Return a subscription that can queue one message, and a few kilobytes in the kernel."""
    options = {"replay_timeout_s": PATIENCE_S, **options}
    return subscribe(publisher.endpoint, high_water_mark=1, receive_buffer=4096, **options)


def of(generation: int, epoch: int = 1) -> Frame:
    return msgspec.structs.replace(wire.frame(epoch=epoch), generation=generation)


# -- what is handed out ---------------------------------------------------------------------------------------------
async def test_results_of_one_camera_are_delivered_decoded_and_in_order() -> None:
    async with publishing() as publisher, subscribe(publisher.endpoint, camera="lobby") as results:
        await until(lambda: publisher.subscriptions == 1)
        sent = []
        for number in range(50):
            sent.append(publisher.publish(wire.frame("lobby", number=number)))
            publisher.publish(wire.frame("door", number=number))
            publisher.publish(wire.event("lobby"))
        assert await take(results, 50) == sent
        assert results.counts.received == 50
        assert (results.counts.gaps, results.counts.missed, results.counts.duplicates) == (0, 0, 0)


async def test_all_kinds_of_all_cameras_can_be_selected() -> None:
    async with publishing() as publisher, subscribe(publisher.endpoint, kinds=KINDS) as everything:
        await until(lambda: publisher.subscriptions == len(KINDS))
        sent: list[Message] = [
            publisher.publish(wire.frame("lobby")),
            publisher.publish(wire.frame("door")),
            publisher.publish(wire.event("door")),
            publisher.publish(wire.status("door")),
            publisher.publish(wire.stats()),
        ]
        got = await take(everything, 5)
    assert got == sent
    assert [type(message) for message in got] == [Frame, Frame, Event, Status, Stats]


async def test_a_subscriber_may_start_before_the_engine() -> None:
    endpoint = f"tcp://127.0.0.1:{reserved_port()}"
    async with subscribe(endpoint) as results:
        waiting = asyncio.ensure_future(take(results, 1))
        await settle()
        async with publishing(endpoint=endpoint) as publisher:
            sent = publisher.publish(wire.frame())
            assert await waiting == [sent]


async def test_a_restarted_engine_is_a_new_run_without_a_gap() -> None:
    endpoint = f"tcp://127.0.0.1:{reserved_port()}"
    async with publishing("a" * 32, endpoint=endpoint) as publisher:
        results = subscribe(endpoint, replay=publisher.replay_endpoint)
        async with results:
            await until(lambda: publisher.subscriptions == 1)
            for number in range(10):
                publisher.publish(wire.frame(epoch=4, number=number))
            assert len(await take(results, 10)) == 10
            await publisher.stop()
            async with publishing("b" * 32, endpoint=endpoint) as again:
                for number in range(3):
                    again.publish(wire.frame(epoch=1, number=number))
                (frame,) = await take(results, 1)
                assert (frame.run, frame.epoch, frame.seq) == ("b" * 32, 1, 2)
                again.publish(wire.frame(epoch=1, number=3))
                assert [frame.seq for frame in await take(results, 1)] == [3]
                assert results.counts.restarts == 1
                assert results.counts.gaps == 0


async def test_messages_of_a_placement_that_a_later_one_has_replaced_are_discarded_before_they_are_numbered() -> None:
    async with publishing() as publisher, subscribe(publisher.endpoint) as results:
        await until(lambda: publisher.subscriptions == 1)
        sent = [publisher.publish(of(2)) for _ in range(2)]
        for _ in range(3):
            publisher.publish(of(1))
        sent.append(publisher.publish(of(2, epoch=2)))
        assert await take(results, 3) == sent
        assert (results.counts.stale, results.counts.gaps) == (3, 0)


async def test_invalid_messages_are_skipped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    context = zmq.asyncio.Context()
    odd = context.socket(zmq.XPUB)
    port = odd.bind_to_random_port("tcp://127.0.0.1")
    try:
        async with subscribe(f"tcp://127.0.0.1:{port}") as results:
            await odd.recv()
            for body in (b"", b"{}", b'{"schema":"partstream.frame/2"}', b"\xff\xfe", b'{"x":' + b"[" * 100_000):
                await odd.send_multipart([b"results/v1/lobby/", body])
            await odd.send_multipart([b"results/v1/\xff/", msgspec.json.encode(wire.frame())])
            await odd.send_multipart([b"results/v1/lobby/"])
            valid = msgspec.structs.replace(wire.frame(), run=wire.RUN)
            await odd.send_multipart([b"results/v1/lobby/", msgspec.json.encode(valid)])
            assert await take(results, 1) == [valid]
            assert results.counts.undecodable == 7
            assert len(caplog.records) < 3
    finally:
        context.destroy(linger=0)


@pytest.mark.parametrize(
    ("endpoint", "options", "message"),
    [
        ("tcp://127.0.0.1:1", {"camera": "Not An Id"}, "camera id 'Not An Id': use a-z, 0-9, - and _"),
        ("tcp://127.0.0.1:1", {"cameras": ["ok", "a/b"]}, "camera id 'a/b': use a-z, 0-9, - and _, for example a-b"),
        ("tcp://127.0.0.1:1", {"kinds": ["result"]}, "results, events, status, stats"),
        ("tcp://127.0.0.1", {}, "'tcp://127.0.0.1' is not an endpoint: use tcp://HOST:PORT"),
        ("tcp://127.0.0.1:1", {"replay": "http://127.0.0.1:2"}, "'http://127.0.0.1:2' is not an endpoint"),
    ],
)
async def test_an_invalid_endpoint_is_an_error_that_says_what_to_do(
    endpoint: str, options: dict[str, Any], message: str
) -> None:
    before = open_files()
    with pytest.raises(ValueError, match=message):
        async for _ in subscribe(endpoint, **options):
            pass
    assert open_files() == before


# -- what is missed -------------------------------------------------------------------------------------------------
STALLED = 400
"""Messages of a stall: many times as many as the queues of `narrow` and `small` hold."""
LONG = 2 * WINDOW + STALLED
"""Messages of a stall whose gap is replayed in several windows."""
HISTORY = 2 * LONG
"""Enough for all messages of a stall, and for those with which its gap shows."""


async def stall(
    publisher: Publisher, results: Subscription[Frame], count: int = STALLED
) -> tuple[list[Frame], list[Frame]]:
    """Publish `count` messages without reading, then read. Return the published and the received frames."""
    await until(lambda: publisher.subscriptions == 1)
    sent = [publisher.publish(wire.frame(number=number, people=2)) for number in range(count)]
    got = await read_all(publisher, results, sent)
    return sent, got


async def test_a_stalled_subscriber_counts_its_gap_exactly() -> None:
    gaps: list[Gap] = []
    async with narrow() as publisher, small(publisher, on_gap=gaps.append) as results:
        sent, got = await stall(publisher, results)
        seen = {frame.seq for frame in got}
        lost = [frame.seq for frame in sent if frame.seq not in seen]
        assert len(lost) > 0
        assert len(lost) > STALLED // 2, "the queues were to be small"
        assert got == [sent[seq] for seq in sorted(seen)]
        counts = results.counts
        assert counts.gaps == len(gaps) > 0
        assert counts.missed == sum(gap.missed for gap in gaps) == len(lost)
        assert (counts.received, counts.replayed, counts.lost) == (len(got), 0, len(lost))
        assert sorted(seq for gap in gaps for seq in range(gap.first_seq, gap.first_seq + gap.missed)) == lost


async def test_a_stalled_subscriber_replays_its_gap_exactly() -> None:
    gaps: list[Gap] = []
    async with (
        narrow(history_messages=HISTORY) as publisher,
        small(publisher, replay=publisher.replay_endpoint, on_gap=gaps.append) as results,
    ):
        sent, got = await stall(publisher, results, LONG)
        assert got == sent
        counts = results.counts
        assert counts.gaps == len(gaps) > 0
        assert counts.missed == counts.replayed > 2 * WINDOW
        assert counts.received + counts.replayed == len(sent)
        assert counts.lost == 0


async def test_a_gap_partly_too_old_is_filled_as_far_as_history_goes_and_the_loss_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gaps: list[Gap] = []
    async with (
        narrow(history_messages=50) as publisher,
        small(publisher, replay=publisher.replay_endpoint, on_gap=gaps.append) as results,
    ):
        sent, got = await stall(publisher, results)
        numbers = [frame.seq for frame in got]
        lost = sorted({frame.seq for frame in sent} - set(numbers))
        assert numbers == sorted(set(numbers))
        assert len(lost) > STALLED // 2
        assert lost[-1] < publisher.evicted  # everything that was still in the history was delivered
        counts = results.counts
        assert counts.replayed > 0
        assert counts.lost == len(lost) == sum(gap.missed - gap.replayed for gap in gaps)
        assert counts.received + counts.replayed == len(got)
        assert sum(gap.replayed for gap in gaps) == counts.replayed
    assert " messages missed in epoch 1" in caplog.text


async def test_ends_and_beginnings_of_epochs_lost_in_a_stall_are_replayed_too() -> None:
    async with (
        narrow(history_messages=HISTORY) as publisher,
        small(publisher, replay=publisher.replay_endpoint) as results,
    ):
        await until(lambda: publisher.subscriptions == 1)
        epochs = [1 + 4 * number // STALLED for number in range(STALLED)]
        sent = [publisher.publish(wire.frame(epoch=epoch, people=2)) for epoch in [*epochs, 5]]
        got = await read_all(publisher, results, sent)
        assert [(frame.epoch, frame.seq) for frame in got] == [(frame.epoch, frame.seq) for frame in sent]
        assert got == sent
        assert results.counts.missed == results.counts.replayed


async def test_replayed_messages_of_an_old_epoch_are_not_delivered_again() -> None:
    async with (
        publishing() as publisher,
        subscribe(publisher.endpoint, kinds=["events"], replay=publisher.replay_endpoint) as events,
    ):
        await until(lambda: publisher.subscriptions == 1)
        for epoch in (1, 2, 1, 2):  # an action of the first epoch ends after the second has begun
            publisher.publish(wire.event(epoch=epoch))
        got = await take(events, 4)
        assert sorted((event.epoch, event.seq) for event in got) == [(1, 0), (1, 1), (2, 0), (2, 1)]
        assert events.counts.duplicates == events.counts.replayed == 1


async def test_a_stalled_subscriber_delays_neither_the_publisher_nor_another_subscriber() -> None:
    async with publishing(high_water_mark=2000) as publisher:
        frame = wire.frame(people=2)

        async def publish(count: int) -> None:
            """Publish in bursts that fit into the queues, however busy the machine is."""
            for _ in range(count // 20):
                published = [publisher.publish(frame) for _ in range(20)]
                await until(lambda last=published[-1]: last.seq - reading.counts.received <= 1000)

        async with subscribe(publisher.endpoint, high_water_mark=12_000) as reading:
            reader = asyncio.ensure_future(take(reading, 12_000))
            await until(lambda: publisher.subscriptions == 1)
            await publish(2000)
            async with small(publisher) as stalled:
                await until(lambda: publisher.subscriptions == 2)
                await publish(10_000)
                assert [frame.seq for frame in await reader] == list(range(12_000))
                assert reading.counts.gaps == 0
                sent = [frame]
                late = await read_all(publisher, stalled, sent)
                published = 10_000 + len(sent) - 1
                assert stalled.counts.missed == published - len([frame for frame in late if frame.seq >= 2000]) > 0


async def test_a_silent_replay_server_delays_live_results_only_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("stream.messaging.gap_filling.REPLAY_RETRY_S", 60.0)
    with sockets.socket() as silent:  # accepts connections and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        replay = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        async with narrow() as publisher, small(publisher, replay=replay, replay_timeout_s=0.2) as results:
            sent, got = await stall(publisher, results)
            assert got[-1] == sent[-1]
            assert results.counts.missed == results.counts.lost == len(sent) - len(got) > 0
    assert "sent nothing for 0.2 s" in caplog.text


@pytest.mark.parametrize("requested", [True, False])
async def test_an_epoch_whose_end_replay_does_not_tell_is_reported_as_of_unknown_length(
    monkeypatch: pytest.MonkeyPatch, requested: bool
) -> None:
    Replay(monkeypatch, away=True)
    gaps: list[Gap] = []
    async with publishing() as publisher:
        replay = publisher.replay_endpoint if requested else None
        async with subscribe(publisher.endpoint, replay=replay, on_gap=gaps.append) as results:
            await until(lambda: publisher.subscriptions == 1)
            for epoch in (1, 2):
                publisher.publish(wire.frame(epoch=epoch))
            assert [(frame.epoch, frame.seq) for frame in await take(results, 2)] == [(1, 0), (2, 0)]
            assert (results.counts.gaps, results.counts.unknown, results.counts.lost) == (0, 1, 0)
    assert gaps == [Gap("results/v1/lobby/", wire.RUN, 1, 1, 0, 0, more=True)]


async def test_a_flood_of_messages_lets_other_tasks_run() -> None:
    async with (
        publishing(high_water_mark=20_000) as publisher,
        subscribe(publisher.endpoint, high_water_mark=20_000) as results,
    ):
        await until(lambda: publisher.subscriptions == 1)
        for number in range(5000):
            publisher.publish(wire.frame(number=number))
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.ensure_future(other())
        assert len(await take(results, 5000)) == 5000
        task.cancel()
        assert turns > 50


async def test_a_timeout_during_a_replay_loses_nothing() -> None:
    async with (
        narrow(history_messages=HISTORY) as publisher,
        small(publisher, replay=publisher.replay_endpoint) as results,
    ):
        await until(lambda: publisher.subscriptions == 1)
        sent = [publisher.publish(wire.frame(number=number, people=2)) for number in range(STALLED)]
        got: list[Frame] = []
        timeouts = idle = 0
        while not got or got[-1] != sent[-1]:
            # Very short at first, so that the request itself is on its way when the time is up.
            try:
                got.append(await asyncio.wait_for(anext(results), 0.00002 if timeouts < 20 else 0.0005))
                idle = 0
            except TimeoutError:
                timeouts += 1
                idle += 1
                if idle % 100 == 0:
                    publish_next(publisher, sent)  # a gap at the end shows with the next message
        assert timeouts > 0
        assert got == sent
        assert results.counts.missed == results.counts.replayed > 0


# -- its end --------------------------------------------------------------------------------------------------------
async def test_cancelling_the_reader_closes_everything() -> None:
    async with publishing() as publisher:
        before = open_files()
        for _ in range(5):
            reader = asyncio.ensure_future(take(subscribe(publisher.endpoint), 1))
            await until(lambda: publisher.subscriptions == 1)
            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
            await until(lambda: publisher.subscriptions == 0)
        await until(lambda: open_files() == before)


async def test_closing_ends_a_waiting_iteration() -> None:
    async with publishing() as publisher:
        before = open_files()
        results = subscribe(publisher.endpoint)
        reader = asyncio.ensure_future(take(results, 1))
        await until(lambda: publisher.subscriptions == 1)
        results.close()
        results.close()
        assert await reader == []
        await until(lambda: open_files() == before)
