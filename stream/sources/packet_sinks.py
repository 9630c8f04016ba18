"""Where a camera's encoded pictures go besides its decoder: to the recorder, and to who looks at it live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stream.sources.decoding.clock import Stamp
from stream.sources.transport import AccessUnit, CodecParameters, UnitTimes


class PacketSink(Protocol):
    """Told all by the camera's thread, which it must never hold up."""

    def begin(self, codec: CodecParameters) -> None:
        """What comes now is another connection's."""
        ...

    def add(self, unit: AccessUnit) -> None:
        """A unit that is about to be decoded."""
        ...

    def shown(self, times: UnitTimes, epoch: int, stamp: Stamp) -> None:
        """The unit that had these times has been decoded: when it is shown."""
        ...

    def disconnected(self) -> None:
        """The connection is over; another may come."""
        ...

    def close(self) -> None:
        """No more units will come."""
        ...


class PacketSinks:
    """Several as one."""

    def __init__(self, sinks: Sequence[PacketSink]) -> None:
        self._sinks = tuple(sinks)

    def begin(self, codec: CodecParameters) -> None:
        """Tell each of them."""
        for sink in self._sinks:
            sink.begin(codec)

    def add(self, unit: AccessUnit) -> None:
        """Tell each of them."""
        for sink in self._sinks:
            sink.add(unit)

    def shown(self, times: UnitTimes, epoch: int, stamp: Stamp) -> None:
        """Tell each of them."""
        for sink in self._sinks:
            sink.shown(times, epoch, stamp)

    def disconnected(self) -> None:
        """Tell each of them."""
        for sink in self._sinks:
            sink.disconnected()

    def close(self) -> None:
        """Tell each of them."""
        for sink in self._sinks:
            sink.close()
