"""RtpClock: a video stream's RTP timestamps as media time, and as the sender's UTC once it has reported. Pure.

Each report of the sender relates the two anew (RFC 3550, section 6.4.1), so that a drift of its RTP clock against its
wall clock never adds up: 100 ppm are half a millisecond between two reports. What it said before its timestamps jumped
says nothing of the pictures behind: they have no time of the sender's until its next report.
"""

from __future__ import annotations

from stream.sources.decoding.clock import BACKWARD_LIMIT_US, FORWARD_LIMIT_US
from stream.sources.demuxed.ffmpeg_transport import EARLIEST_SANE_UTC_US

RATE = 90_000
"""Ticks a second of every video codec."""
NTP_TO_UNIX_S = 2_208_988_800
FARTHEST_REPORT = 600 * RATE
"""Ticks from the latest picture: a report is of now. Some senders write timestamps that aren't their pictures'."""


class RtpClock:
    """One a stream. Timestamps are 32 bits and wrap after 13 hours."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._ticks = 0
        self._report: tuple[int, int] | None = None
        """(UTC µs, timestamp) that came before the first picture: nothing to relate it to yet."""
        self._sender_offset_us: int | None = None
        self._reported_ticks = 0
        """Where the latest report is."""
        self._arrival_ns: int | None = None

    def pts_us(self, timestamp: int, arrival_ns: int | None = None) -> int:
        """Media time of a picture, µs since the first. `arrival_ns`: monotonic; jumps are seen by it."""
        if self._last is None:
            self._last = timestamp
            if self._report is not None:
                self._relate(*self._report)
        before = self._ticks
        self._ticks += _difference(timestamp, self._last)
        self._last = timestamp
        if arrival_ns is not None:
            if self._arrival_ns is not None:
                self._look_for_jump(before, (arrival_ns - self._arrival_ns) // 1000)
            self._arrival_ns = arrival_ns
        return _us(self._ticks)

    def _look_for_jump(self, before: int, arrived_us: int) -> None:
        """The sender's encoder may have begun anew. A report from behind the jump came before its first picture."""
        step_us = _us(self._ticks - before)
        jumped = step_us < -BACKWARD_LIMIT_US or step_us - arrived_us > FORWARD_LIMIT_US
        if jumped and abs(self._ticks - self._reported_ticks) >= abs(before - self._reported_ticks):
            self._sender_offset_us = None

    def forget_reports(self) -> None:
        """Another sender's pictures come, by its own clock."""
        self._report = self._sender_offset_us = None

    def report(self, ntp_time: int, timestamp: int) -> None:
        """The sender says what time it was (64-bit NTP) at this timestamp."""
        utc_us = (ntp_time >> 32) * 1_000_000 + ((ntp_time & 0xFFFFFFFF) * 1_000_000 >> 32) - NTP_TO_UNIX_S * 1_000_000
        if utc_us < EARLIEST_SANE_UTC_US:
            return
        if self._last is None:
            self._report = utc_us, timestamp
        else:
            self._relate(utc_us, timestamp)

    def _relate(self, utc_us: int, timestamp: int) -> None:
        assert self._last is not None
        away = _difference(timestamp, self._last)
        if abs(away) > FARTHEST_REPORT:
            return
        self._reported_ticks = self._ticks + away
        self._sender_offset_us = utc_us - _us(self._reported_ticks)

    def sender_utc_us(self, pts_us: int) -> int | None:
        """When a picture was captured by the sender's clock, UTC µs; None before its first report since a jump."""
        return None if self._sender_offset_us is None else pts_us + self._sender_offset_us


def _difference(timestamp: int, before: int) -> int:
    step = (timestamp - before) & 0xFFFFFFFF
    return step - (1 << 32) if step >= 1 << 31 else step


def _us(ticks: int) -> int:
    return ticks * 1_000_000 // RATE
