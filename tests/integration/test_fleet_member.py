"""The member of a fleet against a small coordinator, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from stream.membership import contact
from stream.membership import member as member_module
from stream.membership.lease import Leases
from stream.membership.member import Member
from stream.membership.protocol import Assigned, CameraReport, EngineReport, Grant, RefusedEngine, Renewal
from stream.messaging.curve.keys import KeyFileError, KeyPair
from stream.results import EngineAddress
from stream.settings.config_error import ConfigError
from stream.settings.fleet import FleetSettings
from support.engines.small_coordinator import coordinating
from support.ports import reserved_port
from support.waiting import PATIENCE_S, until

ADDRESS = EngineAddress("gpu-3", "rack", "ab" * 16, "tcp://10.0.0.3:5555", "tcp://10.0.0.3:5556")
SETTINGS = {"source": "pattern:64x64@10"}


class Engine:
    """Has the cameras of the latest assignment."""

    def __init__(self) -> None:
        self.leases = Leases()
        self.wanted: list[dict[str, Assigned]] = []
        self.member: Member | None = None

    async def apply(self, wanted: Mapping[str, Assigned]) -> None:
        self.wanted.append(dict(wanted))
        for camera in self.leases.running:
            if camera not in wanted:
                self.leases.end(camera)
        for camera, one in wanted.items():
            self.leases.begin(camera, one.generation)

    def address(self) -> EngineAddress:
        return ADDRESS

    def report(self) -> tuple[EngineReport, dict[str, CameraReport]]:
        cameras = {name: CameraReport(number, "live", 1.5, 10.0) for name, number in self.leases.running.items()}
        return EngineReport(100.0, 64), cameras


@asynccontextmanager
async def member_of(engine: Engine | None = None, **settings: Any) -> AsyncIterator[tuple[Engine, Member]]:
    engine = engine or Engine()
    member = Member(
        FleetSettings(engine="gpu-3", **settings),
        engine.leases,
        address=engine.address,
        report=engine.report,
        apply=engine.apply,
    )
    member.start()
    running = asyncio.create_task(member.run())
    try:
        yield engine, member
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_member_renews_gets_cameras_and_reports_them() -> None:
    async with coordinating() as coordinator, member_of(coordinator=coordinator.address) as (engine, _):
        await until(lambda: coordinator.renewals)
        first = coordinator.renewals[0]
        assert (first.address, first.version, first.cameras) == (ADDRESS, 0, {})
        await coordinator.assign(lobby=(7, SETTINGS), yard=(8, SETTINGS))
        await until(lambda: coordinator.generations() == {"lobby": 7, "yard": 8})
        assert coordinator.renewals[-1].version == 1
        await coordinator.assign(yard=(9, SETTINGS))
        await until(lambda: coordinator.generations() == {"yard": 9})
    assert engine.wanted[-1] == {"yard": Assigned(9, SETTINGS)}


async def test_cameras_are_reported_again_only_when_they_changed_or_are_asked_for() -> None:
    async with coordinating() as coordinator, member_of(coordinator=coordinator.address):
        await until(lambda: coordinator.renewals)
        await coordinator.assign(lobby=(7, SETTINGS))
        await until(lambda: coordinator.generations() == {"lobby": 7})
        await until(lambda: coordinator.renewals[-1].cameras is None)
        coordinator.wants = {"wants_cameras": True, "wants_settings": True}
        await until(lambda: coordinator.renewals[-1].settings == {"lobby": SETTINGS})
        told = [one for one in coordinator.renewals if one.settings is not None]
        assert [one.cameras is not None for one in told] == [True], "asked for once"


async def test_a_coordinator_that_has_come_back_hears_before_the_next_renewal_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(member_module, "TTL_S", 1000 * PATIENCE_S)
    port = reserved_port()
    engine = Engine()
    asked: list[int] = []
    monkeypatch.setattr(engine.leases, "asked", asked.append)
    async with member_of(engine, coordinator=f"tcp://127.0.0.1:{port}"):
        await until(lambda: asked)
        async with coordinating(port=port) as coordinator:
            await until(lambda: coordinator.renewals)


async def test_a_coordinator_that_is_away_stops_nothing_and_a_new_one_takes_the_cameras_over() -> None:
    port = reserved_port()
    async with member_of(coordinator=f"tcp://127.0.0.1:{port}") as (engine, _):
        async with coordinating(port=port) as first:
            await until(lambda: first.renewals)
            await first.assign(lobby=(7, SETTINGS))
            await until(lambda: first.generations() == {"lobby": 7})
        assert engine.leases.permits("lobby")
        async with coordinating(run="d1" * 16, port=port) as second:
            await until(lambda: second.generations() == {"lobby": 7})
            await second.assign(lobby=(7, SETTINGS))
            await until(lambda: second.renewals[-1].version == 1)
            await until(lambda: engine.leases.coordinator == second.run)
            assert engine.leases.running == {"lobby": 7}


async def test_a_coordinator_that_does_not_answer_is_logged_and_so_is_its_first_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(contact, "SILENT_S", 0.1)
    port = reserved_port()
    async with member_of(coordinator=f"tcp://127.0.0.1:{port}") as (_, member):
        advice = "check that it runs, fleet.coordinator with its port"
        await until(lambda: f"no coordinator answers at tcp://127.0.0.1:{port}: {advice}" in caplog.text)
        assert member.contact.problem == "no coordinator answers; see the log"
        async with coordinating(port=port):
            await until(lambda: f"the coordinator answers at tcp://127.0.0.1:{port}" in caplog.text)
        assert not member.contact.problem


async def test_the_address_is_read_again_when_the_coordinator_does_not_answer(tmp_path: Path) -> None:
    file = tmp_path / "coordinator"
    async with coordinating() as first, coordinating(run="d1" * 16) as second, member_of(coordinator_file=file):
        file.write_text(f"{first.address}\n")
        await until(lambda: first.renewals)
        file.write_text(second.address)
        await until(lambda: len(first.renewals) > 2)
        assert second.renewals == [], "the first one answers"
        first.silent = True
        await until(lambda: second.renewals)


async def test_a_coordinator_is_followed_again_after_another_one_was(tmp_path: Path) -> None:
    file = tmp_path / "coordinator"
    async with coordinating(ttl_ms=400) as first, coordinating(run="d1" * 16, ttl_ms=400) as second:
        file.write_text(first.address)
        async with member_of(coordinator_file=file) as (engine, _):
            for generation, (one, other) in enumerate(((first, second), (second, first), (first, second))):
                file.write_text(one.address)
                one.silent, other.silent = False, True
                await until(lambda one=one: engine.leases.coordinator == one.run)
                await one.assign(lobby=(7 + generation, SETTINGS))
                await until(lambda one=one, number=7 + generation: one.generations() == {"lobby": number})


async def test_invalid_messages_are_ignored_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async with coordinating() as coordinator, member_of(coordinator=coordinator.address) as (engine, _):
        await until(lambda: coordinator.renewals)
        for body in (b"", b"{", b"\xff", b'{"kind": "grant"}', b"[" * 10_000, b'{"kind": "grant", "ttl_ms": -1}'):
            await coordinator.send(body)
        other = Grant(2, coordinator.run, coordinator.renewals[-1].asked_ns, 2000, "soft", 9, {"yard": 1})
        await coordinator.send(other)
        await coordinator.send(RefusedEngine("rtsp://me:secret@h/x is in use, " + "x" * 5000))
        await coordinator.assign(lobby=(7, SETTINGS))
        await until(lambda: coordinator.generations() == {"lobby": 7})
    logged = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len([text for text in logged if "is invalid and ignored" in text]) == 1
    assert len([text for text in logged if "version 2 of the protocol" in text]) == 1
    assert len([text for text in logged if "refuses this engine" in text and "secret" not in text]) == 1
    assert max(map(len, logged)) < 1000
    assert engine.wanted == [{"lobby": Assigned(7, SETTINGS)}]


async def test_a_camera_without_settings_is_left_as_it_is_and_the_whole_assignment_asked_for() -> None:
    async with coordinating() as coordinator, member_of(coordinator=coordinator.address) as (engine, _):
        await until(lambda: coordinator.renewals)
        await coordinator.assign(lobby=(7, SETTINGS))
        await until(lambda: coordinator.generations() == {"lobby": 7})
        coordinator.assigned |= {"lobby": Assigned(9, SETTINGS), "yard": Assigned(8, SETTINGS)}
        coordinator.version += 1
        asked = coordinator.renewals[-1].asked_ns
        incomplete = Grant(1, coordinator.run, asked, 2000, "soft", coordinator.version, {"lobby": 9, "yard": 8}, {})
        await coordinator.send(incomplete)
        await until(lambda: coordinator.generations() == {"lobby": 9, "yard": 8})
    assert {} not in engine.wanted


async def test_settings_that_come_in_several_grants_are_taken_over_as_they_come() -> None:
    async with coordinating() as coordinator, member_of(coordinator=coordinator.address) as (engine, _):
        await until(lambda: coordinator.renewals)
        await coordinator.assign(lobby=(7, SETTINGS))
        await until(lambda: coordinator.generations() == {"lobby": 7} and coordinator.renewals[-1].version == 1)
        coordinator.silent, since = True, len(coordinator.renewals)
        for version, camera, generations in (
            (2, "dock", {"lobby": 7, "dock": 8}),
            (3, "yard", {"lobby": 7, "dock": 8, "yard": 8}),
            (4, "lobby", {"lobby": 9, "dock": 8, "yard": 8}),
        ):
            asked = coordinator.renewals[-1].asked_ns
            cameras = {camera: Assigned(generations[camera], SETTINGS)}
            await coordinator.send(Grant(1, coordinator.run, asked, 2000, "soft", version, generations, cameras))
            await until(lambda version=version: coordinator.renewals[-1].version == version)
            await until(lambda has=generations: coordinator.generations() == has)
        assert 0 not in [renewal.version for renewal in coordinator.renewals[since:]], "nothing is asked for again"
        assert engine.leases.version == 4


async def test_settings_that_are_too_large_for_one_renewal_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    large = {name: (7, SETTINGS | {"name": name * 600}) for name in ("a", "b", "c", "d", "e")}
    async with coordinating() as coordinator, member_of(coordinator=coordinator.address):
        await until(lambda: coordinator.renewals)
        await coordinator.assign(**large)
        await until(lambda: len(coordinator.generations()) == len(large))
        monkeypatch.setattr(member_module, "MOST_SETTINGS_BYTES", 1400)
        coordinator.wants = {"wants_settings": True}
        await until(lambda: [one for one in coordinator.renewals if one.settings and not one.more])
        told = [one for one in coordinator.renewals if one.settings is not None]
        assert [(list(one.settings or ()), one.more) for one in told] == [
            (["a", "b"], True),
            (["c", "d"], True),
            (["e"], False),
        ]
        assert (told[-1].settings or {})["e"] == large["e"][1]


async def test_a_coordinator_that_begins_in_the_middle_of_divided_settings_gets_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("a", "b", "c", "d", "e", "f", "g", "h")
    async with coordinating() as coordinator, member_of(coordinator=coordinator.address):
        await until(lambda: coordinator.renewals)
        await coordinator.assign(**{name: (7, SETTINGS | {"name": name * 600}) for name in names})
        await until(lambda: len(coordinator.generations()) == len(names))
        monkeypatch.setattr(member_module, "MOST_SETTINGS_BYTES", 700)
        grant = coordinator.grant
        taken_over: list[int] = []

        def granted(renewal: Renewal) -> Grant:
            if renewal.more and not taken_over:
                taken_over.append(len(coordinator.renewals))
                coordinator.run, coordinator.wants = "d1" * 16, {"wants_settings": True}
            return grant(renewal)

        monkeypatch.setattr(coordinator, "grant", granted)
        coordinator.wants = {"wants_settings": True}
        await until(lambda: [one for one in coordinator.renewals if one.settings and not one.more])
        told = [one.settings for one in coordinator.renewals[taken_over[0] :] if one.settings]
        assert {name for settings in told for name in settings} == set(names)


async def test_the_lease_is_renewed_without_what_is_too_large(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with coordinating() as coordinator, member_of(coordinator=coordinator.address):
        await until(lambda: coordinator.renewals)
        await coordinator.assign(lobby=(7, SETTINGS | {"name": "x" * 5000}), yard=(7, SETTINGS))
        await until(lambda: len(coordinator.generations()) == 2)
        monkeypatch.setattr(member_module, "MOST_BYTES", 2000)
        monkeypatch.setattr(member_module, "MOST_SETTINGS_BYTES", 1000)
        coordinator.wants = {"wants_settings": True}
        renewed = len(coordinator.renewals)
        await until(lambda: [one for one in coordinator.renewals if one.settings])
        told = [(one.settings, one.more) for one in coordinator.renewals if one.settings is not None]
        assert told == [({}, True), ({"yard": SETTINGS}, False)]
        assert len(coordinator.renewals) > renewed + 1, "the one without them was sent too"
    assert caplog.text.count("more than the coordinator reads") == 1


async def test_settings_are_sent_before_the_cameras_if_both_are_too_large_for_one_renewal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cameras = dict.fromkeys("abcdefghijk", (7, SETTINGS)) | {"l": (7, SETTINGS | {"name": "x" * 1000})}
    async with coordinating() as coordinator, member_of(coordinator=coordinator.address):
        await until(lambda: coordinator.renewals)
        await coordinator.assign(**cameras)
        await until(lambda: len(coordinator.generations()) == len(cameras))
        monkeypatch.setattr(member_module, "MOST_BYTES", 2200)
        monkeypatch.setattr(member_module, "MOST_SETTINGS_BYTES", 1700)
        coordinator.reported, coordinator.wants = {}, {"wants_cameras": True, "wants_settings": True}
        await until(lambda: len(coordinator.generations()) == len(cameras))
        told = [one for one in coordinator.renewals if one.settings is not None]
        assert [(len(one.settings or ()), one.cameras, one.more) for one in told] == [(len(cameras), None, False)]


async def test_a_change_that_fails_is_logged_and_the_next_one_made(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Engine):
        async def apply(self, wanted: Mapping[str, Assigned]) -> None:
            await super().apply(wanted)
            if "yard" not in wanted:
                raise OSError("no room")

    async with (
        coordinating() as coordinator,
        member_of(Failing(), coordinator=coordinator.address),
    ):
        await until(lambda: coordinator.renewals)
        await coordinator.assign(lobby=(7, SETTINGS))
        await until(lambda: coordinator.generations() == {"lobby": 7})
        await coordinator.assign(yard=(8, SETTINGS))
        await until(lambda: coordinator.generations() == {"yard": 8})
    assert "an assignment could not be applied" in caplog.text


async def test_a_renewal_that_fails_is_logged_once_and_the_next_one_sent(caplog: pytest.LogCaptureFixture) -> None:
    """An exception here would otherwise end the engine's task of the fleet, and so the engine."""

    class Failing(Engine):
        failures = 0

        def address(self) -> EngineAddress:
            self.failures += 1
            if self.failures <= 3:
                raise OSError("no such host")
            return ADDRESS

    async with coordinating() as coordinator, member_of(Failing(), coordinator=coordinator.address):
        await until(lambda: coordinator.renewals)
    assert caplog.text.count("fleet: the lease could not be renewed") == 1


