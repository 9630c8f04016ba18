"""The ways in: which transport a camera's address calls for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from stream.config import CameraConfig
from stream.sources.device import device_transport
from stream.sources.file import file_transport
from stream.sources.pattern import pattern_transport
from stream.sources.rtsp import rtsp_transport
from stream.sources.transport import Transport

OpenTransport = Callable[[CameraConfig, threading.Event], Transport]
"""Makes the transport of one connection; the event tells it to give up. May raise `BadAddressError`."""


def make_transport(config: CameraConfig, stopping: threading.Event) -> Transport:
    """A new connection, not yet opened, to where the camera's pictures come from."""
    match config.source.kind:
        case "rtsp":
            return rtsp_transport(config, stopping)
        case "device":
            return device_transport(config, stopping)
        case "pattern":
            return pattern_transport(config, stopping)
        case "file":
            return file_transport(config, stopping)
