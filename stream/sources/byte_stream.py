"""ByteStream: converts H.264 and H.265 packets to byte streams that begin with their parameter sets.

Cameras send start codes. Files have length-prefixed units, and parameter sets in a separate avcC or hvcC record. Every
muxer and decoder accepts byte streams with parameter sets.
"""

from __future__ import annotations

START_CODE = b"\x00\x00\x00\x01"

H264_SPS = 7
HEVC_VPS, HEVC_SPS, HEVC_PPS = 32, 33, 34

CODECS_WITH_UNITS = ("h264", "hevc")


class MalformedError(ValueError):
    """The lengths in a record or unit contradict its size."""


class ByteStream:
    """Converts the packets of one stream. Raises `MalformedError` if `extradata` cannot be parsed."""

    def __init__(self, codec: str, extradata: bytes) -> None:
        self._codec = codec
        self.length_size = 0
        """Bytes of each unit's length; 0 if units have start codes."""
        self.sets = extradata
        """The parameter sets, with start codes."""
        if codec in CODECS_WITH_UNITS and extradata[:1] == b"\x01":
            parse = _parse_avcc if codec == "h264" else _parse_hvcc
            try:
                self.length_size, sets = parse(extradata)
            except IndexError:
                raise MalformedError(f"the record of {codec} parameters is truncated") from None
            self.sets = b"".join(START_CODE + one for one in sets)

    def packet(self, data: bytes) -> bytes:
        """Return an access unit with start codes. Raises `MalformedError`."""
        if not self.length_size:
            return data
        return b"".join(START_CODE + unit for unit in _units(data, self.length_size))

    def first_packet(self, data: bytes) -> bytes:
        """Return a keyframe's access unit, with the parameter sets before it unless it has its own."""
        plain = self.packet(data)
        if self._codec in CODECS_WITH_UNITS and parameter_sets(self._codec, plain):
            return plain
        return self.sets + plain


def parameter_sets(codec: str, data: bytes) -> list[bytes]:
    """Return the sequence parameter sets, which determine size and profile, of a byte-stream access unit.

    Without duplicates: after a loss, all sets precede the unit, including those that it contains itself.
    """
    found: list[bytes] = []
    for unit in data.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")[1:]:
        if not unit:
            continue
        kind = unit[0] & 0x1F if codec == "h264" else (unit[0] >> 1) & 0x3F
        if kind == (H264_SPS if codec == "h264" else HEVC_SPS):
            found.append(unit.rstrip(b"\x00"))
    return list(dict.fromkeys(found))


def _units(data: bytes, length_size: int) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + length_size + int.from_bytes(data[at : at + length_size], "big")
        if end > len(data):
            raise MalformedError("the units of an access unit are longer than it")
        found.append(data[at + length_size : end])
        at = end
    return found


def _parse_avcc(record: bytes) -> tuple[int, list[bytes]]:
    """Return the size of length fields, and the parameter sets, of an avcC record (ISO/IEC 14496-15)."""
    sets: list[bytes] = []
    at = 5
    for mask in (0x1F, 0xFF):  # sequence, then picture parameter sets
        count, at = record[at] & mask, at + 1
        for _ in range(count):
            unit, at = _counted(record, at)
            sets.append(unit)
    return (record[4] & 3) + 1, sets


def _parse_hvcc(record: bytes) -> tuple[int, list[bytes]]:
    """Return the same of an hvcC record."""
    sets: list[bytes] = []
    arrays, at = record[22], 23
    for _ in range(arrays):
        kind, count, at = record[at] & 0x3F, int.from_bytes(record[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            unit, at = _counted(record, at)
            if kind in (HEVC_VPS, HEVC_SPS, HEVC_PPS):
                sets.append(unit)
    return (record[21] & 3) + 1, sets


def _counted(record: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(record[at : at + 2], "big")
    if end > len(record):
        raise IndexError
    return record[at + 2 : end], end
