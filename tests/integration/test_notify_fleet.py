"""One `partstream notify` for a fleet of real publishers, with a real receiver of webhooks and a real broker."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from commands.keys import make_keys
from stream.messaging.curve.keys import read_public
from stream.notify.notifier import Notifier
from stream.notify.notify_config import NotifyConfig
from support.fleet.published_fleet import Directory, PublishingEngine, directory, engine
from support.notify.alert_engine import notifying, open_alerts
from support.notify.fed_alerts import alert, stats
from support.notify.mosquitto import mosquitto
from support.notify.mqtt_client import client_of
from support.notify.webhook_receiver import Receiver, hook, receiver
from support.waiting import until


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """Let time pass faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stream.notify.notifier.TICK_S", 0.02)
        patch.setattr("stream.notify.targets.mqtt_session.SETTLE_S", 0.05)
        patch.setattr("stream.notify.engine_state.NEW_RUN_US", 1_000_000)
        patch.setattr("stream.fleet_directory.fleet_subscription.SETTLE_S", 0.05)
        yield


def raises(at: PublishingEngine, name: str, generation: int, state: str = "began", **more: Any) -> None:
    """Publish an alert of the camera `door`."""
    made = alert(name, state, at_us=time.time_ns() // 1000, generation=generation, **more)
    at.publisher.publish(replace(made, run="", seq=0))


@dataclass
class Fleet:
    """A directory, and two engines. North has the camera `door` in generation 1. `settings` are notify's."""

    directory: Directory
    north: PublishingEngine
    south: PublishingEngine
    server: Receiver
    settings: dict[str, Any]

    def told(self) -> list[str]:
        return [post.id if post.body["type"].startswith("alert.") else "notice" for post in self.server.taken]

    def statistics(self, *open_alerts: str) -> None:
        """Publish the statistics of both engines; South lists these alerts."""
        for one, listed in ((self.north, ()), (self.south, open_alerts)):
            one.publisher.publish(replace(stats(*listed, run=""), cameras=[], engine=one.address.engine))

    @asynccontextmanager
    async def notify(self, *followed: PublishingEngine) -> AsyncIterator[Notifier]:
        """Run notify, and wait until it follows these engines."""
        async with notifying(NotifyConfig.model_validate(self.settings)) as notifier:
            await until(lambda: all(one.publisher.subscriptions > 0 for one in followed))
            yield notifier

    async def moves(self, generation: int, old: PublishingEngine, new: PublishingEngine) -> None:
        """Place the camera at another engine. The old one goes on."""
        self.directory.place("door", generation, new, previous=old)
        await until(lambda: new.publisher.subscriptions > 0)


@asynccontextmanager
async def fleet(folder: Path, *, keys: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[Fleet]:
    """Run a fleet. `settings`: of notify's `engine`. `keys`: of directory and engines."""
    curve = keys or {}
    async with (
        directory(**curve) as places,
        engine("north", **curve) as north,
        engine("south", **curve) as south,
        receiver() as server,
    ):
        of = {"ledger": str(folder / "notify.db"), "metrics": None, "targets": hook(folder, server.url)}
        made = Fleet(places, north, south, server, {**of, "engine": {"endpoint": places.fleet, **settings}})
        places.place("door", 1, north)
        yield made


async def test_an_alert_that_two_engines_raise_calls_once_and_goes_on_at_the_one_that_has_the_camera(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as one, one.notify(one.north) as notifier:
        one.north.status("door", 1)
        raises(one.north, "n1", 1)
        await until(lambda: one.told() == ["n1:began"])
        await one.moves(2, one.north, one.south)
        one.south.status("door", 2)
        raises(one.south, "s1", 2)
        await until(lambda: open_alerts(notifier) == {"s1"})
        raises(one.north, "n1", 1, "cleared")
        raises(one.north, "n2", 1)  # stale, as the one before
        raises(one.south, "s2", 2)  # another person
        await until(lambda: one.told() == ["n1:began", "s2:began"])
        raises(one.south, "s1", 2, "cleared")
        await until(lambda: one.told() == ["n1:began", "s2:began", "n1:cleared"])
        assert one.server.taken[-1].body["data"]["alert"]["alert"] == "n1"
        row = notifier.ledger.alert("n1")
        assert row is not None and row.closed_by == "moved"
        assert notifier.intake.lost == 0


async def test_an_alert_that_the_new_engine_does_not_raise_ends_as_moved_and_a_lost_engine_is_no_notice(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as one, one.notify(one.north) as notifier:
        raises(one.north, "n1", 1)
        await until(lambda: one.told() == ["n1:began"])
        await one.north.publisher.stop()
        await one.moves(2, one.north, one.south)
        one.south.status("door", 2)
        await until(lambda: one.told() == ["n1:began", "n1:cleared"])
        assert one.server.taken[-1].body["data"]["closed_by"] == "moved"
        raises(one.south, "s1", 2)
        await until(lambda: one.told()[-1] == "s1:began")
        one.directory.place("door", 2, None)  # as a controller that was restarted, until the engine has joined
        one.directory.place("door", 2, one.south)
        raises(one.south, "s2", 2)
        await until(lambda: one.told()[-1] == "s2:began")
        row = notifier.ledger.alert("s2")
        assert row is not None and row.shown and not notifier.errors()


async def test_a_notify_that_was_away_sends_what_replay_has_and_says_what_may_be_missing(tmp_path: Path) -> None:
    async with fleet(tmp_path) as one:
        async with one.notify(one.north):
            raises(one.north, "n1", 1, "cleared")
            await until(lambda: one.told() == ["n1:closed"])
        raises(one.north, "n2", 1, rule="fence")
        raises(one.north, "n3", 1, "cleared")
        one.directory.place("yard", 1, one.north)  # the engine goes on, without the camera
        one.directory.place("door", 2, one.south)
        raises(one.south, "s1", 2)
        async with one.notify(one.north, one.south):
            wanted = ["n1:closed", "n2:began", "n2:cleared", "n3:closed", "s1:began"]
            await until(lambda: sorted(one.told()) == wanted)
        await one.south.publisher.stop()
        async with engine("third") as third:
            one.directory.place("door", 3, third)
            async with one.notify(third):
                await until(lambda: bool(third.status("door", 3) and "notice" in one.told()))
                assert "alerts of the fleet may be missing" in one.server.taken[-1].body["data"]["text"]


async def test_a_broker_gets_the_cameras_of_a_fleet_with_keys(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ["notify"])
    server_key = tmp_path / "keys" / "server.key"
    keys = {"curve_secret_key_file": f"{server_key}_secret", "curve_allowed_keys": str(tmp_path / "keys/allowed")}
    own = {"server_key": str(server_key), "key_file": str(tmp_path / "keys/clients/notify.key_secret")}
    async with (
        fleet(tmp_path, keys=keys, **own) as one,
        mosquitto(tmp_path) as broker,
        client_of(broker) as client,
    ):
        for camera, at in (("door", one.north), ("yard", one.south)):
            one.directory.place(camera, 1, replace(at.address, key=read_public(server_key)))
        one.settings["targets"] = {"house": {**broker.target, "node": "home"}}
        async with one.notify(one.north, one.south):
            one.south.status("yard", 1)
            raises(one.south, "s1", 1, camera="yard")
            await until(lambda: client.stream("partstream/home/yard/notice"))
            one.statistics("s1")
            await until(lambda: client.value("partstream/home/yard/availability") == "online")
            assert client.value("partstream/home/yard/live") == "ON" != client.value("partstream/home/door/live")
            assert client.value("partstream/home/yard/rule/fall")["alerts"] == ["s1"]
            one.directory.place("yard", 1, None, state="disabled")
            await until(lambda: client.value("partstream/home/yard/live") == "OFF")
            one.directory.place("yard", 1, None, state="removed")
            await until(lambda: client.values["partstream/home/yard/live"] == b"")
