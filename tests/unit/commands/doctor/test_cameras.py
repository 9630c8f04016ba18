"""The doctor opens cameras like the engine, reports a finding or a remedy, and waits for a limited time."""

from __future__ import annotations

import itertools
import socket
import threading
from pathlib import Path

import pytest

from commands.doctor.cameras import CameraSeen, examine
from stream.settings.engine import CameraConfig
from stream.sources.errors import EndedError, SourceError
from stream.sources.transport import AccessUnit, Fallback
from support.engines.fake_source import FakeTransport, faults_of, unit
from support.ports import reserved_port
from support.waiting import PATIENCE_S, wait_until


def camera(source: str, **settings: object) -> CameraConfig:
    return CameraConfig.model_validate({"id": "door", "source": source, **settings})


def playing(*script: AccessUnit | SourceError) -> FakeTransport:
    """Return a transport that returns these units, and then nothing."""
    return FakeTransport(faults_of(camera="door"), itertools.chain(script, itertools.repeat(None)))


def look(transport: FakeTransport, picture_within_s: float = PATIENCE_S, clock_within_s: float = 0.05) -> CameraSeen:
    made = camera("rtsp://h/x", start_timeout_s=PATIENCE_S)
    return examine(made, lambda config, stopping, on_discard: transport, picture_within_s, clock_within_s)


def test_a_camera_at_a_closed_port_is_a_fault_with_the_reason_and_remedy_of_the_source() -> None:
    port = reserved_port()
    found = examine(camera(f"rtsp://bob:hunter2@127.0.0.1:{port}/x")).finding
    assert (found.check, found.level) == ("camera door", "fault")
    assert "(refused)" in found.seen
    assert str(port) in found.seen
    assert found.remedy.startswith("Check host and port")
    assert "hunter2" not in str(found)


def test_a_camera_that_accepts_connections_and_never_answers_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = examine(camera(f"rtsp://127.0.0.1:{listening.getsockname()[1]}/x"), picture_within_s=0.3).finding
    assert found.level == "fault"
    assert found.remedy


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    found = examine(camera(str(tmp_path / "absent.mp4"))).finding
    assert found.level == "fault"
    assert "(no_such_file)" in found.seen


def test_the_test_pattern_is_ok_and_its_size_is_reported() -> None:
    seen = examine(camera("pattern:128x96@50", start_timeout_s=PATIENCE_S), picture_within_s=PATIENCE_S)
    assert seen.finding.level == "ok"
    assert seen.finding.seen.startswith("128x96")
    assert seen.clock_behind_s is None


def test_disabled_and_whip_cameras_are_not_opened() -> None:
    assert "not enabled" in examine(camera("rtsp://h/x", enabled=False)).finding.seen
    assert "publishes" in examine(camera("whip")).finding.seen


def test_the_cameras_clock_is_compared_with_the_arrival_of_a_picture() -> None:
    transport = playing(unit(0), unit(40_000, 40_000), unit(80_000, 80_000, sender_utc_us=1_080_000 - 5_000_000))
    seen = look(transport, clock_within_s=PATIENCE_S)
    assert seen.finding.level == "ok"
    assert seen.clock_behind_s == pytest.approx(5.0)
    assert transport.closed


def test_a_camera_without_sender_reports_or_with_one_picture_is_ok() -> None:
    for transport in (playing(unit(0)), playing(unit(0), EndedError("door", "it has ended", "Nothing is to be done"))):
        seen = look(transport)
        assert (seen.finding.level, seen.clock_behind_s) == ("ok", None)


def test_a_camera_without_a_picture_in_time_is_a_fault_and_is_closed() -> None:
    transport = playing()
    found = look(transport, picture_within_s=0.05).finding
    assert found.level == "fault"
    assert "no picture within" in found.seen
    assert transport.closed


def test_another_transport_than_configured_is_a_warning() -> None:
    transport = playing(unit(0))
    transport.fallback = Fallback("udp_silent", "read over TCP")
    found = look(transport).finding
    assert found.level == "warning"
    assert "read over TCP" in found.seen


def test_checking_a_camera_leaves_no_thread_behind() -> None:
    look(playing(unit(0, sender_utc_us=0)), clock_within_s=PATIENCE_S)
    wait_until(lambda: not any(isinstance(thread, threading.Timer) for thread in threading.enumerate()))
