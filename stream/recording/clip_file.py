"""ClipFile: one MP4 being written, from a key frame on. Its times are media time since its first picture.

What MP4 takes as it is goes in as it came (H.264, H.265, MPEG-4, MJPEG); anything else is decoded and encoded anew.
Knows nothing of events, names or budgets. Errors are `OSError`s, as of any file, or `ClipError`.
"""

from __future__ import annotations

import heapq
import logging
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stream.recording.packets import HeldUnit
from stream.recording.video_encoding import TICKS, NoEncoderError, add_encoded_stream
from stream.sources.byte_stream import CODECS_WITH_UNITS, ByteStream, MalformedError, parameter_sets
from stream.sources.transport import CodecParameters

logger = logging.getLogger(__name__)

KEPT_AS_THEY_ARE = (*CODECS_WITH_UNITS, "mpeg4", "mjpeg")
MICROS = Fraction(1, 1_000_000)
USUAL_INTERVAL_US = 40_000
USUAL_RATE = Fraction(25)


class ClipError(Exception):
    """The stream can't be put into MP4; the message says why."""


class ClipFile:
    """Written unit by unit in decoding order, then closed. `reorder`: units that the stream's decoder holds back."""

    def __init__(self, path: Path, first: HeldUnit, reorder: int) -> None:
        self.codec = first.codec
        self.first_us = self.last_us = first.media_us
        """Media time of the earliest and the latest picture written."""
        self.first_capture_us = self.last_capture_us = first.capture_us
        self.frames = 0
        """Pictures written."""
        self.reencoded = first.codec.name not in KEPT_AS_THEY_ARE
        self._reorder = reorder
        self._sets: list[bytes] = []
        try:
            self._byte_stream = ByteStream(first.codec.name, first.codec.extradata)
        except MalformedError as error:
            raise ClipError(str(error)) from None
        self._file = path.open("wb")
        try:
            self._container = cast(OutputContainer, av.open(self._file, "w", format="mp4"))
            self._track = _Reencoded(self._container, first.codec) if self.reencoded else self._kept(first)
        except (NoEncoderError, FFmpegError, ValueError) as error:
            self._file.close()
            raise ClipError(f"{first.codec.name} can't be put into MP4: {error}") from None

    def _kept(self, first: HeldUnit) -> _Kept:
        size = first.codec.size
        if not all(size):  # what comes over WebRTC tells it in its key frames only
            size = _decoded_size(first.codec.name, self._byte_stream.first_packet(bytes(first.unit.packet)))
        return _Kept(self._container, first.codec.name, size, self._reorder)

    @property
    def coding(self) -> str:
        """libav's name of the coding that the file has."""
        return self._track.coding

    @property
    def bytes_written(self) -> int:
        """Bytes in the file so far."""
        return self._file.tell()

    def fits(self, unit: HeldUnit) -> bool:
        """Whether this unit can follow in the same file: the stream's coding and size haven't changed."""
        if unit.codec != self.codec:
            return False
        if not (unit.is_key and self.codec.name in CODECS_WITH_UNITS and self._sets):
            return True
        sets = parameter_sets(self.codec.name, self._byte_stream.packet(bytes(unit.unit.packet)))
        return not sets or sets == self._sets

    def write(self, unit: HeldUnit) -> None:
        """Add a unit that `fits`. One that is shown before the first, and so needs what came before it, is left out."""
        if unit.media_us < self.first_us:
            return
        data = bytes(unit.unit.packet)
        try:
            if self.frames:
                data = self._byte_stream.packet(data)
            else:
                data = self._byte_stream.first_packet(data)
                self._sets = parameter_sets(self.codec.name, data) if self.codec.name in CODECS_WITH_UNITS else []
            self._track.write(data, unit.media_us - self.first_us, unit.is_key)
        except MalformedError as error:
            raise ClipError(str(error)) from None
        self.frames += 1
        self.last_us = max(self.last_us, unit.media_us)
        self.last_capture_us = max(self.last_capture_us, unit.capture_us)

    def close(self) -> None:
        """Write what makes it a whole file."""
        try:
            self._track.finish()
            self._container.close()
            self._file.flush()
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Close it without caring for what is in it; never raises."""
        # First the file, so that libav doesn't try to write the rest. On a full disk closing fails too, and closes.
        for close in (self._file.close, self._container.close):
            try:
                close()
            except (OSError, ValueError) as error:
                logger.debug("a clip given up: %s", error)


class _Kept:
    """Packets as they came.

    MP4 wants decoding times that grow and don't pass the time of showing; what cameras and libav say of them isn't
    reliable. With `reorder` units held back, the time at which the i-th unit must be decoded is at the latest the
    (i - reorder)-th time of showing.
    """

    def __init__(self, container: OutputContainer, coding: str, size: tuple[int, int], reorder: int) -> None:
        self.coding = coding
        self._container = container
        width, height = size
        self._stream = container.add_mux_stream(coding, width=width, height=height, time_base=MICROS)
        self._reorder = reorder
        self._early: list[int] = []
        self._written = 0
        self._last_dts = -reorder - 1
        self._latest_us = 0
        self._interval_us = USUAL_INTERVAL_US

    def write(self, data: bytes, at_us: int, is_key: bool) -> None:
        heapq.heappush(self._early, at_us)
        dts = self._written - self._reorder
        if self._written >= self._reorder:
            dts = heapq.heappop(self._early)
            if dts > self._last_dts >= 0:
                self._interval_us = dts - self._last_dts
        # Two pictures may have the same media time, where a camera's clock jittered.
        dts = max(dts, self._last_dts + 1)
        packet = av.Packet(data)
        packet.stream = self._stream
        packet.time_base = MICROS
        packet.dts, packet.pts = dts, max(at_us, dts)
        # Only the last one's counts, the others' follow from the next one's time: the file ends when all are shown.
        self._latest_us = max(self._latest_us, at_us)
        packet.duration = self._latest_us + self._interval_us - dts
        packet.is_keyframe = is_key
        self._last_dts = dts
        self._written += 1
        self._container.mux(packet)

    def finish(self) -> None:
        """Nothing is held back."""


class _Reencoded:
    """Pictures of a coding that MP4 doesn't take, or that no player knows: decoded, and encoded anew."""

    def __init__(self, container: OutputContainer, codec: CodecParameters) -> None:
        self.coding = ""
        self._container = container
        decoder = av.CodecContext.create(codec.name, "r")
        assert isinstance(decoder, VideoCodecContext)
        if codec.pixels is not None:  # otherwise the first picture tells
            decoder.width, decoder.height = codec.size
            decoder.pix_fmt = codec.pixels
        if codec.extradata:
            decoder.extradata = codec.extradata
        self._decoder = decoder
        self._stream: VideoStream | None = None
        self._last_ticks = -1

    def write(self, data: bytes, at_us: int, is_key: bool) -> None:
        packet = av.Packet(data)
        packet.pts = packet.dts = at_us
        packet.time_base = MICROS
        packet.is_keyframe = is_key
        self._encode(cast(list[VideoFrame], self._decoder.decode(packet)))

    def finish(self) -> None:
        """Write what decoder and encoder hold back."""
        self._encode(cast(list[VideoFrame], self._decoder.decode(None)))
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))

    def _encode(self, frames: list[VideoFrame]) -> None:
        for frame in frames:
            if self._stream is None:
                # MP4's 4:2:0 has whole pairs of pixels.
                size = (frame.width & ~1, frame.height & ~1)
                self._stream = add_encoded_stream(self._container, USUAL_RATE, size)
                self._stream.codec_context.thread_count = 1
                self.coding = self._stream.codec_context.codec.canonical_name
            shown = frame.reformat(self._stream.width, self._stream.height, "yuv420p")
            ticks = max(self._last_ticks + 1, round((frame.pts or 0) * TICKS / 1e6))
            shown.pts, shown.time_base = ticks, Fraction(1, TICKS)
            self._last_ticks = ticks
            self._container.mux(self._stream.encode(shown))


def _decoded_size(coding: str, key_frame: bytes) -> tuple[int, int]:
    """Width and height of a picture that is encoded like this. Raises `FFmpegError` if it can't be decoded."""
    decoder = av.CodecContext.create(coding, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.decode(av.Packet(key_frame))
    return decoder.width, decoder.height
