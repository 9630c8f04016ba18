"""PacketRing: the latest encoded pictures of one camera as they came, beginning at a key frame, bounded.

The camera's thread puts units in and says when each is shown; others read them from any thread, without ever holding
the camera up. Lives as long as its camera's reader. Nothing is copied: libav's packets are kept as they are.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from stream.sources.decoding.clock import Stamp
from stream.sources.transport import AccessUnit, CodecParameters, UnitTimes

LONGEST_REORDER = 16
"""Units that a decoder may hold back for reordering (H.264's and H.265's limit). One that isn't shown after so many
others is lost."""


@dataclass(slots=True, eq=False)
class HeldUnit:
    """One encoded picture. `epoch`, `media_us` and `capture_us` are known once it is shown."""

    serial: int
    """Counts the camera's units; in decoding order."""
    unit: AccessUnit
    codec: CodecParameters
    epoch: int = 0
    media_us: int = 0
    capture_us: int = 0
    shown: bool = False
    hidden: bool = False
    """It was decoded for the sake of those after it and is itself not whole, behind a loss: its times are what they
    would be."""
    lost: bool = False
    """It will never be shown: the decoder couldn't use it, or its connection ended."""

    @property
    def is_key(self) -> bool:
        """Whether decoding can begin with it."""
        return bool(self.unit.packet.is_keyframe)


class PacketRing:
    """Keeps `keep_s` seconds and whatever the key frame before them needs, at most `max_s` seconds and `max_bytes`.

    Whole groups of pictures go first. One group alone that breaks a bound is given up, and the ring is empty until the
    next key frame: `overflows` counts that.
    """

    def __init__(self, keep_s: float, max_s: float, max_bytes: int) -> None:
        self._keep_ns = int(keep_s * 1e9)
        self._max_ns = int(max_s * 1e9)
        self._max_bytes = max_bytes
        self._units: deque[HeldUnit] = deque()
        self._keys: deque[HeldUnit] = deque()
        self._awaiting: deque[HeldUnit] = deque()
        """Not yet shown, in decoding order."""
        self._hidden: deque[HeldUnit] = deque()
        """Not to be shown, in decoding order; their times follow from the next one that is."""
        self._codec: CodecParameters | None = None
        self._broken = True
        """Whether a key frame must come before anything is kept."""
        self._next_serial = 0
        self._lock = threading.Lock()
        self.bytes_held = 0
        """Bytes of all packets held."""
        self.overflows = 0
        """Groups of pictures that were too long or too large to be kept."""
        self.reorder = 0
        """The most units that this connection's decoder has held back so far."""
        self.epoch = 0
        """Of the unit shown last."""
        self.connected = False
        """Whether units of the connection that `begin` named may still come."""
        self.closed = False
        """Whether no more units will come."""

    def __len__(self) -> int:
        """Units held."""
        return len(self._units)

    # -- the camera's thread ------------------------------------------------------------------------------------
    def begin(self, codec: CodecParameters) -> None:
        """What comes now is another connection's; what was held stays, for whoever reads it."""
        with self._lock:
            self._lose_awaiting()
            self.connected = True
            self._codec = codec
            self.reorder = 0
            # The first unit must be a key frame again: what came before refers to another stream.
            self._broken = True

    def disconnected(self) -> None:
        """The connection is over; another may come."""
        with self._lock:
            self._lose_awaiting()
            self.connected = False

    def add(self, unit: AccessUnit) -> None:
        """A unit that is about to be decoded. Until the first key frame of a connection none is kept."""
        with self._lock:
            if self._codec is None or self.closed:
                return
            if self._broken and not unit.packet.is_keyframe:
                return
            self._broken = False
            held = HeldUnit(self._next_serial, unit, self._codec)
            self._next_serial += 1
            self._units.append(held)
            self.bytes_held += unit.packet.size
            if held.is_key:
                self._keys.append(held)
            (self._awaiting if unit.times.shown else self._hidden).append(held)
            while self._awaiting and self._next_serial - self._awaiting[0].serial > LONGEST_REORDER + 1:
                self._awaiting.popleft().lost = True
            self._trim(unit.times.arrival_ns)

    def shown(self, times: UnitTimes, epoch: int, stamp: Stamp) -> None:
        """The unit that had these times has been decoded: when it is shown. Units are shown in presentation order."""
        with self._lock:
            for held in reversed(self._awaiting):
                if held.unit.times is times:
                    held.epoch, held.media_us, held.capture_us = epoch, stamp.media_us, stamp.capture_us
                    held.shown = True
                    self.epoch = epoch
                    self.reorder = max(self.reorder, self._next_serial - 1 - held.serial)
                    self._awaiting.remove(held)
                    self._date_hidden(held)
                    return

    def _date_hidden(self, shown: HeldUnit) -> None:
        at_us = shown.unit.times.pts_us
        while self._hidden and self._hidden[0].serial < shown.serial:
            held = self._hidden.popleft()
            its_us = held.unit.times.pts_us
            before_us = -1 if at_us is None or its_us is None else at_us - its_us
            held.hidden = 0 <= before_us <= shown.media_us
            held.lost = not held.hidden  # of the epoch before
            held.epoch = shown.epoch
            held.media_us, held.capture_us = shown.media_us - before_us, shown.capture_us - before_us

    def close(self) -> None:
        """No more units will come. What is held stays readable."""
        with self._lock:
            self._lose_awaiting()
            self.connected = False
            self.closed = True

    def _lose_awaiting(self) -> None:
        for waiting in (self._awaiting, self._hidden):
            for held in waiting:
                held.lost = True
            waiting.clear()

    def _trim(self, now_ns: int) -> None:
        while len(self._keys) > 1 and self._may_drop_first(now_ns):
            self._drop_until(self._keys[1].serial)
        if self.bytes_held > self._max_bytes or self._older_than(self._max_ns, self._units[0], now_ns):
            self._drop_until(self._next_serial)
            self._broken = True
            self.overflows += 1

    def _may_drop_first(self, now_ns: int) -> bool:
        """Whether the first group isn't needed, or there is no room for it."""
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
        for waiting in (self._awaiting, self._hidden):
            while waiting and waiting[0].serial < serial:
                waiting.popleft()

    # -- any thread ---------------------------------------------------------------------------------------------
    def start_for(self, epoch: int, media_us: int) -> HeldUnit | None:
        """Where to begin so that `media_us` of this epoch is shown: the last key frame at or before it, else the first
        one after; None if there is none."""
        with self._lock:
            keys = [held for held in self._keys if held.shown and held.epoch == epoch]
        before = [held for held in keys if held.media_us <= media_us]
        return before[-1] if before else next(iter(keys), None)

    def settled_from(self, serial: int) -> list[HeldUnit]:
        """The units from `serial` on whose fate is known, in decoding order, without those that are lost.

        If the first one has a higher serial than the unit asked for, units between may have been dropped: see
        `oldest_serial`.
        """
        with self._lock:
            newer = list(takewhile(lambda held: held.serial >= serial, reversed(self._units)))
        return [held for held in _known(reversed(newer)) if held.shown or held.hidden]

    @property
    def oldest_serial(self) -> int:
        """Of the oldest unit held; the next one's if none is."""
        with self._lock:
            return self._units[0].serial if self._units else self._next_serial

    @property
    def oldest_arrival_ns(self) -> int | None:
        """When the oldest unit held arrived, monotonic; None if none is held."""
        with self._lock:
            return self._units[0].unit.times.arrival_ns if self._units else None


def _known(units: Iterable[HeldUnit]) -> Iterator[HeldUnit]:
    return takewhile(lambda held: held.shown or held.hidden or held.lost, units)
