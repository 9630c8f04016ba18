"""One camera's encoded video for its viewers. Lives as long as the camera's reader.

An access unit is forwarded after it has been decoded here, a few ms later, because only then its epoch and media time
are known, which identify its result. Without viewers nothing is kept, and a unit costs a comparison.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from stream.sources.byte_stream import ByteStream, MalformedError
from stream.sources.decoding.clock import Stamp
from stream.sources.transport import AccessUnit, CodecParameters, UnitTimes

SENDABLE = ("h264", "vp8")
"""FFmpeg's names of the codecs that every browser decodes and aiortc packetises."""
REORDERED = ("h264",)
"""Those of them that can contain B-frames."""
MAX_PENDING = 4
"""Units that can be in the decoder; with more, the oldest count as lost."""
MAX_REORDER_US = 1_000_000
"""A time that goes back by more is a jump of the camera's clock and not a B-frame."""

RATE = 90_000
"""RTP's ticks per second, for every video codec."""

KEYFRAME_INTERVAL_S = 1.0
"""Minimum time between requests for a keyframe. Keyframes are large, and viewers with losses must not cause many."""


MAX_UNITS = 30
"""About a second; older units are not live any more."""
MAX_BYTES = 4 << 20
"""A second at 32 Mbit/s."""


@dataclass(frozen=True, slots=True)
class LiveUnit:
    """An access unit for viewers: VP8, or a byte stream with parameter sets in front of each keyframe."""

    codec: str
    data: bytes
    is_key: bool
    epoch: int
    media_us: int
    arrival_ns: int


class QueueClosedError(Exception):
    """No more units will arrive."""


class UnitQueue:
    """A bounded queue of units for one viewer. A full one is emptied, so that the camera's thread never waits.

    `put`, `gap` and `close` are called in the camera's thread. `get` is called in the event loop in which the queue was
    created.
    """

    def __init__(self, codec: str, want_keyframe: Callable[[], None]) -> None:
        """`want_keyframe` is called if the viewer needs a keyframe to continue."""
        self.skipped = 0
        """Units dropped because the queue was full, including those until the next keyframe."""
        self.max_units = MAX_UNITS
        self._codec = codec
        self._want_keyframe = want_keyframe
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._lock = threading.Lock()
        self._units: deque[LiveUnit] = deque()
        self._bytes = 0
        self._woken = False
        self._awaiting_keyframe = True
        self._skipping = False
        self._closed = False

    def put(self, unit: LiveUnit) -> None:
        """Add a unit, unless a keyframe must come first. A unit of another codec closes the queue.

        There is no gap before it unless it is a keyframe or `gap` was called.
        """
        if unit.codec != self._codec:
            return self.close()
        with self._lock:
            if self._closed:
                return
            if self._awaiting_keyframe and not unit.is_key:
                self.skipped += self._skipping
                return
            if len(self._units) >= self.max_units or self._bytes + len(unit.data) > MAX_BYTES:
                self.skipped += len(self._units)
                self._units.clear()
                self._bytes = 0
                self._awaiting_keyframe = self._skipping = True
                if not unit.is_key or len(unit.data) > MAX_BYTES:
                    self.skipped += 1
                    self._want_keyframe()
                    return
            self._awaiting_keyframe = self._skipping = False
            self._units.append(unit)
            self._bytes += len(unit.data)
        self._wake()

    def gap(self) -> None:
        """Skip units until the next keyframe: some were lost."""
        self._awaiting_keyframe = True

    def close(self) -> None:
        """Empty and close the queue: no more units will arrive that can be sent."""
        with self._lock:
            self._closed = True
            self._units.clear()
            self._bytes = 0
        self._wake()

    async def get(self) -> LiveUnit:
        """Wait for the oldest unit. Raises `QueueClosedError` once the queue is closed."""
        while True:
            with self._lock:
                self._changed.clear()
                self._woken = False
                if self._closed:
                    raise QueueClosedError
                if self._units:
                    unit = self._units.popleft()
                    self._bytes -= len(unit.data)
                    return unit
            await self._changed.wait()

    def _wake(self) -> None:
        """Wake the loop once for any number of units, so that a busy loop does not get ever more callbacks."""
        with self._lock:
            if self._woken:
                return
            self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._changed.set)
        except RuntimeError:
            return  # the WebRTC thread has ended


