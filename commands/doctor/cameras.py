"""Whether a camera can be reached: it is opened as the engine opens it, until a picture is there."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import monotonic

from commands.doctor.finding import Finding, fault, ok, warning
from stream.settings.engine import CameraConfig
from stream.sources.decoding.decoder import Decoded, Decoder
from stream.sources.errors import SourceError
from stream.sources.open_transport import MakeOpener, make_opener
from stream.sources.transport import StoppedError, Transport, TransportOpener, UnitTimes

PICTURE_WITHIN_S = 8.0
"""Longer than from one keyframe to the next of nearly every camera."""
CLOCK_WITHIN_S = 6.0
"""Sender reports come about every five seconds."""
LIMIT_S = PICTURE_WITHIN_S + CLOCK_WITHIN_S + 4.0


@dataclass(frozen=True, slots=True)
class CameraSeen:
    """What came of opening one camera."""

    finding: Finding
    clock_behind_s: float | None = None
    """How far the camera's clock, when a picture was taken, was behind ours, when it arrived; None if it didn't say."""


def look_at(
    config: CameraConfig,
    make_opener: MakeOpener = make_opener,
    picture_within_s: float = PICTURE_WITHIN_S,
    clock_within_s: float = CLOCK_WITHIN_S,
) -> CameraSeen:
    """Open one camera, decode a picture of it, wait for the camera's time where it may tell one, and close it."""
    check = f"camera {config.id}"
    if not config.enabled:
        return CameraSeen(ok(check, "not enabled: nothing is read from it"))
    if config.source.kind == "whip":
        return CameraSeen(ok(check, f"comes by itself: it publishes to /whip/{config.id} (docs/webrtc.md)"))
    within_s = min(config.start_timeout_s, picture_within_s)
    hurried = config.model_copy(update={"start_timeout_s": within_s, "pace": "live"})
    stopping = threading.Event()
    giving_up = threading.Timer(within_s + clock_within_s + 1.0, stopping.set)
    giving_up.daemon = True
    giving_up.start()
    began = monotonic()
    opener: TransportOpener | None = None
    try:
        opener = make_opener(hurried, stopping, lambda reason: None)
        return _look(check, hurried, opener, began, clock_within_s)
    except SourceError as error:
        return CameraSeen(fault(check, f"{error.what} ({error.reason})", error.remedy))
    except StoppedError:
        return CameraSeen(fault(check, f"{config.source} gave no answer in time", "Look at the camera and its network"))
    finally:
        giving_up.cancel()
        stopping.set()
        if opener is not None:
            opener.close()


def _look(check: str, config: CameraConfig, opener: TransportOpener, began: float, clock_within_s: float) -> CameraSeen:
    transport = opener.open()
    decoder = Decoder(transport.codec, lambda reason: None)
    picture, times = _first_picture(transport, decoder, began + config.start_timeout_s)
    after_s = monotonic() - began
    if config.source.kind == "rtsp":
        times = _with_the_senders_time(transport, times, monotonic() + clock_within_s)
    seen = f"{picture.frame.width}x{picture.frame.height} {transport.codec.name}, a picture after {after_s:.1f} s"
    behind_s = (times.arrival_utc_us - times.sender_utc_us) / 1e6 if times.sender_utc_us is not None else None
    if transport.fallback is not None:
        return CameraSeen(warning(check, f"{seen}; {transport.fallback.meaning}", _HOW_TO_BE_WIRED), behind_s)
    return CameraSeen(ok(check, seen), behind_s)


_HOW_TO_BE_WIRED = "It works. Set the camera's transport or lower_transport to what it is, and nothing is tried first"


def _first_picture(transport: Transport, decoder: Decoder, deadline: float) -> tuple[Decoded, UnitTimes]:
    while monotonic() < deadline:
        unit = transport.read()
        if unit is None:
            continue
        if pictures := decoder.decode(unit):
            return pictures[0], unit.times
    raise transport.diagnosis.no_picture_in_time()


def _with_the_senders_time(transport: Transport, times: UnitTimes, deadline: float) -> UnitTimes:
    """The first unit's times from here on that have the sender's time too; some units' without, if none has."""
    try:
        while times.sender_utc_us is None and monotonic() < deadline:
            unit = transport.read()
            if unit is not None:
                times = unit.times
    except SourceError:
        pass  # a picture was there, which was the question
    return times
