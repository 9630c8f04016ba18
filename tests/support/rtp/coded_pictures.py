"""Small H.264 and H.265 streams from libavcodec's encoders, and a decoder that keeps each picture's timestamp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.plane import VideoPlane

from support.rtp.nal_units import FFMPEG_NAMES, Codec, nal_units

TICKS = 3600
"""Ticks of 90 kHz between pictures, at 25 a second."""


@dataclass
class Coded:
    """One coded picture of a stream."""

    data: bytes
    """Annex B."""
    timestamp: int
    keyframe: bool

    @property
    def nals(self) -> list[bytes]:
        return nal_units(self.data)


def moving_pictures(count: int, width: int, height: int, first: int = 0) -> list[np.ndarray]:
    """Return grey pictures that all differ, with moving detail for the encoder to predict."""
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
    """Encode pictures and return them in decoding order, with timestamps from picture `start` on.

    `options` are the encoder's own.
    """
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
    """Return libavcodec's decoder, set up as in the engine."""
    context = av.CodecContext.create(FFMPEG_NAMES[codec], "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    if extradata:
        context.extradata = extradata
    context.flags |= Flags.copy_opaque
    return context


class Decoding:
    """Decodes units one after another, and keeps each picture by the timestamp of the unit that it came from."""

    def __init__(self, codec: Codec) -> None:
        self.context = decoder(codec)
        self.pictures: dict[int, bytes] = {}
        self.order: list[int] = []

    def add(self, data: bytes, timestamp: int) -> None:
        packet = av.Packet(data)
        packet.pts = timestamp
        packet.opaque = timestamp
        self._keep(self.context.decode(packet))

    def _keep(self, frames: Sequence[av.VideoFrame]) -> None:
        for frame in frames:
            timestamp = frame.opaque
            if isinstance(timestamp, int) and not frame.is_corrupt:
                self.pictures[timestamp] = b"".join(plane_bytes(plane) for plane in frame.planes)
                self.order.append(timestamp)

    def drain(self) -> None:
        """Take the pictures that the decoder held back for reordering."""
        self._keep(self.context.decode(None))
        self.context.flush_buffers()


def plane_bytes(plane: VideoPlane) -> bytes:
    """Return the samples of an 8-bit plane without the padding of its lines."""
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width].tobytes()
