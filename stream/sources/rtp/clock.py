"""RtpClock: a video stream's RTP timestamps as media time, and as the sender's UTC once it has reported. Pure.

Each report of the sender relates the two anew (RFC 3550, section 6.4.1), so that a drift of its RTP clock against its
wall clock never adds up: 100 ppm are half a millisecond between two reports.
"""

from __future__ import annotations

from stream.sources.libav import EARLIEST_SANE_UTC_US

RATE = 90_000
"""Ticks a second of every video codec."""
NTP_TO_UNIX_S = 2_208_988_800


class RtpClock:
    """One a stream. Timestamps are 32 bits and wrap after 13 hours."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._ticks = 0
        self._report: tuple[int, int] | None = None
        """(UTC µs, timestamp) that came before the first picture: nothing to relate it to yet."""
        self._sender_offset_us: int | None = None

    def pts_us(self, timestamp: int) -> int:
        """Media time of a picture, µs since the first."""
        if self._last is None:
            self._last = timestamp
            if self._report is not None:
                self._relate(*self._report)
        self._ticks += _difference(timestamp, self._last)
        self._last = timestamp
        return _us(self._ticks)

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
        self._sender_offset_us = utc_us - _us(self._ticks + _difference(timestamp, self._last))

    def sender_utc_us(self, pts_us: int) -> int | None:
        """When a picture was captured by the sender's clock, UTC µs; None before its first report."""
        return None if self._sender_offset_us is None else pts_us + self._sender_offset_us


def _difference(timestamp: int, before: int) -> int:
    step = (timestamp - before) & 0xFFFFFFFF
    return step - (1 << 32) if step >= 1 << 31 else step


def _us(ticks: int) -> int:
    return ticks * 1_000_000 // RATE
