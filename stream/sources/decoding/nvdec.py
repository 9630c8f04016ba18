"""NVDEC: whether the GPU's video decoder decodes a camera's pictures, and if not, why.

It is selected by `cameras[].decoder`. FFmpeg then decodes on the device and copies each picture to main memory. What
NVDEC cannot decode is decoded in software.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from av.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available

DecoderChoice = Literal["auto", "software", "nvdec"]
NoNvdec = Literal["nvdec_not_built", "nvdec_no_device", "nvdec_codec"]

MEANINGS: dict[NoNvdec, str] = {
    "nvdec_not_built": "FFmpeg was built without CUDA",
    "nvdec_no_device": "there is no NVIDIA GPU or driver with video decoding",
    "nvdec_codec": "NVDEC does not support this codec",
}


def hardware(choice: DecoderChoice) -> HWAccel | None:
    """Return the accelerator to open a container with, or None for decoding in software.

    `av.open` cannot make this choice: without a GPU it fails to open, even if software is allowed.
    """
    if choice == "software" or missing() is not None:
        return None
    return HWAccel("cuda", allow_software_fallback=True)


@lru_cache(maxsize=1)
def missing() -> NoNvdec | None:
    """Return why this process cannot use NVDEC, or None if it can. The result is cached."""
    if "cuda" not in hwdevices_available():
        return "nvdec_not_built"
    try:
        HWAccel("cuda").create(Codec("h264", "r"))
    except NotImplementedError:
        return "nvdec_not_built"
    except OSError:  # FFmpeg's errors are OSErrors: without a driver it reports a missing permission
        return "nvdec_no_device"
    return None


def fallback(choice: DecoderChoice, in_hardware: bool) -> NoNvdec | None:
    """Return why a stream is not decoded by NVDEC as configured, or None if it is or NVDEC was not required."""
    if choice != "nvdec" or in_hardware:
        return None
    return missing() or "nvdec_codec"
