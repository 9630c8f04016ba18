"""The doctor's check of a camera: it is opened as the engine opens it, until a picture is there."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from commands.cameras.opening import PICTURE_WITHIN_S, first_picture, opened
from commands.doctor.finding import Finding, fault, ok, warning
from stream.settings.engine import CameraConfig
from stream.sources.decoding.decoder import Decoder
from stream.sources.decoding.picture_limit import PictureLimit
from stream.sources.errors import SourceError
from stream.sources.open_transport import MakeOpener, make_opener
from stream.sources.transport import StoppedError, Transport, UnitTimes

CLOCK_WITHIN_S = 6.0
"""Cameras send RTCP sender reports about every five seconds."""
LIMIT_S = PICTURE_WITHIN_S + CLOCK_WITHIN_S + 4.0
TO_AVOID_FALLBACK = "It works. Set the camera's transport or lower_transport to what is used, to save the first attempt"


@dataclass(frozen=True, slots=True)
class CameraSeen:
    """The result of opening one camera."""

    finding: Finding
    clock_behind_s: float | None = None
    """How far the camera's clock at capture was behind ours at arrival; None if the camera does not send its time."""


def examine(
    config: CameraConfig,
    make_opener: MakeOpener = make_opener,
    picture_within_s: float = PICTURE_WITHIN_S,
    clock_within_s: float = CLOCK_WITHIN_S,
) -> CameraSeen:
    """Open one camera, decode a picture, wait for the camera's time if it may send it, and close it."""
    check = f"camera {config.id}"
    if not config.enabled:
        return CameraSeen(ok(check, "not enabled, so not opened"))
    if config.source.kind == "whip":
        return CameraSeen(ok(check, f"not opened: it publishes to /whip/{config.id} (docs/webrtc.md)"))
    within_s = min(config.start_timeout_s, picture_within_s)
    hurried = config.model_copy(update={"start_timeout_s": within_s, "pace": "live"})
    began = monotonic()
    try:
        with opened(hurried, make_opener, within_s + clock_within_s + 1.0) as transport:
            return _examine(check, hurried, transport, began, clock_within_s)
    except SourceError as error:
        return CameraSeen(fault(check, f"{error.what} ({error.reason})", error.remedy))
    except StoppedError:
        return CameraSeen(fault(check, f"{config.source} did not answer in time", "Check the camera and its network"))


def _examine(check: str, config: CameraConfig, transport: Transport, began: float, clock_within_s: float) -> CameraSeen:
    decoder = Decoder(transport.codec, lambda reason: None, PictureLimit(config))
    picture, times = first_picture(transport, decoder, began + config.start_timeout_s)
    after_s = monotonic() - began
    if config.source.kind == "rtsp":
        times = _with_sender_time(transport, times, monotonic() + clock_within_s)
    seen = f"{picture.frame.width}x{picture.frame.height} {transport.codec.name}, first picture after {after_s:.1f} s"
    behind_s = (times.arrival_utc_us - times.sender_utc_us) / 1e6 if times.sender_utc_us is not None else None
    if transport.fallback is not None:
        return CameraSeen(warning(check, f"{seen}; {transport.fallback.meaning}", TO_AVOID_FALLBACK), behind_s)
    return CameraSeen(ok(check, seen), behind_s)


def _with_sender_time(transport: Transport, times: UnitTimes, deadline: float) -> UnitTimes:
    """Return the times of the first unit that has the sender's time; those of the last one read if none has."""
    try:
        while times.sender_utc_us is None and monotonic() < deadline:
            unit = transport.read()
            if unit is not None:
                times = unit.times
    except SourceError:
        pass  # a picture was there, which is what the check is about
    return times
