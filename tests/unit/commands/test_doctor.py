"""The doctor judges clocks, and opens cameras like the engine for a limited time."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from commands import doctor
from commands.doctor import Finding, camera_clocks, look_at
from stages.settings import ModelSettings
from stream.settings.engine import CameraConfig
from stream.sources.open_transport import make_opener
from stream.sources.transport import AccessUnit, Fallback
from support.engines.fake_source import FakeTransport, faults_of, unit
from support.waiting import PATIENCE_S


def look(*units: AccessUnit, fallback: Fallback | None = None, within_s: float = PATIENCE_S) -> Finding:
    """Return the finding about a camera that sends these units, and then nothing."""
    transport = FakeTransport(faults_of(camera="door"), itertools.chain(units, itertools.repeat(None)))
    transport.fallback = fallback
    config = CameraConfig.model_validate({"id": "door", "source": "rtsp://h/x", "start_timeout_s": within_s})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doctor, "CLOCK_WITHIN_S", 0.05)
        finding, behind_s = look_at(config, lambda config, stopping, on_discard: transport)
    assert transport.closed
    found = [finding] if behind_s is None else [finding, *camera_clocks({"door": behind_s})]
    return max(found, key=lambda one: ("ok", "warning", "fault").index(one.level))


def test_the_cameras_clock_is_compared_with_the_arrival_of_a_picture() -> None:
    found = look(unit(0), unit(40_000, 40_000), unit(80_000, 80_000, sender_utc_us=1_080_000 - 5_000_000))
    assert found == Finding("clock of camera door", "fault", "4.0 s behind this machine's", found.remedy)


def test_a_camera_without_sender_reports_is_ok() -> None:
    assert look(unit(0)).level == "ok"


def test_a_camera_without_a_picture_in_time_is_a_fault() -> None:
    found = look(within_s=0.05)
    assert found.level == "fault" and "no picture within" in found.seen


def test_another_transport_than_configured_is_a_warning() -> None:
    found = look(unit(0), fallback=Fallback("udp_silent", "read over TCP"))
    assert found.level == "warning" and "read over TCP" in found.seen


def test_cameras_that_are_disabled_or_publish_themselves_are_not_opened() -> None:
    for source, enabled in (("rtsp://h/x", False), ("whip", True)):
        config = CameraConfig.model_validate({"id": "door", "source": source, "enabled": enabled})
        assert look_at(config, make_opener)[0].level == "ok"


def test_one_camera_whose_clock_is_off_is_named() -> None:
    found = {one.check: one.level for one in camera_clocks({"door": 0.1, "yard": 5.1, "hall": 0.9})}
    assert found == {
        "clock of camera door": "ok",
        "clock of camera yard": "fault",
        "clock of camera hall": "ok",  # a picture takes time
    }


def test_cameras_that_agree_that_this_machines_clock_is_off_are_believed() -> None:
    (found,) = camera_clocks({"door": -5.0, "yard": -5.1, "hall": -4.8})
    assert (found.check, found.level) == ("clock", "fault") and "This machine's" in found.remedy


def test_a_missing_device_is_a_fault_and_an_unused_gpu_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = doctor.device(ModelSettings(device=f"cuda:{torch.cuda.device_count()}"))
    assert found.level == "fault" and "model.device" in found.remedy
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (driver := tmp_path / "version").touch()
    assert doctor.device(ModelSettings(), driver).level == "warning"
    assert doctor.device(ModelSettings(), tmp_path / "absent").level == "ok"
