"""What a transport is: it brings encoded pictures in, and knows nothing of decoding, rings or epochs.

A transport lives for one connection. It is opened, read and closed in the camera's own thread; a new connection is a
new transport.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import av
import msgspec
from av.video.codeccontext import VideoCodecContext

from stream.sources.error_diagnosis import ErrorDiagnosis


@dataclass(slots=True, eq=False)
class UnitTimes:
    """When one encoded picture is to be shown, if at all, when it arrived, and when it was captured."""

    pts_us: int | None
    """Presentation time, µs from any origin; None if the stream didn't say."""
    arrival_ns: int
    """Monotonic instant when the unit was complete."""
    arrival_utc_us: int
    """The same instant by our wall clock."""
    sender_utc_us: int | None = None
    """Capture time by the sender's clock (RTCP sender reports), UTC µs."""
    shown: bool = True
    """False: it is decoded for the sake of those after it, and is itself not whole yet (after a loss)."""


class AccessUnit(msgspec.Struct, frozen=True, eq=False):
    """One encoded picture, complete.

    The times are an object of their own because libav carries it along to the decoded picture: one that held the
    packet would keep it alive for ever.
    """

    packet: av.Packet
    times: UnitTimes
    restart: bool = False
    """Something before it was lost and decoding begins anew with it, keyframe or not."""


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
    """A camera isn't read in the way that was asked for."""

    reason: str
    """A short code, for metrics."""
    meaning: str
    """What is done instead and why, for people."""


class Transport(Protocol):
    """One connection to a source. `open` and `read` may raise `SourceError`."""

    @property
    def diagnosis(self) -> ErrorDiagnosis:
        """The errors of this source, for what only its reader can see: that it stalls, that no picture comes."""
        ...

    @property
    def fallback(self) -> Fallback | None:
        """What it does instead of what was asked for, once open."""
        ...

    @property
    def awaiting_recovery(self) -> bool:
        """Something was lost, and what comes can't be decoded until one that restarts: no stall, if anything comes.

        `read` raises by itself when it takes too long.
        """
        ...

    def open(self) -> VideoCodecContext:
        """Connect; the decoder that fits the stream. Returns early, raising `StoppedError`, when told to stop."""
        ...

    def read(self) -> AccessUnit | None:
        """The next unit, or None if none came within a second or two (so that the caller can look around).

        Raises `EndedError` once the stream is over.
        """
        ...

    def undecodable(self) -> None:
        """The last unit couldn't be decoded: a sender that can be asked for a keyframe is asked for one."""
        ...

    def want_keyframe(self) -> None:
        """Somebody who looks can't begin without a keyframe: ask for one, and lose nothing meanwhile."""
        ...

    def close(self) -> None:
        """Let go of the connection. May be called at any time, more than once."""
        ...


class StoppedError(Exception):
    """The camera was told to stop while its source was being opened."""
