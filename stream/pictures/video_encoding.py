"""Encoding of pictures as video: for MP4, and as a camera would send it, one packet for each picture at once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from typing import cast

import av
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream

from ring_buffers.slot_writers import LIMITED
from stream.pictures.jpeg import Encodable, reformatted
from stream.settings.config_error import ConfigError

TICKS = 60_000
"""Ticks per second of the MP4's clock: exact for 25, 30 and 29.97 fps. MPEG-4 allows at most 65,535."""

ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "20", "bf": "0"},
    "mpeg4": {"b": "8000000"},
}
"""Encoders and options, in order of preference; FFmpeg without GPL parts has only the second. They favour quality over
size. B-frames are off, because with uneven frame times they would make the MP4's stated duration too short."""


LIVE_ENCODERS: dict[str, dict[str, str]] = {
    # The profile that every browser decodes. No frame is delayed, and keyframes come only when they are asked for.
    "libx264": {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "profile": "baseline",
        "crf": "21",
        "sc_threshold": "0",
        "forced-idr": "1",
    },
    "mpeg4": {"b": "4000000", "sc_threshold": "1000000000"},
}
"""Encoders and options, in order of preference; FFmpeg without GPL parts has only the second, whose video fits into
clips but is not sent to browsers."""
NO_KEYFRAMES = 100_000
"""Pictures until a keyframe that was not asked for."""
LEAST_SIDE = 16
BT709 = 1
"""The number of the colour matrix in ITU-T H.273."""


class NoEncoderError(ConfigError):
    """FFmpeg has no encoder for MP4."""


def add_encoded_stream(container: OutputContainer, rate: Fraction, size: tuple[int, int]) -> VideoStream:
    """Add a stream of YUV 4:2:0 frames of this size (width, height), timed in `TICKS`. Raises `NoEncoderError`."""
    name, options = _first_of(ENCODERS)
    stream = cast(VideoStream, container.add_stream(name, rate=rate, options=options))
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, TICKS)
    return stream


def chosen_encoder() -> str:
    """Return the name of the encoder of live video. Raises `NoEncoderError`."""
    return _first_of(LIVE_ENCODERS)[0]


def _first_of(encoders: Mapping[str, dict[str, str]]) -> tuple[str, dict[str, str]]:
    """Return the name of the first encoder that FFmpeg has, and its options. Raises `NoEncoderError`."""
    for name, options in encoders.items():
        with suppress(UnknownCodecError):
            Codec(name, "w")
            return name, dict(options)
    raise NoEncoderError(f"FFmpeg has none of the encoders {', '.join(encoders)}: install PyAV's own wheel")


class FrameEncoder:
    """Encodes pictures of one size. Not thread-safe."""

    def __init__(self, size: tuple[int, int]) -> None:
        """`size`: width and height of the pictures; odd sides lose a row or column. Raises `NoEncoderError`."""
        name, options = _first_of(LIVE_ENCODERS)
        self.size = max(LEAST_SIDE, size[0] & ~1), max(LEAST_SIDE, size[1] & ~1)
        """Width and height of the video."""
        self._reformatter = VideoReformatter()
        encoder = cast(VideoCodecContext, av.CodecContext.create(name, "w"))
        encoder.width, encoder.height = self.size
        encoder.pix_fmt = "yuv420p"
        encoder.time_base = Fraction(1, TICKS)
        encoder.framerate = Fraction(25)
        encoder.gop_size = NO_KEYFRAMES
        encoder.max_b_frames = 0
        encoder.thread_count = 1
        encoder.color_range = LIMITED
        encoder.colorspace = BT709
        encoder.options = options
        self._encoder = encoder
        self._last_ticks = -1
        self.codec = encoder.codec.canonical_name
        """FFmpeg's name of the codec."""

    def encode(self, picture: Encodable, at_us: int, *, key: bool) -> av.Packet | None:
        """Encode a picture, as a keyframe if `key`. `at_us` increases. Return None if the encoder gives nothing."""
        frame = reformatted(self._reformatter, picture, self.size, "yuv420p", Colorspace.ITU709, LIMITED)
        self._last_ticks = max(self._last_ticks + 1, round(at_us * TICKS / 1_000_000))
        frame.pts, frame.time_base = self._last_ticks, Fraction(1, TICKS)
        frame.pict_type = PictureType.I if key else PictureType.NONE
        return next(iter(self._encoder.encode(frame)), None)
