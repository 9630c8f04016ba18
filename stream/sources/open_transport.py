"""Choice of the transport that a camera's address calls for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from stream.settings.engine import CameraConfig
from stream.sources.demuxed.device import device_transport
from stream.sources.demuxed.file import file_transport
from stream.sources.errors import BadAddressError
from stream.sources.loop_thread import LoopThread
from stream.sources.pattern import pattern_transport
from stream.sources.rtsp.fallback import rtsp_opener
from stream.sources.transport import TransportOpener
from stream.sources.webrtc.peers import Peers
from stream.sources.webrtc.publishers import Publishers
from stream.sources.webrtc.transport import whep_transport, whip_transport
from telemetry.reasons import DiscardReason

OnDiscard = Callable[[DiscardReason], None]
"""Called from any thread for each access unit that is discarded before the decoder gets it."""
MakeOpener = Callable[[CameraConfig, threading.Event, OnDiscard], TransportOpener]
"""Prepares one connection; setting the event interrupts it. May raise `BadAddressError`."""


@dataclass(frozen=True, slots=True)
class SharedTransports:
    """What the cameras of one engine share."""

    peers: Peers
    publishers: Publishers
    rtsp_thread: LoopThread


def make_opener(
    config: CameraConfig, stopping: threading.Event, on_discard: OnDiscard, shared: SharedTransports | None = None
) -> TransportOpener:
    """Prepare a new connection to a camera's source.

    Without `shared`, an RTSP camera gets a network thread of its own, and WebRTC is refused with `BadAddressError`.
    """
    match config.source.kind:
        case "rtsp":
            return rtsp_opener(config, stopping, on_discard, shared.rtsp_thread if shared is not None else None)
        case "device":
            return device_transport(config, stopping)
        case "pattern":
            return pattern_transport(config, stopping)
        case "file":
            return file_transport(config, stopping)
        case "whip" | "whep":
            if shared is None:
                raise BadAddressError(config.id, "WebRTC needs a running engine", "Use another source here")
            if config.source.kind == "whip":
                return whip_transport(config, stopping, shared.publishers)
            return whep_transport(config, stopping, shared.peers)
