"""Fake connections: a scripted sequence of packets, and a decoder that returns one picture for each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import av
import av.error

from stream.settings.engine import CameraConfig
from stream.settings.source_address import SourceAddress
from stream.sources.decoding.decoder import Decoded
from stream.sources.error_diagnosis import ErrorDiagnosis
from stream.sources.errors import SourceError
from stream.sources.transport import AccessUnit, Transport, UnitTimes

FRAME_US = 40_000


@dataclass
class FakePacket:
    """The attributes of an av.Packet that the decoder uses."""

    size: tuple[int, int] = (64, 48)
    is_keyframe: bool = True
    is_corrupt: bool = False
    undecodable: bool = False
    half_decoded: bool = False
    opaque: object = None


class FakeCodec:
    """Returns one picture per packet, in the packet's size, and raises FFmpeg's error for undecodable ones."""

    name = "fake"
    extradata = None

    def __init__(self) -> None:
        self.flags = 0
        self.options: dict[str, str] = {}
        self.width = self.height = 0
        self.flushed = 0
        self.thread_type: object = None
        self.thread_count = 0

    def decode(self, packet: FakePacket | None) -> list[Any]:
        if packet is None:
            return []
        if packet.undecodable:
            raise av.error.InvalidDataError(1094995529, "Invalid data found", "rtsp://bob:geheim@host/x")
        return [FakeFrame(*packet.size, opaque=packet.opaque, is_corrupt=packet.half_decoded)]

    def flush_buffers(self) -> None:
        self.flushed += 1


class FakeFormat:
    name = "yuv420p"


class FakeFrame:
    """A picture whose planes are those of an empty real one."""

    def __init__(self, width: int, height: int, opaque: object = None, is_corrupt: bool = False) -> None:
        self.width, self.height = width, height
        self.opaque = opaque
        self.is_corrupt = is_corrupt
        self.dts = None
        self.time_base = None
        self.color_range = 1
        self.colorspace = 2
        self.rotation = 0
        self.format = FakeFormat()

    @property
    def planes(self) -> tuple[Any, ...]:
        return av.VideoFrame(self.width, self.height, "yuv420p").planes


def unit(pts_us: int | None = 0, arrival_us: int = 0, sender_utc_us: int | None = None, **packet: Any) -> AccessUnit:
    """Return an access unit that arrived at `arrival_us` of the monotonic clock, which is 1 s behind UTC."""
    times = UnitTimes(pts_us, arrival_us * 1000, arrival_us + 1_000_000, sender_utc_us)
    return AccessUnit(cast("av.Packet", FakePacket(**packet)), times)


def picture(
    pts_us: int | None, arrival_us: int, size: tuple[int, int] = (64, 48), sender_utc_us: int | None = None
) -> Decoded:
    """Return a decoded picture with real pixels."""
    return Decoded(
        av.VideoFrame(*size, "yuv420p"),
        UnitTimes(pts_us, arrival_us * 1000, arrival_us + 1_000_000, sender_utc_us),
        pts_us,
    )


class FakeTransport(Transport):
    """Returns the units and None (no data) in its script, and raises the errors."""

    def __init__(
        self, diagnosis: ErrorDiagnosis, script: Iterable[AccessUnit | SourceError | Exception | None]
    ) -> None:
        super().__init__(diagnosis)
        self.codec: Any = FakeCodec()
        self.closed = False
        self.undecoded = 0
        self.wished = 0
        self._script = iter(script)

    def open(self) -> Transport:
        return self

    def read(self) -> AccessUnit | None:
        item = next(self._script)
        if isinstance(item, Exception):
            raise item
        return item

    def request_keyframe(self) -> None:
        self.wished += 1

    def report_undecodable(self) -> None:
        self.undecoded += 1

    def close(self) -> None:
        self.closed = True


class FakeConnections:
    """Makes one transport per script; an error in place of a script is raised while connecting.

    After the last script the camera is stopped.
    """

    def __init__(self, *scripts: Iterable[AccessUnit | Exception | None] | Exception) -> None:
        self._scripts = list(scripts)
        self.made: list[FakeTransport] = []

    def __call__(
        self, config: CameraConfig, stopping: threading.Event, on_discard: Callable[[str], None]
    ) -> FakeTransport:
        diagnosis = ErrorDiagnosis(config.id, config.source, config.start_timeout_s, config.stall_timeout_s)
        if not self._scripts:
            stopping.set()
            return FakeTransport(diagnosis, [None])
        script = self._scripts.pop(0)
        if isinstance(script, Exception):
            raise script
        self.made.append(FakeTransport(diagnosis, script))
        return self.made[-1]


def faults_of(address: str = "rtsp://bob:geheim@host/x", camera: str = "cam") -> ErrorDiagnosis:
    """Return the error diagnosis of a camera with a secret in its address."""
    return ErrorDiagnosis(camera, SourceAddress(address), 10.0, 3.0)
