"""Decoding on the GPU if there is one, otherwise in software with a reported reason."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from av.codec.hwaccel import HWAccel

from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import SlotFormat
from stream.settings.engine import CameraConfig
from stream.sources.decoding import nvdec
from stream.sources.demuxed.file import file_transport
from stream.sources.reader import CameraReader
from stream.sources.status import CameraStatus
from support.engines.film_models import make_film
from support.waiting import PATIENCE_S
from telemetry.observer import Observer

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="tells what happens without a GPU")


@pytest.fixture(autouse=True)
def found_out_anew() -> None:
    nvdec.missing.cache_clear()


class Told(Observer):
    def __init__(self) -> None:
        self.fallbacks: list[tuple[str, str]] = []

    def transport_fallback(self, camera: str, reason: str) -> None:
        self.fallbacks.append((camera, reason))


def played(path: Path, **settings: Any) -> tuple[int, list[tuple[str, str]], list[CameraStatus]]:
    """Read a video; return the decoded frames, the fallbacks and the statuses."""
    config = CameraConfig(id="cam", source=str(path), pace="fast", **settings)  # pyright: ignore[reportArgumentType]
    ring, told, said = FrameRing("cam", 64), Told(), list[CameraStatus]()
    reader = CameraReader(config, ring, lambda source, wanted: SlotFormat("planes", source, source), told, said.append)
    reader.start()
    assert reader.join(PATIENCE_S)
    return ring.decoded, told.fallbacks, said


def test_without_nvdec_a_video_is_decoded_in_software_and_the_reason_counted_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if nvdec.missing() is None:
        monkeypatch.setattr(nvdec, "missing", lambda: "nvdec_no_device")
    frames, fallbacks, said = played(make_film(tmp_path / "film.mp4", 5), decoder="nvdec")
    assert frames == 5
    assert fallbacks == [("cam", "nvdec_no_device")]
    (live,) = (status for status in said if status.state == "live")
    assert live.reason is None, "the camera is well"
    assert "software" in live.message and "no NVIDIA GPU" in live.message
    assert any("in software" in message for message in caplog.messages)


@no_gpu
def test_without_a_gpu_no_accelerator_is_passed_because_ffmpeg_would_fail_to_open(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4", 1)
    with pytest.raises(PermissionError):
        av.open(str(path), hwaccel=HWAccel("cuda", allow_software_fallback=True))
    assert nvdec.missing() == "nvdec_no_device"
    assert nvdec.hardware("nvdec") is None and nvdec.hardware("auto") is None


@pytest.mark.gpu
@pytest.mark.skipif(nvdec.missing() is not None, reason="needs NVDEC")
def test_nvdec_decodes_a_video(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4", 5)
    config = CameraConfig(id="cam", source=str(path), pace="fast", decoder="nvdec")  # pyright: ignore[reportArgumentType]
    transport = file_transport(config, threading.Event())
    assert transport.open().codec.is_hwaccel
    transport.close()
    frames, fallbacks, _ = played(path, decoder="nvdec")
    assert frames == 5 and fallbacks == []
