"""The units that the RTP receiver of native RTSP delivers, and the sender reports that it uses."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from stream.sources.decoding.clock import CameraClock, Stamp
from stream.sources.handover import Handover
from stream.sources.rtp.rtp_clock import NTP_TO_UNIX_S
from stream.sources.rtsp.protocol.sdp import VideoDescription
from stream.sources.rtsp.receiver import RtpReceiver
from stream.sources.transport import AccessUnit
from support.rtp.packetiser import PAYLOAD_TYPE, StreamPacketiser
from support.rtp.stream_corpus import corpus_stream

STREAM = corpus_stream("h264_main")
UTC_S = 1_800_000_000
SECOND = 1_000_000_000


class Received:
    """A receiver, and everything that it delivers."""

    def __init__(self) -> None:
        self.handover = Handover[Exception]()
        self.discarded: list[str] = []
        description = VideoDescription("h264", PAYLOAD_TYPE, parameter_sets=tuple(STREAM.parameter_sets))
        self.receiver = RtpReceiver(description, self.handover, self.discarded.append, lambda: None, reorder=True)

    def take(self, packetiser: StreamPacketiser, from_ns: int = 0) -> int:
        """Feed the whole stream at its times, and return its end."""
        now_ns = from_ns
        for packet in packetiser.packets(STREAM):
            now_ns = from_ns + packet.at * 100_000 // 9
            self.receiver.packet(memoryview(packet.data), now_ns)
        return now_ns

    def units(self) -> list[AccessUnit]:
        """Return the waiting units."""
        got: list[AccessUnit] = []
        while (one := self.handover.get(0)) is not None:
            got.append(one[1])
        return got


def report(ssrc: int, timestamp: int, utc_s: int = UTC_S) -> memoryview:
    return memoryview(struct.pack(">BBHIIIIII", 0x80, 200, 6, ssrc, utc_s + NTP_TO_UNIX_S, 0, timestamp, 0, 0))


@pytest.mark.parametrize("set_by_s", [-365 * 86_400, -2, 2, 365 * 86_400])
def test_pictures_after_a_report_of_another_time_are_of_a_new_epoch_with_that_time(set_by_s: int) -> None:
    received, sender, clock = Received(), StreamPacketiser(), CameraClock()
    received.receiver.report(report(sender.ssrc, sender.first_timestamp), 0)
    stamps: list[tuple[int, int, int]] = []
    epoch, packets = 1, sender.packets(STREAM)
    for number, packet in enumerate(packets):
        if number == len(packets) // 2:
            received.receiver.report(report(sender.ssrc, sender.first_timestamp, UTC_S + set_by_s), 0)
        received.receiver.packet(memoryview(packet.data), packet.at * 100_000 // 9)
        for times in (unit.times for unit in received.units()):
            arguments = (times.pts_us, times.arrival_ns, times.arrival_utc_us, times.sender_utc_us)
            stamp = clock.stamp(*arguments)
            if not isinstance(stamp, Stamp):
                epoch += 1
                clock.begin_epoch()
                stamp = clock.stamp(*arguments)
            assert isinstance(stamp, Stamp) and stamp.clock == "rtcp"
            assert times.sender_utc_us is not None
            stamps.append((epoch, stamp.capture_us, times.sender_utc_us))
    assert {epoch for epoch, _, _ in stamps} == {1, 2}
    assert all(abs(capture_us - sender_us) < 2_000_000 for _, capture_us, sender_us in stamps)
    first = next(stamp for stamp in stamps if stamp[0] == 2)
    assert first[1] == first[2]
    assert stamps[-1][1] - stamps[0][1] > set_by_s * 1_000_000


def test_pictures_of_another_sender_are_not_dated_by_the_reports_of_the_one_before() -> None:
    received, first = Received(), StreamPacketiser()
    ended_ns = received.take(first)
    received.receiver.report(report(first.ssrc, 0), ended_ns)
    received.units()
    again = replace(first, ssrc=7, first_timestamp=first.first_timestamp + STREAM.duration)
    ended_ns = received.take(again, ended_ns + SECOND // 25)
    dated = [unit.times.sender_utc_us is not None for unit in received.units()]
    assert dated and not any(dated)
    received.receiver.report(report(7, 0), ended_ns)
    received.take(replace(again, first_sequence=first.first_sequence + 5000), ended_ns + SECOND // 25)
    assert all(unit.times.sender_utc_us is not None for unit in received.units())
