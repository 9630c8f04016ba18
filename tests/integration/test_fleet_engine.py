"""Engines of a fleet, which get their cameras from a small coordinator."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq
import zmq.asyncio

from ring_buffers.frames import Lease
from stages.free_model import FreeModel
from stages.types import FrameAnalysis
from stream.engine import Engine
from stream.membership.lease import boottime_ns
from stream.messaging.curve.keys import KeyPair
from stream.results import Frame, Message, Stats, Status, decode
from support.engines.controlled_engine import PATIENT, PATTERN, Client, configured, running
from support.engines.running_engine import messages_until
from support.engines.small_coordinator import SmallCoordinator, coordinating
from support.waiting import until

SETTINGS: dict[str, Any] = {"source": PATTERN, **PATIENT}


@asynccontextmanager
async def member_of(
    coordinator: SmallCoordinator, **settings: Any
) -> AsyncIterator[tuple[Engine, Client, list[Message]]]:
    """Run an engine of the fleet, and yield it with a client and every message that it publishes."""
    fleet = {"coordinator": coordinator.address, "engine": "gpu-3", "node": "rack"}
    messages: list[Message] = []
    async with running(configured(fleet=fleet, **settings)) as (engine, client):
        engine.publisher.on_message(lambda topic, message: messages.append(message))
        await until(lambda: coordinator.renewals)
        yield engine, client, messages


@pytest.fixture(autouse=True)
def leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The coordinators of these tests move no cameras when an engine stops."""
    monkeypatch.setattr("stream.engine.LEAVE_WITHIN_S", 0.0)


def frames_of(messages: list[Message], camera: str) -> list[Frame]:
    return [message for message in messages if isinstance(message, Frame) and message.camera == camera]


def statuses_of(messages: list[Message], camera: str) -> list[Status]:
    return [message for message in messages if isinstance(message, Status) and message.camera == camera]


async def test_an_engine_gets_cameras_reports_them_and_gives_them_up() -> None:
    async with coordinating() as coordinator, member_of(coordinator) as (engine, client, messages):
        address = coordinator.renewals[0].address
        assert (address.engine, address.node, address.run) == ("gpu-3", "rack", engine.run)
        assert (address.endpoint, address.replay) == (engine.publisher.endpoint, engine.publisher.replay_endpoint)
        assert (address.http, address.key) == (engine.http_address, None)
        await coordinator.assign(lobby=(7, SETTINGS), yard=(8, SETTINGS | {"enabled": False}))
        await until(lambda: coordinator.live() == {"lobby": 7})
        await until(lambda: coordinator.reported["lobby"].pixels > 0 and coordinator.reported["lobby"].fps > 0)
        assert coordinator.reported["yard"].state == "ended"
        assert coordinator.reported["yard"].generation == 8
        assert [camera["id"] for camera in (await client.get("/api/v1/cameras"))["cameras"]] == ["lobby", "yard"]
        await coordinator.assign(yard=(8, SETTINGS | {"enabled": False}))
        await until(lambda: coordinator.generations() == {"yard": 8})
        assert list(engine.cameras.configs) == ["yard"]
        last = statuses_of(messages, "lobby")[-1]
        assert (last.state, last.reason, last.generation) == ("removed", "moved", 7)
    assert {frame.generation for frame in frames_of(messages, "lobby")} == {7}
    assert {message.engine for message in messages if isinstance(message, Stats)} == {"gpu-3"}


async def test_another_generation_begins_an_epoch_without_connecting_again() -> None:
    async with coordinating() as coordinator, member_of(coordinator) as (_, _, messages):
        await coordinator.assign(lobby=(7, SETTINGS))
        await until(lambda: len(frames_of(messages, "lobby")) >= 2)
        await coordinator.assign(lobby=(9, SETTINGS))
        await until(lambda: frames_of(messages, "lobby")[-1].generation == 9)
        assert coordinator.renewals[-1].version >= 1
    frames = frames_of(messages, "lobby")
    assert [frame.generation for frame in frames] == sorted(frame.generation or 0 for frame in frames)
    assert {frame.epoch for frame in frames if frame.generation == 9} == {2}
    assert {status.state for status in statuses_of(messages, "lobby")} <= {"connecting", "live", "ended"}
    assert [status.state for status in statuses_of(messages, "lobby")].count("connecting") == 1


