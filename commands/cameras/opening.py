"""Opening one camera outside the engine, as the engine opens it, for a limited time."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from time import monotonic

from stream.settings.engine import CameraConfig
from stream.settings.network import WebRtcConfig
from stream.sources.decoding.decoder import Decoded, Decoder
from stream.sources.open_transport import MakeOpener, SharedTransports, make_opener
from stream.sources.rtsp.fallback import NativeRtsp
from stream.sources.transport import Transport, TransportOpener, UnitTimes
from stream.sources.webrtc.peers import Peers
from stream.sources.webrtc.publishers import Publishers
from telemetry.observer import Observer

PICTURE_WITHIN_S = 8.0
"""Longer than the interval between keyframes of nearly every camera."""


@contextmanager
def openers(webrtc: WebRtcConfig) -> Generator[MakeOpener]:
    """Yield a function that makes openers of cameras of every kind. What they share is closed at the end."""
    peers = Peers(webrtc, Observer())
    shared = SharedTransports(peers, Publishers(peers), NativeRtsp())
    try:
        yield partial(make_opener, shared=shared)
    finally:
        shared.native_rtsp.stop()
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


def first_picture(transport: Transport, decoder: Decoder, deadline: float) -> tuple[Decoded, UnitTimes]:
    """Return the first picture and its unit's times. Raises `SourceError` if none came by `deadline` (monotonic s)."""
    while monotonic() < deadline:
        unit = transport.read()
        if unit is None:
            continue
        if pictures := decoder.decode(unit):
            return pictures[0], unit.times
    raise transport.diagnosis.no_picture_in_time()
