"""Reading the pictures of a video, and writing annotated pictures as MP4, with FFmpeg's libraries.

A `VideoPictures` and a `VideoWriter` keep their file open until their `with` block ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from stream.pictures.video_encoding import TICKS, NoEncoderError, add_encoded_stream
from stream.settings.config_error import ConfigError

FALLBACK_RATE = Fraction(25)
BT709 = 1
"""FFmpeg's number for the colours of HD video; it is written to the file, so that players do not have to guess."""


class AnnotationError(ConfigError):
    """A video or results file cannot be used; the message names it and the reason."""


class VideoPictures:
    """The decodable pictures of a video file, in order. Raises `AnnotationError` if the file cannot be opened."""

    def __init__(self, video: Path) -> None:
        try:
            self._container = cast(InputContainer, av.open(str(video)))
        except (FFmpegError, OSError) as error:
            raise AnnotationError(f"{video}: can't be read as a video: {error.strerror or error}") from None
        if not self._container.streams.video:
            self._container.close()
            raise AnnotationError(f"{video}: contains no video")
        self._stream: VideoStream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.rate = Fraction(self._stream.average_rate or self._stream.guessed_rate or FALLBACK_RATE)

    def __enter__(self) -> VideoPictures:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def __len__(self) -> int:
        """Return the number of pictures according to the file, or estimated from its duration; 0 if neither is
        known."""
        if self._stream.frames:
            return self._stream.frames
        return round((self._container.duration or 0) / 1e6 * float(self.rate))

    def __iter__(self) -> Iterator[tuple[VideoFrame, float]]:
        """Yield pictures and their times in seconds from the first one. Damaged pictures are skipped, as in the
        engine."""
        first: float | None = None
        at = -1 / float(self.rate)
        for picture in self._decoded():
            seconds = picture.time if picture.time is not None else at + 1 / float(self.rate)
            first = seconds if first is None else first
            at = max(seconds - first, at + 1e-3)  # the written times must ascend
            yield picture, at

    def _decoded(self) -> Iterator[VideoFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, FFmpegError):
                return
            try:
                yield from cast(list[VideoFrame], packet.decode())
            except FFmpegError:
                continue


class VideoWriter:
    """Writes RGB pictures of one size into an MP4, as H.264 if libx264 is available, otherwise as MPEG-4."""

    def __init__(self, path: Path, size: tuple[int, int], rate: Fraction) -> None:
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        try:
            stream = add_encoded_stream(self._container, rate, size)
        except NoEncoderError as error:
            raise AnnotationError(str(error)) from None
        stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = BT709
        self._stream = stream
        self._duration = 0
        self.end_s = 0.0
        """End of the last written picture, in seconds."""

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._mux(None)
        self._container.close()

    def write(self, image: Image.Image, at_s: float, lasts_s: float) -> None:
        """Write a picture that is shown at `at_s`; if it is the last one, for `lasts_s`."""
        pixels = np.asarray(image)
        picture = VideoFrame.from_numpy_buffer(pixels, format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709")
        picture.time_base = Fraction(1, TICKS)
        picture.pts = round(at_s * TICKS)
        self._duration = picture.duration = round(lasts_s * TICKS)
        self._mux(picture)
        self.end_s = at_s + lasts_s

    def _mux(self, picture: VideoFrame | None) -> None:
        for packet in self._stream.encode(picture):
            # Only the last packet's duration matters, because the others follow from the next packet's time. The
            # encoder would set it to a picture interval of the first video.
            packet.duration = self._duration
            self._container.mux(packet)
