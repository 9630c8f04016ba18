"""What is requested of a camera's old engine when the camera moves, and how much of it is said to be missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
import zmq.asyncio

import support.engines.wire_messages as wire
from stream.fleet_directory import engine_link
from stream.fleet_directory.engine_link import EngineLink
from stream.fleet_directory.merged_queue import MergedQueue
from stream.fleet_directory.merging import Merging, Moved
from stream.fleet_directory.recovery import Recovery
from stream.messaging.gap_filling import Counts, Gap
from stream.messaging.history import EPOCHS_NUMBERED, History
from stream.messaging.replay import ReplayEnd, ReplayRequest, read_request
from stream.messaging.replay_client import ReplayPage
from stream.results import (
    KINDS,
    CameraKind,
    EngineAddress,
    Message,
    Place,
    PlaceHead,
    Received,
    StatusHead,
    decode,
    topic,
)
from stream.subscription.engine_subscription import Connection, EngineSubscription
from stream.subscription.subscription import CameraMessage
from support.waiting import settle, until

NORTH, SOUTH = "a" * 32, "b" * 32


class Engine(EngineLink):
    """An engine that answers from a history, without sockets. Its reader waits, so that the rest is requested."""

    def __init__(self, run: str, context: zmq.asyncio.Context, keep: int = 10_000) -> None:
        nowhere = "tcp://127.0.0.1:1"
        subscription = EngineSubscription[Message](Connection(nowhere), [])
        super().__init__(EngineAddress(run, run, run, nowhere, nowhere), subscription, context, nowhere, None)
        self.waits_for_handover = True
        self.history = History(keep, 1 << 30)
        self.publishes_meanwhile = 0
        self.requests = 0
        self._client = self  # pyright: ignore[reportAttributeAccessIssue]

    def publish(self, kind: CameraKind, generation: int, epoch: int = 1) -> CameraMessage:
        """Publish the next message of the camera."""
        made = {"results": wire.frame, "events": wire.event, "status": wire.status}[kind]("door", epoch)
        name = topic(kind, "door")
        message = msgspec.structs.replace(
            made, run=self.run, seq=self.history.next_seq(name, epoch), generation=generation
        )
        self.history.append(name, epoch, msgspec.json.encode(message))
        return message

    async def fetch(self, topic: str, run: str, epoch: int, from_seq: int, limit: int) -> ReplayPage:
        """Answer a request."""
        self.requests += 1
        for _ in range(self.publishes_meanwhile):
            self.publish("results", 1)
        request = ReplayRequest("1", topic, run, epoch, from_seq, limit)
        _, answer = read_request(msgspec.json.encode(request), self.run, self.history)
        if isinstance(answer, ReplayEnd):
            return ReplayPage([], answer)
        bodies: list[bytes] = []
        while chunk := answer.chunk(32):
            for seq, body in chunk:
                bodies.append(body)
                answer.sent_message(seq)
        return ReplayPage(bodies, answer.end())


class Reader:
    """A reader of a camera that moves from one engine to another."""

    def __init__(self, kinds: tuple[CameraKind, ...] = ("results",)) -> None:
        self.context = zmq.asyncio.Context()
        self.counts = Counts()
        self.merging = Merging[EngineLink]()
        self.queue = MergedQueue[Received | Gap | Moved](1_000_000)
        self.recovery = Recovery(self.merging, self.queue, self.counts, kinds, False, decode)
        self.north = Engine(NORTH, self.context)
        self.south = Engine(SOUTH, self.context)

    def reads(self, engine: Engine, *messages: CameraMessage) -> None:
        """Route messages that arrive."""
        for message in messages:
            self.merging.route(engine, message)

    async def moves(self) -> int | None:
        """Hand over to the next engine. Return how many messages are said to be missing."""
        handover = self.merging.handover("door")
        assert handover is not None
        missing = await self.recovery.rest_of(handover)
        await self.recovery.beginning_of(handover)
        self.merging.hand_over(handover)
        return missing

    def recovered(self) -> list[object]:
        """Take what was requested and handed out."""
        return [self.queue.take() for _ in range(len(self.queue))]


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    made = Reader()
    yield made
    made.context.destroy(linger=0)


@pytest.fixture
async def reader_of_events() -> AsyncIterator[Reader]:
    made = Reader(("results", "events"))
    yield made
    made.context.destroy(linger=0)


async def test_what_was_received_but_not_handed_out_is_requested_and_handed_out_once(reader: Reader) -> None:
    """The old engine's numbering is ahead of what was handed out: its reader waits in the middle of a filled gap."""
    sent = [reader.north.publish("results", 1) for _ in range(10)]
    reader.reads(reader.north, *sent[:4])
    reader.reads(reader.south, reader.south.publish("results", 2))
    assert await reader.moves() == 0
    assert reader.recovered() == sent[4:]
    assert not reader.merging.admits(sent[5])


