"""A subscription to a fleet with real publishers: cameras are followed as they move, without going back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec import json
from msgspec.structs import replace

from stream.fleet_directory import engine_link, fleet_subscription, recovery
from stream.fleet_directory.fleet_subscription import FleetSubscription
from stream.results import EngineAddress, Frame, Message, Place, Stats, Status, topic
from stream.subscriber import Gap, Moved, Subscription, subscribe
from support.fleet.published_fleet import PublishingEngine, directory, engine
from support.incidents import opened
from support.open_files import open_files
from support.ports import reserved_port
from support.waiting import PATIENCE_S, settle, until


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for an engine's answers as long as a busy machine needs."""
    monkeypatch.setattr(engine_link, "ANSWER_S", PATIENCE_S)


async def take(subscription: Subscription[Any], count: int) -> list[Any]:
    return [await anext(subscription) for _ in range(count)]


def followers(*engines: PublishingEngine) -> list[int]:
    return [one.publisher.subscriptions for one in engines]


def generations(messages: list[Any]) -> list[int]:
    return [one.generation for one in messages]


# -- cameras that stay ----------------------------------------------------------------------------------------------
async def test_cameras_of_all_engines_are_read_through_the_directory() -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        fleet.place("yard", 1, south)
        async with subscribe(fleet.fleet) as results:
            await until(lambda: min(followers(north, south)) > 0)
            sent = [north.frame("door", 1), south.frame("yard", 1)]
            got = await take(results, 2)
            assert sorted(got, key=lambda one: one.camera) == sent
            assert results.counts.gaps == 0


async def test_only_the_selected_camera_is_requested_of_its_engine_alone() -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        fleet.place("yard", 1, south)
        async with subscribe(fleet.fleet, camera="yard") as results:
            await until(lambda: followers(south) == [2])  # results, and the status
            north.frame("door", 1)
            sent = south.frame("yard", 1)
            assert await take(results, 1) == [sent]
            assert followers(north) == [0]


async def test_what_an_engine_publishes_for_the_directory_or_another_engine_or_a_wrong_topic_is_discarded() -> None:
    async with directory() as fleet, engine("north") as north:
        place = fleet.place("door", 1, north)
        async with subscribe(fleet.fleet, kinds=["results", "stats", "directory"]) as messages:
            assert await take(messages, 1) == [place]
            await until(lambda: followers(north) == [3])  # results, the status, and statistics
            of_another = replace(north.stats(), seq=1, engine="south")
            await take(messages, 1)
            frame = north.frame("door", 1)
            assert await take(messages, 1) == [frame]
            for name, message in (
                ("results/v1/door/", replace(place, generation=99)),
                ("results/v1/door/", replace(place, state="removed")),
                ("results/v1/door/", replace(frame, seq=1, camera="yard")),
                ("results/v1/door", replace(frame, seq=1)),
                ("results/v1/../door/", replace(frame, seq=1, camera="../door")),
                ("stats/v1/south/", of_another),
            ):
                north.publisher._topics.send(name.encode(), json.encode(message), frequent=False)
            after = north.frame("door", 1)
            assert await take(messages, 1) == [after]
            assert messages.counts.undecodable == 6


async def test_statistics_of_every_engine_are_read() -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        fleet.place("yard", 1, south)
        async with subscribe(fleet.fleet, kinds=["stats"]) as stats:
            await until(lambda: followers(north, south) == [1, 1])
            sent = [north.stats(), south.stats()]
            got = await take(stats, 2)
            assert {one.run for one in got} == {one.run for one in sent}
            assert all(isinstance(one, Stats) for one in got)


async def test_places_are_delivered_with_the_reason_of_cameras_without_an_engine() -> None:
    async with directory() as fleet, subscribe(fleet.fleet, kinds=["directory"]) as places:
        await until(lambda: fleet.publisher.subscriptions > 0)
        fleet.place("door", 0, None, reason="no engine has room: needs 12 Mpx/s, the freest has 3")
        (place,) = await take(places, 1)
        assert isinstance(place, Place)
        assert (place.state, place.reason[:18]) == ("unplaced", "no engine has room")


