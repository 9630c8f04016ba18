"""The ways in: which transport a camera's address calls for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from stream.settings.engine import CameraConfig
from stream.sources.demuxed.device import device_transport
from stream.sources.demuxed.file import file_transport
from stream.sources.errors import BadAddressError
from stream.sources.pattern import pattern_transport
from stream.sources.rtsp.fallback import NativeRtsp, rtsp_transport
from stream.sources.transport import Transport
from stream.sources.webrtc.peers import Peers
from stream.sources.webrtc.publishers import Publishers
from stream.sources.webrtc.transport import whep_transport, whip_transport
from telemetry.reasons import DiscardReason

OnDiscard = Callable[[DiscardReason], None]
"""Told of each encoded picture that is lost before it can be decoded, and why. Any thread."""
OpenTransport = Callable[[CameraConfig, threading.Event, OnDiscard], Transport]
"""Makes the transport of one connection; the event tells it to give up. May raise `BadAddressError`."""


@dataclass(frozen=True, slots=True)
class SharedTransports:
    """What the cameras of one engine share."""

    peers: Peers
    publishers: Publishers
    native_rtsp: NativeRtsp


def make_transport(
    config: CameraConfig, stopping: threading.Event, on_discard: OnDiscard, shared: SharedTransports | None = None
) -> Transport:
    """A new connection, not yet opened, to where the camera's pictures come from.

    Without anything shared, an RTSP camera has a thread of its own for its packets.
    """
    match config.source.kind:
        case "rtsp":
            return rtsp_transport(config, stopping, on_discard, shared.native_rtsp if shared is not None else None)
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
