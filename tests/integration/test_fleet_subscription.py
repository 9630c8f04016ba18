"""A subscription to a fleet with real publishers: cameras are followed as they move, without going back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec import json
from msgspec.structs import replace

from stream.fleet_directory import fleet_subscription
from stream.fleet_directory.fleet_subscription import FleetSubscription
from stream.results import EngineAddress, Message, Place, topic
from stream.subscriber import Gap, Moved, subscribe
from support.fleet.published_fleet import Directory, PublishingEngine, directory, engine
from support.incidents import opened
from support.open_files import open_files
from support.ports import reserved_port
from support.waiting import settle, until


def followers(*engines: PublishingEngine) -> list[int]:
    return [one.publisher.subscriptions for one in engines]


@dataclass
class Reading:
    """A subscription to a fleet of two engines. North has the camera `door`, and is followed for it."""

    fleet: Directory
    north: PublishingEngine
    south: PublishingEngine
    messages: FleetSubscription[Any]
    moves: list[Moved]
    gaps: list[Gap]

    async def take(self, count: int) -> list[Any]:
        return [await anext(self.messages) for _ in range(count)]

    async def moves_on(self, generation: int, old: PublishingEngine, new: PublishingEngine) -> None:
        """Place the camera `door`, and wait until its new engine is followed."""
        self.fleet.place("door", generation, new, previous=old)
        await until(lambda: followers(new)[0] > 0)

    async def waits_until(self, condition: Any) -> asyncio.Future[Any]:
        """Wait for a message until the condition holds. Return it as a future."""
        waiting = asyncio.ensure_future(anext(self.messages))
        await until(condition)
        return waiting


@asynccontextmanager
async def reading(**options: Any) -> AsyncIterator[Reading]:
    moves: list[Moved] = []
    gaps: list[Gap] = []
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        messages = subscribe(fleet.fleet, on_moved=moves.append, on_gap=gaps.append, **options)
        async with messages:
            await until(lambda: followers(north)[0] > 0)
            yield Reading(fleet, north, south, cast("FleetSubscription[Any]", messages), moves, gaps)


async def test_cameras_and_statistics_of_all_engines_are_read_and_a_selected_camera_of_its_engine_alone() -> None:
    async with reading(kinds=["results", "stats"]) as one:
        one.fleet.place("yard", 1, one.south)
        await until(lambda: min(followers(one.north, one.south)) > 0)
        before = followers(one.north)
        async with subscribe(one.fleet.fleet, camera="yard") as results:
            await until(lambda: followers(one.south) == [before[0] + 2])  # results, and the status
            sent = [one.north.frame("door", 1), one.north.stats(), one.south.frame("yard", 1), one.south.stats()]
            assert await anext(results) == sent[2]
            assert followers(one.north) == before
        got = await one.take(4)
        assert {(one.run, type(one)) for one in got} == {(one.run, type(one)) for one in sent}
        assert one.messages.counts.gaps == 0


async def test_what_an_engine_publishes_for_the_directory_or_another_engine_or_a_wrong_topic_is_discarded() -> None:
    async with reading(kinds=["results", "stats", "directory"]) as one:
        unplaced = one.fleet.place("hall", 1, None, reason="no engine has room")
        place, *others = await one.take(2)
        assert isinstance(place, Place) and others == [unplaced]
        await until(lambda: followers(one.north) == [3])  # results, the status, and statistics
        stats, frame = one.north.stats(), one.north.frame("door", 1)
        assert len(await one.take(2)) == 2
        for name, message in (
            ("results/v1/door/", replace(place, generation=99)),
            ("results/v1/door/", replace(place, state="removed")),
            ("results/v1/door/", replace(frame, seq=1, camera="yard")),
            ("results/v1/door", replace(frame, seq=1)),
            ("results/v1/../door/", replace(frame, seq=1, camera="../door")),
            ("stats/v1/south/", replace(stats, seq=1, engine="south")),
        ):
            one.north.publisher._topics.send(name.encode(), json.encode(message), frequent=False)
        after = one.north.frame("door", 1)
        assert await one.take(1) == [after]
        assert one.messages.counts.undecodable == 6


async def test_messages_of_one_slow_reader_wait_in_bounded_queues_and_none_is_lost() -> None:
    async with reading(high_water_mark=1, receive_buffer=4096) as one:
        sent = one.north.frames("door", 1, 1500)
        got: list[Message] = []
        while not got or got[-1] != sent[-1]:
            waiting = asyncio.ensure_future(anext(one.messages))
            await settle()
            if not waiting.done():
                sent.append(one.north.frame("door", 1))  # shows a gap at the end
            got.append(await waiting)
            assert one.messages._queue.qsize() <= fleet_subscription.QUEUED
        assert got == sent
        counts = one.messages.counts
        assert counts.missed == counts.replayed == sum(gap.missed for gap in one.gaps)


async def test_both_engines_are_followed_until_the_new_one_publishes_the_camera() -> None:
    async with reading(camera="door") as one:
        sent = one.north.frames("door", 1, 3)
        await one.moves_on(2, one.north, one.south)
        one.south.status("door", 2, "connecting")
        sent.append(one.north.frame("door", 1))
        assert await one.take(4) == sent and one.moves == []
        sent = one.south.frames("door", 2, 1)
        assert await one.take(1) == sent and one.moves == [Moved("door", 1, 2)]
        one.north.frames("door", 1, 5)
        sent = one.south.frames("door", 2, 2)
        assert await one.take(2) == sent
        waiting = await one.waits_until(lambda: one.messages.counts.stale == 5)
        waiting.cancel()
        assert one.gaps == []


async def test_an_engine_is_not_followed_long_after_its_camera_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_subscription, "SETTLE_S", 0.01)
    async with reading(cameras=["door", "yard"]) as one:
        one.fleet.place("yard", 1, one.north)
        await until(lambda: followers(one.north) == [4])
        for camera, left in (("door", [2, 2]), ("yard", [0, 4])):
            one.fleet.place(camera, 2, one.south, previous=one.north)
            await until(lambda left=left: followers(one.south) == left[1:])
            sent = one.south.frame(camera, 2)
            assert await one.take(1) == [sent]
            await until(lambda left=left: followers(one.north, one.south) == left)
        one.fleet.place("door", 3, None, state="disabled")
        one.fleet.place("yard", 3, None, state="removed")
        await until(lambda: followers(one.south) == [0] and not one.messages.engines)


async def test_a_removed_camera_is_not_followed_although_messages_of_others_always_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet_subscription, "SETTLE_S", 0.01)
    async with reading() as one:
        one.fleet.place("yard", 1, one.south)
        await until(lambda: followers(one.south)[0] > 0)
        one.north.frame("door", 1)
        await one.take(1)
        one.south.frames("yard", 1, 2 * fleet_subscription.QUEUED)
        await until(one.messages._queue.full)
        one.fleet.place("door", 2, None, state="removed")
        await until(lambda: one.messages.engines == ["south"])
        assert one.messages._queue.full()
        await one.take(2 * fleet_subscription.QUEUED)


async def test_the_first_messages_of_the_new_engine_are_requested_if_they_were_missed() -> None:
    async with reading(kinds=["results", "events"]) as one:
        sent = one.north.frames("door", 1, 2)
        assert await one.take(2) == sent
        early = [*one.south.frames("door", 2, 7), one.south.event("door", 2), one.south.event("door", 2)]
        one.south.publisher.forget("door")  # whose last values would show that something was missed
        one.south.status("door", 2)
        await one.moves_on(2, one.north, one.south)
        waiting = await one.waits_until(lambda: one.moves == [Moved("door", 1, 2)])
        sent = [*early[:7], one.south.frame("door", 2), *early[7:], one.south.event("door", 2)]
        assert [await waiting, *await one.take(10)] == sent
        assert (one.messages.counts.missed, one.messages.counts.replayed) == (9, 9)


async def test_alerts_of_an_earlier_run_are_read_except_those_of_a_camera_that_has_moved_on(tmp_path: Path) -> None:
    """The engine was killed before its last alerts were received, and is started again with those that it has kept."""
    moves: list[Moved] = []
    endpoints = {name: f"tcp://127.0.0.1:{reserved_port()}" for name in ("endpoint", "replay")}
    async with (
        directory() as fleet,
        engine("south") as south,
        subscribe(fleet.fleet, kinds=["alerts"], on_moved=moves.append) as alerts,
    ):
        with closing(opened(tmp_path)) as store:
            async with engine("north", store=store, **endpoints) as north:
                for camera in ("door", "yard"):
                    fleet.place(camera, 1, north)
                await until(lambda: followers(north)[0] >= 2)
                sent = [north.alert("door", 1), north.alert("yard", 1)]
                assert [await anext(alerts), await anext(alerts)] == sent
                unread = [replace(one, seq=1, alert=f"{one.alert}-unread") for one in sent]
                for one in unread:
                    store.take(topic("alerts", one.camera), one)
            fleet.place("door", 2, south, previous=north)
            await until(lambda: followers(south)[0] > 0)
            south.status("door", 2)
            after = south.alert("door", 2)
            assert await anext(alerts) == after
            assert moves == [Moved("door", 1, 2)]
            await until(lambda: store.waiting == 0)
            async with engine("north", store=store, **endpoints) as north:
                fleet.place("yard", 2, north)
                await until(lambda: followers(north)[0] > 0)
                sent = [unread[1], north.alert("yard", 2)]
                assert [await anext(alerts), await anext(alerts)] == sent
                assert moves[1:] == [Moved("yard", 1, 2)]
                assert (alerts.counts.missed, alerts.counts.replayed, alerts.counts.stale) == (2, 2, 1)


async def test_a_reader_that_falls_behind_never_gets_an_older_generation_of_a_moved_camera() -> None:
    async with reading() as one:
        one.fleet.place("yard", 1, one.south)
        await until(lambda: followers(one.south)[0] > 0)
        last: dict[str, Message] = {}
        for generation in range(1, 6):
            for camera, place, other in (("door", one.north, one.south), ("yard", one.south, one.north)):
                new, old = (place, other) if generation % 2 else (other, place)
                if generation > 1:
                    one.fleet.place(camera, generation, new, previous=old)
                for _ in range(30):
                    last[camera] = new.frame(camera, generation, epoch=generation)
        got: list[Any] = []
        while any(end not in got for end in last.values()):
            got += await one.take(1)
        for camera in last:
            numbers = [(frame.generation, frame.frame) for frame in got if frame.camera == camera]
            assert numbers == sorted(set(numbers))


async def test_while_the_directory_is_away_known_cameras_are_still_read() -> None:
    endpoint = f"tcp://127.0.0.1:{reserved_port()}"
    async with engine("north") as north, engine("south") as south:
        async with directory(endpoint=endpoint) as fleet:
            fleet.place("door", 1, north)
            results = await subscribe(fleet.fleet).__aenter__()
            await until(lambda: followers(north)[0] > 0)
        async with results:
            assert north.frame("door", 1) == await anext(results)
            async with directory(endpoint=endpoint) as again:
                again.place("door", 2, south, previous=north)
                await until(lambda: followers(south)[0] > 0)
                assert south.frame("door", 2) == await anext(results)


async def test_an_engine_that_cannot_be_reached_or_has_a_bad_address_does_not_affect_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with directory() as fleet, engine("south") as south:
        nowhere = f"tcp://127.0.0.1:{reserved_port()}"
        fleet.place("door", 1, EngineAddress("dead", "dead", "a" * 32, nowhere, nowhere))
        fleet.place("hall", 1, EngineAddress("odd", "odd", "b" * 32, "http://x", "tcp://127.0.0.1:1"))
        fleet.place("safe", 1, EngineAddress("locked", "locked", "c" * 32, nowhere, nowhere, key="x" * 40))
        fleet.place("yard", 1, south)
        async with cast("FleetSubscription[Any]", subscribe(fleet.fleet)) as results:
            await until(lambda: followers(south)[0] > 0 and results.engines == ["dead", "south"])
            assert south.frame("yard", 1) == await anext(results)
        odd, locked = (record.getMessage() for record in caplog.records)
        assert "engine odd" in odd and "engine locked" in locked


async def test_a_directory_that_names_files_or_any_number_of_engines_costs_little(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fleet_subscription, "MAX_SOCKETS", 20)
    async with directory() as fleet, engine("south") as south:
        fleet.place("yard", 1, south)
        async with cast("FleetSubscription[Any]", subscribe(fleet.fleet)) as results:
            await until(lambda: followers(south)[0] > 0)
            for number in range(200):
                for endpoint in ("ipc:///dev/null", f"tcp://127.0.0.1:{number + 1}"):
                    address = EngineAddress(f"e{number}", "node", "a" * 32, endpoint, endpoint)
                    fleet.place(f"c{number}", 1, address)
                    fleet.place("door", number, replace(address, engine="same", endpoint=f"ipc:///{number}"))
            await until(lambda: results._places.get("c199"))
            assert south.frame("yard", 1) == await anext(results)
            assert 1 < len(results.engines) <= 20
        said = [record.getMessage() for record in caplog.records if record.name == fleet_subscription.__name__]
        named = [text.split()[1] for text in said]
        assert "same" in named and len(named) == len(set(named)) <= 100


async def test_leaving_the_iteration_closes_everything() -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        before, tasks = open_files(), len(asyncio.all_tasks())
        for one in (north, south):
            fleet.place(one.address.engine, 1, one)
            one.frame(one.address.engine, 1)
        iteration = aiter(subscribe(fleet.fleet))
        assert {(await anext(iteration)).camera, (await anext(iteration)).camera} == {"north", "south"}
        assert isinstance(iteration, AsyncGenerator)
        await iteration.aclose()
        await until(lambda: followers(north, south) == [0, 0])
        await until(lambda: len(asyncio.all_tasks()) == tasks and open_files() == before)


async def test_a_wait_that_is_cancelled_repeatedly_loses_nothing_and_one_ends_when_closed() -> None:
    async with reading() as one:
        sent, got = [], []
        for _ in range(50):
            sent.append(one.north.frame("door", 1))
            waiting = asyncio.ensure_future(anext(one.messages))
            await settle()
            if not waiting.cancel():
                got.append(waiting.result())
        got += await one.take(len(sent) - len(got))
        assert got == sent
        waiting = asyncio.ensure_future(anext(one.messages))
        await settle()
        one.messages.close()
        with pytest.raises(StopAsyncIteration):
            await waiting


async def test_the_subscribe_command_reads_a_fleet() -> None:
    command = (sys.executable, "run_stream.py", "subscribe")
    async with directory() as fleet, engine("north") as north:
        fleet.place("door", 1, north)
        process = await asyncio.create_subprocess_exec(*command, fleet.fleet, "--raw", stdout=asyncio.subprocess.PIPE)
        try:
            await until(lambda: north.publisher.subscriptions > 0)
            sent = north.frame("door", 1)
            assert process.stdout is not None
            while json.decode(await process.stdout.readline()).get("run") != sent.run:
                pass  # the places
        finally:
            process.kill()
            await process.wait()


def test_what_is_not_for_a_fleet_or_no_address_is_refused() -> None:
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("fleet://127.0.0.1:1", {"replay": "tcp://127.0.0.1:2"}, "replay"),
        ("tcp://127.0.0.1:1", {"on_moved": print}, "on_moved"),
        ("fleet://nowhere", {}, "'fleet://nowhere'"),
    ]
    for address, options, named in refused:
        with pytest.raises(ValueError, match=named):
            subscribe(address, **options)
