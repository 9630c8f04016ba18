"""Reads the pictures of a video and writes annotated ones as MP4: all of annotating that knows libav.

A `Pictures` owns an open video, a `VideoWriter` the file that it writes, each until its `with` block ends.
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

from stream.recording.video_encoding import TICKS, NoEncoderError, add_encoded_stream
from stream.settings.config_error import ConfigError

FALLBACK_RATE = Fraction(25)
BT709 = 1
"""What libav calls the colours that HD video has; said in the file, so that players needn't guess."""


class AnnotationError(ConfigError):
    """A video or a results file can't be used; the message names it and says why."""


class Pictures:
    """The pictures of a video file in order, those that can be decoded.

    Raises `AnnotationError` if it can't be opened.
    """

    def __init__(self, video: Path) -> None:
        try:
            self._container = cast(InputContainer, av.open(str(video)))
        except (FFmpegError, OSError) as error:
            raise AnnotationError(f"{video}: can't be read as a video: {error.strerror or error}") from None
        if not self._container.streams.video:
            self._container.close()
            raise AnnotationError(f"{video}: holds no video")
        self._stream: VideoStream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.rate = Fraction(self._stream.average_rate or self._stream.guessed_rate or FALLBACK_RATE)

    def __enter__(self) -> Pictures:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def __len__(self) -> int:
        """How many there are, as the file says or its duration suggests; 0 if neither."""
        if self._stream.frames:
            return self._stream.frames
        return round((self._container.duration or 0) / 1e6 * float(self.rate))

    def __iter__(self) -> Iterator[tuple[VideoFrame, float]]:
        """Pictures and their time in seconds from the first one; damaged ones are passed over, as the engine does."""
        first: float | None = None
        at = -1 / float(self.rate)
        for picture in self._decoded():
            seconds = picture.time if picture.time is not None else at + 1 / float(self.rate)
            first = seconds if first is None else first
            at = max(seconds - first, at + 1e-3)  # times must rise in what is written
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
    """Writes RGB pictures of one size into an MP4: H.264 where libx264 is there, else MPEG-4."""

    def __init__(self, path: Path, size: tuple[int, int], rate: Fraction) -> None:
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        try:
            stream = add_encoded_stream(self._container, rate, size)
        except NoEncoderError as error:
            raise AnnotationError(str(error)) from None
        stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = BT709
        self._stream = stream
        self._lasts = 0
        self.end_s = 0.0
        """When the last picture written is over, in seconds."""

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._mux(None)
        self._container.close()

    def write(self, image: Image.Image, at_s: float, lasts_s: float) -> None:
        """Write a picture that is shown at `at_s`, for `lasts_s` if it is the last one."""
        pixels = np.asarray(image)
        picture = VideoFrame.from_numpy_buffer(pixels, format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709")
        picture.time_base = Fraction(1, TICKS)
        picture.pts = round(at_s * TICKS)
        self._lasts = picture.duration = round(lasts_s * TICKS)
        self._mux(picture)
        self.end_s = at_s + lasts_s

    def _mux(self, picture: VideoFrame | None) -> None:
        for packet in self._stream.encode(picture):
            # Only the last packet's duration counts (the others' follow from the next one's time); the encoder would
            # give it one picture interval of the first video.
            packet.duration = self._lasts
            self._container.mux(packet)
