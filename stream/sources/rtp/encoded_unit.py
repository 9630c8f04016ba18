"""EncodedUnit: one complete access unit, with what its decoder must know."""

from __future__ import annotations

import msgspec


class EncodedUnit(msgspec.Struct, frozen=True, gc=False):
    """One complete access unit; in interlaced video, it may be a field."""

    data: bytes
    """Annex B: all slices, with the parameter sets and SEI sent with them."""
    rtp_timestamp: int
    """90 kHz, modulo 2^32."""
    is_keyframe: bool
    """IDR, IRAP, or a recovery point in H.264, as in FFmpeg's packets: players and files can begin there, though not
    always with a complete picture."""
    restart: bool
    """Decoding begins again: flush the decoder before this unit. `data` contains all parameter sets it needs."""
    shown: bool
    """False for a decode-only unit: later units refer to it, but it must not be shown."""
