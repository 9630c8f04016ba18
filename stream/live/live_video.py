"""LiveVideo: one camera's encoded pictures, for who looks at them live. Lives as long as its camera's reader.

A unit is handed on when it has been decoded here, for only then its epoch and media time are known, by which whoever
looks finds its result; that takes the few ms of decoding. With nobody who looks it keeps nothing and costs a
comparison a unit.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from stream.sources.byte_stream import ByteStream, MalformedError
from stream.sources.decoding.clock import Stamp
from stream.sources.transport import AccessUnit, CodecParameters, UnitTimes

SENT = ("h264", "vp8")
"""libav's names of what every browser decodes and aiortc packs."""
MOST_HELD_BACK = 4
"""Units that the decoder may hold back, in order; later ones count as lost."""
LONGEST_REORDER_US = 1_000_000
"""A time that goes back by more is a jump of the camera's clock, none of B-frames."""

ASK_EVERY_S = 1.0
"""Key frames are large: viewers that lose much mustn't make a publisher send nothing else."""


@dataclass(frozen=True, slots=True)
class LiveUnit:
    """One encoded picture to be sent: a byte stream with parameter sets in front of each key frame, or VP8."""

    codec: str
    data: bytes
    is_key: bool
    epoch: int
    media_us: int
    arrival_ns: int


class UnitSink(Protocol):
    """One who looks. Called in the camera's thread, and must be quick."""

    def put(self, unit: LiveUnit) -> None:
        """The next unit. One that isn't a key frame follows the unit before without a gap, unless `gap` was called."""
        ...

    def gap(self) -> None:
        """Units are lost: only a key frame may follow."""
        ...

    def close(self) -> None:
        """Nothing more comes, or nothing that can be sent."""
        ...


class LiveVideo:
    """A `PacketSink`. What isn't said to be the camera's thread's may be called from any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sinks: tuple[UnitSink, ...] = ()
        self._codec: CodecParameters | None = None
        self._stream: ByteStream | None = None
        self._pending: deque[AccessUnit] = deque()
        self._last_pts_us: int | None = None
        self._reordered = False
        self._closed = False
        self._key_wanted = False
        self._key_asked_s = 0.0

    @property
    def watched(self) -> bool:
        """Whether anybody looks."""
        return bool(self._sinks)

    @property
    def codec(self) -> str:
        """libav's name of what comes; empty while nothing does."""
        codec = self._codec
        return codec.name if codec is not None else ""

    def refusal(self) -> str | None:
        """Why its pictures can't be sent as they are, as the end of a sentence; None if they can."""
        codec = self._codec
        if self._closed or codec is None:
            return "it gives no pictures now"
        if codec.name not in SENT:
            return f"its pictures are coded as {codec.name}, and browsers are sent H.264 and VP8"
        if self._stream is None:
            return "its parameter sets can't be read"
        if self._reordered:
            return "its pictures come in another order than they are shown in: turn B-frames off in the camera"
        return None

    # -- who looks ----------------------------------------------------------------------------------------------
    def add_viewer(self, sink: UnitSink) -> None:
        """From now on `sink` gets units, a key frame first."""
        with self._lock:
            if not self._closed:
                self._sinks = (*self._sinks, sink)
                self._key_wanted = True
                return
        sink.close()

    def remove_viewer(self, sink: UnitSink) -> None:
        """Give it nothing more."""
        with self._lock:
            self._sinks = tuple(other for other in self._sinks if other is not sink)

    def want_keyframe(self) -> None:
        """Somebody can't go on without a key frame."""
        self._key_wanted = True

    # -- the camera's thread ------------------------------------------------------------------------------------
    def begin(self, codec: CodecParameters) -> None:
        """What comes now is another connection's. Who looks goes on with its first key frame."""
        self._pending.clear()
        self._last_pts_us = None
        self._reordered = False
        try:
            self._stream = ByteStream(codec.name, codec.extradata)
        except MalformedError:
            self._stream = None
        self._codec = codec
        self._lost()
        self._end_if_refused()

    def add(self, unit: AccessUnit) -> None:
        """A unit that is about to be decoded."""
        self._look_at_order(unit.times.pts_us)
        if not self._sinks:
            if self._pending:
                self._pending.clear()
            return
        self._pending.append(unit)
        if len(self._pending) > MOST_HELD_BACK:
            self._pending.popleft()
            self._lost()

    def shown(self, times: UnitTimes, epoch: int, stamp: Stamp) -> None:
        """The unit that had these times has been decoded: hand it on. Those before it that weren't are lost."""
        if not any(unit.times is times for unit in self._pending):
            return
        while (unit := self._pending.popleft()).times is not times:
            self._lost()
        stream, codec = self._stream, self._codec
        if stream is None or codec is None:
            return
        is_key = bool(unit.packet.is_keyframe)
        try:
            data = (stream.first_packet if is_key else stream.packet)(bytes(unit.packet))
        except MalformedError:
            return self._lost()
        live = LiveUnit(codec.name, data, is_key, epoch, stamp.media_us, times.arrival_ns)
        for sink in self._sinks:
            sink.put(live)

    def keyframe_due(self, now_s: float) -> bool:
        """Whether the sender, if that can be done, is to be asked for a key frame: at most once a second."""
        if not self._key_wanted or now_s - self._key_asked_s < ASK_EVERY_S:
            return False
        self._key_wanted = False
        self._key_asked_s = now_s
        return True

    def disconnected(self) -> None:
        """The connection is over. Who looks may wait for the next."""
        self._codec = None
        self._pending.clear()

    def close(self) -> None:
        """No more units will come."""
        with self._lock:
            self._closed = True
            sinks, self._sinks = self._sinks, ()
        for sink in sinks:
            sink.close()

    def _look_at_order(self, pts_us: int | None) -> None:
        last, self._last_pts_us = self._last_pts_us, pts_us
        if pts_us is None or last is None or not last - LONGEST_REORDER_US < pts_us < last or self._reordered:
            return
        self._reordered = True
        self._end_if_refused()

    def _end_if_refused(self) -> None:
        if self._sinks and self.refusal() is not None:
            with self._lock:
                sinks, self._sinks = self._sinks, ()
            for sink in sinks:
                sink.close()

    def _lost(self) -> None:
        for sink in self._sinks:
            sink.gap()
