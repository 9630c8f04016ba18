"""What is installed: versions, and whether pictures can be decoded with it."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata

import av
import zmq
from av.codec import Codec

from commands.doctor.finding import Finding, fault, ok, warning
from stream.settings.engine import CameraConfig
from stream.sources.decoding import nvdec

PACKAGES = ("partstream", "torch", "torchvision", "av", "pyzmq", "aiohttp", "aiortc")
NEEDED_CODECS = ("h264", "hevc", "mjpeg")
"""What cameras send."""


def versions() -> Finding:
    """What a report of a fault should name."""
    found: list[str] = [f"Python {platform.python_version()} on {platform.platform(terse=True)}"]
    missing: list[str] = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            if package != "partstream":  # it runs from its folder
                missing.append(package)
    found += [f"FFmpeg {av.ffmpeg_version_info}", f"libzmq {zmq.zmq_version()}"]
    if missing:
        return fault("versions", f"not installed: {', '.join(missing)}", "Install partstream again, with its packages")
    if not zmq.has("curve"):
        return warning(
            "versions", f"{', '.join(found)}; libzmq has no CURVE", "Without it nothing is encrypted: use pyzmq's wheel"
        )
    return ok("versions", ", ".join(found))


def decoders(cameras: Iterable[CameraConfig], codecs: Iterable[str] = NEEDED_CODECS) -> Finding:
    """Whether what cameras send can be decoded, and by the GPU where that was asked for."""
    missing = [name for name in codecs if not _decodes(name)]
    if missing:
        return fault(
            "decoders",
            f"this FFmpeg can't decode {', '.join(missing)}",
            "Use PyAV's own wheel (`pip install --force-reinstall av`): others may lack decoders",
        )
    wanted = [camera.id for camera in cameras if camera.decoder == "nvdec"]
    if wanted and (reason := nvdec.missing()) is not None:
        return warning(
            "decoders",
            f"{', '.join(wanted)}: decoder is nvdec, and {nvdec.MEANINGS[reason]}: they are decoded in software",
            "Install the NVIDIA driver with its video libraries, or set cameras[].decoder to software",
        )
    by_gpu = "; NVDEC too" if nvdec.missing() is None else ""
    return ok("decoders", f"{', '.join(codecs)} in software{by_gpu}")


def _decodes(name: str) -> bool:
    try:
        return Codec(name, "r").is_decoder
    except ValueError:
        return False
