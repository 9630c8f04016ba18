"""Writes one MP4 file, beginning at a keyframe. Its times are media time since the first frame.

H.264, H.265, MPEG-4 and MJPEG are copied; other codecs are re-encoded. Raises `OSError`, as for any file, and
`ClipError`.
"""

from __future__ import annotations

import heapq
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stream.pictures.video_encoding import TICKS, NoEncoderError, add_encoded_stream
from stream.recording.packets import HeldUnit
from stream.sources.byte_stream import CODECS_WITH_UNITS, ByteStream, MalformedError, parameter_sets
from stream.sources.transport import CodecParameters

COPIED_CODECS = (*CODECS_WITH_UNITS, "mpeg4", "mjpeg")
MICROS = Fraction(1, 1_000_000)
DEFAULT_INTERVAL_US = 40_000
HEAD_BYTES = 64 << 10
DEFAULT_RATE = Fraction(25)


class ClipError(Exception):
    """The stream cannot be written as MP4; the message says why."""


class ClipFile:
    """An MP4 file, written unit by unit in decoding order. `reorder`: units that the stream's decoder delays."""

    def __init__(self, path: Path, first: HeldUnit, reorder: int) -> None:
        self.codec = first.codec
        self.first_us = self.last_us = first.media_us
        """Media time of the first and the last frame."""
        self.first_capture_us = self.last_capture_us = first.capture_us
        self.frames = 0
        """Number of frames."""
        self.reencoded = first.codec.name not in COPIED_CODECS
        self._path = path
        self._reorder = reorder
        self._sets: list[bytes] = []
        try:
            self._byte_stream = ByteStream(first.codec.name, first.codec.extradata)
        except MalformedError as error:
            raise ClipError(str(error)) from None
        with path.open("wb") as file:  # PyAV does not close a file that has no room for its head
            os.posix_fallocate(file.fileno(), 0, HEAD_BYTES)
        try:
            self._container = cast(OutputContainer, av.open(str(path), "w", format="mp4"))
            self._track = _Reencoded(self._container, first.codec) if self.reencoded else self._copied(first)
        except (NoEncoderError, FFmpegError, ValueError) as error:
            raise ClipError(f"{first.codec.name} cannot be written as MP4: {error}") from None

    def _copied(self, first: HeldUnit) -> _Copied:
        size = first.codec.size
        if not all(size):  # WebRTC gives the size in keyframes only
            size = _decoded_size(first.codec.name, self._byte_stream.first_packet(bytes(first.unit.packet)))
        return _Copied(self._container, first.codec.name, size, self._reorder)

    @property
    def coding(self) -> str:
        """FFmpeg's name of the file's codec."""
        return self._track.coding

    @property
    def bytes_written(self) -> int:
        """Bytes in the file so far."""
        return self._path.stat().st_size

    def fits(self, unit: HeldUnit) -> bool:
        """Return whether this unit can follow in the same file: codec and size are unchanged."""
        if unit.codec != self.codec:
            return False
        if not (unit.is_key and self.codec.name in CODECS_WITH_UNITS and self._sets):
            return True
        sets = parameter_sets(self.codec.name, self._byte_stream.packet(bytes(unit.unit.packet)))
        return not sets or sets == self._sets

    def write(self, unit: HeldUnit) -> None:
        """Add a unit that `fits`. Units shown before the first one depend on earlier units and are left out."""
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
        """Complete and close the file."""
        self._track.finish()
        self._container.close()

    def abandon(self) -> None:
        """Close the file. Never raises."""
        with suppress(OSError, ValueError, FFmpegError):
            self._container.close()


class _Copied:
    """Copied packets.

    MP4 needs decoding times that increase and are not later than presentation times. Those of cameras and FFmpeg are
    not reliable. If the decoder delays `reorder` units, the i-th unit must be decoded by the (i - reorder)-th
    presentation time.
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
        self._interval_us = DEFAULT_INTERVAL_US

    def write(self, data: bytes, at_us: int, is_key: bool) -> None:
        heapq.heappush(self._early, at_us)
        dts = self._written - self._reorder
        if self._written >= self._reorder:
            dts = heapq.heappop(self._early)
            if dts > self._last_dts >= 0:
                self._interval_us = dts - self._last_dts
        # Two frames can have the same media time if the camera's clock jitters.
        dts = max(dts, self._last_dts + 1)
        packet = av.Packet(data)
        packet.stream = self._stream
        packet.time_base = MICROS
        packet.dts, packet.pts = dts, max(at_us, dts)
        # Only the last packet's duration counts; the others follow from the next packet's time.
        self._latest_us = max(self._latest_us, at_us)
        packet.duration = self._latest_us + self._interval_us - dts
        packet.is_keyframe = is_key
        self._last_dts = dts
        self._written += 1
        self._container.mux(packet)

    def finish(self) -> None:
        """Do nothing: no packets are delayed."""


class _Reencoded:
    """Re-encoded frames, for codecs that MP4 or players do not support."""

    def __init__(self, container: OutputContainer, codec: CodecParameters) -> None:
        self.coding = ""
        self._container = container
        decoder = av.CodecContext.create(codec.name, "r")
        assert isinstance(decoder, VideoCodecContext)
        if codec.pixels is not None:  # otherwise they follow from the first frame
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
        """Write the frames that decoder and encoder delay."""
        self._encode(cast(list[VideoFrame], self._decoder.decode(None)))
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))

    def _encode(self, frames: list[VideoFrame]) -> None:
        for frame in frames:
            if self._stream is None:
                # 4:2:0 needs even sides.
                size = (frame.width & ~1, frame.height & ~1)
                self._stream = add_encoded_stream(self._container, DEFAULT_RATE, size)
                self._stream.codec_context.thread_count = 1
                self.coding = self._stream.codec_context.codec.canonical_name
            shown = frame.reformat(self._stream.width, self._stream.height, "yuv420p")
            ticks = max(self._last_ticks + 1, round((frame.pts or 0) * TICKS / 1e6))
            shown.pts, shown.time_base = ticks, Fraction(1, TICKS)
            self._last_ticks = ticks
            self._container.mux(self._stream.encode(shown))


def _decoded_size(coding: str, key_frame: bytes) -> tuple[int, int]:
    """Return width and height of an encoded keyframe. Raises `FFmpegError` if it cannot be decoded."""
    decoder = av.CodecContext.create(coding, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.decode(av.Packet(key_frame))
    return decoder.width, decoder.height
