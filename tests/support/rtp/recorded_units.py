"""Encoded units for a PacketRing, added as by a camera's thread, without a decoder."""

from __future__ import annotations

import itertools

import av

from stream.recording.packets import PacketRing
from stream.sources.decoding.clock import Stamp
from stream.sources.transport import AccessUnit, CodecParameters, UnitTimes

INTERVAL_US = 40_000
CODEC = CodecParameters("h264", b"", (64, 48), "yuv420p")


class Stream:
    """Adds units to a ring, one per 40 ms of media time. `delay`: number of units after which each is shown."""

    def __init__(self, ring: PacketRing, delay: int = 0) -> None:
        self.ring = ring
        self.delay = delay
        self.epoch = 1
        self.number = 0
        self.epoch_from = 0
        self._awaiting: list[tuple[UnitTimes, int]] = []
        ring.begin(CODEC)

    def put(self, *, key: bool = False, size: int = 100, shown: bool = True) -> AccessUnit:
        """Add the next unit, and return it."""
        packet = av.Packet(bytes(size))
        packet.is_keyframe = key
        at_us = self.number * INTERVAL_US
        times = UnitTimes(at_us, at_us * 1000, at_us)
        self.ring.add(unit := AccessUnit(packet, times))
        if shown:
            self._awaiting.append((times, at_us))
        self.number += 1
        while len(self._awaiting) > self.delay:
            self.show()
        return unit

    def show(self) -> None:
        """Report the oldest waiting unit as decoded."""
        times, at_us = self._awaiting.pop(0)
        self.ring.shown(times, self.epoch, Stamp(at_us - self.epoch_from, 1_000_000 + at_us, "arrival"))

    def play(self, count: int, group: int = 10, size: int = 100) -> None:
        """Add `count` units, every `group`-th a keyframe."""
        for number in itertools.islice(itertools.count(), count):
            self.put(key=number % group == 0, size=size)

    def next_epoch(self) -> None:
        """Begin an epoch; media time restarts at 0."""
        self.epoch += 1
        self.epoch_from = self.number * INTERVAL_US
