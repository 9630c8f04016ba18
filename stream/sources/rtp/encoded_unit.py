"""EncodedUnit: one whole picture, and what its decoder must know of it. Owns nothing."""

from __future__ import annotations

import msgspec


class EncodedUnit(msgspec.Struct, frozen=True, gc=False):
    """One encoded picture, complete; of interlaced video it may be a field."""

    data: bytes
    """Annex B: all its slices, and the parameter sets and SEI that came with it."""
    rtp_timestamp: int
    """90 kHz, modulo 2^32."""
    is_keyframe: bool
    """IDR, IRAP, or what an H.264 sender calls a recovery point, as with libav's packets: players and files can
    begin there, if not always with a whole picture."""
    restart: bool
    """Decoding begins anew: flush the decoder before it. All the parameter sets it needs are in `data`."""
    shown: bool
    """False: decode it, for others refer to it, and show nothing of it."""
