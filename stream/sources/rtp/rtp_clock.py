"""RtpClock: converts a video stream's RTP timestamps to media time, and to the sender's UTC after its first report.

Each sender report relates the two again (RFC 3550, section 6.4.1), so that drift between the sender's RTP clock and
wall clock does not accumulate: 100 ppm are half a millisecond between two reports. Reports from before a jump of the
timestamps do not apply to later pictures, which have no sender time until the next report.
"""

from __future__ import annotations

from stream.sources.decoding.clock import BACKWARD_LIMIT_US, EARLIEST_SANE_UTC_US, FORWARD_LIMIT_US

RATE = 90_000
"""RTP clock rate of every video codec, Hz."""
NTP_TO_UNIX_S = 2_208_988_800
MAX_REPORT_DISTANCE = 600 * RATE
"""Ticks between a report and the latest picture; reports farther away are ignored. Some senders' reports contain
timestamps unrelated to their pictures."""


class RtpClock:
    """The clock of one stream. Timestamps have 32 bits and wrap after 13 hours."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._ticks = 0
        self._report: tuple[int, int] | None = None
        """(UTC µs, timestamp) of a report that arrived before the first picture."""
        self._sender_offset_us: int | None = None
        self._reported_ticks = 0
        """Position of the latest report."""
        self._arrival_ns: int | None = None

    def pts_us(self, timestamp: int, arrival_ns: int | None = None) -> int:
        """Return a picture's media time, µs since the first. `arrival_ns`: monotonic, used to detect jumps."""
        if self._last is None:
            self._last = timestamp
            if self._report is not None:
                self._relate(*self._report)
        before = self._ticks
        self._ticks += _difference(timestamp, self._last)
        self._last = timestamp
        if arrival_ns is not None:
            if self._arrival_ns is not None:
                self._check_jump(before, (arrival_ns - self._arrival_ns) // 1000)
            self._arrival_ns = arrival_ns
        return _us(self._ticks)

    def _check_jump(self, before: int, arrived_us: int) -> None:
        """Forget the sender's time if its timestamps jumped, unless the latest report is from after the jump."""
        step_us = _us(self._ticks - before)
        jumped = step_us < -BACKWARD_LIMIT_US or step_us - arrived_us > FORWARD_LIMIT_US
        if jumped and abs(self._ticks - self._reported_ticks) >= abs(before - self._reported_ticks):
            self._sender_offset_us = None

    def forget_reports(self) -> None:
        """Forget the sender's time: pictures of another sender follow."""
        self._report = self._sender_offset_us = None

    def report(self, ntp_time: int, timestamp: int) -> None:
        """Note the sender's time (64-bit NTP) at this timestamp."""
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
        if abs(away) > MAX_REPORT_DISTANCE:
            return
        self._reported_ticks = self._ticks + away
        self._sender_offset_us = utc_us - _us(self._reported_ticks)

    def sender_utc_us(self, pts_us: int) -> int | None:
        """Return a picture's capture time by the sender's clock, UTC µs; None before its first report since a jump."""
        return None if self._sender_offset_us is None else pts_us + self._sender_offset_us


def _difference(timestamp: int, before: int) -> int:
    step = (timestamp - before) & 0xFFFFFFFF
    return step - (1 << 32) if step >= 1 << 31 else step


def _us(ticks: int) -> int:
    return ticks * 1_000_000 // RATE
