"""LiveVideo and RtpTimes: which access units viewers get, and when video cannot be forwarded."""

from __future__ import annotations

import av
import pytest

from stream.live.live_video import LiveUnit, LiveVideo, RtpTimes
from stream.sources.decoding.clock import Stamp
from stream.sources.transport import AccessUnit, CodecParameters, UnitTimes

H264 = CodecParameters("h264", b"\x00\x00\x00\x01\x67SPS\x00\x00\x00\x01\x68PPS", (64, 48), "yuv420p")
STEP_US = 40_000


class Looker:
    """Records what it receives."""

    def __init__(self) -> None:
        self.units: list[LiveUnit] = []
        self.gaps = 0
        self.ended = False

    def put(self, unit: LiveUnit) -> None:
        self.units.append(unit)

    def gap(self) -> None:
        self.gaps += 1

    def close(self) -> None:
        self.ended = True


def unit(number: int, data: bytes = b"\x00\x00\x00\x01\x41x", *, key: bool = False) -> AccessUnit:
    packet = av.Packet(data)
    packet.is_keyframe = key
    return AccessUnit(packet, UnitTimes(number * STEP_US, number * STEP_US * 1000, 0))


def show(video: LiveVideo, shown: AccessUnit, epoch: int = 1) -> None:
    video.shown(shown.times, epoch, Stamp(shown.times.pts_us or 0, 0, "arrival"))


@pytest.fixture
def video() -> LiveVideo:
    made = LiveVideo()
    made.begin(H264)
    return made


def test_without_viewers_nothing_is_kept(video: LiveVideo) -> None:
    looker = Looker()
    video.add_viewer(looker)
    video.add(unit(0, key=True))
    video.remove_viewer(looker)
    for number in range(1, 5):
        video.add(one := unit(number))
        show(video, one)
    assert not video.watched
    assert not video._pending
    assert looker.units == []


def test_a_decoded_unit_is_forwarded_with_epoch_and_media_time_and_a_keyframe_with_parameter_sets(
    video: LiveVideo,
) -> None:
    looker = Looker()
    video.add_viewer(looker)
    video.add(key := unit(0, b"\x00\x00\x00\x01\x65idr", key=True))
    assert looker.units == []
    show(video, key, epoch=3)
    video.add(other := unit(1))
    show(video, other, epoch=3)
    assert [(one.epoch, one.media_us, one.is_key) for one in looker.units] == [(3, 0, True), (3, STEP_US, False)]
    assert looker.units[0].data == H264.extradata + b"\x00\x00\x00\x01\x65idr"
    assert looker.units[1].data == b"\x00\x00\x00\x01\x41x"
    assert looker.gaps == 0


def test_length_prefixed_units_become_a_byte_stream() -> None:
    avcc = b"\x01\x42\x00\x1e\xff\xe1\x00\x02\x67S\x01\x00\x02\x68P"
    video = LiveVideo()
    video.begin(CodecParameters("h264", avcc, (64, 48), "yuv420p"))
    looker = Looker()
    video.add_viewer(looker)
    video.add(key := unit(0, b"\x00\x00\x00\x02\x65I", key=True))
    show(video, key)
    video.add(broken := unit(1, b"\x00\x00\x00\x09\x41"))
    show(video, broken)
    start = b"\x00\x00\x00\x01"
    assert [one.data for one in looker.units] == [start + b"\x67S" + start + b"\x68P" + start + b"\x65I"]
    assert looker.gaps == 1, "a unit that cannot be decoded is a gap"


def test_a_unit_that_is_not_decoded_is_a_gap_and_few_units_wait(video: LiveVideo) -> None:
    looker = Looker()
    video.add_viewer(looker)
    video.add(unit(0, key=True))
    video.add(second := unit(1))
    show(video, second)
    assert looker.gaps == 1
    assert [one.media_us for one in looker.units] == [STEP_US]
    for number in range(2, 100):
        video.add(unit(number))
    assert len(video._pending) <= 4


def test_b_frames_are_refused_but_a_jump_of_the_clock_is_not(video: LiveVideo) -> None:
    looker = Looker()
    video.add_viewer(looker)
    video.add(unit(100, key=True))
    video.add(unit(0))
    assert video.refusal() is None, "4 s back: another time"
    video.add(unit(3))
    video.add(unit(1))
    assert looker.ended
    assert not video.watched
    assert "B-frames" in (video.refusal() or "")
    video.begin(H264)
    assert video.refusal() is None, "another connection may be another stream"


def test_a_clock_that_goes_back_by_less_than_a_second_is_not_taken_for_b_frames(video: LiveVideo) -> None:
    looker = Looker()
    video.add_viewer(looker)
    for number in (100, 101, 102, 96, 97, 95, 96):
        video.add(one := unit(number, key=number == 100))
        show(video, one)
    assert video.refusal() is None
    assert len(looker.units) == 7 and not looker.ended
    video.begin(CodecParameters("vp8", b"", (64, 48), "yuv420p"))
    for number in (0, 3, 1):
        video.add(unit(number))
    assert video.refusal() is None, "VP8 has no B-frames"


@pytest.mark.parametrize("delayed", [1, 2])
def test_b_frames_are_recognised_behind_a_decoder_that_holds_them_back(video: LiveVideo, delayed: int) -> None:
    order = [0, 3, 1, 2, 6, 4, 5]
    units = [unit(number, key=number == 0) for number in order]
    in_order = sorted(units, key=lambda one: one.times.pts_us or 0)
    for index, one in enumerate(units):
        video.add(one)
        if index >= delayed:
            show(video, in_order[index - delayed])
    assert "B-frames" in (video.refusal() or "")


@pytest.mark.parametrize("codec", ["hevc", "mjpeg", "rawvideo"])
def test_codecs_that_browsers_do_not_support_are_refused_and_end_viewers(video: LiveVideo, codec: str) -> None:
    looker = Looker()
    video.add_viewer(looker)
    video.begin(CodecParameters(codec, b"", (64, 48), None))
    assert looker.ended
    assert codec in (video.refusal() or "")


def test_without_video_nothing_is_forwarded_and_viewers_wait_for_the_next_connection(video: LiveVideo) -> None:
    looker = Looker()
    video.add_viewer(looker)
    video.disconnected()
    assert "no video" in (video.refusal() or "")
    assert video.codec == ""
    video.begin(H264)
    assert not looker.ended
    assert looker.gaps == 1
    video.close()
    assert looker.ended
    late = Looker()
    video.add_viewer(late)
    assert late.ended


def test_a_keyframe_is_requested_for_new_viewers_and_on_demand_but_not_too_often() -> None:
    video = LiveVideo()
    assert not video.keyframe_due(10.0)
    video.add_viewer(Looker())
    assert video.keyframe_due(10.0)
    assert not video.keyframe_due(10.1)
    video.want_keyframe()
    assert not video.keyframe_due(10.2)
    assert video.keyframe_due(11.1)


def test_rtp_follows_media_time_within_an_epoch_and_arrivals_between_epochs() -> None:
    times = RtpTimes()
    assert times.ticks(1, 500_000, 10_000_000_000) == 0
    assert times.ticks(1, 540_000, 10_040_000_000) == 3_600
    assert times.ticks(2, 0, 11_040_000_000) == 93_600, "a second passed between the two"
    assert times.ticks(2, 40_000, 11_080_000_000) == 97_200
    assert times.ticks(3, 0, 11_080_000_000) == 97_201, "never the same twice"
