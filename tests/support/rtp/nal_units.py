"""NAL units of H.264 and H.265 byte streams (Annex B)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Codec = Literal["h264", "h265"]

START_CODE = b"\0\0\0\1"
FFMPEG_NAMES: dict[Codec, str] = {"h264": "h264", "h265": "hevc"}
"""Names of FFmpeg's decoders and byte stream formats."""
PARAMETER_SETS: dict[Codec, frozenset[int]] = {"h264": frozenset({7, 8}), "h265": frozenset({32, 33, 34})}
"""NAL unit types."""


def nal_units(data: bytes) -> list[bytes]:
    """Split a byte stream into NAL units without start codes."""
    return [part.rstrip(b"\0") for part in data.split(b"\0\0\1") if part.strip(b"\0")]


def annex_b(nals: Iterable[bytes]) -> bytes:
    """Join NAL units, with a long start code before each."""
    return b"".join(START_CODE + nal for nal in nals)


def nal_type(codec: Codec, nal: bytes) -> int:
    """Return a NAL unit's type."""
    return nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F


def is_slice(codec: Codec, nal: bytes) -> bool:
    """Return whether a NAL unit is a coded slice."""
    return 1 <= nal_type(codec, nal) <= 5 if codec == "h264" else nal_type(codec, nal) < 32
