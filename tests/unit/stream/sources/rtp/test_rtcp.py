"""RTCP: reading sender reports and writing receiver reports as in RFC 3550."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sources.rtp.rtcp import Goodbye, ReceptionStatistics, SenderReport, reports

OWN, SENDER = 0x01020304, 0xCAFE


def sender_report(ssrc: int, ntp_time: int, timestamp: int, blocks: int = 0) -> bytes:
    body = struct.pack(">IQIII", ssrc, ntp_time, timestamp, 5, 6) + bytes(24 * blocks)
    return struct.pack(">BBH", 0x80 | blocks, 200, len(body) // 4) + body


def goodbye(*ssrcs: int, reason: bytes = b"") -> bytes:
    body = b"".join(ssrc.to_bytes(4, "big") for ssrc in ssrcs) + reason
    return struct.pack(">BBH", 0x80 | len(ssrcs), 203, len(body) // 4) + body


DESCRIPTION = struct.pack(">BBHI", 0x81, 202, 3, SENDER) + b"\1\4name\0\0"


def test_sender_reports_and_goodbyes_are_read_out_of_compound_packets() -> None:
    packet = sender_report(SENDER, 1 << 40 | 7, 99, blocks=1) + DESCRIPTION + goodbye(SENDER, 2, reason=b"\3end")
    assert reports(memoryview(packet)) == [SenderReport(SENDER, 1 << 40 | 7, 99), Goodbye(SENDER), Goodbye(2)]
    assert reports(memoryview(b"")) == []


@pytest.mark.parametrize(
    "broken", [b"\x80", b"\x80\xc8\0\1abcd", b"\x40\xc8\0\0", sender_report(1, 2, 3)[:-4], b"\x80\xca\0\2abcd"]
)
def test_parts_before_a_malformed_one_are_kept(broken: bytes) -> None:
    assert reports(memoryview(goodbye(4) + broken)) == [Goodbye(4)]


@given(st.binary(max_size=200))
def test_no_bytes_raise_an_error(packet: bytes) -> None:
    reports(memoryview(packet))
    reports(memoryview(b"\x81\xc8" + packet))
    reports(memoryview(b"\x9f\xcb" + packet))


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
        assert reports(memoryview(report)) == []