async def test_settings_are_changed_and_invalid_ones_refuse_that_camera_only() -> None:
    async with coordinating() as coordinator, member_of(coordinator) as (engine, _, messages):
        await coordinator.assign(lobby=(7, SETTINGS), yard=(8, {"source": "rtsp://me:secret@h/x", "pace": "slow"}))
        await until(lambda: coordinator.live() == {"lobby": 7} and "yard" in coordinator.reported)
        refused = coordinator.reported["yard"]
        assert refused.generation == 8
        assert "pace" in refused.refused and "secret" not in refused.refused
        await coordinator.assign(lobby=(7, SETTINGS | {"max_fps": 5.0}), yard=(10, SETTINGS))
        await until(lambda: coordinator.live() == {"lobby": 7, "yard": 10})
        await until(lambda: engine.cameras.configs["lobby"].max_fps == 5.0)
        assert {frame.epoch for frame in frames_of(messages, "lobby")} == {1}, "max_fps needs no restart"
        await coordinator.assign(lobby=(11, SETTINGS | {"source": "pattern:64x64@20"}), yard=(10, {"source": ""}))
        await until(lambda: coordinator.live() == {"lobby": 11} and coordinator.reported["yard"].refused)
        assert list(engine.cameras.configs) == ["lobby"], "without a camera that it cannot have as it is wanted"
        assert {frame.size for frame in frames_of(messages, "lobby") if frame.generation == 11} <= {(64, 64)}


async def test_a_full_engine_refuses_further_cameras_with_the_reason() -> None:
    async with coordinating() as coordinator, member_of(coordinator, http={"max_cameras": 1}) as (engine, _, _):
        assert coordinator.renewals[0].report.max_cameras == 1
        await coordinator.assign(lobby=(7, SETTINGS), yard=(8, SETTINGS))
        await until(lambda: len(coordinator.reported) == 2)
        (taken,), (refused,) = engine.cameras.configs, coordinator.reported.keys() - engine.cameras.configs
        assert coordinator.reported[refused].refused.endswith("the engine has 1 cameras, the limit of http.max_cameras")
        await coordinator.assign(**{refused: (9, SETTINGS)})
        await until(lambda: coordinator.live() == {refused: 9})
        await until(lambda: taken not in engine.cameras.configs)


@pytest.mark.soak
async def test_many_cameras_that_hang_are_given_up_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"cam{number}" for number in range(16)]
    async with coordinating() as coordinator, member_of(coordinator) as (engine, _, _):
        await coordinator.assign(**{name: (number, SETTINGS) for number, name in enumerate(names, 1)})
        await until(lambda: len(coordinator.live()) == len(names))
        stopping: set[str] = set()
        for name, camera in engine.cameras.running.items():

            def hang(timeout_s: float, name: str = name, join: Any = camera.reader.join) -> bool:
                stopping.add(name)
                return len(stopping) == len(names) and join(timeout_s)

            monkeypatch.setattr(camera.reader, "join", hang)
        await coordinator.assign()
        await until(lambda: coordinator.reported == {})


async def test_cameras_of_a_fleet_are_not_changed_over_http() -> None:
    async with coordinating() as coordinator, member_of(coordinator) as (engine, client, _):
        await coordinator.assign(lobby=(7, SETTINGS))
        await until(lambda: coordinator.live() == {"lobby": 7})
        for method, body in (("PUT", {"source": PATTERN}), ("PATCH", {"max_fps": 5}), ("DELETE", None)):
            status, problem, _ = await client.ask(method, "/api/v1/cameras/lobby", json=body)
            assert (status, problem["type"]) == (409, "urn:partstream:problem:in-a-fleet")
            assert "change cameras at the fleet's coordinator" in problem["detail"]
        coordinator.http = "http://head:9091"
        version = len(coordinator.renewals)
        await until(lambda: len(coordinator.renewals) > version + 1)
        _, problem, _ = await client.ask("DELETE", "/api/v1/cameras/lobby")
        assert problem["detail"] == "this engine belongs to a fleet: change cameras at http://head:9091"
        assert list(engine.cameras.configs) == ["lobby"]
        assert (await client.get("/api/v1/config"))["fleet"]["engine"] == "gpu-3"