async def test_a_connection_that_can_no_longer_receive_is_made_again(caplog: pytest.LogCaptureFixture) -> None:
    async with coordinating() as coordinator, member_of(coordinator=coordinator.address) as (engine, member):
        await until(lambda: engine.leases.answered_ns)
        socket, receiving = member._socket, member._receiving
        assert socket is not None and receiving is not None
        socket.close()
        await until(receiving.done)
        renewed = len(coordinator.renewals)
        await until(lambda: len(coordinator.renewals) > renewed)
        await coordinator.assign(lobby=(7, SETTINGS))
        await until(lambda: coordinator.generations() == {"lobby": 7})
    assert "the connection is made again" in caplog.text


async def test_an_engine_that_leaves_waits_until_its_cameras_are_moved() -> None:
    async with coordinating() as coordinator, member_of(coordinator=coordinator.address) as (_, member):
        await until(lambda: coordinator.renewals)
        await coordinator.assign(lobby=(7, SETTINGS), yard=(8, SETTINGS))
        await until(lambda: len(coordinator.generations()) == 2)
        leaving = asyncio.create_task(member.leave(PATIENCE_S))
        await until(lambda: coordinator.renewals[-1].stopping)
        await coordinator.assign(yard=(8, SETTINGS))
        await until(lambda: coordinator.generations() == {"yard": 8})
        assert not leaving.done()
        await coordinator.assign()
        await leaving
        await until(lambda: coordinator.generations() == {} and coordinator.renewals[-1].stopping)


