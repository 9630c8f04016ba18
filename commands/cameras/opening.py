"""Opening one camera outside the engine, as the engine opens it, for a limited time, and what it sends."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import monotonic

from stream.settings.engine import CameraConfig
from stream.settings.network import WebRtcConfig
from stream.sources.decoding.decoder import Decoded, Decoder
from stream.sources.decoding.picture_limit import PictureLimit
from stream.sources.errors import SourceError
from stream.sources.open_transport import MakeOpener, SharedTransports, make_opener
from stream.sources.rtsp.fallback import network_thread
from stream.sources.transport import StoppedError, Transport, TransportOpener, UnitTimes
from stream.sources.webrtc.peers import Peers
from stream.sources.webrtc.publishers import Publishers
from telemetry.observer import Observer

PICTURE_WITHIN_S = 8.0
"""Longer than the interval between keyframes of nearly every camera."""
RATE_WITHIN_S = 2.0
"""How long pictures are counted to find the frame rate."""
ENOUGH_UNITS = 50


@dataclass(frozen=True, slots=True)
class Probe:
    """What a camera sends. If it could not be opened, only `error` and `remedy` are set; they have no secrets."""

    codec: str | None = None
    size: tuple[int, int] | None = None
    """Width, height of its pictures."""
    after_s: float = 0.0
    """Time to its first picture."""
    fps: float | None = None
    behind_s: float | None = None
    """How far its clock at capture was behind ours at arrival; None if it does not send its time."""
    fallback: str | None = None
    """Which other transport than the configured one was used, and why."""
    error: str | None = None
    remedy: str = ""


@contextmanager
def openers(webrtc: WebRtcConfig) -> Generator[MakeOpener]:
    """Yield a function that makes openers of cameras of every kind. What they share is closed at the end."""
    peers = Peers(webrtc, Observer())
    shared = SharedTransports(peers, Publishers(peers), network_thread())
    try:
        yield partial(make_opener, shared=shared)
    finally:
        shared.rtsp_thread.stop()
        peers.stop()


@contextmanager
def opened(config: CameraConfig, make_opener: MakeOpener, limit_s: float) -> Generator[Transport]:
    """Yield the camera's transport, which is told to stop after `limit_s` and closed at the end.

    Raises `SourceError`, and `StoppedError` after `limit_s`.
    """
    stopping = threading.Event()
    giving_up = threading.Timer(limit_s, stopping.set)
    giving_up.daemon = True
    giving_up.start()
    opener: TransportOpener | None = None
    try:
        opener = make_opener(config, stopping, lambda reason: None)
        yield opener.open()
    finally:
        giving_up.cancel()
        stopping.set()
        if opener is not None:
            opener.close()


def probe(
    config: CameraConfig,
    make_opener: MakeOpener = make_opener,
    *,
    picture_within_s: float = PICTURE_WITHIN_S,
    rate_within_s: float = 0.0,
    clock_within_s: float = 0.0,
) -> Probe:
    """Open a camera, decode a picture, and close it. If asked, count pictures for a moment, and wait for its time."""
    if config.source.kind == "whip":
        return Probe(error=f"not opened: publish to /whip/{config.id} first")
    hurried = config.model_copy(update={"start_timeout_s": picture_within_s, "pace": "fast"})
    began = monotonic()
    try:
        with opened(hurried, make_opener, picture_within_s + rate_within_s + clock_within_s + 1.0) as transport:
            decoder = Decoder(transport.codec, lambda reason: None, PictureLimit(config))
            picture, times = _first_picture(transport, decoder, began + picture_within_s)
            after_s = monotonic() - began
            fps, times = _later_units(transport, times, rate_within_s, clock_within_s)
            sent_us = times.sender_utc_us
            return Probe(
                codec=transport.codec.name,
                size=(picture.frame.width, picture.frame.height),
                after_s=after_s,
                fps=fps,
                behind_s=None if sent_us is None else (times.arrival_utc_us - sent_us) / 1e6,
                fallback=None if transport.fallback is None else transport.fallback.meaning,
            )
    except SourceError as error:
        return Probe(error=f"{error.what} ({error.reason})", remedy=error.remedy)
    except StoppedError:
        return Probe(error=f"{config.source} did not answer in time", remedy="Check the camera and network")


def _first_picture(transport: Transport, decoder: Decoder, deadline: float) -> tuple[Decoded, UnitTimes]:
    """Return the first picture and its unit's times. Raises `SourceError` if none came by `deadline` (monotonic s)."""
    while monotonic() < deadline:
        unit = transport.read()
        if unit is None:
            continue
        if pictures := decoder.decode(unit):
            return pictures[0], unit.times
    raise transport.diagnosis.no_picture_in_time()


def _later_units(
    transport: Transport, first: UnitTimes, rate_within_s: float, clock_within_s: float
) -> tuple[float | None, UnitTimes]:
    """Return the pictures per second of media time, and the times of the first unit with the sender's time.

    The rate is None if it is unknown; the times are those of the last unit read if none has the sender's.
    """
    began, times = monotonic(), first
    shown = [first.pts_us] if first.pts_us is not None else []
    try:
        while True:
            past_s = monotonic() - began
            counting = past_s < rate_within_s and len(shown) < ENOUGH_UNITS
            if not counting and (past_s >= clock_within_s or times.sender_utc_us is not None):
                break
            unit = transport.read()
            if unit is None:
                continue
            if times.sender_utc_us is None:
                times = unit.times
            if counting and unit.times.pts_us is not None:
                shown.append(unit.times.pts_us)
    except (SourceError, StoppedError):
        pass  # such as the end of a short file: a picture was there
    span_us = max(shown) - min(shown) if shown else 0
    return (len(shown) - 1) * 1e6 / span_us if span_us > 0 else None, times
