"""RTP packets of real streams become decoded pictures, with every kind of packetisation, and with and without loss.

There are no sockets: packets go into `AccessUnits`, and its units into the decoder. Pictures are compared bit by bit
with what FFmpeg decodes from the complete stream.
"""

from __future__ import annotations

import random

import pytest

from support.rtp.packetiser import Markers, StreamPacketiser
from support.rtp.packets_to_frames import PacketsToFrames
from support.rtp.stream_corpus import CorpusStream, corpus_stream, names

PACKETISER = StreamPacketiser(mtu=400)
REORDERED = 4 * 3600
"""Longest time (ticks) after a loss at which pictures sent before it are shown."""
LOSSY = [name for name in names() if name != "h264_4k"]


@pytest.mark.parametrize(
    ("name", "markers", "aggregate"),
    [
        *((name, "last", True) for name in names()),
        ("h264_slices", "none", False),
        ("hevc_slices", "none", False),
        ("h264_open_gop", "parameter_sets", False),
    ],
)
def test_every_picture_is_complete_and_has_its_time(name: str, markers: Markers, aggregate: bool) -> None:
    stream = corpus_stream(name)
    packetiser = StreamPacketiser(markers=markers, aggregate=aggregate)
    path = PacketsToFrames(stream, packetiser.first_timestamp).take(packetiser.packets(stream)).flush()
    expected = [(picture.pts, picture.digest) for picture in stream.shown]
    if markers == "none":  # nothing shows that the last one is complete
        expected = [picture for picture in expected if picture[0] != stream.units[-1].pts]
    assert [(shown.pts, shown.digest) for shown in path.shown] == expected
    assert path.undelivered == path.undecoded == []
    assert path.units.closes_on == ("timestamp" if markers == "none" else "marker")


@pytest.mark.parametrize("markers", ["all", "each_nal"])
@pytest.mark.parametrize("name", ["h264_slices", "hevc_slices"])
def test_wrong_markers_cause_no_damaged_picture(name: str, markers: Markers) -> None:
    stream = corpus_stream(name)
    packetiser = StreamPacketiser(markers=markers, mtu=400)
    path = PacketsToFrames(stream, packetiser.first_timestamp).take(packetiser.packets(stream, turns=2)).flush()
    assert_whole(stream, path)
    assert len(path.shown) >= 60


@pytest.mark.parametrize("name", ["h264_slices", "hevc_slices"])
def test_a_picture_is_decoded_with_its_last_packet(name: str) -> None:
    stream = corpus_stream(name)
    path = PacketsToFrames(stream, PACKETISER.first_timestamp).take(PACKETISER.packets(stream))
    late = [shown.at - shown.pts for shown in path.shown]
    assert set(late[2:]) == {0}
    assert max(late) <= 3600


@pytest.mark.parametrize("name", LOSSY)
def test_loss_causes_no_damaged_picture_and_every_picture_is_counted(name: str) -> None:
    share = 0.005 if names().index(name) % 2 else 0.05
    stream = corpus_stream(name)
    packets = PACKETISER.packets(stream, turns=2)
    dice = random.Random(f"{name} {share}")
    arriving = [packet for packet in packets if dice.random() >= share]
    assert len(arriving) < len(packets)
    after = PACKETISER.packets(stream, turns=3)[len(packets)]
    path = PacketsToFrames(stream, PACKETISER.first_timestamp, reorder=share < 0.01).take([*arriving, after]).flush()
    assert_whole(stream, path)
    begun = {packet.data[4:8] for packet in arriving}
    assert path.delivered + len(path.undelivered) == len(begun)
    assert len(path.shown) + len(path.undecoded) == path.delivered


@pytest.mark.parametrize("name", ["h264_quiet_change", "hevc_open_gop"])
def test_the_loss_of_any_packet_of_a_keyframe_causes_no_damaged_picture(name: str) -> None:
    stream = corpus_stream(name)
    packets = PACKETISER.packets(stream)
    keyframe = [unit for unit in stream.units if unit.is_keyframe][1]
    at = [number for number, packet in enumerate(packets) if packet.at == keyframe.dts - stream.units[0].dts]
    assert len(at) > 5
    for lost in at:
        path = PacketsToFrames(stream, PACKETISER.first_timestamp).take(packets[:lost] + packets[lost + 1 :]).flush()
        assert_whole(stream, path)


@pytest.mark.parametrize("name", LOSSY)
def test_after_a_burst_of_loss_the_stream_is_complete_again(name: str) -> None:
    stream = corpus_stream(name)
    packets = PACKETISER.packets(stream, turns=2)
    starts = len(packets) // 5
    lost_at = packets[starts + 6].at
    path = PacketsToFrames(stream, PACKETISER.first_timestamp).take(packets[:starts] + packets[starts + 7 :]).flush()
    assert_whole(stream, path)
    sent = sorted(picture.pts + turn * stream.duration for turn in (0, 1) for picture in stream.shown)
    came = [shown.pts for shown in path.shown]
    again = next(pts for pts in came if pts > lost_at + REORDERED)
    assert came[came.index(again) :] == sent[sent.index(again) :]
    assert len(came) >= 50


def assert_whole(stream: CorpusStream, path: PacketsToFrames) -> None:
    """Check that each picture is what FFmpeg decodes from the complete stream, at its time, in order, and once."""
    whole = {picture.pts: picture.digest for picture in stream.shown}
    broken = [shown.pts for shown in path.shown if whole.get(shown.pts % stream.duration) != shown.digest]
    assert broken == []
    times = [shown.pts for shown in path.shown]
    assert times == sorted(set(times))


@pytest.mark.parametrize(("name", "within"), [("h264_intra_refresh", 20), ("hevc_recovery_points", 60)])
def test_a_stream_of_intra_refresh_shows_pictures_again_a_period_after_its_next_recovery_point(
    name: str, within: int
) -> None:
    stream = corpus_stream(name)
    packets = PACKETISER.packets(stream, turns=2)
    lost = next(number for number, packet in enumerate(packets) if packet.at > 32 * 3600)
    path = PacketsToFrames(stream, PACKETISER.first_timestamp).take(packets[:lost] + packets[lost + 1 :]).flush()
    assert_whole(stream, path)
    first = next(shown.pts for shown in path.shown if shown.pts > packets[lost].at)
    assert (first - packets[lost].at) // 3600 <= within
