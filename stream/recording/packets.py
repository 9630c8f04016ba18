"""A bounded ring of one camera's latest access units, beginning at a keyframe.

The camera's thread adds units and their times; any thread can read them without blocking the camera. Lives as long as
the camera's reader. Packets are not copied.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from stream.sources.decoding.clock import Stamp
from stream.sources.transport import AccessUnit, CodecParameters, UnitTimes

MAX_REORDER = 16
"""Units that a decoder can delay for reordering (the limit of H.264 and H.265)."""


@dataclass(slots=True, eq=False)
class HeldUnit:
    """An access unit. `epoch`, `media_us` and `capture_us` are set once it is shown or hidden."""

    serial: int
    """Number of the unit, in decoding order."""
    unit: AccessUnit
    codec: CodecParameters
    epoch: int = 0
    media_us: int = 0
    capture_us: int = 0
    shown: bool = False
    hidden: bool = False
    """After a loss, the decoder withheld it, but units after it refer to it. Its times are computed."""
    lost: bool = False
    """It will not be shown: the decoder could not use it, or the connection ended."""

    @property
    def is_key(self) -> bool:
        """Whether decoding can begin with this unit."""
        return bool(self.unit.packet.is_keyframe)


class PacketRing:
    """Keeps `keep_s` seconds and the group of pictures before them, at most `max_s` seconds and `max_bytes`.

    Whole groups of pictures are dropped. If a single group exceeds a limit, it is dropped too, and the ring is empty
    until the next keyframe: `overflows` counts this.
    """

    def __init__(self, keep_s: float, max_s: float, max_bytes: int) -> None:
        self._keep_ns = int(keep_s * 1e9)
        self._max_ns = int(max_s * 1e9)
        self._max_bytes = max_bytes
        self._units: deque[HeldUnit] = deque()
        self._keys: deque[HeldUnit] = deque()
        self._awaiting: deque[HeldUnit] = deque()
        """Units not shown yet, in decoding order."""
        self._codec: CodecParameters | None = None
        self._broken = True
        """Whether the next unit must be a keyframe."""
        self._recovers = False
        """Whether the decoder of this connection gets all units after a loss, and withholds incomplete pictures."""
        self._next_serial = 0
        self._lock = threading.Lock()
        self.bytes_held = 0
        """Size of all packets in bytes."""
        self.overflows = 0
        """Groups of pictures dropped because they exceeded a limit."""
        self.reorder = 0
        """The maximum number of units that the decoder of this connection has delayed."""
        self.epoch = 0
        """The epoch of the unit shown last."""
        self.connected = False
        """Whether more units of the connection can arrive."""
        self.closed = False
        """Whether no more units will arrive."""

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self._units)

    # -- the camera's thread ------------------------------------------------------------------------------------
    def begin(self, codec: CodecParameters) -> None:
        """Start a new connection. Earlier units can still be read."""
        with self._lock:
            self._mark_awaiting_lost()
            self.connected = True
            self._codec = codec
            self.reorder = 0
            # The first unit must be a keyframe: earlier units belong to another stream.
            self._broken = True
            self._recovers = False

    def disconnected(self) -> None:
        """End the connection. Another one can follow."""
        with self._lock:
            self._mark_awaiting_lost()
            self.connected = False

    def add(self, unit: AccessUnit) -> None:
        """Add a unit that is about to be decoded. After a loss and at a connection's start, all are ignored up to the
        next keyframe."""
        with self._lock:
            if self._codec is None or self.closed:
                return
            if unit.restart:
                self._broken = self._recovers = True
            if self._broken and not unit.packet.is_keyframe:
                return
            self._broken = False
            held = HeldUnit(self._next_serial, unit, self._codec)
            self._next_serial += 1
            self._units.append(held)
            self.bytes_held += unit.packet.size
            if held.is_key:
                self._keys.append(held)
            self._awaiting.append(held)
            self._trim(unit.times.arrival_ns)

    def shown(self, times: UnitTimes, epoch: int, stamp: Stamp) -> None:
        """Set when the unit with these times is shown. Called in presentation order."""
        with self._lock:
            for held in reversed(self._awaiting):
                if held.unit.times is times:
                    held.epoch, held.media_us, held.capture_us = epoch, stamp.media_us, stamp.capture_us
                    held.shown = True
                    self.epoch = epoch
                    self.reorder = max(self.reorder, self._next_serial - 1 - held.serial)
                    self._awaiting.remove(held)
                    self._settle_withheld(held)
                    return

    def _settle_withheld(self, shown: HeldUnit) -> None:
        """Settle the units that the decoder has withheld: they should have been shown before this one."""
        at_us = shown.unit.times.pts_us
        withheld = [held for held in self._awaiting if self._is_withheld(held, shown)]
        for held in withheld:
            self._awaiting.remove(held)
            its_us = held.unit.times.pts_us
            before_us = -1 if at_us is None or its_us is None else at_us - its_us
            key = next((key for key in reversed(self._keys) if key.serial <= held.serial), held)
            # If its keyframe was shown, it refers to what was lost before that.
            held.hidden = self._recovers and not key.shown and 0 <= before_us <= shown.media_us
            held.lost = not held.hidden
            held.epoch = shown.epoch
            held.media_us, held.capture_us = shown.media_us - before_us, max(shown.capture_us - before_us, 0)

    @staticmethod
    def _is_withheld(held: HeldUnit, shown: HeldUnit) -> bool:
        at_us, its_us = shown.unit.times.pts_us, held.unit.times.pts_us
        # At the beginning, decoders show some pictures before they know that the next unit belongs before them.
        if at_us is not None and its_us is not None and its_us <= at_us and held.serial < shown.serial:
            return True
        return shown.serial - held.serial > MAX_REORDER

    def close(self) -> None:
        """End the ring. Units can still be read."""
        with self._lock:
            self._mark_awaiting_lost()
            self.connected = False
            self.closed = True

    def _mark_awaiting_lost(self) -> None:
        for held in self._awaiting:
            held.lost = True
        self._awaiting.clear()

    def _trim(self, now_ns: int) -> None:
        while len(self._keys) > 1 and self._may_drop_first(now_ns):
            self._drop_until(self._keys[1].serial)
        if self.bytes_held > self._max_bytes or self._older_than(self._max_ns, self._units[0], now_ns):
            self._drop_until(self._next_serial)
            self._broken = True
            self.overflows += 1

    def _may_drop_first(self, now_ns: int) -> bool:
        """Return whether the first group is not needed or exceeds a limit."""
        return (
            self._older_than(self._keep_ns, self._keys[1], now_ns)
            or self._older_than(self._max_ns, self._units[0], now_ns)
            or self.bytes_held > self._max_bytes
        )

    @staticmethod
    def _older_than(age_ns: int, held: HeldUnit, now_ns: int) -> bool:
        return now_ns - held.unit.times.arrival_ns > age_ns

    def _drop_until(self, serial: int) -> None:
        while self._units and self._units[0].serial < serial:
            dropped = self._units.popleft()
            dropped.lost = not (dropped.shown or dropped.hidden)
            self.bytes_held -= dropped.unit.packet.size
        while self._keys and self._keys[0].serial < serial:
            self._keys.popleft()
        while self._awaiting and self._awaiting[0].serial < serial:
            self._awaiting.popleft()

    # -- any thread ---------------------------------------------------------------------------------------------
    def start_for(self, epoch: int, media_us: int) -> HeldUnit | None:
        """Return the keyframe from which to show `media_us` of an epoch: the last one at or before it, otherwise the
        first one after it, or None."""
        with self._lock:
            keys = [held for held in self._keys if held.shown and held.epoch == epoch]
        before = [held for held in keys if held.media_us <= media_us]
        return before[-1] if before else next(iter(keys), None)

    def settled_from(self, serial: int) -> list[HeldUnit]:
        """Return the units from `serial` on in decoding order, up to the first that is neither shown, hidden nor lost.

        Lost units are left out. If the first serial is higher, units may have been dropped: see `oldest_serial`.
        """
        with self._lock:
            newer = list(takewhile(lambda held: held.serial >= serial, reversed(self._units)))
        return [held for held in _known(reversed(newer)) if held.shown or held.hidden]

    @property
    def oldest_serial(self) -> int:
        """The serial of the oldest unit, or of the next one if the ring is empty."""
        with self._lock:
            return self._units[0].serial if self._units else self._next_serial

    @property
    def oldest_arrival_ns(self) -> int | None:
        """The arrival of the oldest unit, monotonic; None if the ring is empty."""
        with self._lock:
            return self._units[0].unit.times.arrival_ns if self._units else None


def _known(units: Iterable[HeldUnit]) -> Iterator[HeldUnit]:
    return takewhile(lambda held: held.shown or held.hidden or held.lost, units)
