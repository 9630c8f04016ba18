"""What a camera sends: codec, picture size and frame rate, found by opening it."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from commands.cameras.opening import PICTURE_WITHIN_S, first_picture, opened
from stream.settings.engine import CameraConfig
from stream.sources.decoding.decoder import Decoder
from stream.sources.decoding.picture_limit import PictureLimit
from stream.sources.errors import SourceError
from stream.sources.open_transport import MakeOpener, make_opener
from stream.sources.transport import StoppedError, Transport

RATE_WITHIN_S = 2.0
"""How long pictures are counted to find the frame rate."""
ENOUGH_UNITS = 50
LIMIT_S = PICTURE_WITHIN_S + RATE_WITHIN_S + 2.0
"""Maximum duration of a probe."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a camera sends. All fields but `error` are None if it could not be opened; `error` has no secrets."""

    codec: str | None = None
    size: tuple[int, int] | None = None
    """Width, height of its pictures."""
    fps: float | None = None
    error: str | None = None


def probe(
    config: CameraConfig,
    make_opener: MakeOpener = make_opener,
    picture_within_s: float = PICTURE_WITHIN_S,
    rate_within_s: float = RATE_WITHIN_S,
) -> Probe:
    """Open a camera, look at its first picture, count pictures for a moment, and close it."""
    if config.source.kind == "whip":
        return Probe(error=f"not opened: publish to /whip/{config.id} first")
    hurried = config.model_copy(update={"start_timeout_s": picture_within_s, "pace": "fast"})
    try:
        with opened(hurried, make_opener, picture_within_s + rate_within_s + 1.0) as transport:
            decoder = Decoder(transport.codec, lambda reason: None, PictureLimit(config))
            picture, times = first_picture(transport, decoder, monotonic() + picture_within_s)
            size = (picture.frame.width, picture.frame.height)
            return Probe(transport.codec.name, size, _frame_rate(transport, times.pts_us, monotonic() + rate_within_s))
    except SourceError as error:
        return Probe(error=f"could not be opened: {error.what}. {error.remedy}")
    except StoppedError:
        return Probe(error=f"could not be opened: {config.source} did not answer in time")


def _frame_rate(transport: Transport, first_us: int | None, deadline: float) -> float | None:
    """Return the pictures per second of media time; None if unknown."""
    shown = [first_us] if first_us is not None else []
    try:
        while monotonic() < deadline and len(shown) < ENOUGH_UNITS:
            unit = transport.read()
            if unit is not None and unit.times.pts_us is not None:
                shown.append(unit.times.pts_us)
    except (SourceError, StoppedError):
        pass  # a short file has ended: use the units counted so far
    span_us = max(shown) - min(shown) if shown else 0
    return (len(shown) - 1) * 1e6 / span_us if span_us > 0 else None
