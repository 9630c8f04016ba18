"""Real H.264 and H.265 streams, made with libav's encoders, and a small RTP packetiser for them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.plane import VideoPlane

START_CODE = b"\0\0\0\1"
TICKS = 3600
"""Of 90 kHz between pictures, at 25 a second."""
PAYLOAD_TYPE = 96
Codec = Literal["h264", "h265"]
Markers = Literal["right", "none", "every", "slices", "sets"]


@dataclass
class Coded:
    """One picture of a stream."""

    data: bytes
    """Annex B."""
    timestamp: int
    keyframe: bool

    @property
    def nals(self) -> list[bytes]:
        return split_nals(self.data)


def split_nals(data: bytes) -> list[bytes]:
    """NAL units of an Annex B byte stream, without start codes."""
    return [piece.rstrip(b"\0") for piece in data.split(b"\0\0\1")[1:]]


def annex_b(nals: Iterable[bytes]) -> bytes:
    """Back again, with long start codes."""
    return b"".join(START_CODE + nal for nal in nals)


def type_of(codec: Codec, nal: bytes) -> int:
    return nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F


def is_slice(codec: Codec, nal: bytes) -> bool:
    return type_of(codec, nal) in (1, 5) if codec == "h264" else type_of(codec, nal) < 32


def moving_pictures(count: int, width: int, height: int, first: int = 0) -> list[np.ndarray]:
    """Grey pictures, each unlike the others, with detail that moves: prediction has work to do."""
    noise = np.random.default_rng(7).integers(0, 256, (height, width), np.uint8)
    smooth = np.add.outer(np.arange(height), np.arange(width)).astype(np.uint8)
    pictures: list[np.ndarray] = []
    for number in range(first, first + count):
        picture = np.roll(smooth, 3 * number, 1)
        block = noise[: height // 2, : width // 2]
        top, left = number * 2 % (height // 2), number * 4 % (width // 2)
        picture[top : top + block.shape[0], left : left + block.shape[1]] = block
        pictures.append(picture)
    return pictures


def encode(
    codec: Codec,
    count: int,
    size: tuple[int, int] = (128, 96),
    options: dict[str, str] | None = None,
    pixel_format: str = "yuv420p",
    start: int = 0,
) -> list[Coded]:
    """So many pictures in decoding order, timestamps from picture `start` on. Options are the encoder's own."""
    encoder = av.CodecContext.create("libx264" if codec == "h264" else "libx265", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height = size
    encoder.pix_fmt = pixel_format
    encoder.time_base = Fraction(1, 25)
    encoder.framerate = Fraction(25)
    encoder.thread_count = 1
    quiet = {} if codec == "h264" else {"x265-params": "log-level=none:pools=none:frame-threads=1"}
    merged = {"preset": "ultrafast", **quiet, **(options or {})}
    if codec == "h265" and options and "x265-params" in options:
        merged["x265-params"] = f"{quiet['x265-params']}:{options['x265-params']}"
    encoder.options = merged
    coded: list[Coded] = []
    frames: list[av.VideoFrame | None] = []
    for number, picture in enumerate(moving_pictures(count, *size, first=start)):
        frame = av.VideoFrame.from_ndarray(picture, "gray").reformat(format=pixel_format)
        frame.pts = number
        frame.time_base = Fraction(1, 25)
        frames.append(frame)
    for frame in [*frames, None]:
        for packet in encoder.encode(frame):
            assert packet.pts is not None
            coded.append(Coded(bytes(packet), (start + packet.pts) * TICKS, packet.is_keyframe))
    return coded


def decoder(codec: Codec, extradata: bytes = b"") -> VideoCodecContext:
    """libav's, as the engine sets it up: one thread, and nothing that isn't right."""
    context = av.CodecContext.create("h264" if codec == "h264" else "hevc", "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    if extradata:
        context.extradata = extradata
    context.flags |= Flags.copy_opaque
    return context


class Decoding:
    """Decodes units one after another; every picture with the timestamp of the unit that it came from."""

    def __init__(self, codec: Codec) -> None:
        self.context = decoder(codec)
        self.pictures: dict[int, bytes] = {}
        self.order: list[int] = []
        self._names: dict[int, object] = {}

    def add(self, data: bytes, timestamp: int, *, shown: bool = True) -> None:
        packet = av.Packet(data)
        packet.pts = timestamp
        packet.opaque = (timestamp, shown)
        self._keep(self.context.decode(packet))

    def _keep(self, frames: Sequence[av.VideoFrame]) -> None:
        for frame in frames:
            timestamp, shown = frame.opaque  # pyright: ignore[reportGeneralTypeIssues]
            if shown and not frame.is_corrupt:
                self.pictures[timestamp] = b"".join(plane_bytes(plane) for plane in frame.planes)
                self.order.append(timestamp)

    def drain(self) -> None:
        """The pictures held back."""
        self._keep(self.context.decode(None))
        self.context.flush_buffers()


def plane_bytes(plane: VideoPlane) -> bytes:
    """The samples of a picture of 8 bits, without what pads its lines."""
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width].tobytes()


@dataclass
class Packetiser:
    """RTP packets of one stream. The markers are right unless told otherwise."""

    codec: Codec
    mtu: int = 200
    """The largest payload."""
    aggregate: bool = False
    """Small NAL units go together into STAP-A or AP."""
    markers: Markers = "right"
    """`sets`: parameter sets' packets too."""
    sequence: int = 0
    ssrc: int = 0x1234
    payload_type: int = PAYLOAD_TYPE
    header: bytes = field(default=b"")
    """Contributing sources and an extension, of every packet, as many as `flags` says."""
    flags: int = 0x80

    def packets(self, pictures: Iterable[Coded]) -> list[bytes]:
        return [packet for picture in pictures for packet in self.picture(picture.nals, picture.timestamp)]

    def picture(self, nals: Sequence[bytes], timestamp: int) -> list[bytes]:
        payloads = list(self._payloads(nals))
        packets: list[bytes] = []
        for number, (payload, last_of_slice, of_sets) in enumerate(payloads):
            marked = {
                "right": number == len(payloads) - 1,
                "none": False,
                "every": True,
                "slices": last_of_slice,
                "sets": number == len(payloads) - 1 or of_sets,
            }[self.markers]
            packets.append(self.packet(payload, timestamp, marked=marked))
        return packets

    def packet(self, payload: bytes, timestamp: int, *, marked: bool) -> bytes:
        header = struct.pack(
            ">BBHII",
            self.flags,
            marked << 7 | self.payload_type,
            self.sequence,
            timestamp & 0xFFFFFFFF,
            self.ssrc,
        )
        self.sequence = (self.sequence + 1) & 0xFFFF
        return header + self.header + payload

    def _payloads(self, nals: Sequence[bytes]) -> Iterable[tuple[bytes, bool, bool]]:
        """Each with whether a slice ends with it, and whether it is of parameter sets."""
        waiting: list[bytes] = []
        for nal in nals:
            if self.aggregate and len(nal) + 2 + sum(len(other) + 2 for other in waiting) <= self.mtu - 2:
                waiting.append(nal)
                continue
            yield from self._together(waiting)
            waiting = []
            if self.aggregate and len(nal) + 4 <= self.mtu:
                waiting.append(nal)
            elif len(nal) <= self.mtu:
                yield nal, is_slice(self.codec, nal), not is_slice(self.codec, nal)
            else:
                yield from self._fragments(nal)
        yield from self._together(waiting)

    def _together(self, nals: list[bytes]) -> Iterable[tuple[bytes, bool, bool]]:
        slices = any(is_slice(self.codec, nal) for nal in nals)
        if len(nals) == 1:
            yield nals[0], slices, not slices
        elif nals:
            body = b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)
            header = bytes([24 | max(nal[0] & 0x60 for nal in nals)]) if self.codec == "h264" else b"\x60\x01"
            yield header + body, slices, not slices

    def _fragments(self, nal: bytes) -> Iterable[tuple[bytes, bool, bool]]:
        kind = type_of(self.codec, nal)
        if self.codec == "h264":
            header, body = bytes([nal[0] & 0xE0 | 28]), nal[1:]
        else:
            header, body = bytes([nal[0] & 0x81 | 49 << 1, nal[1]]), nal[2:]
        room = self.mtu - len(header) - 1
        pieces = [body[at : at + room] for at in range(0, len(body), room)]
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            bits = 0x80 * (number == 0) | 0x40 * last
            yield header + bytes([bits | kind]) + piece, last and is_slice(self.codec, nal), False
