"""What an engine of a fleet may publish, with real publishers: only what the directory says that it has.

An engine that lies, or does not know better, changes nothing of other engines' cameras. No message of an engine that
is ahead of the directory is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import json
from msgspec.structs import replace

from fleet.proxy.proxy import Proxy
from stream.fleet_directory import engine_link, fleet_subscription, placed_cameras
from stream.results import Message
from stream.settings.engine import PublishConfig
from stream.subscriber import KINDS, Moved, Subscription, subscribe
from stream.subscription.engine_subscription import Connection
from support.fleet.published_fleet import PublishingEngine, directory, engine
from support.waiting import PATIENCE_S, until

FAR = 2**52
"""A generation that no coordinator gives."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for an engine's answers as long as a busy machine needs."""
    monkeypatch.setattr(engine_link, "ANSWER_S", PATIENCE_S)


async def take(subscription: Subscription[Any], count: int) -> list[Any]:
    return [await anext(subscription) for _ in range(count)]


async def follows(*engines: PublishingEngine, topics: int = 2) -> None:
    await until(lambda: all(one.publisher.subscriptions >= topics for one in engines))


async def seen(subscription: Subscription[Any], source: PublishingEngine, camera: str, generation: int) -> None:
    """Wait until everything that an engine has published so far was read, with a message of a camera that it has."""
    last = source.frame(camera, generation)
    assert await take(subscription, 1) == [last]


@pytest.mark.parametrize("generation", [1, 2, FAR])
async def test_results_of_a_camera_that_an_engine_does_not_have_change_nothing(
    generation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves: list[Moved] = []
    async with directory() as fleet, engine("north") as north, engine("evil") as evil:
        fleet.place("door", 1, north)
        fleet.place("mine", 1, evil)
        async with subscribe(fleet.fleet, kinds=["results", "status"], on_moved=moves.append) as messages:
            await follows(north, evil)
            await seen(messages, north, "door", 1)
            evil.frame("door", generation)
            evil.status("door", generation)
            evil.status("door", generation, "removed")
            await seen(messages, evil, "mine", 1)
            await seen(messages, north, "door", 1)
            fleet.place("door", 2, north)
            sent = [north.status("door", 2), *north.frames("door", 2, 3)]
            assert await take(messages, 4) == sent
            assert [(move.camera, move.new_generation) for move in moves] == [("door", 2)]
            monkeypatch.setattr(placed_cameras, "HELD_S", 0.0)
            await seen(messages, evil, "mine", 1)
            assert messages.counts.misplaced + messages.counts.stale == 3


async def test_an_engine_cannot_raise_the_generation_of_its_camera_before_it_moves() -> None:
    moves: list[Moved] = []
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        fleet.place("yard", 1, north)
        async with subscribe(fleet.fleet, kinds=["results", "status"], on_moved=moves.append) as messages:
            await follows(north)
            await seen(messages, north, "door", 1)
            north.frame("door", FAR)
            north.status("door", FAR, "connecting")
            await seen(messages, north, "yard", 1)
            fleet.place("door", 2, south, previous=north)
            await follows(south)
            sent = [south.status("door", 2), *south.frames("door", 2, 3)]
            assert await take(messages, 4) == sent
            assert [move.new_generation for move in moves] == [2]


async def test_replay_brings_nothing_that_an_engine_may_not_publish(monkeypatch: pytest.MonkeyPatch) -> None:
    async with directory() as fleet, engine("north") as north:
        fleet.place("door", 1, north)
        async with subscribe(fleet.fleet, kinds=["results"]) as results:
            await follows(north)
            await seen(results, north, "door", 1)
            with monkeypatch.context() as unsent:
                unsent.setattr(north.publisher._topics, "send", lambda *_, **__: None)
                north.frame("door", FAR)
                missed = north.frame("door", 1)
            last = north.frame("door", 1)
            assert await take(results, 2) == [missed, last]
            assert (results.counts.missed, results.counts.replayed, results.counts.misplaced) == (2, 1, 1)


async def test_statistics_with_another_name_or_none_are_discarded() -> None:
    async with directory() as fleet, engine("north") as north:
        fleet.place("door", 1, north)
        async with subscribe(fleet.fleet, kinds=["stats"]) as stats:
            await follows(north, topics=1)
            own = north.stats()
            for name, message in (("", replace(own, engine=None)), ("south/", replace(own, engine="south"))):
                north.publisher._topics.send(f"stats/v1/{name}".encode(), json.encode(message), frequent=False)
            later = north.stats()
            assert await take(stats, 2) == [own, later]
            assert stats.counts.misplaced == 2


# -- engines that are ahead of the directory ------------------------------------------------------------------------
async def test_messages_of_a_generation_that_the_directory_has_not_told_yet_wait_for_it() -> None:
    moves: list[Moved] = []
    async with directory() as fleet, engine("north") as north:
        fleet.place("door", 1, north)
        fleet.place("yard", 1, north)
        async with subscribe(fleet.fleet, kinds=["results", "status"], on_moved=moves.append) as messages:
            await follows(north)
            await seen(messages, north, "door", 1)
            early = [north.status("door", 2), *north.frames("door", 2, 20)]
            await seen(messages, north, "yard", 1)
            assert moves == []
            fleet.place("door", 2, north)
            assert await take(messages, 21) == early
            later = north.frames("door", 2, 3)
            assert await take(messages, 3) == later
            assert [(move.new_generation, move.lost) for move in moves] == [(2, 0)]
            assert (messages.counts.gaps, messages.counts.misplaced, messages.counts.received) == (0, 0, 26)


async def test_messages_of_a_new_engine_wait_for_the_place_and_all_of_the_old_one_come_first() -> None:
    moves: list[Moved] = []
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        fleet.place("yard", 1, south)
        async with subscribe(fleet.fleet, on_moved=moves.append) as results:
            await follows(north, south)
            await seen(results, north, "door", 1)
            early = south.frames("door", 2, 5)
            await seen(results, south, "yard", 1)
            await seen(results, north, "door", 1)
            old = north.frames("door", 1, 3)
            assert await take(results, 3) == old
            fleet.place("door", 2, south, previous=north)
            assert await take(results, 5) == early
            assert [(move.new_generation, move.lost) for move in moves] == [(2, 0)]


async def test_a_camera_that_is_new_to_the_reader_waits_for_its_place_with_its_first_message() -> None:
    async with directory() as fleet, engine("north") as north:
        fleet.place("yard", 1, north)
        async with subscribe(fleet.fleet, kinds=["results", "status"]) as messages:
            await follows(north)
            early: list[Message] = [north.status("door", 1, "connecting"), north.status("door", 1)]
            early += north.frames("door", 1, 3)
            await seen(messages, north, "yard", 1)
            fleet.place("door", 1, north)
            assert await take(messages, 5) == early


async def test_what_could_not_wait_is_requested_when_the_place_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_subscription, "LEAST_HELD", 4)
    async with directory() as fleet, engine("north") as north:
        fleet.place("yard", 1, north)
        async with subscribe(fleet.fleet, high_water_mark=4) as results:
            await follows(north)
            early = north.frames("door", 1, 1)
            await seen(results, north, "yard", 1)
            for _ in range(9):
                early += north.frames("door", 1, 1)
                await seen(results, north, "yard", 1)
            fleet.place("door", 1, north)
            assert await take(results, 4) == early[:4]
            last = north.frame("door", 1)
            assert await take(results, 7) == [*early[4:], last]
            assert (results.counts.misplaced, results.counts.missed, results.counts.replayed) == (6, 6, 6)


