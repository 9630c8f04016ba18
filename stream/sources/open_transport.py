"""Choice of the transport that a camera's address calls for."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av.error

from stream.settings.engine import CameraConfig
from stream.sources.addresses import parse_device
from stream.sources.decoding.picture_limit import decoder_pixels
from stream.sources.demuxed.ffmpeg_transport import FfmpegTransport
from stream.sources.demuxed.file import file_transport
from stream.sources.error_diagnosis import ErrorDiagnosis
from stream.sources.errors import SourceError
from stream.sources.loop_thread import LoopThread
from stream.sources.pattern import pattern_transport
from stream.sources.rtsp.fallback import rtsp_opener
from stream.sources.transport import Transport, TransportOpener
from stream.sources.webrtc.peers import Peers
from stream.sources.webrtc.publishers import Publishers
from stream.sources.webrtc.transport import whep_transport, whip_transport
from telemetry.reasons import DiscardReason


def device_transport(config: CameraConfig, stopping: threading.Event) -> DeviceTransport:
    """Prepare a connection to a V4L2 device. Raises `SourceError`."""
    path, options = parse_device(config.id, config.source.reveal())
    return DeviceTransport(
        config.id,
        path,
        DeviceErrorDiagnosis(config.id, config.source, config.start_timeout_s, config.stall_timeout_s),
        stopping,
        format="v4l2",
        options=options,
        start_timeout_s=config.start_timeout_s,
        stall_timeout_s=config.stall_timeout_s,
        max_pixels=decoder_pixels(config.max_pixels),
    )


class DeviceTransport(FfmpegTransport):
    """A device, read without blocking."""

    def open(self) -> Transport:
        """Open the device, and make it non-blocking: its reads could block in the kernel without limit."""
        super().open()
        set_nonblocking(self.address)
        return self


def set_nonblocking(path: str) -> int:
    """Make this process's reads of the device non-blocking, and return the number of descriptors changed."""
    device = Path(path).stat()
    changed = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed by another thread
            if os.path.samestat(os.fstat(int(descriptor.name)), device):
                os.set_blocking(int(descriptor.name), False)
                changed += 1
    return changed


class DeviceErrorDiagnosis(ErrorDiagnosis):
    """Errors of devices. None is permanent, since a device may be plugged in later."""

    def opening(self, error: Exception, after_s: float) -> SourceError:
        """Use the operating system's error."""
        if isinstance(error, (av.error.FileNotFoundError, av.error.NotADirectoryError)):
            return self._error(
                "no_such_device", f"there is no {self.address}", "Plug it in; `ls /dev/video*` lists them"
            )
        if isinstance(error, av.error.PermissionError):
            return self._error(
                "unreadable",
                f"no permission to read {self.address}",
                "Join its group: usermod -aG video $USER, then log in again",
            )
        if getattr(error, "errno", None) in (19, 6):  # ENODEV, ENXIO: the device file has no device
            return self._error("no_such_device", f"{self.address} is unplugged", "Plug the camera in again")
        if isinstance(error, OSError) and error.errno == 16:  # EBUSY
            return self._error("broken", f"another program uses {self.address}", "Stop the other program")
        return self.reading(error)


OnDiscard = Callable[[DiscardReason], None]
"""Called from any thread for each access unit that is discarded before the decoder gets it."""
MakeOpener = Callable[[CameraConfig, threading.Event, OnDiscard], TransportOpener]
"""Prepares one connection; setting the event interrupts it. May raise `SourceError`."""


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

    Without `shared`, an RTSP camera gets a network thread of its own, and WebRTC is refused with `SourceError`.
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
                raise SourceError("bad_address", config.id, "WebRTC needs a running engine", "Use another source here")
            if config.source.kind == "whip":
                return whip_transport(config, stopping, shared.publishers)
            return whep_transport(config, stopping, shared.peers)
