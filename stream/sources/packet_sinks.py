"""Receivers of a camera's access units besides the decoder: the recorder and live viewers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stream.sources.decoding.clock import Stamp
from stream.sources.transport import AccessUnit, CodecParameters, UnitTimes


class PacketSink(Protocol):
    """Called in the camera's thread, which it must never block."""

    def begin(self, codec: CodecParameters) -> None:
        """A new connection begins."""
        ...

    def add(self, unit: AccessUnit) -> None:
        """A unit is about to be decoded."""
        ...

    def shown(self, times: UnitTimes, epoch: int, stamp: Stamp) -> None:
        """The unit with these times has been decoded; `stamp` tells its time."""
        ...

    def disconnected(self) -> None:
        """The connection has ended; another may follow."""
        ...

    def close(self) -> None:
        """No more units will arrive."""
        ...


class PacketSinks:
    """Several sinks as one."""

    def __init__(self, sinks: Sequence[PacketSink]) -> None:
        self._sinks = tuple(sinks)

    def begin(self, codec: CodecParameters) -> None:
        """Forward to each sink."""
        for sink in self._sinks:
            sink.begin(codec)

    def add(self, unit: AccessUnit) -> None:
        """Forward to each sink."""
        for sink in self._sinks:
            sink.add(unit)

    def shown(self, times: UnitTimes, epoch: int, stamp: Stamp) -> None:
        """Forward to each sink."""
        for sink in self._sinks:
            sink.shown(times, epoch, stamp)

    def disconnected(self) -> None:
        """Forward to each sink."""
        for sink in self._sinks:
            sink.disconnected()

    def close(self) -> None:
        """Forward to each sink."""
        for sink in self._sinks:
            sink.close()