async def test_messages_of_one_slow_reader_wait_in_bounded_queues_and_none_is_lost() -> None:
    async with directory() as fleet, engine("north") as north:
        fleet.place("door", 1, north)
        gaps: list[Gap] = []
        async with subscribe(fleet.fleet, high_water_mark=1, receive_buffer=4096, on_gap=gaps.append) as results:
            assert isinstance(results, FleetSubscription)
            await until(lambda: followers(north)[0] > 0)
            sent = north.frames("door", 1, 1500)
            got: list[Message] = []
            while not got or got[-1] != sent[-1]:
                reading = asyncio.ensure_future(anext(results))
                await settle()
                if not reading.done():
                    sent.append(north.frame("door", 1))  # shows a gap at the end
                got.append(await reading)
                assert len(results._queue) <= fleet_subscription.QUEUED + len(gaps)
            assert got == sent
            assert results.counts.missed == results.counts.replayed == sum(gap.missed for gap in gaps)


# -- cameras that move ----------------------------------------------------------------------------------------------
async def test_both_engines_are_followed_until_the_new_one_publishes_the_camera() -> None:
    moves: list[Moved] = []
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        async with subscribe(fleet.fleet, camera="door", on_moved=moves.append) as results:
            await until(lambda: followers(north) == [2])
            sent = north.frames("door", 1, 3)
            assert await take(results, 3) == sent
            fleet.place("door", 2, south, previous=north)
            await until(lambda: followers(south) == [2])
            south.status("door", 2, "connecting")
            meanwhile = north.frame("door", 1)
            assert await take(results, 1) == [meanwhile]
            assert moves == []
            after = south.frame("door", 2)
            assert await take(results, 1) == [after]
            assert moves == [Moved("door", 1, 2, lost=0)]
            north.frames("door", 1, 5)
            more = south.frames("door", 2, 2)
            assert await take(results, 2) == more
            await until(lambda: results.counts.stale == 5)
            assert results.counts.gaps == 0


async def test_an_engine_is_no_longer_followed_some_time_after_its_camera_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet_subscription, "RETIRE_S", 0.01)
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        for camera in ("door", "yard"):
            fleet.place(camera, 1, north)
        async with subscribe(fleet.fleet, cameras=["door", "yard"]) as results:
            assert isinstance(results, FleetSubscription)
            await until(lambda: followers(north) == [4])
            fleet.place("door", 2, south, previous=north)
            await until(lambda: followers(south) == [2])
            south.frame("door", 2)
            await until(lambda: followers(north, south) == [2, 2])
            fleet.place("yard", 2, south, previous=north)
            await until(lambda: followers(south) == [4])
            south.frame("yard", 2)
            await until(lambda: followers(north, south) == [0, 4])
            assert results.engines == ["south"]
            fleet.place("door", 3, None, state="disabled")
            fleet.place("yard", 3, None, state="removed")
            await until(lambda: followers(south) == [0])
            assert results.engines == []


async def test_what_a_reader_has_not_read_of_the_old_engine_comes_before_the_new_ones() -> None:
    """Of the old engine's messages some wait in queues, and the last ones were dropped: replay has them."""
    moves: list[Moved] = []
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        slow = subscribe(fleet.fleet, on_moved=moves.append, high_water_mark=1, receive_buffer=4096)
        async with slow as results:
            await until(lambda: followers(north)[0] > 0)
            sent = north.frames("door", 1, 1500)
            fleet.place("door", 2, south, previous=north)
            await until(lambda: followers(south)[0] > 0)
            sent.append(south.frame("door", 2))
            assert await take(results, len(sent)) == sent
            assert moves == [Moved("door", 1, 2, lost=0)]
            assert results.counts.lost == 0


