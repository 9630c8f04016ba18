"""Real streams, packetised and received again: every picture is complete, in order and as early as possible."""

from __future__ import annotations

import io

import av
import pytest

from stream.sources.rtp import access_units
from support.rtp.coded_pictures import TICKS
from support.rtp.nal_units import Codec, annex_b, nal_type, nal_units
from support.rtp.packetiser import Markers, Packetiser
from support.rtp.rtp_streams import CHANGING, COUNT, NAMES, Receiving, begun, sets_of, stream, two_slices

ALL = [*NAMES, *CHANGING]


def received(name: str, packetiser: Packetiser) -> Receiving:
    """Receive a whole stream, with an end that completes the last picture even without markers."""
    codec, coded = stream(name)
    receiving = Receiving(codec)
    receiving.add(packetiser.packets(coded))
    delimiter = b"\x09\x10" if codec == "h264" else b"\x46\x01\x50"
    receiving.add([packetiser.packet(delimiter, (COUNT + 100) * TICKS, marked=True)])
    return receiving


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("mtu", "aggregate"), [(1400, True), (60, False)])
def test_units_out_are_the_units_in_whatever_the_packetisation(name: str, mtu: int, aggregate: bool) -> None:
    codec, coded = stream(name)
    receiving = received(name, Packetiser(codec, mtu, aggregate, sequence=0xFFE0))
    assert [unit.data for unit in receiving.units] == [annex_b(picture.nals) for picture in coded]
    assert [unit.rtp_timestamp for unit in receiving.units] == [picture.timestamp for picture in coded]
    assert [unit.restart for unit in receiving.units] == [True] + [False] * (len(coded) - 1)
    assert not receiving.discarded
    assert receiving.access_units.statistics.lost == 0


@pytest.mark.parametrize("name", ["h264 slices", "h264 open GOP", "h264 intra refresh", "h265 open GOP"])
def test_keyframes_match_ffmpeg_including_recovery_points_of_h264(name: str) -> None:
    codec, coded = stream(name)
    file = io.BytesIO(b"".join(picture.data for picture in coded))
    with av.open(file, "r", format="h264" if codec == "h264" else "hevc") as container:
        by_libav = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
    assert sum(by_libav) > 1
    assert [unit.is_keyframe for unit in received(name, Packetiser(codec)).units] == by_libav


@pytest.mark.parametrize("markers", ["none", "all", "slices", "parameter_sets"])
@pytest.mark.parametrize("name", ["h264 slices", "h264 B pyramid", "h265 slices", "h265 open GOP"])
def test_wrong_markers_break_no_picture(name: str, markers: Markers) -> None:
    codec, coded = stream(name)
    receiving = received(name, Packetiser(codec, markers=markers))
    assert [unit.data for unit in receiving.units] == [annex_b(picture.nals) for picture in coded]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_picture_is_returned_with_its_marked_packet_once_markers_are_reliable(codec: Codec) -> None:
    coded = stream("h264 slices" if codec == "h264" else "h265 slices")[1]
    packetiser = Packetiser(codec)
    receiving = Receiving(codec)
    given: list[int] = []
    for picture in coded:
        receiving.add(packetiser.packets([picture]))
        given.append(len(receiving.units))
    assert given == [0, *range(2, len(coded) + 1)]
    assert receiving.access_units.closes_on == "marker"


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_slices_after_a_marker_prove_markers_wrong_and_the_returned_picture_broken(codec: Codec) -> None:
    receiving, packetiser = begun(codec)
    packetiser.markers = "slices"
    receiving.add(packetiser.picture(two_slices(2, codec), 2))
    assert [unit.data for unit in receiving.units[2:]] == [annex_b(two_slices(2, codec)[:1])]
    assert receiving.access_units.closes_on == "timestamp"
    receiving.add(packetiser.picture(two_slices(3, codec), 3))
    receiving.add(packetiser.picture(two_slices(4, codec), 4))
    assert receiving.discarded == ["incomplete"]
    (unit,) = receiving.units[3:]
    assert unit.restart and unit.data == annex_b([*sets_of(codec), *two_slices(3, codec)])
    receiving.add(packetiser.picture(two_slices(5, codec), 5))
    assert receiving.units[4].data == annex_b(two_slices(4, codec))