async def test_a_coordinator_without_its_store_gives_higher_generations_and_nothing_is_lost() -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        for camera in ("door", "yard"):
            fleet.place(camera, 1, north if camera == "door" else south)
        async with subscribe(fleet.fleet) as results:
            await follows(north, south)
            await seen(results, north, "door", 1)
            await seen(results, south, "yard", 1)
            early = north.frames("door", 1_790_000_000_000, 3)
            await seen(results, south, "yard", 1)
            fleet.place("door", 1_790_000_000_000, north)
            assert await take(results, 3) == early
            await seen(results, south, "yard", 1)


async def test_the_last_statuses_of_an_engine_are_read_after_its_camera_was_moved_or_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet_subscription, "RETIRE_S", PATIENCE_S)
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        for camera in ("door", "yard", "gate"):
            fleet.place(camera, 1, north)
        async with subscribe(fleet.fleet, kinds=["status"]) as statuses:
            await follows(north, topics=1)
            live = [north.status(camera, 1) for camera in ("door", "yard", "gate")]
            assert await take(statuses, 3) == live
            fleet.place("door", 2, south, previous=north)
            fleet.place("yard", 1, None, state="removed")
            fleet.place("gate", 1, None)
            await follows(south, topics=1)
            states = (("door", "removed"), ("yard", "removed"), ("gate", "live"))
            last = [north.status(camera, 1, state) for camera, state in states]
            assert await take(statuses, 3) == last
            assert statuses.counts.misplaced == 0


# -- a proxy --------------------------------------------------------------------------------------------------------
@asynccontextmanager
async def proxy_of(fleet: str) -> AsyncIterator[Proxy]:
    """Run a proxy of all kinds of messages in this process."""
    endpoint = fleet.replace("fleet://", "tcp://")
    proxy = Proxy(Connection(endpoint), PublishConfig.model_validate({"endpoint": "tcp://127.0.0.1:0"}), KINDS, None)
    await proxy.start()
    passing = asyncio.create_task(proxy.run())
    try:
        yield proxy
    finally:
        passing.cancel()
        await asyncio.wait({passing})
        await proxy.stop()


async def test_a_proxy_keeps_nothing_of_cameras_that_the_directory_does_not_place() -> None:
    async with directory() as fleet, engine("north") as north, engine("evil") as evil, proxy_of(fleet.fleet) as proxy:
        fleet.place("door", 1, north)
        fleet.place("mine", 1, evil)
        await follows(north, evil, topics=6)
        north.status("door", 1)
        link = next(one for one in proxy._subscription._links.values() if one.engine == "evil")
        for number in range(2000):
            evil.status(f"invented-{number}", 1)
            if number % 100 == 99:  # so that no queue overflows
                evil.frame("mine", 1)
                sent = evil.publisher.last("results/v1/mine/")
                await until(lambda sent=sent: proxy._topics.last(b"results/v1/mine/") == sent)
        assert (link.cameras.held, proxy.counts.misplaced) == (1000, 1000)
        assert {name.decode() for name in proxy._topics._last._bodies} == {
            "directory/v1/door/",
            "directory/v1/mine/",
            "status/v1/door/",
            "results/v1/mine/",
        }
        assert len(proxy._kept) == len(proxy._subscription._merging) == 2
        assert len(link.subscription._sequences) <= 3