async def test_the_first_messages_of_the_new_engine_are_requested_if_they_were_missed() -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        async with subscribe(fleet.fleet) as results:
            await until(lambda: followers(north)[0] > 0)
            sent = north.frames("door", 1, 2)
            assert await take(results, 2) == sent
            early = south.frames("door", 2, 7)  # before its subscribers know that it has the camera
            fleet.place("door", 2, south, previous=north)
            assert await take(results, 7) == early


async def test_the_first_messages_of_the_new_engine_are_requested_if_only_its_status_was_received() -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        async with subscribe(fleet.fleet, kinds=["results", "events"]) as results:
            await until(lambda: followers(north)[0] > 0)
            sent: list[Message] = [north.frame("door", 1)]
            assert await take(results, 1) == sent
            early = [south.frame("door", 2), south.event("door", 2), south.event("door", 2)]
            south.publisher.forget("door")  # whose last values would show that something was missed
            south.status("door", 2)
            fleet.place("door", 2, south, previous=north)
            await until(lambda: results._merging.generation("door") == 2)  # pyright: ignore
            sent = [early[0], south.frame("door", 2), *early[1:], south.event("door", 2)]
            assert await take(results, 5) == sent


async def test_an_engine_that_has_stopped_is_a_move_with_an_unknown_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_link, "ANSWER_S", 0.01)
    moves: list[Moved] = []
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        fleet.place("yard", 1, south)
        async with subscribe(fleet.fleet, on_moved=moves.append) as results:
            await until(lambda: min(followers(north, south)) > 0)
            sent = north.frame("door", 1)
            assert await take(results, 1) == [sent]
            await north.publisher.stop()
            fleet.place("door", 2, south, previous=north)
            other, moved = south.frame("yard", 1), south.frame("door", 2)
            assert await take(results, 2) == [other, moved]
            assert moves == [Moved("door", 1, 2, lost=None)]


async def test_an_engine_restarted_at_its_address_is_a_move_with_an_unknown_loss() -> None:
    moves: list[Moved] = []
    endpoints = {name: f"tcp://127.0.0.1:{reserved_port()}" for name in ("endpoint", "replay")}
    async with directory() as fleet, subscribe(fleet.fleet, on_moved=moves.append) as results:
        async with engine("north", **endpoints) as north:
            fleet.place("door", 1, north)
            await until(lambda: followers(north)[0] > 0)
            first = north.frame("door", 1)
            assert await take(results, 1) == [first]
        async with engine("north", **endpoints) as north:
            fleet.place("door", 2, north)
            second = north.frame("door", 2)
            assert await take(results, 1) == [second]
            assert moves == [Moved("door", 1, 2, lost=None)]


@pytest.mark.parametrize("cameras", [None, ["door", "yard"]])
async def test_alerts_of_an_earlier_run_are_read_except_those_of_a_camera_that_has_moved_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cameras: list[str] | None
) -> None:
    """The engine was killed before its last alerts were received, and has kept them."""
    monkeypatch.setattr(engine_link, "ANSWER_S", 0.01)
    moves: list[Moved] = []
    endpoints = {name: f"tcp://127.0.0.1:{reserved_port()}" for name in ("endpoint", "replay")}
    async with (
        directory() as fleet,
        engine("south") as south,
        subscribe(fleet.fleet, kinds=["alerts"], cameras=cameras, on_moved=moves.append) as alerts,
    ):
        with closing(opened(tmp_path)) as store:
            async with engine("north", store=store, **endpoints) as north:
                for camera in ("door", "yard"):
                    fleet.place(camera, 1, north)
                await until(lambda: followers(north)[0] >= (2 if cameras is None else 4))
                sent = [north.alert("door", 1), north.alert("yard", 1)]
                assert await take(alerts, 2) == sent
                unread = [replace(one, seq=1, alert=f"{one.alert}-unread") for one in sent]
                for one in unread:
                    store.take(topic("alerts", one.camera), one)
            fleet.place("door", 2, south, previous=north)
            await until(lambda: followers(south)[0] > 0)
            south.status("door", 2)
            sent = [south.alert("door", 2)]
            assert await take(alerts, 1) == sent
            assert moves == [Moved("door", 1, 2, lost=None)]
            await until(lambda: store.waiting == 0)
            async with engine("north", store=store, **endpoints) as north:
                fleet.place("yard", 2, north)
                await until(lambda: followers(north)[0] > 0)
                sent = [unread[1], north.alert("yard", 2)]
                assert await take(alerts, 2) == sent
                assert moves[1:] == [Moved("yard", 1, 2, lost=None)]
                assert (alerts.counts.missed, alerts.counts.replayed, alerts.counts.stale) == (1, 1, 0)


