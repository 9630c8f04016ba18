"""Transport: the interface of the sources of access units, and the access units."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Protocol

import av
import msgspec
from av.video.codeccontext import VideoCodecContext

from stream.sources.error_diagnosis import ErrorDiagnosis


@dataclass(slots=True, eq=False)
class UnitTimes:
    """The times of one access unit."""

    pts_us: int | None
    """Presentation time, µs from any origin; None if the stream has none."""
    arrival_ns: int
    """Monotonic instant when the unit was complete."""
    arrival_utc_us: int
    """The same instant by the local wall clock, UTC µs."""
    sender_utc_us: int | None = None
    """Capture time by the sender's clock (RTCP sender reports), UTC µs."""


class AccessUnit(msgspec.Struct, frozen=True, eq=False):
    """One complete access unit.

    The times are a separate object because libavcodec carries them along to the decoded frame. An object that also held
    the packet would keep it alive for ever.
    """

    packet: av.Packet
    times: UnitTimes
    restart: bool = False
    """Units before it were lost: flush the decoder first. Only native RTSP says so, also at its first unit."""


@dataclass(frozen=True, slots=True)
class CodecParameters:
    """What a decoder needs besides the access units."""

    name: str
    """FFmpeg's name: h264, hevc, mjpeg, rawvideo …"""
    extradata: bytes
    """Parameter sets: byte stream, or avcC/hvcC where units are length-prefixed. Empty if keyframes carry them."""
    size: tuple[int, int]
    """Width and height in pixels, (0, 0) while unknown."""
    pixels: str | None
    """FFmpeg's name of the pixel format."""

    @classmethod
    def of(cls, codec: VideoCodecContext) -> CodecParameters:
        """Return those of a stream that has just been opened."""
        return cls(codec.name, bytes(codec.extradata or b""), (codec.width, codec.height), codec.pix_fmt)


@dataclass(frozen=True, slots=True)
class Fallback:
    """Something was used in place of what the configuration asks for."""

    reason: str
    """Short code for metrics."""
    meaning: str
    """What is used instead and why, for the camera's status."""


class TransportOpener(Protocol):
    """One attempt to connect to a source, in the camera's thread. Most transports are their own opener."""

    @property
    def diagnosis(self) -> ErrorDiagnosis:
        """The errors of this source, for what only its reader can notice."""
        ...

    def open(self) -> Transport:
        """Connect, and return the transport to read from.

        Raises `SourceError`, or `StoppedError` soon after the camera is told to stop.
        """
        ...

    def close(self) -> None:
        """Close the connection. May be called at any time, more than once."""
        ...


class Transport(abc.ABC):
    """One connection to a source. It is opened, read and closed in the camera's thread, and not used again."""

    codec: VideoCodecContext
    """The decoder for the stream, set by `open`."""

    def __init__(self, diagnosis: ErrorDiagnosis) -> None:
        self.diagnosis = diagnosis
        self.fallback: Fallback | None = None
        """What is used in place of what was asked for, known once open."""

    @abc.abstractmethod
    def open(self) -> Transport:
        """See `TransportOpener`."""

    @abc.abstractmethod
    def read(self) -> AccessUnit | None:
        """Return the next unit, or None if none arrives within a second or two.

        Raises `SourceError`; its reason at the end of the stream is `ended`.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """See `TransportOpener`."""

    def report_undecodable(self) -> None:  # noqa: B027 - most sources can do nothing about it
        """Report that the decoder rejected the last unit. WebRTC senders are asked for a keyframe."""

    def request_keyframe(self) -> None:  # noqa: B027 - most sources cannot be asked
        """Ask the sender for a keyframe, for a viewer that joins. No unit is discarded until it arrives."""


class StoppedError(Exception):
    """The camera was told to stop while its source was being opened."""
