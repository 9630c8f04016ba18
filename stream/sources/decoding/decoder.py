"""Decoder: decodes access units to pictures, each with the times of its unit. There is one per connection.

A unit that cannot be decoded is discarded and counted, together with all units up to the next keyframe, which would be
smeared.
"""

from __future__ import annotations

from collections.abc import Callable

import av
import av.error
import msgspec
from av.codec.context import Flags, ThreadType
from av.video.codeccontext import VideoCodecContext

from stream.sources.decoding.picture_limit import PictureLimit
from stream.sources.transport import AccessUnit, UnitTimes
from telemetry.reasons import DiscardReason

MAX_WAIT_UNITS = 300
"""Units discarded while waiting for a keyframe before decoding is tried anyway: some cameras send no keyframes."""


class Decoded(msgspec.Struct, frozen=True, eq=False):
    """One picture with its presentation time."""

    frame: av.VideoFrame
    times: UnitTimes
    pts_us: int | None


class Decoder:
    """Decodes one stream with FFmpeg in the caller's thread. `on_discard(reason)` is called for each discarded unit.

    With a `limit`, the constructor and `decode` raise its errors, before memory is allocated for such pictures.
    """

    def __init__(
        self,
        codec: VideoCodecContext,
        on_discard: Callable[[DiscardReason], None],
        limit: PictureLimit | None = None,
    ) -> None:
        # One thread: each frame thread would add a frame of delay, and cameras already run in parallel.
        codec.thread_type = ThreadType.NONE
        codec.thread_count = 1
        codec.flags |= Flags.copy_opaque
        if limit is not None:
            limit.begin(codec)
        self._limit = limit
        self._codec = codec
        self._on_discard = on_discard
        self._wait_units = 0
        """Units since a keyframe was first needed, plus one; 0 while none is needed."""
        self._last: UnitTimes | None = None
        self._strict = False
        """The transport marks where decoding may begin: after a broken picture, nothing is shown before that."""

    def decode(self, unit: AccessUnit) -> list[Decoded]:
        """Decode a unit, and return the pictures that it completes in order of presentation: none, one or several."""
        packet = unit.packet
        if packet.is_corrupt:
            return self._discard(DiscardReason.CORRUPT)
        self._strict = self._strict or unit.restart
        before = self.interrupt() if unit.restart else []
        if self._wait_units:
            begins = unit.restart if self._strict else packet.is_keyframe
            if not begins and self._wait_units < MAX_WAIT_UNITS:
                self._wait_units += 1
                self._on_discard(DiscardReason.AWAITING_KEYFRAME)
                return []
            self._wait_units = 0
        if not unit.times.shown:
            self._on_discard(DiscardReason.RECOVERING)
        # FFmpeg keeps the object with the packet, through any reordering, and returns it with the picture.
        packet.opaque = self._last = unit.times
        if self._limit is not None:
            self._limit.check(packet)
        try:
            frames = self._codec.decode(packet)
        except av.error.FFmpegError as error:
            if self._limit is not None:
                self._limit.check_failure(self._codec, error)
            return before + self._discard(DiscardReason.CORRUPT)
        if frames and self._limit is not None:
            self._limit.check_decoder(self._codec)
        return before + [self._with_time(frame) for frame in frames if self._is_shown(frame)]

    def flush(self) -> list[Decoded]:
        """Return the pictures that are still held back for reordering, at the end of the stream."""
        try:
            frames = self._codec.decode(None)
        except av.error.FFmpegError:
            return []
        return [self._with_time(frame) for frame in frames if self._is_shown(frame)]

    def interrupt(self) -> list[Decoded]:
        """Reset the decoder before a restart, and return the complete pictures that were held back for reordering.

        A second call returns none.
        """
        if self._last is None:
            return []
        pictures = self.flush() if not self._wait_units else []
        self._codec.flush_buffers()
        self._last = None
        self._wait_units = 1
        return pictures

    def _discard(self, reason: DiscardReason) -> list[Decoded]:
        self._on_discard(reason)
        self._wait_units = 1
        self._codec.flush_buffers()
        return []

    def _is_shown(self, frame: av.VideoFrame) -> bool:
        if frame.is_corrupt:
            self._wait_units = self._wait_units or int(self._strict)
            self._on_discard(DiscardReason.INCOMPLETE)
            return False
        return not isinstance(frame.opaque, UnitTimes) or frame.opaque.shown

    def _with_time(self, frame: av.VideoFrame) -> Decoded:
        times = frame.opaque
        if not isinstance(times, UnitTimes):
            assert self._last is not None
            times = self._last
        if times.pts_us is not None or frame.dts is None or frame.time_base is None:
            return Decoded(frame, times, times.pts_us)
        # Formats without presentation times (AVI): FFmpeg gives the decoding time of the unit that released it.
        return Decoded(frame, times, round(frame.dts * frame.time_base * 1_000_000))