@pytest.mark.parametrize("markers", ["last", "none"])
def test_two_pictures_with_one_timestamp_are_two_units(markers: Markers) -> None:
    receiving, packetiser = begun()
    packetiser.markers = markers
    delimiter = b"\x09\x10"
    for number in range(2, 4):
        receiving.add(packetiser.picture([delimiter, *two_slices(number)], 2))
    receiving.add(packetiser.picture(two_slices(4), 3))
    assert [unit.data for unit in receiving.units[2:4]] == [annex_b([delimiter, *two_slices(n)]) for n in range(2, 4)]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_nal_units_after_the_marker_make_no_unit_and_those_before_the_next_picture_belong_to_it(codec: Codec) -> None:
    receiving, packetiser = begun(codec)
    filler, delimiter = (b"\x0c\xff\x80", b"\x09\x10") if codec == "h264" else (b"\x4c\x01\xff\x80", b"\x46\x01\x50")
    receiving.add(packetiser.picture([*two_slices(2, codec)], 2))
    receiving.add(packetiser.picture([filler], 2))
    receiving.add(packetiser.picture(two_slices(3, codec), 3))
    receiving.add(packetiser.picture([delimiter], 3))
    receiving.add(packetiser.picture(two_slices(4, codec), 4))
    assert [unit.data for unit in receiving.units[2:]] == [
        annex_b(nals) for nals in (two_slices(2, codec), two_slices(3, codec), [delimiter, *two_slices(4, codec)])
    ]


def test_parameter_sets_with_a_timestamp_and_marker_of_their_own_go_with_the_next_picture() -> None:
    receiving, packetiser = Receiving("h264"), Packetiser("h264", mtu=100)
    for number in range(3):
        receiving.add(packetiser.picture(sets_of("h264"), 10 * number))
        receiving.add(packetiser.picture(two_slices(number), 10 * number + 5))
    assert [unit.data for unit in receiving.units] == [annex_b([*sets_of("h264"), *two_slices(n)]) for n in range(3)]
    assert [unit.rtp_timestamp for unit in receiving.units] == [5, 15, 25]


def test_the_stream_s_own_parameter_sets_replace_those_of_the_description() -> None:
    codec, coded = stream(CHANGING[0])
    described = [nal for nal in coded[10].nals if nal_type(codec, nal) in (7, 8)]
    receiving = Receiving(codec, tuple(described))
    access_units = receiving.access_units
    assert access_units.parameter_sets == annex_b(described)
    receiving.add(Packetiser(codec).packets(coded[:9]))
    (sequence,) = (nal for nal in coded[0].nals if nal_type(codec, nal) == 7)
    sequences = [nal for nal in nal_units(access_units.parameter_sets) if nal_type(codec, nal) == 7]
    assert sequences == [sequence]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_picture_over_the_limits_is_dropped_and_does_not_grow(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_units, "MAX_BYTES", 5000)
    monkeypatch.setattr(access_units, "MAX_NALS", 50)
    receiving, packetiser = begun(codec)
    first, second = two_slices(2, codec)
    packetiser.markers = "none"
    for slices in ([first + bytes([1]) * 10_000], [first, *([second] * 100)], [first, *([second[:5]] * 100)]):
        packets = packetiser.picture(slices, packetiser.sequence + 1000)
        for packet in packets:
            receiving.add([packet])
            assert len(receiving.access_units._buffer.data) <= 5000
    receiving.add(packetiser.picture(two_slices(3, codec), 7))
    assert receiving.discarded == ["incomplete"] * 3
    assert len(receiving.units) == 2


@pytest.mark.parametrize("name", ["h264 baseline", "h264 B pictures", "h264 intra refresh", "h265"])
def test_the_first_unit_after_a_loss_says_so_unless_no_other_refers_to_what_was_lost(name: str) -> None:
    codec, coded = stream(name)
    disposable = [at for at, picture in enumerate(coded) if not picture.nals[-1][0] & 0x60 and len(picture.data) > 30]
    lost = disposable[0] if name == "h264 B pictures" else 15
    packetiser, receiving = Packetiser(codec, mtu=8), Receiving(codec)
    for number, picture in enumerate(coded):
        packets = packetiser.packets([picture])
        receiving.add([*packets[:2], *packets[3:]] if number == lost else packets)
    kept = [picture.timestamp for number, picture in enumerate(coded) if number != lost]
    assert [unit.rtp_timestamp for unit in receiving.units] == kept
    restarts = [unit.rtp_timestamp for unit in receiving.units if unit.restart]
    assert restarts == kept[:1] + ([] if name == "h264 B pictures" else [coded[lost + 1].timestamp])
    assert receiving.discarded == ["incomplete"]
