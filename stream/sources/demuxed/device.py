"""V4L2 devices (USB and built-in cameras): `device:/dev/video0[?size=1280x720&fps=30&format=mjpeg]`."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import av.error

from stream.settings.engine import CameraConfig
from stream.sources.addresses import parse_device
from stream.sources.decoding.picture_limit import decoder_pixels
from stream.sources.demuxed.ffmpeg_transport import FfmpegTransport
from stream.sources.error_diagnosis import ErrorDiagnosis
from stream.sources.errors import BrokenError, NoSuchDeviceError, SourceError, UnreadableError
from stream.sources.transport import Transport


def device_transport(config: CameraConfig, stopping: threading.Event) -> DeviceTransport:
    """Prepare a connection to a V4L2 device. Raises `BadAddressError`."""
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
            return NoSuchDeviceError(
                self.camera, f"there is no {self.address}", "Plug it in; `ls /dev/video*` lists them"
            )
        if isinstance(error, av.error.PermissionError):
            return UnreadableError(
                self.camera,
                f"no permission to read {self.address}",
                "Join its group: usermod -aG video $USER, then log in again",
            )
        if getattr(error, "errno", None) in (19, 6):  # ENODEV, ENXIO: the device file has no device
            return NoSuchDeviceError(self.camera, f"{self.address} is unplugged", "Plug the camera in again")
        if isinstance(error, OSError) and error.errno == 16:  # EBUSY
            return BrokenError(self.camera, f"another program uses {self.address}", "Stop the other program")
        return self.reading(error)
