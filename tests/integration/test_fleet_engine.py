"""Engines of a fleet: they take cameras from a controller, publish under its generations, and report."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stream.cameras import fleet_member
from stream.cameras.fleet_member import FleetMember, Identity
from stream.engine import Engine
from stream.membership.messages import Assigned, Assignment, CameraReport
from stream.results import Event, Frame, Message, Stats, Status
from support.engines.controlled_engine import PATIENT, PATTERN, Client, configured, running
from support.waiting import until

SETTINGS: dict[str, Any] = {"source": PATTERN, **PATIENT}
KEY = "ab" * 32
IDENTITY = Identity("engine-1", "rack", capacity=80.0)


class Member:
    """An engine of a fleet, as its controller sees it, with every message that it publishes."""

    def __init__(self, engine: Engine, client: Client) -> None:
        assert engine.member is not None
        self.engine, self.client = engine, client
        self.member: FleetMember = engine.member
        self.messages: list[Message] = []
        self.number = 0
        engine.publisher.on_message(lambda topic, message: self.messages.append(message))

    async def assign(self, http: str = "", **cameras: tuple[int, dict[str, Any]]) -> None:
        """Have it have these cameras and no others: each with its generation and settings."""
        self.number += 1
        wanted = {name: Assigned(generation, settings) for name, (generation, settings) in cameras.items()}
        await self.member.assign(Assignment(self.number, wanted, http, KEY, ["http://head:9095"]))

    @property
    def reported(self) -> dict[str, CameraReport]:
        return self.member.status(0.0).cameras

    @property
    def live(self) -> dict[str, int]:
        """The generations of live cameras."""
        return {name: one.generation for name, one in self.reported.items() if one.state == "live"}

    def of(self, camera: str, kind: Any) -> list[Any]:
        return [one for one in self.messages if isinstance(one, kind) and one.camera == camera]

    def frames(self, camera: str) -> list[Frame]:
        return self.of(camera, Frame)


@asynccontextmanager
async def member_of(identity: Identity = IDENTITY, **settings: Any) -> AsyncIterator[Member]:
    async with running(configured(**settings), fleet=identity) as (engine, client):
        yield Member(engine, client)


async def test_an_engine_gets_cameras_reports_them_and_gives_them_up() -> None:
    async with member_of() as one:
        status = one.member.status(0.0)
        address = status.address
        assert (address.engine, address.node, address.run) == ("engine-1", "rack", one.engine.run)
        publisher = one.engine.publisher
        assert (address.endpoint, address.replay) == (publisher.endpoint, publisher.replay_endpoint)
        assert (address.http, address.key) == (one.engine.http_address, None)
        assert (status.report.capacity, status.report.max_cameras, status.assignment) == (80.0, 64, 0)
        await one.assign(lobby=(7, SETTINGS), yard=(8, SETTINGS | {"enabled": False}))
        await until(lambda: one.live == {"lobby": 7})
        await until(lambda: one.reported["lobby"].pixels > 0 and one.reported["lobby"].fps > 0)
        assert (one.reported["yard"].state, one.reported["yard"].generation) == ("ended", 8)
        assert one.member.status(0.0).assignment == 1
        assert [camera["id"] for camera in (await one.client.get("/api/v1/cameras"))["cameras"]] == ["lobby", "yard"]
        await one.assign(yard=(8, SETTINGS | {"enabled": False}))
        assert list(one.engine.cameras.configs) == list(one.reported) == ["yard"]
        last = one.of("lobby", Status)[-1]
        assert (last.state, last.reason, last.generation) == ("removed", "moved", 7)
        await until(lambda: any(isinstance(message, Stats) for message in one.messages))
    assert {message.generation for message in one.of("lobby", Frame | Event | Status)} == {7}
    assert {message.engine for message in one.messages if isinstance(message, Stats)} == {"engine-1"}


async def test_another_generation_begins_an_epoch_without_connecting_again_and_an_earlier_one_changes_nothing() -> None:
    async with member_of() as one:
        await one.assign(lobby=(7, SETTINGS))
        await until(lambda: len(one.frames("lobby")) >= 2)
        await one.assign(lobby=(9, SETTINGS))
        await one.member.assign(Assignment(1, {"lobby": Assigned(7, SETTINGS)}, "", KEY, []))
        await until(lambda: one.live == {"lobby": 9} and one.frames("lobby")[-1].generation == 9)
        frames = one.frames("lobby")
    assert [frame.generation for frame in frames] == sorted(frame.generation or 0 for frame in frames)
    assert {frame.epoch for frame in frames if frame.generation == 9} == {2}
    assert [status.state for status in one.of("lobby", Status)].count("connecting") == 1


async def test_settings_are_changed_and_a_camera_that_is_invalid_or_cannot_be_opened_affects_no_other() -> None:
    async with member_of() as one:
        await one.assign(hall=(6, SETTINGS | {"source": "/nowhere/missing.mp4"}))
        await until(lambda: one.reported["hall"].reason)
        assert one.reported["hall"].state == "ended" and "missing.mp4" in one.reported["hall"].message
        await one.assign(lobby=(7, SETTINGS), yard=(8, {"source": "rtsp://me:secret@h/x", "pace": "slow"}))
        await until(lambda: one.live == {"lobby": 7})
        refused = one.reported["yard"]
        assert refused.generation == 8 and "pace" in refused.refused and "secret" not in refused.refused
        await one.assign(lobby=(7, SETTINGS | {"max_fps": 5.0}), yard=(10, SETTINGS))
        await until(lambda: one.live == {"lobby": 7, "yard": 10})
        assert one.engine.cameras.configs["lobby"].max_fps == 5.0
        assert {frame.epoch for frame in one.frames("lobby")} == {1}, "max_fps needs no restart"
        await one.assign(lobby=(11, SETTINGS | {"source": "pattern:64x64@20"}), yard=(10, {"source": ""}))
        await until(lambda: one.live == {"lobby": 11} and one.reported["yard"].refused)
        assert list(one.engine.cameras.configs) == ["lobby"], "without a camera that it cannot have as it is wanted"
        assert {frame.size for frame in one.frames("lobby") if frame.generation == 11} <= {(64, 64)}


async def test_a_full_engine_refuses_further_cameras_and_hidden_ones_stay_hidden() -> None:
    async with member_of(http={"max_cameras": 1}, privacy={"mode": "skeleton"}) as one:
        report = one.member.status(0.0).report
        assert (report.max_cameras, report.privacy) == (1, "skeleton")
        await one.assign(lobby=(7, SETTINGS), yard=(8, SETTINGS))
        (taken,), (refused,) = one.engine.cameras.configs, one.reported.keys() - one.engine.cameras.configs
        assert one.reported[refused].refused.endswith("the engine has 1 cameras, the limit of http.max_cameras")
        await one.assign(**{refused: (9, SETTINGS)})
        await until(lambda: one.live == {refused: 9})
        assert taken not in one.engine.cameras.configs
        assert one.engine.cameras.configs[refused].privacy == "skeleton"


async def test_cameras_of_a_fleet_are_not_changed_over_http() -> None:
    async with member_of() as one:
        await one.assign("http://head:9095", lobby=(7, SETTINGS))
        for method, body in (("PUT", {"source": PATTERN}), ("PATCH", {"max_fps": 5}), ("DELETE", None)):
            status, problem, _ = await one.client.ask(method, "/api/v1/cameras/lobby", json=body)
            assert (status, problem["type"]) == (409, "urn:partstream:problem:in-a-fleet")
            assert "http://head:9095" in problem["detail"]
        assert list(one.engine.cameras.configs) == ["lobby"]


async def test_an_engine_whose_controller_is_silent_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with member_of() as one:
        await one.assign(lobby=(7, SETTINGS))
        await until(lambda: one.live and one.engine.stats(measure=False).ready)
        monkeypatch.setattr(fleet_member, "SILENT_S", 0.0)
        status, verdict, _ = await one.client.ask("GET", "/readyz")
        assert status == 503 and verdict["reasons"] == ["fleet: the controller has been silent for 0 s"]
        one.messages.clear()
        await until(lambda: one.frames("lobby"))
        monkeypatch.setattr(fleet_member, "SILENT_S", 3600.0)
        assert (await one.client.get("/readyz"))["ready"]
