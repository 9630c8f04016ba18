"""SEI messages, which have the same syntax in both codecs (ITU-T H.264, 7.3.2.3.1; H.265, 7.3.5)."""

from __future__ import annotations

RECOVERY_POINT = 6
"""payloadType."""


def message(nal: bytes, wanted: int) -> bytes | None:
    """Return the payload of the first message of this type in an SEI NAL unit without its header, or None.

    Emulation prevention bytes are removed.
    """
    raw = nal.replace(b"\0\0\3", b"\0\0")
    at = 0
    while at + 2 < len(raw):  # the last byte ends the NAL unit
        kind, at = _extended(raw, at)
        size, at = _extended(raw, at)
        if kind == wanted:
            return raw[at : at + size]
        at += size
    return None


def _extended(raw: bytes, at: int) -> tuple[int, int]:
    """Return a number written as any count of 255 and a last byte, and the offset of its end."""
    value = 0
    while at < len(raw) and raw[at] == 0xFF:
        value += 255
        at += 1
    return (value + raw[at], at + 1) if at < len(raw) else (value, at)