async def test_the_rest_is_also_requested_if_the_camera_has_come_back_to_its_old_engine(reader: Reader) -> None:
    """The old engine's reader is already at the third generation."""
    first = [reader.north.publish("results", 1, epoch=1) for _ in range(3)]
    second = [reader.south.publish("results", 2, epoch=1) for _ in range(3)]
    third = [reader.north.publish("results", 3, epoch=2) for _ in range(3)]
    reader.reads(reader.north, first[0])
    reader.reads(reader.south, second[0])
    reader.reads(reader.north, third[0])
    assert await reader.moves() == 0
    assert reader.recovered() == first[1:]
    assert await reader.moves() == 0
    assert reader.recovered() == second[1:]
    reader.reads(reader.south, reader.south.publish("results", 4, epoch=2))
    assert await reader.moves() == 0
    assert reader.recovered() == third[1:]


async def test_the_rest_goes_on_in_later_epochs(reader: Reader) -> None:
    sent = [reader.north.publish("results", 1, epoch) for epoch in (1, 1, 2, 5)]
    later = reader.north.publish("results", 3, epoch=6)
    reader.reads(reader.north, sent[0])
    reader.reads(reader.south, reader.south.publish("results", 2))
    assert await reader.moves() == 0
    assert reader.recovered() == sent[1:]
    assert later not in sent


async def test_messages_of_a_later_generation_in_the_same_epoch_are_not_missing(reader: Reader) -> None:
    sent = [reader.north.publish("results", 1) for _ in range(3)]
    reader.reads(reader.north, sent[0])
    reader.reads(reader.north, [reader.north.publish("results", 2) for _ in range(200)][-1])
    assert await reader.moves() == 0
    assert reader.recovered()[:2] == sent[1:]
    assert reader.north.requests == 1 + 2  # the beginning of the new generation has two pages


async def test_what_was_handed_out_is_not_missing_if_its_engine_goes_on_with_a_higher_generation_in_the_same_epoch(
    reader_of_events: Reader,
) -> None:
    """The engine does not have it any more, and has published events before they were read."""
    reader = reader_of_events
    north = reader.north = Engine(NORTH, reader.context, keep=5)
    for _ in range(20):
        north.publish("events", 1)
    reader.reads(north, *[north.publish("results", 1) for _ in range(20)])
    for generation in (2, 3):
        reader.reads(north, north.publish("events", generation))
        reader.reads(north, north.publish("results", generation))
        assert await reader.moves() == 0
    assert (reader.recovered(), reader.counts.missed) == ([], 0)
    assert reader.merging.route(north, north.publish("events", 3)) == "pass"


async def test_messages_that_are_gone_between_two_generations_of_one_epoch_are_counted_once(reader: Reader) -> None:
    north = reader.north = Engine(NORTH, reader.context, keep=5)
    reader.reads(north, *[north.publish("results", 1) for _ in range(3)])
    sent = [north.publish("results", generation) for generation in (1, 1, 1, 2, 2, 2, 2, 2, 2)]
    reader.reads(north, sent[-1])
    assert await reader.moves() == 4
    assert reader.recovered() == sent[4:-1]
    assert (reader.counts.missed, reader.counts.replayed) == (8, 4)


async def test_a_kind_that_goes_on_in_the_same_epoch_is_requested_from_where_it_was_left(
    reader_of_events: Reader,
) -> None:
    reader, north = reader_of_events, reader_of_events.north
    reader.reads(north, north.publish("results", 1), *[north.publish("events", 1) for _ in range(3)])
    reader.reads(north, north.publish("results", 2))
    assert await reader.moves() == 0
    *missed, arrived = (north.publish("events", 2) for _ in range(4))
    assert reader.merging.route(north, arrived) == "late"
    await reader.recovery.before(north, arrived)
    assert reader.recovered() == missed
    assert (reader.counts.missed, reader.counts.replayed) == (3, 3)


async def test_messages_that_the_engine_does_not_have_any_more_are_counted(reader: Reader) -> None:
    reader.north = Engine(NORTH, reader.context, keep=5)
    sent = [reader.north.publish("results", 1) for _ in range(20)]
    reader.reads(reader.north, sent[0])
    reader.reads(reader.south, reader.south.publish("results", 2))
    assert await reader.moves() == 14
    assert reader.recovered() == sent[15:]
    assert (reader.counts.missed, reader.counts.replayed) == (19, 5)


async def test_it_is_not_known_how_many_are_missing_of_an_epoch_that_the_engine_has_forgotten(reader: Reader) -> None:
    reader.reads(reader.north, reader.north.publish("results", 1))
    for epoch in range(2, EPOCHS_NUMBERED + 3):
        reader.north.publish("results", 1, epoch)
    reader.reads(reader.south, reader.south.publish("results", 2))
    assert await reader.moves() is None


async def test_a_kind_of_which_nothing_was_received_is_requested_from_the_beginning_of_the_generation(
    reader_of_events: Reader,
) -> None:
    reader = reader_of_events
    reader.reads(reader.north, reader.north.publish("results", 1))
    before = reader.north.publish("events", 1)
    reader.reads(reader.south, reader.south.publish("results", 2))
    assert await reader.moves() == 0
    assert reader.recovered() == []  # of the first generation, what was published before is not missing
    event = reader.south.publish("events", 2)
    reader.reads(reader.north, reader.north.publish("results", 3, epoch=2))
    assert await reader.moves() == 0
    assert reader.recovered() == [event]
    assert before != event