async def test_without_a_coordinator_a_soft_fence_goes_on() -> None:
    async with coordinating(ttl_ms=400) as coordinator, member_of(coordinator) as (engine, _, messages):
        await coordinator.assign(lobby=(7, SETTINGS))
        await until(lambda: frames_of(messages, "lobby"))
        coordinator.silent = True
        ends_ns = coordinator.renewals[-1].asked_ns + 2 * coordinator.ttl_ms * 1_000_000
        await until(lambda: boottime_ns() > ends_ns)
        count = len(frames_of(messages, "lobby"))
        await until(lambda: len(frames_of(messages, "lobby")) > count + 3)
        assert engine.publisher.withheld == {}


@pytest.mark.soak
async def test_without_a_coordinator_a_strict_fence_withholds_and_leaves_no_gap() -> None:
    async with (
        coordinating(fence="strict", ttl_ms=400) as coordinator,
        member_of(coordinator) as (engine, client, messages),
    ):
        await coordinator.assign(lobby=(7, SETTINGS))
        await until(lambda: frames_of(messages, "lobby"))
        coordinator.silent = True
        await until(lambda: engine.publisher.withheld.get("lobby", 0) > 3)
        count = len(frames_of(messages, "lobby"))
        coordinator.silent = False
        await until(lambda: len(frames_of(messages, "lobby")) > count + 3)
        assert 'partstream_withheld_total{camera="lobby"}' in await client.get("/metrics")
    frames = frames_of(messages, "lobby")
    assert [frame.seq for frame in frames] == list(range(frames[0].seq, frames[0].seq + len(frames)))
    assert frames[-1].frame - frames[0].frame > frames[-1].seq - frames[0].seq


@pytest.mark.soak
async def test_an_engine_that_stops_waits_until_its_cameras_are_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.engine.LEAVE_WITHIN_S", 3600.0)
    async with coordinating() as coordinator, member_of(coordinator) as (engine, _, messages):
        await coordinator.assign(lobby=(7, SETTINGS))
        await until(lambda: frames_of(messages, "lobby"))
        stopping = asyncio.create_task(engine.stop())
        await until(lambda: coordinator.renewals[-1].stopping)
        count = len(frames_of(messages, "lobby"))
        await until(lambda: len(frames_of(messages, "lobby")) > count)
        await coordinator.assign()
        await stopping
    assert statuses_of(messages, "lobby")[-1].reason == "moved"


async def test_the_key_of_an_engine_that_encrypts_is_announced(tmp_path: Path) -> None:
    pair, secret, allowed = KeyPair.new(), tmp_path / "engine.key_secret", tmp_path / "allowed.key"
    secret.write_text(pair.secret_certificate())
    secret.chmod(0o600)
    allowed.write_text(KeyPair.new().public_certificate())
    publish = {
        "endpoint": "tcp://127.0.0.1:0",
        "replay": "tcp://127.0.0.1:0",
        "curve_secret_key_file": secret,
        "curve_allowed_keys": allowed,
    }
    async with coordinating() as coordinator, member_of(coordinator, publish=publish):
        assert coordinator.renewals[0].address.key == pair.public