async def test_an_engine_does_not_wait_for_a_coordinator_that_is_away() -> None:
    async with coordinating(ttl_ms=400) as coordinator, member_of(coordinator=coordinator.address) as (_, member):
        await member.leave(PATIENCE_S)  # never was in touch
        await until(lambda: coordinator.renewals)
        await coordinator.assign(lobby=(7, SETTINGS))
        await until(lambda: coordinator.generations() == {"lobby": 7})
        coordinator.silent = True
        await until(lambda: not member.in_touch)
        await member.leave(PATIENCE_S)


async def test_an_engine_ends_although_its_coordinator_has_ended_and_the_next_renewal_cannot_be_sent() -> None:
    async with contextlib.AsyncExitStack() as ending:
        coordinator = await ending.enter_async_context(coordinating(ttl_ms=400))
        async with member_of(coordinator=coordinator.address) as (_, member):
            await until(lambda: coordinator.renewals)
            await ending.aclose()
            await until(lambda: member._unsent)
            await member.leave(PATIENCE_S)


async def test_a_member_with_keys_joins_a_coordinator_that_encrypts(tmp_path: Path) -> None:
    server, own = KeyPair.new(), tmp_path / "engine.key_secret"
    own.write_text(KeyPair.new().secret_certificate())
    own.chmod(0o600)
    async with (
        coordinating(keys=server) as coordinator,
        member_of(coordinator=coordinator.address, server_key=server.public, key_file=own),
    ):
        await until(lambda: coordinator.renewals)
        await coordinator.assign(lobby=(7, SETTINGS))
        await until(lambda: coordinator.generations() == {"lobby": 7})


async def test_unusable_keys_and_files_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = {"server_key": KeyPair.new().public, "key_file": tmp_path / "none"}
    settings = FleetSettings.model_validate({"coordinator": "tcp://head:1", **keys})
    engine = Engine()
    member = Member(settings, engine.leases, address=lambda: ADDRESS, report=engine.report, apply=engine.apply)
    with pytest.raises(ConfigError, match=r"fleet\.key_file: .* can't be read"):
        member.start()
    assert issubclass(KeyFileError, ConfigError)
    file = tmp_path / "coordinator"
    async with member_of(coordinator_file=file):
        await until(lambda: "can't be read" in caplog.text)
    file.write_text("head")
    async with member_of(coordinator_file=file):
        await until(lambda: "must contain tcp://host:port" in caplog.text)
