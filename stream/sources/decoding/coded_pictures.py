"""Sizes of pictures, read from access units before a decoder allocates memory for them.

Covered are H.264 and H.265 (sequence parameter sets), MJPEG and VP8. Only what precedes the first slice is read: of a
usual unit some bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
import msgspec

from stream.sources.byte_stream import ByteStream, MalformedError
from stream.sources.rtp.codecs import bits, h264_syntax, h265_syntax
from stream.sources.rtp.codecs.video_parameters import VideoParameters

LOOKED_AT_BYTES = 64 << 10
"""Parameter sets are within the first bytes of a unit, or it is no unit of a camera."""
OTHER_PICTURES = 3
"""Pictures that a decoder holds beside its references and those to reorder: the current one and those on their way."""

_START_CODE = b"\0\0\1"
_H264_SLICES, _H265_SLICES = range(1, 6), range(32)
_VP8_START = b"\x9d\x01\x2a"
_JPEG_SIZES = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)))
"""Markers of frame headers. 0xC4, 0xC8 and 0xCC are not among them."""


class CodedPicture(msgspec.Struct, frozen=True, gc=False):
    """The pictures of a stream as its headers describe them."""

    width: int
    """As shown."""
    height: int
    coded_pixels: int
    """Including what is cropped."""
    pictures: int
    """Pictures that the decoder holds at once, at most."""
    bytes_per_pixel: float = 1.5


class CodedPictures:
    """Finds the sizes in the units of one stream. `extradata` is that of its decoder."""

    def __init__(self, codec: str, extradata: bytes = b"") -> None:
        self._codec = codec
        self._length_size = 0
        self._before: frozenset[bytes] = frozenset()
        """Parameter sets of the last unit that had some."""
        self._sets = b""
        if codec in ("h264", "hevc"):
            try:
                stream = ByteStream(codec, extradata)
            except MalformedError:
                return
            self._length_size, self._sets = stream.length_size, stream.sets

    def at_first(self) -> CodedPicture | None:
        """Return the size that the parameter sets beside the stream announce; None without any."""
        return self._largest(_annex_b(self._sets))

    def find(self, unit: av.Packet) -> CodedPicture | None:
        """Return the largest size that a unit announces, or None if it announces none or the same as before."""
        match self._codec:
            case "h264" | "hevc":
                data = _beginning(unit)
                return self._largest(_prefixed(data, self._length_size) if self._length_size else _annex_b(data))
            case "mjpeg":
                return _jpeg(_beginning(unit))
            case "vp8":
                return _vp8(_beginning(unit, 10))
            case _:
                return None

    def _largest(self, nals: Iterator[bytes]) -> CodedPicture | None:
        slices = _H264_SLICES if self._codec == "h264" else _H265_SLICES
        wanted = h264_syntax.SEQUENCE if self._codec == "h264" else h265_syntax.SEQUENCE
        sets: set[bytes] = set()
        for nal in nals:
            kind = h264_syntax.type_of(nal[0]) if self._codec == "h264" else h265_syntax.type_of(nal[0])
            if kind in slices:
                break
            if kind == wanted and (self._codec == "h264" or _is_base_layer(nal)):
                sets.add(nal.rstrip(b"\0"))
        if not sets or sets <= self._before:
            return None
        self._before = frozenset(sets)
        return max(filter(None, map(self._picture, sets)), key=lambda picture: picture.coded_pixels, default=None)

    def _picture(self, nal: bytes) -> CodedPicture | None:
        syntax = h264_syntax if self._codec == "h264" else h265_syntax
        try:
            video = syntax.sequence_parameters(nal)[1]
        except (bits.MalformedError, LookupError):
            return None  # the decoder will reject it
        return CodedPicture(
            video.width,
            video.height,
            video.coded_width * video.coded_height,
            video.references + (video.reorder or 0) + OTHER_PICTURES,
            _bytes_per_pixel(video),
        )


def _is_base_layer(nal: bytes) -> bool:
    """Return whether an H.265 NAL unit is of the layer that is decoded; parameter sets of others have another form."""
    return len(nal) > 1 and not nal[0] & 1 and nal[1] < 8


def _beginning(unit: av.Packet, size: int = LOOKED_AT_BYTES) -> bytes:
    return bytes(memoryview(unit)[:size])


def _bytes_per_pixel(video: VideoParameters) -> float:
    name = video.pixel_format
    chroma = 3.0 if "444" in name or "gbr" in name else 2.0 if "422" in name else 1.0 if "gray" in name else 1.5
    return chroma * (2 if name.endswith("le") else 1)


def _annex_b(data: bytes) -> Iterator[bytes]:
    """Yield the NAL units after start codes. The reader may stop before the end of a long one is searched."""
    at = data.find(_START_CODE)
    while 0 <= at < len(data) - len(_START_CODE):
        start = at + len(_START_CODE)
        at = data.find(_START_CODE, start)
        yield data[start : at if at >= 0 else len(data)]


def _prefixed(data: bytes, length_size: int) -> Iterator[bytes]:
    at = 0
    while at + length_size < len(data):
        start = at + length_size
        at = start + int.from_bytes(data[at:start], "big")
        if at > start:
            yield data[start:at]


def _vp8(data: bytes) -> CodedPicture | None:
    if len(data) < 10 or data[0] & 1 or data[3:6] != _VP8_START:
        return None
    width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return CodedPicture(width, height, width * height, 3 + OTHER_PICTURES)


def _jpeg(data: bytes) -> CodedPicture | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _JPEG_SIZES:
            height, width = (int.from_bytes(data[begin : begin + 2], "big") for begin in (at + 5, at + 7))
            return CodedPicture(width, height, width * height, OTHER_PICTURES, 3.0)
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
