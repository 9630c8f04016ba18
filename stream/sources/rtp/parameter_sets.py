"""ParameterSets: the VPS, SPS and PPS that one stream has sent. Only a decoder reads what they say."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from stream.sources.rtp.packets import VideoCodec

START_CODE = b"\0\0\0\1"
MAX_BYTES = 4096
"""Larger parameter sets are ignored. Even with all lists they stay below 2 KiB."""
MAX_SETS = 64
"""Of each kind, the ones that were sent last are kept. Cameras send one to three."""

H264_SEQUENCE, H264_PICTURE = 7, 8
H265_VIDEO, H265_SEQUENCE, H265_PICTURE = 32, 33, 34
"""NAL unit types: VPS, SPS, PPS."""


class ParameterSets:
    """Parameter sets of one stream. `out_of_band`: NAL units from the session description."""

    def __init__(self, codec: VideoCodec, out_of_band: Iterable[bytes] = ()) -> None:
        self._h264 = codec == "h264"
        kinds = (H264_SEQUENCE, H264_PICTURE) if self._h264 else (H265_VIDEO, H265_SEQUENCE, H265_PICTURE)
        self._of_kind: dict[int, dict[bytes, None]] = {kind: {} for kind in kinds}
        """Of each kind, in the order in which decoders need them, the sets in the order in which they were sent last.
        A decoder replaces one by a later one of the same number."""
        self.layers = 1
        """Number of temporal layers of H.265, by the latest SPS."""
        for nal in out_of_band:
            if nal := nal.removeprefix(START_CODE).removeprefix(START_CODE[1:]).rstrip(b"\0"):
                self.add(nal)

    @property
    def complete(self) -> bool:
        """Whether there is a set of each kind, without which nothing can be decoded."""
        return all(self._of_kind.values())

    @property
    def annex_b(self) -> bytes:
        """All parameter sets with start codes, in the order in which decoders need them."""
        return b"".join(START_CODE + nal for sets in self._of_kind.values() for nal in sets)

    def add(self, nal: bytes) -> None:
        """Add a parameter set from the stream."""
        kind = nal[0] & 0x1F if self._h264 else nal[0] >> 1 & 0x3F
        sets = self._of_kind.get(kind)
        if sets is None or not 3 <= len(nal) <= MAX_BYTES:
            return
        if kind == H265_SEQUENCE:
            self.layers = (nal[2] >> 1 & 7) + 1
        sets.pop(nal, None)
        sets[nal] = None
        if len(sets) > MAX_SETS:
            del sets[next(iter(sets))]

    def prefix_for(self, present: Collection[bytes]) -> bytes:
        """Return what a picture that contains the sets `present` needs before it: nothing, or all parameter sets."""
        known = {nal for sets in self._of_kind.values() for nal in sets}
        return b"" if known.issubset(present) else self.annex_b