async def test_the_beginning_of_a_kind_that_is_published_later_is_requested(reader_of_events: Reader) -> None:
    reader = reader_of_events
    reader.reads(reader.north, reader.north.publish("results", 1))
    reader.reads(reader.south, reader.south.publish("results", 2))
    assert await reader.moves() == 0
    *missed, arrived = (reader.south.publish("events", 2) for _ in range(4))
    assert reader.merging.route(reader.south, arrived) == "late"
    await reader.recovery.before(reader.south, arrived)
    assert reader.recovered() == missed
    assert reader.merging.route(reader.south, arrived) == "pass"
    assert (reader.counts.missed, reader.counts.replayed) == (3, 3)


async def test_what_a_handover_requests_is_not_requested_as_a_beginning(reader_of_events: Reader) -> None:
    """The handover begins while the beginning is being requested."""
    reader = reader_of_events
    reader.reads(reader.north, reader.north.publish("results", 1))
    reader.reads(reader.south, reader.south.publish("results", 2))
    assert await reader.moves() == 0
    sent = [reader.south.publish("events", 2) for _ in range(4)]
    assert reader.merging.route(reader.south, sent[2]) == "late"
    reader.reads(reader.north, reader.north.publish("results", 3, epoch=2))
    reader.merging.complete("door")
    await reader.recovery.before(reader.south, sent[2])
    assert reader.recovered() == []
    assert await reader.moves() == 0
    assert reader.recovered() == sent
    assert reader.merging.route(reader.south, sent[2]) == "drop"


async def test_a_beginning_that_a_handover_cuts_short_misses_nothing_of_what_it_has_not_requested(
    reader_of_events: Reader,
) -> None:
    """There are more messages than one request asks for."""
    reader = reader_of_events
    reader.reads(reader.north, reader.north.publish("results", 1))
    reader.reads(reader.south, reader.south.publish("results", 2))
    assert await reader.moves() == 0
    sent = [reader.south.publish("events", 2) for _ in range(2 * engine_link.PAGE + 50)]
    assert reader.merging.route(reader.south, sent[-1]) == "late"
    reader.reads(reader.north, reader.north.publish("results", 3, epoch=2))
    reader.merging.complete("door")
    await reader.recovery.before(reader.south, sent[-1])
    assert (reader.counts.gaps, reader.counts.missed) == (0, 0)
    assert await reader.moves() == 0
    assert reader.recovered() == sent
    assert (reader.counts.missed, reader.counts.lost) == (len(sent), 0)


async def test_of_an_engine_that_was_restarted_the_loss_is_unknown_and_every_kind_is_requested(
    reader_of_events: Reader,
) -> None:
    """An engine may keep messages of some kinds over restarts: alerts."""
    reader = reader_of_events
    reader.reads(reader.north, reader.north.publish("results", 1), reader.north.publish("events", 1))
    reader.north.run = SOUTH
    reader.reads(reader.south, reader.south.publish("results", 2))
    assert await reader.moves() is None
    assert reader.north.requests == 2


async def test_an_engine_that_publishes_faster_than_it_is_read_does_not_delay_a_handover_for_ever(
    reader: Reader,
) -> None:
    reader.reads(reader.north, reader.north.publish("results", 1))
    reader.reads(reader.south, reader.south.publish("results", 2))
    reader.north.publishes_meanwhile = engine_link.PAGE
    assert await reader.moves() is None
    assert reader.north.requests == engine_link.MOST_PAGES
    assert len(reader.recovered()) == engine_link.MOST_PAGES * engine_link.PAGE


async def test_an_engine_that_publishes_as_it_is_read_is_asked_until_a_page_is_not_full(reader: Reader) -> None:
    reader.reads(reader.north, reader.north.publish("results", 1))
    reader.reads(reader.south, reader.south.publish("results", 2))
    reader.north.publishes_meanwhile = 1
    assert await reader.moves() == 0
    assert reader.north.requests == 1


async def test_a_reader_that_is_always_behind_waits_for_the_old_engines_queue_but_not_for_what_arrives_later(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages of other cameras arrive faster than they are taken, so the connection is never drained."""
    monkeypatch.setattr(engine_link, "DRAIN_POLL_S", 0)
    reader.north.waits_for_handover, reader.north.waits_for_room = False, True
    draining = asyncio.ensure_future(reader.north.drain(lambda: False))
    await settle()
    reader.north.passed += engine_link.LEAST_DRAINED - 1
    await settle()
    assert not draining.done()
    reader.north.passed += 1
    await until(draining.done)


def test_every_message_of_a_camera_has_a_kind() -> None:
    assert set(KINDS) == {*CameraMessage.__args__, StatusHead, Place, PlaceHead}
