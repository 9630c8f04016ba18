"""Small parts of WebRTC cameras: hand-over between threads, RTP clock, gateway addresses."""

from __future__ import annotations

import threading

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sources import handover
from stream.sources.handover import Handover, HandoverClosedError
from stream.sources.rtp.rtp_clock import NTP_TO_UNIX_S, RtpClock
from stream.sources.transport import AccessUnit, UnitTimes
from stream.sources.webrtc.whep import parse_gateway
from support.waiting import PATIENCE_S, wait_until


def unit(number: int, size: int = 1) -> AccessUnit:
    return AccessUnit(av.Packet(bytes(size)), UnitTimes(number, 0, 0))


def test_units_come_out_in_order_and_the_end_after_them() -> None:
    units = Handover()
    assert [units.put("VP8", unit(number)) for number in range(3)] == [0, 0, 0]
    units.close("left")
    units.close("stalled")
    assert units.put("VP8", unit(3)) == 0
    for number in range(3):
        got = units.get(0)
        assert got is not None
        assert (got[0], got[1].times.pts_us) == ("VP8", number)
    with pytest.raises(HandoverClosedError) as ended:
        units.get(0)
    assert ended.value.reason == "left"


def test_a_slow_reader_loses_all_queued_units_and_continues_with_new_ones() -> None:
    units = Handover()
    for number in range(handover.MAX_UNITS):
        assert units.put("VP8", unit(number)) == 0
    assert units.put("VP8", unit(999)) == handover.MAX_UNITS + 1
    assert units.get(0) is None
    units.put("VP8", unit(1000))
    got = units.get(0)
    assert got is not None
    assert got[1].times.pts_us == 1000
    assert units.put("VP8", unit(0, handover.MAX_BYTES)) == 0
    assert units.put("VP8", unit(1)) == 2


def test_a_reader_that_waits_is_woken_by_a_unit_and_by_the_end() -> None:
    units = Handover()
    seen: list[object] = []

    def read() -> None:
        seen.append(units.get(PATIENCE_S))
        try:
            units.get(PATIENCE_S)
        except HandoverClosedError as error:
            seen.append(error.reason)

    reader = threading.Thread(target=read)
    reader.start()
    units.put("H264", unit(1))
    wait_until(lambda: seen)
    units.close("stopped")
    reader.join()
    assert seen[0] is not None
    assert seen[1:] == ["stopped"]


@given(st.integers(0, 0xFFFFFFFF), st.lists(st.integers(-90_000, 10 * 90_000), max_size=30))
def test_media_time_continues_when_timestamps_wrap(first: int, steps: list[int]) -> None:
    clock = RtpClock()
    assert clock.pts_us(first) == 0
    ticks = 0
    for step in steps:
        ticks += step
        assert clock.pts_us((first + ticks) & 0xFFFFFFFF) == ticks * 100 // 9


def test_the_senders_time_is_known_from_its_first_plausible_report_on() -> None:
    clock = RtpClock()
    utc_s = 1_800_000_000
    ntp = (utc_s + NTP_TO_UNIX_S) << 32
    assert clock.pts_us(90_000) == 0
    clock.report(12 << 32, 90_000)  # a clock that was never set
    assert clock.sender_utc_us(0) is None
    clock.report(ntp + (1 << 31), 90_000)
    assert clock.sender_utc_us(0) == utc_s * 1_000_000 + 500_000
    clock.report(ntp + (3 << 31), 180_000 + 90)  # a second later by its clock, 1.001 s by its pictures
    assert clock.sender_utc_us(1_000_000) == utc_s * 1_000_000 + 1_499_000
    clock.report(ntp + (9 << 32), 180_000)  # its clock was set
    assert clock.sender_utc_us(1_000_000) == utc_s * 1_000_000 + 9_000_000


def test_reports_from_before_a_timestamp_jump_do_not_date_later_pictures() -> None:
    clock = RtpClock()
    ntp, second = (1_800_000_000 + NTP_TO_UNIX_S) << 32, 1_000_000_000
    clock.report(ntp, 0)
    assert clock.sender_utc_us(clock.pts_us(0, 0)) == 1_800_000_000 * 1_000_000
    assert clock.sender_utc_us(clock.pts_us(10 * 90_000, 10 * second)) is not None  # a gap, as long as it took
    assert clock.sender_utc_us(clock.pts_us(10**9, 11 * second)) is None  # the encoder restarted
    clock.report(ntp + (12 << 32), 10**9 + 90_000)
    pts_us = clock.pts_us(10**9 + 90_000, 12 * second)
    assert clock.sender_utc_us(pts_us) == 1_800_000_012 * 1_000_000
    back = 10**9 - 60 * 90_000  # and again: this time it reports before its first picture
    clock.report(ntp + (13 << 32), back)
    assert clock.sender_utc_us(clock.pts_us(back, 13 * second)) == 1_800_000_013 * 1_000_000
    clock.forget_reports()
    assert clock.sender_utc_us(clock.pts_us(back + 3600, 13 * second)) is None


@given(st.integers(-300, 300), st.integers(1, 30))
def test_a_drifting_sender_s_time_is_right_within_a_millisecond_between_its_reports(ppm: int, hours: int) -> None:
    clock = RtpClock()
    utc_s = 1_800_000_000
    rate = 90_000 * (1 + ppm / 1e6)
    for second in range(0, hours * 3600, 300):
        for later in (0, 2.9):  # it reports every three seconds or so
            pts_us = clock.pts_us(round((second + later) * rate) & 0xFFFFFFFF)
            if not later:
                clock.report((utc_s + second + NTP_TO_UNIX_S) << 32, round(second * rate) & 0xFFFFFFFF)
            told_us = clock.sender_utc_us(pts_us)
            assert told_us is not None
            assert abs(told_us - (utc_s + second + later) * 1_000_000) < 1_000


@pytest.mark.parametrize(
    ("address", "asked", "authorization"),
    [
        ("whep+http://host:8889/door/whep", "http://host:8889/door/whep", ""),
        ("WHEP+HTTPS://host/api?src=a#b", "https://host/api?src=a", ""),
        ("whep+https://tok%2Fen@host/x", "https://host/x", "Bearer tok/en"),
        ("whep+https://:token@[::1]:80/x", "https://[::1]:80/x", "Bearer token"),
        ("whep+http://bob:geheim@host/x", "http://host/x", "Basic Ym9iOmdlaGVpbQ=="),
    ],
)
def test_a_gateway_address_is_parsed(address: str, asked: str, authorization: str) -> None:
    where = parse_gateway(address)
    assert where.address == asked
    assert where.headers(asked) == ({"Authorization": authorization} if authorization else {})
    assert where.headers("http://elsewhere/x") == {}
    assert authorization == "" or authorization not in repr(where)
