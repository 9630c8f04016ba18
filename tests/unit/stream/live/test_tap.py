"""PacketTap and RtpTimes: which encoded pictures go to who looks, and when none can."""

from __future__ import annotations

import av
import pytest

from stream.live.rtp_times import RtpTimes
from stream.live.tap import LiveUnit, PacketTap
from stream.sources.decoding.clock import Stamp
from stream.sources.packet_sinks import PacketSinks
from stream.sources.transport import AccessUnit, CodecParameters, UnitTimes

H264 = CodecParameters("h264", b"\x00\x00\x00\x01\x67SPS\x00\x00\x00\x01\x68PPS", (64, 48), "yuv420p")
STEP_US = 40_000


class Looker:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.units: list[LiveUnit] = []
        self.gaps = 0
        self.ended = False

    def put(self, unit: LiveUnit) -> None:
        self.units.append(unit)

    def gap(self) -> None:
        self.gaps += 1

    def over(self) -> None:
        self.ended = True


def unit(number: int, data: bytes = b"\x00\x00\x00\x01\x41x", *, key: bool = False) -> AccessUnit:
    packet = av.Packet(data)
    packet.is_keyframe = key
    return AccessUnit(packet, UnitTimes(number * STEP_US, number * STEP_US * 1000, 0))


def show(tap: PacketTap, shown: AccessUnit, epoch: int = 1) -> None:
    tap.shown(shown.times, epoch, Stamp(shown.times.pts_us or 0, 0, "arrival"))


@pytest.fixture
def tap() -> PacketTap:
    made = PacketTap()
    made.begin(H264)
    return made


def test_with_nobody_who_looks_nothing_is_kept(tap: PacketTap) -> None:
    looker = Looker()
    tap.look(looker)
    tap.add(unit(0, key=True))
    tap.leave(looker)
    for number in range(1, 5):
        tap.add(one := unit(number))
        show(tap, one)
    assert not tap.watched
    assert not tap._pending
    assert looker.units == []


def test_a_unit_is_handed_on_once_it_is_shown_with_its_epoch_and_time_and_a_key_frame_with_its_parameter_sets(
    tap: PacketTap,
) -> None:
    looker = Looker()
    tap.look(looker)
    tap.add(key := unit(0, b"\x00\x00\x00\x01\x65idr", key=True))
    assert looker.units == []
    show(tap, key, epoch=3)
    tap.add(other := unit(1))
    show(tap, other, epoch=3)
    assert [(one.epoch, one.media_us, one.is_key) for one in looker.units] == [(3, 0, True), (3, STEP_US, False)]
    assert looker.units[0].data == H264.extradata + b"\x00\x00\x00\x01\x65idr"
    assert looker.units[1].data == b"\x00\x00\x00\x01\x41x"
    assert looker.gaps == 0


def test_length_prefixed_units_become_a_byte_stream() -> None:
    avcc = b"\x01\x42\x00\x1e\xff\xe1\x00\x02\x67S\x01\x00\x02\x68P"
    tap = PacketTap()
    tap.begin(CodecParameters("h264", avcc, (64, 48), "yuv420p"))
    looker = Looker()
    tap.look(looker)
    tap.add(key := unit(0, b"\x00\x00\x00\x02\x65I", key=True))
    show(tap, key)
    tap.add(broken := unit(1, b"\x00\x00\x00\x09\x41"))
    show(tap, broken)
    start = b"\x00\x00\x00\x01"
    assert [one.data for one in looker.units] == [start + b"\x67S" + start + b"\x68P" + start + b"\x65I"]
    assert looker.gaps == 1, "what can't be read is lost"


def test_a_unit_that_is_never_shown_is_a_gap_and_little_waits_for_it(tap: PacketTap) -> None:
    looker = Looker()
    tap.look(looker)
    tap.add(unit(0, key=True))
    tap.add(second := unit(1))
    show(tap, second)
    assert looker.gaps == 1
    assert [one.media_us for one in looker.units] == [STEP_US]
    for number in range(2, 100):
        tap.add(unit(number))
    assert len(tap._pending) <= 4


def test_b_frames_end_it_and_are_told_but_a_jump_of_the_clock_is_none(tap: PacketTap) -> None:
    looker = Looker()
    tap.look(looker)
    tap.add(unit(100, key=True))
    tap.add(unit(0))
    assert tap.refusal() is None, "4 s back: another time"
    tap.add(unit(3))
    tap.add(unit(1))
    assert looker.ended
    assert not tap.watched
    assert "B-frames" in (tap.refusal() or "")
    tap.begin(H264)
    assert tap.refusal() is None, "another connection may be another stream"


@pytest.mark.parametrize("codec", ["hevc", "mjpeg", "rawvideo"])
def test_what_browsers_are_not_sent_is_refused_and_ends_who_looked(tap: PacketTap, codec: str) -> None:
    looker = Looker()
    tap.look(looker)
    tap.begin(CodecParameters(codec, b"", (64, 48), None))
    assert looker.ended
    assert codec in (tap.refusal() or "")


def test_without_pictures_none_can_be_sent_and_who_looks_waits_for_the_next_connection(tap: PacketTap) -> None:
    looker = Looker()
    tap.look(looker)
    tap.disconnected()
    assert "no pictures now" in (tap.refusal() or "")
    assert tap.codec == ""
    tap.begin(H264)
    assert not looker.ended
    assert looker.gaps == 1
    tap.close()
    assert looker.ended
    late = Looker()
    tap.look(late)
    assert late.ended


def test_unreadable_parameter_sets_are_told() -> None:
    tap = PacketTap()
    tap.begin(CodecParameters("h264", b"\x01\x42", (64, 48), None))
    assert "parameter sets" in (tap.refusal() or "")


def test_a_key_frame_is_wished_for_when_somebody_begins_to_look_or_wants_one_but_not_all_the_time() -> None:
    tap = PacketTap()
    assert not tap.key_wish(10.0)
    tap.look(Looker())
    assert tap.key_wish(10.0)
    assert not tap.key_wish(10.1)
    tap.want_key()
    assert not tap.key_wish(10.2)
    assert tap.key_wish(11.1)


def test_several_sinks_are_told_the_same() -> None:
    taps = [PacketTap(), PacketTap()]
    both = PacketSinks(taps)
    lookers = [Looker(), Looker()]
    for one, looker in zip(taps, lookers, strict=True):
        one.look(looker)
    both.begin(H264)
    both.add(key := unit(0, key=True))
    both.shown(key.times, 1, Stamp(0, 0, "arrival"))
    both.disconnected()
    assert [one.codec for one in taps] == ["", ""]
    both.close()
    assert [len(looker.units) for looker in lookers] == [1, 1]
    assert all(looker.ended for looker in lookers)


def test_rtp_follows_media_time_within_an_epoch_and_arrivals_between_epochs() -> None:
    times = RtpTimes()
    assert times.ticks(1, 500_000, 10_000_000_000) == 0
    assert times.ticks(1, 540_000, 10_040_000_000) == 3_600
    assert times.ticks(2, 0, 11_040_000_000) == 93_600, "a second passed between the two"
    assert times.ticks(2, 40_000, 11_080_000_000) == 97_200
    assert times.ticks(3, 0, 11_080_000_000) == 97_201, "never the same twice"
