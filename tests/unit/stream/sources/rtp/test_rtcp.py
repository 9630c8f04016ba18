"""RTCP: reading sender reports and writing receiver reports as in RFC 3550."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sources.rtp.rtcp import Goodbye, ReceptionStatistics, RtcpReader, SenderReport

OWN, SENDER = 0x01020304, 0xCAFE
SECOND = 1_000_000_000


def sender_report(ssrc: int, ntp_time: int, timestamp: int, blocks: int = 0) -> bytes:
    body = struct.pack(">IQIII", ssrc, ntp_time, timestamp, 5, 6) + bytes(24 * blocks)
    return struct.pack(">BBH", 0x80 | blocks, 200, len(body) // 4) + body


def goodbye(*ssrcs: int, reason: bytes = b"") -> bytes:
    body = b"".join(ssrc.to_bytes(4, "big") for ssrc in ssrcs) + reason
    return struct.pack(">BBH", 0x80 | len(ssrcs), 203, len(body) // 4) + body


DESCRIPTION = struct.pack(">BBHI", 0x81, 202, 3, SENDER) + b"\1\4name\0\0"


def test_sender_reports_and_goodbyes_are_read_out_of_compound_packets() -> None:
    reader = RtcpReader()
    packet = sender_report(SENDER, 1 << 40 | 7, 99, blocks=1) + DESCRIPTION + goodbye(SENDER, 2, reason=b"\3end")
    assert reader.read(memoryview(packet)) == [SenderReport(SENDER, 1 << 40 | 7, 99), Goodbye(SENDER), Goodbye(2)]
    assert reader.malformed == 0
    assert reader.read(memoryview(b"")) == []


@pytest.mark.parametrize(
    "broken",
    [b"\x80", b"\x80\xc8\0\1abcd", b"\x40\xc8\0\0", sender_report(1, 2, 3)[:-4], b"\x80\xca\0\2abcd"],
)
def test_malformed_parts_are_skipped_and_counted_and_earlier_parts_are_kept(broken: bytes) -> None:
    reader = RtcpReader()
    assert reader.read(memoryview(goodbye(4) + broken)) == [Goodbye(4)]
    assert reader.malformed == 1


@given(st.binary(max_size=200))
def test_no_bytes_raise_an_error(packet: bytes) -> None:
    RtcpReader().read(memoryview(packet))
    RtcpReader().read(memoryview(b"\x81\xc8" + packet))
    RtcpReader().read(memoryview(b"\x9f\xcb" + packet))


def block(report: bytes) -> tuple[int, int, int, int, int, int, int]:
    """Return SSRC, fraction, lost, highest, jitter, last report and delay of a report block."""
    first, kind, words, own = struct.unpack_from(">BBHI", report)
    assert (first, kind, words, own) == (0x81, 201, 7, OWN)
    ssrc, fraction, lost = report[8:12], report[12], report[13:16]
    return (
        int.from_bytes(ssrc, "big"),
        fraction,
        int.from_bytes(lost, "big", signed=True),
        *struct.unpack_from(">IIII", report, 16),
    )


def test_a_report_contains_recent_and_total_loss_and_the_highest_number_with_its_wraps() -> None:
    statistics = ReceptionStatistics()
    statistics.begin(SENDER, 0xFFFE)
    for number in (0xFFFE, 0xFFFF, 0, 2, 3):
        statistics.received(number, 0, 0)
    assert block(statistics.receiver_report(OWN, "us", 0)) == (SENDER, 256 // 6, 1, 0x10003, 0, 0, 0)
    for number in (4, 5):
        statistics.received(number, 0, 0)
    assert block(statistics.receiver_report(OWN, "us", 0))[1:4] == (0, 1, 0x10005)
    for number in (5, 5, 5):  # sent again and again
        statistics.received(number, 0, 0)
    assert block(statistics.receiver_report(OWN, "us", 0))[1:4] == (0, -2, 0x10005)


def test_all_lost_but_the_last_is_a_fraction_of_nearly_all() -> None:
    statistics = ReceptionStatistics()
    statistics.begin(SENDER, 0)
    statistics.received(0, 0, 0)
    statistics.receiver_report(OWN, "us", 0)
    statistics.received(1000, 0, 0)
    assert block(statistics.receiver_report(OWN, "us", 0))[1:3] == (255, 999)


def test_jitter_is_that_of_pictures_and_goes_on_across_the_wrap_of_timestamps() -> None:
    statistics = ReceptionStatistics()
    statistics.begin(SENDER, 0)
    first = 0xFFFFFFFF - 3000
    for picture in range(200):
        late = 90 if picture % 2 else 0  # a millisecond
        for part in range(3):
            at_ns = SECOND * picture // 25 + late * SECOND // 90_000 + part * 2_000_000
            statistics.received(3 * picture + part & 0xFFFF, (first + 3600 * picture) & 0xFFFFFFFF, at_ns)
    assert statistics.jitter == pytest.approx(90, abs=2)
    assert block(statistics.receiver_report(OWN, "us", 0))[4] in range(88, 93)


def test_a_sender_report_is_acknowledged_with_the_time_since_it() -> None:
    statistics = ReceptionStatistics()
    statistics.begin(SENDER, 0)
    statistics.received(0, 0, 0)
    statistics.reported(SenderReport(9, 1 << 63, 0), SECOND)  # of another sender
    assert block(statistics.receiver_report(OWN, "us", SECOND))[5:] == (0, 0)
    statistics.reported(SenderReport(SENDER, 0x1122334455667788, 0), SECOND)
    assert block(statistics.receiver_report(OWN, "us", 3 * SECOND // 2))[5:] == (0x33445566, 32768)
    statistics.begin(SENDER, 0)
    statistics.received(0, 0, 0)
    assert block(statistics.receiver_report(OWN, "us", SECOND))[5:] == (0, 0)


@pytest.mark.parametrize("name", ["", "a", "abcdef", "camera@host", "ü" * 200])
def test_a_report_is_a_compound_packet_with_the_name_and_whole_words(name: str) -> None:
    statistics = ReceptionStatistics()
    for begun in (False, True):
        if begun:
            statistics.begin(SENDER, 3)
            statistics.received(3, 0, 0)
        report = statistics.receiver_report(OWN, name, 0)
        kinds: list[int] = []
        at = 0
        while at < len(report):
            first, kind, words = struct.unpack_from(">BBH", report, at)
            assert first >> 6 == 2
            kinds.append(kind)
            if kind == 202:
                written = name.encode()[:255]
                assert (
                    report[at + 4 : at + 10 + len(written)]
                    == OWN.to_bytes(4, "big") + bytes([1, len(written)]) + written
                )
                assert report[at + 10 + len(written) : at + 4 * words + 4].strip(b"\0") == b""
                assert at + 10 + len(written) < at + 4 * words + 4
            at += 4 * words + 4
        assert (kinds, at) == ([201, 202], len(report))
        reader = RtcpReader()
        assert reader.read(memoryview(report)) == [] and reader.malformed == 0
