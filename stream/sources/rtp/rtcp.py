"""RTCP (RFC 3550, 6): parses sender reports and creates receiver reports. Time is an argument."""

from __future__ import annotations

import struct

import msgspec

_SENDER_REPORT, _RECEIVER_REPORT, _DESCRIPTION, _GOODBYE = 200, 201, 202, 203
_CNAME = 1
_HEADER = struct.Struct(">BBH")
_SENDER = struct.Struct(">IQI")
_RECEIVER = struct.Struct(">BBHIIB3sIIII")
_VERSION_MASK, _VERSION, _COUNT = 0xC0, 0x80, 0x1F
_MAX_LOST = (1 << 23) - 1
"""The number of lost packets is a signed 24-bit number."""
_TICKS, _PER_NS = 9, 100_000
"""90 kHz: 9 ticks per 100,000 ns."""


class SenderReport(msgspec.Struct, frozen=True, gc=False):
    """The sender's time at an RTP timestamp."""

    ssrc: int
    ntp_time: int
    """64 bits, the lower 32 of them a fraction of a second."""
    rtp_timestamp: int


class Goodbye(msgspec.Struct, frozen=True, gc=False):
    """BYE: a sender leaves."""

    ssrc: int


def reports(packet: memoryview) -> list[SenderReport | Goodbye]:
    """Return the sender reports and goodbyes of a compound packet in order, up to a part that is malformed."""
    found: list[SenderReport | Goodbye] = []
    at, end = 0, len(packet)
    while at + _HEADER.size <= end:
        first, kind, words = _HEADER.unpack_from(packet, at)
        body, following = at + _HEADER.size, at + 4 * (words + 1)
        if first & _VERSION_MASK != _VERSION or following > end:
            break
        if kind == _SENDER_REPORT:
            if body + _SENDER.size > following:
                break
            found.append(SenderReport(*_SENDER.unpack_from(packet, body)))
        elif kind == _GOODBYE:
            count = min(first & _COUNT, words)
            found += [Goodbye(ssrc) for ssrc in struct.unpack_from(f">{count}I", packet, body)]
        at = following
    return found


class ReceptionStatistics:
    """Reception statistics of one sender's packets (RFC 3550, A.3 and A.8). Restarts with another sender."""

    def __init__(self) -> None:
        self.begin(0, 0)

    def begin(self, ssrc: int, sequence: int) -> None:
        """Restart before a sender's first packet is counted."""
        self.ssrc = ssrc
        self.packets = 0
        self.jitter = 0.0
        """Jitter of the first packets of pictures, 90 kHz ticks."""
        self._base = self._highest = sequence
        self._timestamp: int | None = None
        self._transit = 0
        self._expected_before = self._packets_before = 0
        self._report: tuple[int, int] | None = None
        """Latest sender report: the middle 32 bits of its NTP time, and its arrival (monotonic ns)."""

    def received(self, sequence: int, timestamp: int, now_ns: int, packets: int = 1) -> None:
        """Count a packet, also a late or repeated one; or all packets of a picture, in order, by the last one's
        number."""
        self.packets += packets
        step = (sequence - self._highest) & 0xFFFF
        if step < 0x8000:
            self._highest += step
        if timestamp != self._timestamp:
            self.begun(timestamp, now_ns)

    def begun(self, timestamp: int, now_ns: int) -> None:
        """Note the arrival of a picture's first packet, which may be counted later."""
        if timestamp != self._timestamp:
            # The other packets of a picture share its timestamp: the time to send them is not jitter.
            transit = (now_ns * _TICKS // _PER_NS - timestamp) & 0xFFFFFFFF
            if self._timestamp is not None:
                away = (transit - self._transit) & 0xFFFFFFFF
                self.jitter += (min(away, (1 << 32) - away) - self.jitter) / 16
            self._timestamp = timestamp
            self._transit = transit

    def reported(self, report: SenderReport, now_ns: int) -> None:
        """Note a sender report, which the next receiver report acknowledges."""
        if report.ssrc == self.ssrc:
            self._report = (report.ntp_time >> 16 & 0xFFFFFFFF, now_ns)

    @property
    def extended_highest(self) -> int:
        """The highest sequence number, with the number of wraps above its 16 bits."""
        return self._highest & 0xFFFFFFFF

    @property
    def lost(self) -> int:
        """Lost packets; negative if more were repeated."""
        return self._expected - self.packets

    @property
    def _expected(self) -> int:
        return self._highest - self._base + 1 if self.packets else 0

    def receiver_report(self, own_ssrc: int, cname: str, now_ns: int) -> bytes:
        """Return a compound packet: receiver report and CNAME. The fraction lost counts from the previous report."""
        description = _description(own_ssrc, cname)
        if not self.packets:
            return _HEADER.pack(_VERSION, _RECEIVER_REPORT, 1) + own_ssrc.to_bytes(4, "big") + description
        expected = self._expected - self._expected_before
        lost = expected - (self.packets - self._packets_before)
        self._expected_before, self._packets_before = self._expected, self.packets
        fraction = min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0
        cumulative = max(-_MAX_LOST - 1, min(_MAX_LOST, self.lost)) & 0xFFFFFF
        last, delay = 0, 0
        if self._report is not None:
            last = self._report[0]
            delay = min(0xFFFFFFFF, (now_ns - self._report[1]) * 65536 // 1_000_000_000)
        body = _RECEIVER.pack(
            _VERSION | 1,
            _RECEIVER_REPORT,
            7,
            own_ssrc,
            self.ssrc,
            fraction,
            cumulative.to_bytes(3, "big"),
            self.extended_highest,
            int(self.jitter) & 0xFFFFFFFF,
            last,
            delay,
        )
        return body + description


def _description(own_ssrc: int, cname: str) -> bytes:
    name = cname.encode()[:255]
    chunk = own_ssrc.to_bytes(4, "big") + bytes((_CNAME, len(name))) + name
    chunk += bytes(4 - len(chunk) % 4)  # one to four zeros end the list
    return _HEADER.pack(_VERSION | 1, _DESCRIPTION, len(chunk) // 4) + chunk