class LiveVideo:
    """A `PacketSink` that forwards units to viewers. Thread-safe except for the methods of the camera's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sinks: tuple[UnitQueue, ...] = ()
        self._codec: CodecParameters | None = None
        self._stream: ByteStream | None = None
        self._pending: deque[AccessUnit] = deque()
        self._last_pts_us: int | None = None
        self._shown_pts_us: int | None = None
        """Time of the latest picture that the decoder has given."""
        self._reordered = False
        self._closed = False
        self._keyframe_wanted = False
        self._keyframe_requested_s = 0.0

    @property
    def watched(self) -> bool:
        """Whether there are viewers."""
        return bool(self._sinks)

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec; empty while there is no video."""
        codec = self._codec
        return codec.name if codec is not None else ""

    def refusal(self) -> str | None:
        """Return why the video cannot be forwarded, as the end of a sentence, or None if it can."""
        codec = self._codec
        if self._closed or codec is None:
            return "it has no video at the moment"
        if codec.name not in SENDABLE:
            return f"its codec is {codec.name}, and only H.264 and VP8 are sent to browsers"
        if self._stream is None:
            return "its parameter sets cannot be parsed"
        if self._reordered:
            return "it contains B-frames: turn them off in the camera"
        return None

    # -- viewers ------------------------------------------------------------------------------------------------
    def add_viewer(self, sink: UnitQueue) -> None:
        """Forward units to `sink`, beginning with a keyframe."""
        with self._lock:
            if not self._closed:
                self._sinks = (*self._sinks, sink)
                self._keyframe_wanted = True
                return
        sink.close()

    def remove_viewer(self, sink: UnitQueue) -> None:
        """Stop forwarding to `sink`."""
        with self._lock:
            self._sinks = tuple(other for other in self._sinks if other is not sink)

    def want_keyframe(self) -> None:
        """Request a keyframe, which a viewer needs to continue."""
        self._keyframe_wanted = True

    # -- the camera's thread ------------------------------------------------------------------------------------
    def begin(self, codec: CodecParameters) -> None:
        """Start with the units of a new connection. Viewers continue with its first keyframe."""
        self._pending.clear()
        self._last_pts_us = self._shown_pts_us = None
        self._reordered = False
        try:
            self._stream = ByteStream(codec.name, codec.extradata)
        except MalformedError:
            self._stream = None
        self._codec = codec
        self._report_gap()
        self._end_if_refused()

    def add(self, unit: AccessUnit) -> None:
        """Take a unit that is about to be decoded."""
        self._check_order(unit.times.pts_us)
        if not self._sinks:
            if self._pending:
                self._pending.clear()
            return
        self._pending.append(unit)
        if len(self._pending) > MAX_PENDING:
            self._pending.popleft()
            self._report_gap()

    def shown(self, times: UnitTimes, epoch: int, stamp: Stamp) -> None:
        """Forward the unit with these times, which has been decoded. Earlier units that were not decoded are lost."""
        self._shown_pts_us = times.pts_us
        if not any(unit.times is times for unit in self._pending):
            return
        while (unit := self._pending.popleft()).times is not times:
            self._report_gap()
        stream, codec = self._stream, self._codec
        if stream is None or codec is None:
            return
        is_key = bool(unit.packet.is_keyframe)
        try:
            data = (stream.first_packet if is_key else stream.packet)(bytes(unit.packet))
        except MalformedError:
            return self._report_gap()
        live = LiveUnit(codec.name, data, is_key, epoch, stamp.media_us, times.arrival_ns)
        for sink in self._sinks:
            sink.put(live)

    def keyframe_due(self, now_s: float) -> bool:
        """Return whether the sender should be asked for a keyframe: at most once a second."""
        if not self._keyframe_wanted or now_s - self._keyframe_requested_s < KEYFRAME_INTERVAL_S:
            return False
        self._keyframe_wanted = False
        self._keyframe_requested_s = now_s
        return True

    def disconnected(self) -> None:
        """End the connection. Viewers wait for the next one."""
        self._codec = None
        self._pending.clear()

    def close(self) -> None:
        """End all viewers: no more units will arrive."""
        with self._lock:
            self._closed = True
            sinks, self._sinks = self._sinks, ()
        for sink in sinks:
            sink.close()

    def _check_order(self, pts_us: int | None) -> None:
        last, self._last_pts_us = self._last_pts_us, pts_us
        if pts_us is None or last is None or not last - MAX_REORDER_US < pts_us < last or self._reordered:
            return
        shown = self._shown_pts_us
        if self.codec not in REORDERED or (shown is not None and pts_us <= shown):
            return  # the camera's clock went back: a B-frame is later than all pictures that were shown before it
        self._reordered = True
        self._end_if_refused()

    def _end_if_refused(self) -> None:
        if self._sinks and self.refusal() is not None:
            with self._lock:
                sinks, self._sinks = self._sinks, ()
            for sink in sinks:
                sink.close()

    def _report_gap(self) -> None:
        for sink in self._sinks:
            sink.gap()


class RtpTimes:
    """One viewer's RTP clock: it follows media time within an epoch, and arrival times from one epoch to the next."""

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._base = 0
        self._last = 0
        self._last_arrival_ns = 0

    def ticks(self, epoch: int, media_us: int, arrival_ns: int) -> int:
        """Return the timestamp of the next unit, from 0 on."""
        at = media_us * RATE // 1_000_000
        if epoch != self._epoch:
            passed = (
                max(1, (arrival_ns - self._last_arrival_ns) * RATE // 1_000_000_000) if self._epoch is not None else 0
            )
            self._base = self._last + passed - at
            self._epoch = epoch
        self._last = self._base + at
        self._last_arrival_ns = arrival_ns
        return self._last
