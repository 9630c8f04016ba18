"""H.264 encoding for MP4, for sources whose codec cannot be copied."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.video.stream import VideoStream

from stream.settings.config_error import ConfigError

TICKS = 60_000
"""Ticks per second of the MP4's clock: exact for 25, 30 and 29.97 fps. MPEG-4 allows at most 65,535."""

ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "20", "bf": "0"},
    "mpeg4": {"b": "8000000"},
}
"""Encoders and options, in order of preference; FFmpeg without GPL parts has only the second. They favour quality over
size. B-frames are off, because with uneven frame times they would make the MP4's stated duration too short."""


class NoEncoderError(ConfigError):
    """FFmpeg has no encoder for MP4."""


def add_encoded_stream(container: OutputContainer, rate: Fraction, size: tuple[int, int]) -> VideoStream:
    """Add a stream of YUV 4:2:0 frames of this size (width, height), timed in `TICKS`. Raises `NoEncoderError`."""
    for encoder, options in ENCODERS.items():
        try:
            stream = cast(VideoStream, container.add_stream(encoder, rate=rate, options=dict(options)))
        except UnknownCodecError:
            continue
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS)
        return stream
    raise NoEncoderError(f"FFmpeg has none of the encoders {', '.join(ENCODERS)}: install PyAV's own wheel")
