"""V4L2 devices (USB and built-in cameras): `device:/dev/video0[?size=1280x720&fps=30&format=mjpeg]`."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from pathlib import Path
from urllib.parse import parse_qsl

import av.error

from stream.settings.engine import CameraConfig
from stream.sources.demuxed.ffmpeg_transport import FfmpegTransport
from stream.sources.error_diagnosis import ErrorDiagnosis
from stream.sources.errors import BadAddressError, BrokenError, NoSuchDeviceError, SourceError, UnreadableError
from stream.sources.transport import Transport

OPTIONS = {
    "size": ("video_size", re.compile(r"\d{2,5}x\d{2,5}")),
    "fps": ("framerate", re.compile(r"\d{1,3}(\.\d+)?")),
    "format": ("input_format", re.compile(r"[a-z0-9]{2,16}")),
}
"""What can be asked of a device: its name in the address, libav's name, and what it must look like."""


def device_transport(config: CameraConfig, stopping: threading.Event) -> DeviceTransport:
    """A V4L2 device. Raises `BadAddressError` if the address can't be one."""
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
    )


class DeviceTransport(FfmpegTransport):
    """A device, read without ever blocking."""

    def open(self) -> Transport:
        """Open the device. Its reads would block, without limit, in the kernel: tell the kernel not to."""
        super().open()
        set_nonblocking(self.address)
        return self


def set_nonblocking(path: str) -> int:
    """Make this process's reads of the device return at once; the number of descriptors that it concerned."""
    device = Path(path).stat()
    changed = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile, by another thread
            if os.path.samestat(os.fstat(int(descriptor.name)), device):
                os.set_blocking(int(descriptor.name), False)
                changed += 1
    return changed


def parse_device(camera: str, address: str) -> tuple[str, dict[str, str]]:
    """The device's path and libav's options. Raises `BadAddressError`."""
    path, _, query = address.partition(":")[2].partition("?")
    example = "Write device:/dev/video0, or device:/dev/video0?size=1280x720&fps=30&format=mjpeg"
    if not path.startswith("/dev/"):
        raise BadAddressError(camera, f"{address!r} names no device", example)
    options: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        name, pattern = OPTIONS.get(key, ("", re.compile(r"(?!)")))
        if not pattern.fullmatch(value):
            raise BadAddressError(camera, f"{address!r}: {key}={value} isn't understood", example)
        options[name] = value
    return path, options


class DeviceErrorDiagnosis(ErrorDiagnosis):
    """A device may be plugged in later, so that none of these is for good."""

    def opening(self, error: Exception, after_s: float) -> SourceError:
        """From the operating system's error."""
        if isinstance(error, (av.error.FileNotFoundError, av.error.NotADirectoryError)):
            return NoSuchDeviceError(
                self.camera, f"there is no {self.address}", "Plug it in; `ls /dev/video*` lists them"
            )
        if isinstance(error, av.error.PermissionError):
            return UnreadableError(
                self.camera,
                f"{self.address} may not be read",
                "Join its group: usermod -aG video $USER, then log in anew",
            )
        if getattr(error, "errno", None) in (19, 6):  # ENODEV, ENXIO: there is a name and nothing behind it
            return NoSuchDeviceError(self.camera, f"nothing is behind {self.address}", "Plug the camera in again")
        if isinstance(error, OSError) and error.errno == 16:  # EBUSY
            return BrokenError(self.camera, f"another program uses {self.address}", "End the other program")
        return self.reading(error)
