"""NVDEC: whether a camera's pictures are decoded by the GPU's own decoder, and why not where they were to be.

Asked for by `cameras[].decoder`. libav then decodes on the device and hands each picture back in the machine's memory,
as it would one that it decoded itself; what NVDEC can't decode it decodes in software. Owns nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from av.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available

DecoderChoice = Literal["auto", "software", "nvdec"]
NoNvdec = Literal["nvdec_not_built", "nvdec_no_device", "nvdec_codec"]

MEANINGS: dict[NoNvdec, str] = {
    "nvdec_not_built": "this libav was built without CUDA",
    "nvdec_no_device": "there is no NVIDIA GPU or driver that decodes",
    "nvdec_codec": "NVDEC doesn't know this codec",
}


def hardware(choice: DecoderChoice) -> HWAccel | None:
    """What to open a container with, so that its video is decoded as chosen; None for software.

    Nothing is left to `av.open`: without a GPU it refuses to open at all, also where it may decode in software.
    """
    if choice == "software" or missing() is not None:
        return None
    return HWAccel("cuda", allow_software_fallback=True)


@lru_cache(maxsize=1)
def missing() -> NoNvdec | None:
    """Why this process can't use NVDEC; None if it can. Found out once: a GPU isn't plugged in while it runs."""
    if "cuda" not in hwdevices_available():
        return "nvdec_not_built"
    try:
        HWAccel("cuda").create(Codec("h264", "r"))
    except NotImplementedError:
        return "nvdec_not_built"
    except OSError:  # libav's own errors are: without a driver it says that it isn't permitted
        return "nvdec_no_device"
    return None


def fallback(choice: DecoderChoice, in_hardware: bool) -> NoNvdec | None:
    """Why a stream that was to be decoded by NVDEC isn't; None if it is, or if software was good enough."""
    if choice != "nvdec" or in_hardware:
        return None
    return missing() or "nvdec_codec"