@pytest.mark.soak
async def test_a_camera_counts_as_live_when_its_first_result_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer = threading.Event()

    def process(self: FreeModel, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        may_answer.wait()
        return [FrameAnalysis() for _ in frames]

    monkeypatch.setattr(FreeModel, "process", process)
    async with coordinating() as coordinator, member_of(coordinator) as (engine, _, messages):
        try:
            await coordinator.assign(lobby=(7, SETTINGS))
            camera = await until(lambda: engine.cameras.running.get("lobby"))
            await until(lambda: camera.reader.status.state == "live" and camera.ring.decoded > 1)
            since = len(coordinator.renewals)
            await until(lambda: len(coordinator.renewals) > since + 1)
            assert "lobby" in coordinator.generations() and coordinator.live() == {}
            assert {status.state for status in statuses_of(messages, "lobby")} == {"connecting"}
        finally:
            may_answer.set()
        await until(lambda: coordinator.live() == {"lobby": 7})
        await until(lambda: "live" in {status.state for status in statuses_of(messages, "lobby")})
        first = next(message for message in messages if isinstance(message, (Frame, Status)) and _shows(message))
        assert isinstance(first, Frame)


def _shows(message: Frame | Status) -> bool:
    return isinstance(message, Frame) or message.state == "live"


async def test_an_engine_starts_without_a_coordinator() -> None:
    async with Engine(configured(fleet={"coordinator": "tcp://127.0.0.1:9"}), model=FreeModel()) as engine:
        messages = await messages_until(engine, lambda seen: len(seen) >= 2)
    assert {type(message) for message in messages} == {Stats}


@pytest.mark.soak
async def test_an_engine_is_ready_when_it_has_joined_and_stays_so_without_its_coordinator() -> None:
    async with coordinating() as coordinator:
        coordinator.silent = True
        async with member_of(coordinator) as (engine, client, _):
            status, verdict, _ = await client.ask("GET", "/readyz")
            assert (status, verdict["ready"]) == (503, False) and verdict["reasons"][0].startswith("fleet: ")
            coordinator.silent = False
            await until(lambda: engine.stats(measure=False).ready)
            coordinator.silent, since = True, len(coordinator.renewals)
            await until(lambda: len(coordinator.renewals) > since + 1)
            assert (await client.get("/readyz"))["ready"]


@pytest.mark.soak
async def test_a_strict_engine_that_was_paused_publishes_nothing_stale(tmp_path: Path) -> None:
    async with coordinating(fence="strict", ttl_ms=1000) as coordinator:
        path = tmp_path / "partstream.yaml"
        settings = {
            "model": {"profile": "free"},
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": None},
            "fleet": {"coordinator": coordinator.address, "engine": "gpu-3"},
        }
        path.write_bytes(msgspec.json.encode(settings))
        engine = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "run_stream", "run", "--config", str(path), stderr=asyncio.subprocess.DEVNULL
        )
        context = zmq.asyncio.Context()
        try:
            await until(lambda: coordinator.renewals)
            subscriber = context.socket(zmq.SUB)
            subscriber.subscribe(b"")
            subscriber.connect(coordinator.renewals[0].address.endpoint)
            await coordinator.assign(lobby=(7, SETTINGS), yard=(8, SETTINGS))
            seen: list[Message] = []

            async def receive() -> None:
                while True:
                    seen.append(decode((await subscriber.recv_multipart())[1]))

            receiving = asyncio.create_task(receive())
            await until(lambda: frames_of(seen, "lobby") and frames_of(seen, "yard"))
            engine.send_signal(signal.SIGSTOP)
            paused_us = time.time_ns() // 1000
            ends_ns = coordinator.renewals[-1].asked_ns + 2 * coordinator.ttl_ms * 1_000_000
            await until(lambda: boottime_ns() > ends_ns)
            # Elsewhere, the lobby has the generation 9 by now. The engine hears of it when it continues.
            await coordinator.assign(yard=(8, SETTINGS))
            engine.send_signal(signal.SIGCONT)
            await until(lambda: coordinator.generations() == {"yard": 8})
            count = len(frames_of(seen, "yard"))
            await until(lambda: len(frames_of(seen, "yard")) > count + 3)
            late = [frame for frame in frames_of(seen, "lobby") if frame.published_us > paused_us]
            assert late == []
            assert not [status for status in statuses_of(seen, "lobby") if status.at_us > paused_us]
            receiving.cancel()
        finally:
            if engine.returncode is None:
                engine.send_signal(signal.SIGCONT)
                engine.kill()
            await engine.wait()
            context.destroy(linger=0)
