"""H.264 and H.265 as byte streams that begin with their own parameter sets, whichever way a source writes them. Pure.

Cameras send start codes; files hold length-prefixed units and their parameter sets apart, in an avcC or hvcC record.
Byte streams with parameter sets in front are what every muxer and decoder takes.
"""

from __future__ import annotations

START_CODE = b"\x00\x00\x00\x01"

H264_SPS = 7
HEVC_VPS, HEVC_SPS, HEVC_PPS = 32, 33, 34

CODECS_WITH_UNITS = ("h264", "hevc")


class MalformedError(ValueError):
    """A record or unit that breaks its own lengths."""


class ByteStream:
    """Turns one stream's packets into byte-stream ones. Raises `MalformedError` if `extradata` can't be read."""

    def __init__(self, codec: str, extradata: bytes) -> None:
        self._codec = codec
        self._length_size = 0
        """Bytes of each unit's length; 0 if units have start codes."""
        self._sets = extradata
        if codec in CODECS_WITH_UNITS and extradata[:1] == b"\x01":
            read = _read_avcc if codec == "h264" else _read_hvcc
            try:
                self._length_size, sets = read(extradata)
            except IndexError:
                raise MalformedError(f"a record of {codec} parameters that is cut off") from None
            self._sets = b"".join(START_CODE + one for one in sets)

    def packet(self, data: bytes) -> bytes:
        """One access unit with start codes. Raises `MalformedError`."""
        if not self._length_size:
            return data
        return b"".join(START_CODE + unit for unit in _units(data, self._length_size))

    def first_packet(self, data: bytes) -> bytes:
        """A key frame's access unit, with parameter sets in front unless it has its own."""
        plain = self.packet(data)
        if self._codec in CODECS_WITH_UNITS and parameter_sets(self._codec, plain):
            return plain
        return self._sets + plain


def parameter_sets(codec: str, data: bytes) -> list[bytes]:
    """The sequence parameter sets that a byte-stream access unit carries: what its size and profile follow from.

    Each once: where decoding begins anew all sets stand in front, also those that the unit has itself.
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
            raise MalformedError("an access unit whose units are longer than it is")
        found.append(data[at + length_size : end])
        at = end
    return found


def _read_avcc(record: bytes) -> tuple[int, list[bytes]]:
    """Bytes of a length, and the parameter sets, of ISO/IEC 14496-15's AVCDecoderConfigurationRecord."""
    sets: list[bytes] = []
    at = 5
    for mask in (0x1F, 0xFF):  # sequence, then picture parameter sets
        count, at = record[at] & mask, at + 1
        for _ in range(count):
            unit, at = _counted(record, at)
            sets.append(unit)
    return (record[4] & 3) + 1, sets


def _read_hvcc(record: bytes) -> tuple[int, list[bytes]]:
    """The same of its HEVCDecoderConfigurationRecord."""
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