async def test_a_camera_that_moves_back_and_forth_keeps_its_order() -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        engines = [north, south]
        fleet.place("door", 1, north)
        got: list[Frame] = []
        async with subscribe(fleet.fleet) as results:
            await until(lambda: followers(north)[0] > 0)
            sent = north.frames("door", 1, 2)
            got += await take(results, 2)
            for generation in range(2, 12):
                new, old = engines[(generation - 1) % 2], engines[generation % 2]
                fleet.place("door", generation, new, previous=old)
                await until(lambda new=new: followers(new)[0] > 0)
                sent += new.frames("door", generation, 3)
                got += await take(results, 3)
                old.frame("door", generation - 1)
            assert got == sent
            assert generations(got) == sorted(generations(got))


async def test_a_camera_that_comes_back_to_an_engine_has_no_gap_for_what_was_stale() -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        async with subscribe(fleet.fleet) as results:
            await until(lambda: followers(north)[0] > 0)
            sent = [north.frame("door", 1, epoch=1)]
            fleet.place("door", 2, south, previous=north)
            await until(lambda: followers(south)[0] > 0)
            sent.append(south.frame("door", 2))
            assert await take(results, 2) == sent
            for _ in range(5):
                north.frame("door", 1, epoch=1)
            fleet.place("door", 3, north, previous=south)
            after = [north.frame("door", 3, epoch=2) for _ in range(3)]
            assert await take(results, 3) == after
            assert (results.counts.gaps, results.counts.missed) == (0, 0)


