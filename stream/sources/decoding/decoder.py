"""Decoder: access units in, pictures out, each with the times of the unit that it came from. One a connection.

A unit that can't be decoded is discarded and counted, and so is everything after it until the next keyframe: what
would be decoded from there to it is smeared.
"""

from __future__ import annotations

from collections.abc import Callable

import av
import av.error
import msgspec
from av.codec.context import Flags, ThreadType
from av.video.codeccontext import VideoCodecContext

from stream.sources.transport import AccessUnit, UnitTimes
from telemetry.reasons import DiscardReason

LONGEST_WAIT_UNITS = 300
"""Units discarded while waiting for a keyframe before decoding is tried anyway: some cameras refresh without any."""


class Decoded(msgspec.Struct, frozen=True, eq=False):
    """One picture, and when it is to be shown."""

    frame: av.VideoFrame
    times: UnitTimes
    pts_us: int | None


class Decoder:
    """Decodes one stream with libav, in the caller's thread. `on_discard(reason)` is called for each lost unit."""

    def __init__(self, codec: VideoCodecContext, on_discard: Callable[[DiscardReason], None]) -> None:
        # One thread: frame threads would add their number in frames of delay, and cameras already run side by side.
        codec.thread_type = ThreadType.NONE
        codec.thread_count = 1
        codec.flags |= Flags.copy_opaque
        self._codec = codec
        self._on_discard = on_discard
        self._keyframe_awaited = 0
        self._last: UnitTimes | None = None
        self._strict = False
        """The transport says where decoding may begin: after a broken picture nothing is shown before that."""

    def decode(self, unit: AccessUnit) -> list[Decoded]:
        """Pictures that this unit completes, in the order of presentation: none, one, or several."""
        packet = unit.packet
        if packet.is_corrupt:
            return self._discard(DiscardReason.CORRUPT)
        self._strict = self._strict or unit.restart
        before = self.interrupt() if unit.restart else []
        if self._keyframe_awaited:
            begins = unit.restart if self._strict else packet.is_keyframe
            if not begins and self._keyframe_awaited < LONGEST_WAIT_UNITS:
                self._keyframe_awaited += 1
                self._on_discard(DiscardReason.AWAITING_KEYFRAME)
                return []
            self._keyframe_awaited = 0
        if not unit.times.shown:
            self._on_discard(DiscardReason.RECOVERING)
        # libav keeps the object with the packet, through any reordering, and gives it back with the picture.
        packet.opaque = self._last = unit.times
        try:
            frames = self._codec.decode(packet)
        except av.error.FFmpegError:
            return before + self._discard(DiscardReason.CORRUPT)
        return before + [self._dated(frame) for frame in frames if self._intact(frame)]

    def flush(self) -> list[Decoded]:
        """The pictures that were still held back for reordering, at the end of the stream."""
        try:
            frames = self._codec.decode(None)
        except av.error.FFmpegError:
            return []
        return [self._dated(frame) for frame in frames if self._intact(frame)]

    def interrupt(self) -> list[Decoded]:
        """What comes next begins anew: the pictures that were held back for reordering, which are whole. Again:
        none."""
        if self._last is None:
            return []
        pictures = self.flush() if not self._keyframe_awaited else []
        self._codec.flush_buffers()
        self._last = None
        self._keyframe_awaited = 1
        return pictures

    def _discard(self, reason: DiscardReason) -> list[Decoded]:
        self._on_discard(reason)
        self._keyframe_awaited = 1
        self._codec.flush_buffers()
        return []

    def _intact(self, frame: av.VideoFrame) -> bool:
        if frame.is_corrupt:
            self._keyframe_awaited = self._keyframe_awaited or int(self._strict)
            self._on_discard(DiscardReason.INCOMPLETE)
            return False
        return not isinstance(frame.opaque, UnitTimes) or frame.opaque.shown

    def _dated(self, frame: av.VideoFrame) -> Decoded:
        times = frame.opaque
        if not isinstance(times, UnitTimes):
            assert self._last is not None
            times = self._last
        if times.pts_us is not None or frame.dts is None or frame.time_base is None:
            return Decoded(frame, times, times.pts_us)
        # Formats without presentation times (AVI): libav gives the decoding time of the unit that set the picture free.
        return Decoded(frame, times, round(frame.dts * frame.time_base * 1_000_000))
