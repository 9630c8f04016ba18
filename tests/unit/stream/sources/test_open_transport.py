from __future__ import annotations

import os
import tempfile
import threading

import av.error
import pytest

from stream.settings.engine import CameraConfig
from stream.settings.network import WebRtcConfig
from stream.sources.addresses import check_address, parse_device
from stream.sources.demuxed.file import FileTransport
from stream.sources.error_diagnosis import ErrorDiagnosis
from stream.sources.errors import SourceError
from stream.sources.open_transport import (
    DeviceErrorDiagnosis,
    DeviceTransport,
    SharedTransports,
    make_opener,
    set_nonblocking,
)
from stream.sources.pattern import PatternTransport
from stream.sources.rtsp.fallback import RtspOpener, network_thread
from stream.sources.webrtc.peers import Peers
from stream.sources.webrtc.publishers import Publishers
from stream.sources.webrtc.transport import WebRtcTransport
from telemetry.observer import Observer


def config(source: str, **settings: object) -> CameraConfig:
    return CameraConfig(id="cam", source=source, **settings)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("source", "transport"),
    [
        ("rtsp://host/path", RtspOpener),
        ("rtsps://host:322/path", RtspOpener),
        ("clip.mp4", FileTransport),
        ("device:/dev/video0", DeviceTransport),
        ("pattern:", PatternTransport),
    ],
)
def test_the_address_determines_the_transport(source: str, transport: type) -> None:
    assert type(make_opener(config(source), threading.Event(), print)) is transport


def test_webrtc_cameras_need_a_valid_address_and_an_engine() -> None:
    peers = Peers(WebRtcConfig(), Observer())  # pyright: ignore[reportCallIssue]
    ways = SharedTransports(peers, Publishers(peers), network_thread())
    for source, example in (
        ("whip:door", "source: whip"),
        ("whep+https:///path", r"whep\+http://\[user:password@\]host"),
    ):
        with pytest.raises(SourceError, match=example):
            make_opener(config(source), threading.Event(), print, ways)
    with pytest.raises(SourceError, match="engine"):
        make_opener(config("whip"), threading.Event(), print)
    assert type(make_opener(config("whip"), threading.Event(), print, ways)) is WebRtcTransport
    assert type(make_opener(config("whep+http://host/path"), threading.Event(), print, ways)) is WebRtcTransport


def test_a_device_is_opened_with_the_options_in_its_address() -> None:
    assert parse_device("cam", "device:/dev/video0") == ("/dev/video0", {})
    assert parse_device("cam", "device:/dev/video2?size=1280x720&fps=30&format=mjpeg") == (
        "/dev/video2",
        {"video_size": "1280x720", "framerate": "30", "input_format": "mjpeg"},
    )


@pytest.mark.parametrize(("size", "limit"), [("9999x9999@240", "7680x4320"), ("640x360", "320x240")])
def test_a_pattern_larger_than_the_cameras_limit_is_refused_when_it_is_configured(size: str, limit: str) -> None:
    camera = CameraConfig.model_validate({"id": "cam", "source": f"pattern:{size}", "max_picture": limit})
    for refused in (check_address, lambda config: make_opener(config, threading.Event(), print)):
        with pytest.raises(SourceError, match="larger than max_picture"):
            refused(camera)


def test_a_device_is_read_without_blocking_through_every_descriptor_of_it() -> None:
    with tempfile.NamedTemporaryFile() as other:
        descriptor = os.open("/dev/null", os.O_RDONLY)
        try:
            assert os.get_blocking(descriptor)
            assert set_nonblocking("/dev/null") >= 1
            assert not os.get_blocking(descriptor)
            assert os.get_blocking(other.fileno())
        finally:
            os.close(descriptor)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (av.error.FileNotFoundError(2, "No such file or directory"), "no_such_device"),
        (av.error.PermissionError(13, "Permission denied"), "unreadable"),
        (av.error.OSError(19, "No such device"), "no_such_device"),
        (av.error.OSError(16, "Device or resource busy"), "broken"),
        (av.error.InvalidDataError(1094995529, "Invalid data found"), "broken"),
    ],
)
def test_errors_of_a_device_have_a_remedy_and_are_retried(error: Exception, reason: str) -> None:
    device = config("device:/dev/video0")
    fault = DeviceErrorDiagnosis("cam", device.source, 10, 3).opening(error, 0.0)
    assert fault.reason == reason
    assert not fault.permanent
    assert "/dev/video0" in str(fault)


def test_ffmpegs_messages_with_the_address_are_not_logged() -> None:
    camera = config("rtsp://bob:geheim@host/x")
    fault = ErrorDiagnosis("cam", camera.source, 10, 3).reading(
        av.error.OSError(5, "Input/output error", "rtsp://bob:geheim@host/x")
    )
    assert str(fault).startswith("camera cam: reading rtsp://host/x failed (Input/output error)")


@pytest.mark.parametrize(
    "source",
    [
        "rtsp:///path",
        "rtsps://host:0/x",
        "device:video0",
        "device:/dev/video0?zoom=2",
        "pattern:nope",
        "pattern:8x8",
        "whip:door",
        "whep+https:///path",
        "whep+http://[::1/x",
        "foo://u:hunter2@h/x",
    ],
)
def test_what_no_engine_can_open_is_refused_before_with_the_same_words(source: str) -> None:
    peers = Peers(WebRtcConfig(), Observer())  # pyright: ignore[reportCallIssue]
    ways = SharedTransports(peers, Publishers(peers), network_thread())
    with pytest.raises(SourceError) as opened:
        make_opener(config(source), threading.Event(), print, ways).open()
    with pytest.raises(SourceError) as checked:
        check_address(config(source))
    assert str(checked.value) == str(opened.value) and "hunter2" not in str(checked.value)


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://user:password@10.0.0.7:554/1",
        "device:/dev/video2?size=1280x720",
        "pattern:640x360@12.5",
        "WHIP:",
        "whep+http://host/path",
        "clips/a missing clip.mp4",
        "a:b.mp4",
        "https://host/clip.mp4",
        "RTMP://host/live",
        "subfile,,start,0,end,9,,:/clip.mp4",
    ],
)
def test_an_address_that_may_be_opened_some_day_is_not_refused_before(source: str) -> None:
    check_address(config(source))
