"""RtpReceiver: turns one stream's RTP and RTCP packets into access units and hands them over.

Runs in the network thread and serves one connection.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction

import av

from stream.sources.arrival_time import utc_us_at
from stream.sources.handover import Handover
from stream.sources.rtp.access_units import AccessUnits
from stream.sources.rtp.packets import EncodedUnit
from stream.sources.rtp.rtcp import SenderReport, reports
from stream.sources.rtp.rtp_clock import RtpClock
from stream.sources.rtsp.protocol.sdp import VideoDescription
from stream.sources.transport import AccessUnit, UnitTimes
from telemetry.reasons import DiscardReason

CNAME = "partstream"
MICROSECOND = Fraction(1, 1_000_000)


class RtpReceiver:
    """One stream. `on_discard(reason)` is called for each discarded unit, `on_goodbye` for an RTCP BYE.

    `packet` and `due` raise `UnsupportedStreamError`.
    """

    def __init__(
        self,
        description: VideoDescription,
        handover: Handover[Exception],
        on_discard: Callable[[DiscardReason], None],
        on_goodbye: Callable[[], None],
        *,
        reorder: bool,
    ) -> None:
        self.units = AccessUnits(
            description.codec, description.payload_type, description.parameter_sets, on_discard, reorder=reorder
        )
        self.packets = 0
        """RTP packets received, of any kind."""
        self.codec = description.codec
        self._clock = RtpClock()
        self._ssrc: int | None = None
        """Sender whose reports set the clock."""
        self._own_ssrc = random.getrandbits(32)
        self._handover = handover
        self._on_discard = on_discard
        self._on_goodbye = on_goodbye

    def packet(self, packet: memoryview, now_ns: int) -> None:
        """Take an RTP packet that arrived at this monotonic instant."""
        self.packets += 1
        units = self.units.add(packet, now_ns)
        if units:
            self._hand_over(units, now_ns)

    def due(self, now_ns: int) -> None:
        """Give up packets that are overdue. Call it regularly while `units.waits`."""
        units = self.units.due(now_ns)
        if units:
            self._hand_over(units, now_ns)

    def report(self, packet: memoryview, now_ns: int) -> None:
        """Take a compound RTCP packet."""
        statistics = self.units.statistics
        for report in reports(packet):
            if self.packets and report.ssrc != statistics.ssrc:
                continue  # from another stream
            if isinstance(report, SenderReport):
                self._check_sender()
                self._clock.report(report.ntp_time, report.rtp_timestamp)
                statistics.reported(report, now_ns)
            elif self.packets:
                self._on_goodbye()

    def receiver_report(self, now_ns: int) -> bytes:
        """Return the receiver report to send."""
        return self.units.statistics.receiver_report(self._own_ssrc, CNAME, now_ns)

    def _check_sender(self) -> None:
        statistics = self.units.statistics
        if statistics.packets and self._ssrc != statistics.ssrc:
            if self._ssrc is not None:
                self._clock.forget_reports()
            self._ssrc = statistics.ssrc

    def _hand_over(self, units: list[EncodedUnit], now_ns: int) -> None:
        self._check_sender()
        utc_us = utc_us_at(now_ns)
        for number, unit in enumerate(units, 1):
            pts_us = self._clock.pts_us(unit.rtp_timestamp, now_ns)
            packet = av.Packet(unit.data)
            packet.pts = packet.dts = pts_us
            packet.time_base = MICROSECOND
            packet.is_keyframe = unit.is_keyframe
            times = UnitTimes(pts_us, now_ns, utc_us, self._clock.sender_utc_us(pts_us))
            lost = self._handover.put(self.codec, AccessUnit(packet, times, unit.restart))
            if lost:
                self.units.need_restart()
                for _ in range(lost + len(units) - number):
                    self._on_discard(DiscardReason.OVERRUN)
                return  # the following units may refer to it