async def test_a_reader_that_falls_far_behind_gets_cameras_that_change_places_without_waiting_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More is held of each camera than is kept in memory, and the new engine of each is the old one of the other."""
    monkeypatch.setattr(fleet_subscription, "HELD", 3)
    monkeypatch.setattr(recovery, "HELD", 3)
    moves: list[Moved] = []
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        fleet.place("yard", 1, south)
        async with subscribe(fleet.fleet, on_moved=moves.append) as results:
            await until(lambda: min(followers(north, south)) > 0)
            sent = {"door": [], "yard": []}
            for generation in range(1, 6):
                for camera, place, other in (("door", north, south), ("yard", south, north)):
                    new, old = (place, other) if generation % 2 else (other, place)
                    if generation > 1:
                        fleet.place(camera, generation, new, previous=old)
                    sent[camera] += [new.frame(camera, generation, epoch=generation) for _ in range(150)]
            got: dict[str, list[Frame]] = {"door": [], "yard": []}
            last = {"door": north, "yard": south}
            while any(not got[camera] or got[camera][-1] != sent[camera][-1] for camera in got):
                reading = asyncio.ensure_future(anext(results))
                await settle()
                if not reading.done():
                    for camera, one in last.items():
                        sent[camera].append(one.frame(camera, 5, epoch=5))  # shows a gap at the end
                frame = await reading
                got[frame.camera].append(frame)
            for camera in got:
                assert generations(got[camera]) == sorted(generations(got[camera]))
                first = got[camera][0].generation or 0  # the engine that has it next may be read first
                wanted = [one for one in sent[camera] if (one.generation or 0) >= first]
                moved = [move for move in moves if move.camera == camera]
                for move in moved:
                    read, published = (
                        [one for one in some if one.generation == move.old_generation] for some in (got[camera], wanted)
                    )
                    assert move.lost is None or len(published) - len(read) == move.lost
                    assert move.lost is None or move.new_generation == move.old_generation + 1
                if all(move.lost == 0 for move in moved):
                    assert got[camera] == wanted


async def test_a_status_of_the_new_engine_shows_the_move_to_a_reader_of_events() -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        async with subscribe(fleet.fleet, kinds=["events"]) as events:
            await until(lambda: followers(north) == [2])
            sent = north.event("door", 1)
            assert await take(events, 1) == [sent]
            fleet.place("door", 2, south, previous=north)
            await until(lambda: followers(south) == [2])
            south.status("door", 2)
            await until(lambda: events._merging.generation("door") == 2)  # pyright: ignore
            north.event("door", 1)
            after = south.event("door", 2)
            assert await take(events, 1) == [after]


async def test_the_last_status_of_the_old_engine_does_not_follow_one_of_the_new() -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        async with subscribe(fleet.fleet, kinds=["status"]) as statuses:
            await until(lambda: followers(north) == [1])
            north.status("door", 1)
            assert isinstance((await take(statuses, 1))[0], Status)
            fleet.place("door", 2, south, previous=north)
            await until(lambda: followers(south) == [1])
            connecting = south.status("door", 2, "connecting")
            assert await take(statuses, 1) == [connecting]
            north.status("door", 1, "removed")
            await until(lambda: statuses.counts.stale == 1)
            live = south.status("door", 2)
            assert await take(statuses, 1) == [live]


# -- what is away ---------------------------------------------------------------------------------------------------
async def test_while_the_directory_is_away_what_is_known_goes_on() -> None:
    endpoint = f"tcp://127.0.0.1:{reserved_port()}"
    async with engine("north") as north, engine("south") as south:
        async with directory(endpoint=endpoint) as fleet:
            fleet.place("door", 1, north)
            results = subscribe(fleet.fleet)
            await results.__aenter__()
            await until(lambda: followers(north)[0] > 0)
        async with results:
            sent = north.frames("door", 1, 2)
            assert await take(results, 2) == sent
            async with directory(endpoint=endpoint) as again:
                again.place("door", 2, south, previous=north)
                await until(lambda: followers(south)[0] > 0)
                sent = [south.frame("door", 2)]
                assert await take(results, 1) == sent


async def test_an_engine_that_cannot_be_reached_or_has_a_bad_address_does_not_affect_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with directory() as fleet, engine("south") as south:
        nowhere = f"tcp://127.0.0.1:{reserved_port()}"
        fleet.place("door", 1, EngineAddress("dead", "dead", "a" * 32, nowhere, nowhere))
        fleet.place("hall", 1, EngineAddress("odd", "odd", "b" * 32, "http://x", "tcp://127.0.0.1:1"))
        fleet.place("safe", 1, EngineAddress("locked", "locked", "c" * 32, nowhere, nowhere, key="x" * 40))
        fleet.place("yard", 1, south)
        async with subscribe(fleet.fleet) as results:
            assert isinstance(results, FleetSubscription)
            await until(lambda: followers(south)[0] > 0 and results.engines == ["dead", "south"])
            sent = south.frame("yard", 1)
            assert await take(results, 1) == [sent]
        warnings = [record.getMessage() for record in caplog.records]
        assert len(warnings) == 2
        assert "engine odd" in warnings[0] and "'http://x' is not an endpoint" in warnings[0]
        assert "engine locked" in warnings[1] and "give the directory's server_key and your key_file" in warnings[1]


async def test_an_engine_that_there_is_no_socket_for_is_followed_when_there_is_one_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fleet_subscription, "MAX_SOCKETS", 2)  # of the directory, and of one engine
    monkeypatch.setattr(fleet_subscription, "CONNECT_AGAIN_S", 0.001)
    monkeypatch.setattr(fleet_subscription, "RETIRE_S", 0.001)
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        async with subscribe(fleet.fleet) as results:
            assert isinstance(results, FleetSubscription)
            await until(lambda: results.engines == ["north"])
            fleet.place("yard", 1, south)
            await until(lambda: "engine south of the fleet can't be followed now: " in caplog.text)
            assert results.engines == ["north"]
            fleet.place("door", 2, None, state="removed")
            await until(lambda: followers(south)[0] > 0)
            sent = south.frame("yard", 1)
            assert await take(results, 1) == [sent]


# -- opening and closing --------------------------------------------------------------------------------------------
async def test_leaving_the_iteration_closes_everything() -> None:
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        before, tasks = open_files(), len(asyncio.all_tasks())
        for one in (north, south):
            fleet.place(one.address.engine, 1, one)
            one.frame(one.address.engine, 1)
        reading = aiter(subscribe(fleet.fleet))
        assert {(await anext(reading)).camera, (await anext(reading)).camera} == {"north", "south"}
        assert isinstance(reading, AsyncGenerator)
        await reading.aclose()
        await until(lambda: followers(north, south) == [0, 0])
        await until(lambda: len(asyncio.all_tasks()) == tasks and open_files() == before)


async def test_a_wait_that_is_cancelled_again_and_again_loses_nothing() -> None:
    async with directory() as fleet, engine("north") as north:
        fleet.place("door", 1, north)
        async with subscribe(fleet.fleet) as results:
            await until(lambda: followers(north)[0] > 0)
            sent, got = [], []
            for _ in range(50):
                sent.append(north.frame("door", 1))
                reading = asyncio.ensure_future(anext(results))
                await settle()
                if not reading.cancel():
                    got.append(reading.result())
            got += await take(results, len(sent) - len(got))
            assert got == sent


async def test_closing_ends_a_waiting_iteration() -> None:
    async with directory() as fleet:
        results = subscribe(fleet.fleet)
        async with results:
            waiting = asyncio.ensure_future(anext(results))
            await settle()
            results.close()
            with pytest.raises(StopAsyncIteration):
                await waiting


async def test_a_subscription_closed_during_a_handover_reads_the_camera_when_it_is_opened_again() -> None:
    """The old engine does not answer, so that the handover is still going on when the subscription is closed."""
    async with directory() as fleet, engine("north") as north, engine("south") as south:
        fleet.place("door", 1, north)
        results = subscribe(fleet.fleet)
        assert isinstance(results, FleetSubscription)
        async with results:
            await until(lambda: followers(north)[0] > 0)
            sent = [north.frame("door", 1)]
            assert await take(results, 1) == sent
            await north.publisher.stop()
            fleet.place("door", 2, south, previous=north)
            await until(lambda: followers(south)[0] > 0)
            south.frame("door", 2)
            await until(lambda: results._merging.waiting("door") == 1)
        await until(lambda: followers(south) == [0])
        async with results:
            await until(lambda: followers(south)[0] > 0)
            south.frame("door", 2)
            assert generations(await take(results, 1)) == [2]
            assert not results._handovers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replay": "tcp://127.0.0.1:2"}, "replay is for one engine: give its tcp://HOST:PORT instead of fleet://"),
        ({"resume": []}, "resume is for one engine"),
    ],
)
def test_options_for_one_engine_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        subscribe("fleet://127.0.0.1:1", **options)


def test_moves_are_only_told_of_a_fleet() -> None:
    with pytest.raises(ValueError, match="on_moved is for a fleet: use fleet://HOST:PORT"):
        subscribe("tcp://127.0.0.1:1", on_moved=print)


def test_the_address_of_a_directory_is_checked() -> None:
    with pytest.raises(ValueError, match="'nowhere' is not an endpoint"):
        subscribe("fleet://nowhere")
