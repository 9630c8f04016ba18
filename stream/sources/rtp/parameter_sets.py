"""ParameterSets: the VPS, SPS and PPS that one stream has sent. Only their numbers are read, and by a decoder the rest.

ITU-T H.264 and H.265, 7.3: a set replaces the one of the same kind and number that was sent before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from stream.sources.rtp.packets import VideoCodec

START_CODE = b"\0\0\0\1"
MAX_BYTES = 16 << 10
"""Of all sets together; further ones are ignored. Even with all lists one stays below 2 KiB, and cameras send few."""
NUMBER_BYTES = 160
"""The number of a set is in its first bytes: of an H.265 SPS, after the levels of up to seven layers."""
MOST_NUMBER = 255

H264_SEQUENCE, H264_PICTURE = 7, 8
H265_VIDEO, H265_SEQUENCE, H265_PICTURE = 32, 33, 34
"""NAL unit types: VPS, SPS, PPS."""


class ParameterSets:
    """Parameter sets of one stream. `out_of_band`: NAL units from the session description."""

    def __init__(self, codec: VideoCodec, out_of_band: Iterable[bytes] = ()) -> None:
        self._h264 = codec == "h264"
        kinds = (H264_SEQUENCE, H264_PICTURE) if self._h264 else (H265_VIDEO, H265_SEQUENCE, H265_PICTURE)
        self._of_kind: dict[int, dict[int, bytes]] = {kind: {} for kind in kinds}
        """Of each kind, in the order in which decoders need them, the set of each number."""
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
        return b"".join(START_CODE + nal for sets in self._of_kind.values() for nal in sets.values())

    def add(self, nal: bytes) -> None:
        """Add a parameter set from the stream."""
        kind = nal[0] & 0x1F if self._h264 else nal[0] >> 1 & 0x3F
        sets = self._of_kind.get(kind)
        if sets is None or len(nal) < 3:
            return
        number = _number(kind, nal)
        if number is None or len(self.annex_b) + len(nal) - len(sets.get(number, b"")) > MAX_BYTES:
            return
        if kind == H265_SEQUENCE:
            self.layers = (nal[2] >> 1 & 7) + 1
        sets[number] = nal

    def prefix_for(self, present: Collection[bytes]) -> bytes:
        """Return what a picture that contains the sets `present` needs before it: nothing, or all parameter sets."""
        known = {nal for sets in self._of_kind.values() for nal in sets.values()}
        return b"" if known.issubset(present) else self.annex_b


def _number(kind: int, nal: bytes) -> int | None:
    """Return the number of a parameter set; None if it is damaged."""
    if kind == H265_VIDEO:
        return nal[2] >> 4
    data = nal[:NUMBER_BYTES].replace(b"\0\0\3", b"\0\0")  # without emulation prevention
    bits = "".join(f"{byte:08b}" for byte in data)
    first = {H264_SEQUENCE: 32, H264_PICTURE: 8, H265_PICTURE: 16}.get(kind)
    if first is None:
        first, layers = 120, nal[2] >> 1 & 7
        if layers:
            present = bits[first : first + 2 * layers]
            first += 16 + 88 * present[::2].count("1") + 8 * present[1::2].count("1")
    length = bits.find("1", first) - first  # an Exp-Golomb code: as many zeros, a one, and as many further bits
    code = bits[first + length : first + 2 * length + 1]
    if length < 0 or len(code) != length + 1 or int(code, 2) - 1 > MOST_NUMBER:
        return None
    return int(code, 2) - 1
