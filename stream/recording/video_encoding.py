"""Pictures into H.264 for MP4 where a source's own coding can't be kept. Lives with the container that it adds to."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.video.stream import VideoStream

from stream.settings.config_error import ConfigError

TICKS = 60_000
"""Of the MP4's clock, a second: exact for 25, 30 and 29.97 pictures a second; MPEG-4 allows 65,535 at most."""

ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "20", "bf": "0"},
    "mpeg4": {"b": "8000000"},
}
"""Tried in this order; a libav without GPL parts has only the second. Both to look good rather than to be small, and
without B-frames, with which an MP4 of pictures at uneven times would state too short a duration."""


class NoEncoderError(ConfigError):
    """This libav has no encoder for MP4."""


def add_encoded_stream(container: OutputContainer, rate: Fraction, size: tuple[int, int]) -> VideoStream:
    """A stream of YUV 4:2:0 pictures of this size (width, height), in `TICKS`. Raises `NoEncoderError`."""
    for encoder, options in ENCODERS.items():
        try:
            stream = cast(VideoStream, container.add_stream(encoder, rate=rate, options=dict(options)))
        except UnknownCodecError:
            continue
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS)
        return stream
    raise NoEncoderError(f"this libav has none of the encoders {', '.join(ENCODERS)}: install PyAV's own wheel")
