"""Checks of what is installed: versions, and decoders."""

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
"""The codecs that cameras use."""


def versions() -> Finding:
    """List the versions that a bug report should name."""
    found: list[str] = [f"Python {platform.python_version()} on {platform.platform(terse=True)}"]
    missing: list[str] = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            if package != "partstream":  # it runs from its checkout
                missing.append(package)
    found += [f"FFmpeg {av.ffmpeg_version_info}", f"libzmq {zmq.zmq_version()}"]
    if missing:
        return fault(
            "versions", f"not installed: {', '.join(missing)}", "Install partstream again, with its dependencies"
        )
    if not zmq.has("curve"):
        return warning(
            "versions", f"{', '.join(found)}; libzmq has no CURVE", "To encrypt results, install pyzmq's own wheel"
        )
    return ok("versions", ", ".join(found))


def decoders(cameras: Iterable[CameraConfig], codecs: Iterable[str] = NEEDED_CODECS) -> Finding:
    """Check whether cameras' codecs can be decoded, and on the GPU if a camera is configured for it."""
    missing = [name for name in codecs if not _decodes(name)]
    if missing:
        return fault(
            "decoders",
            f"this FFmpeg cannot decode {', '.join(missing)}",
            "Install PyAV's own wheel (`pip install --force-reinstall av`): other builds may lack decoders",
        )
    wanted = [camera.id for camera in cameras if camera.decoder == "nvdec"]
    if wanted and (reason := nvdec.missing()) is not None:
        return warning(
            "decoders",
            f"{', '.join(wanted)}: decoded in software, although decoder is nvdec: {nvdec.MEANINGS[reason]}",
            "Install the NVIDIA driver with its video libraries, or set cameras[].decoder to software",
        )
    by_gpu = "; NVDEC is available" if nvdec.missing() is None else ""
    return ok("decoders", f"{', '.join(codecs)} in software{by_gpu}")


def _decodes(name: str) -> bool:
    try:
        return Codec(name, "r").is_decoder
    except ValueError:
        return False
