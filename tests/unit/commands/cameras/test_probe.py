"""Probing a camera: size, codec and frame rate, or why it could not be opened."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from commands.cameras.opening import Probe, probe
from stream.settings.engine import CameraConfig
from stream.sources.errors import SourceError
from stream.sources.transport import AccessUnit
from support.engines.fake_source import FakeTransport, faults_of, unit
from support.waiting import PATIENCE_S


def camera(source: str) -> CameraConfig:
    return CameraConfig.model_validate({"id": "door", "source": source})


def probe_of(*script: AccessUnit | SourceError) -> tuple[Probe, FakeTransport]:
    transport = FakeTransport(faults_of(camera="door"), itertools.chain(script, itertools.repeat(None)))
    found = probe(
        camera("rtsp://h/x"), lambda config, stopping, on_discard: transport, picture_within_s=30.0, rate_within_s=0.05
    )
    return found, transport


def test_the_rate_is_that_of_media_times() -> None:
    units = [unit(number * 40_000) for number in range(60)]
    found, transport = probe_of(*units)
    assert found.codec == "fake"
    assert found.size == (64, 48)
    assert found.fps == pytest.approx(25.0)
    assert transport.closed


def test_a_test_pattern_is_probed() -> None:
    found = probe(camera("pattern:128x96@50"), picture_within_s=PATIENCE_S, rate_within_s=PATIENCE_S)
    assert found.size == (128, 96)
    assert found.fps == pytest.approx(50.0)


def test_a_camera_that_cannot_be_opened_has_a_reason_without_secrets(tmp_path: Path) -> None:
    found = probe(camera("rtsp://bob:hunter2@127.0.0.1:9/x"))
    assert found.size is None
    assert found.error is not None
    assert "nothing listens" in found.error
    assert "hunter2" not in found.error


def test_a_whip_camera_is_not_opened() -> None:
    assert "publish to /whip/door" in (probe(camera("whip")).error or "")
