"""Real streams, packetised and received again: every picture is complete, in order and as early as possible."""

from __future__ import annotations

import io

import av
import pytest

from stream.sources.rtp import access_units
from support.rtp.bit_writer import BitWriter
from support.rtp.coded_pictures import TICKS, Coded
from support.rtp.nal_units import Codec, annex_b, nal_type
from support.rtp.packetiser import Markers, Packetiser
from support.rtp.rtp_streams import CHANGING, COUNT, NAMES, Receiving, begun, decoded, sets_of, stream, two_slices

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
@pytest.mark.parametrize(("mtu", "aggregate"), [(1400, True), (1400, False), (120, True), (60, False)])
def test_units_out_are_the_units_in_whatever_the_packetisation(name: str, mtu: int, aggregate: bool) -> None:
    codec, coded = stream(name)
    receiving = received(name, Packetiser(codec, mtu, aggregate, sequence=0xFFE0))
    assert [unit.data for unit in receiving.units] == [annex_b(picture.nals) for picture in coded]
    assert [unit.rtp_timestamp for unit in receiving.units] == [picture.timestamp for picture in coded]
    assert [unit.restart for unit in receiving.units] == [True] + [False] * (len(coded) - 1)
    assert all(unit.shown for unit in receiving.units)
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


@pytest.mark.parametrize("name", ALL)
def test_they_decode_to_the_same_pictures(name: str) -> None:
    codec, coded = stream(name)
    assert len(decoded(name)) == len(coded)
    pictures = received(name, Packetiser(codec)).pictures
    # At a change of size, a decoder without a restart drops nothing: every picture is returned.
    assert pictures == decoded(name)


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
def test_slices_after_a_marker_prove_markers_wrong_and_the_returned_picture_broken(
    codec: Codec,
) -> None:
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


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_marker_in_the_middle_of_a_fragmented_slice_closes_nothing(codec: Codec) -> None:
    receiving, packetiser = begun(codec)
    packetiser.markers = "all"
    receiving.add(packetiser.picture(two_slices(2, codec), 2))
    receiving.add(packetiser.picture(two_slices(3, codec), 3))
    assert [unit.data for unit in receiving.units[2:]] == [annex_b(two_slices(2, codec))]
    assert receiving.access_units.closes_on == "timestamp"


@pytest.mark.parametrize("markers", ["last", "none"])
def test_two_pictures_with_one_timestamp_are_two_units(markers: Markers) -> None:
    receiving, packetiser = begun()
    packetiser.markers = markers
    delimiter = b"\x09\x10"
    for number in range(2, 4):
        receiving.add(packetiser.picture([delimiter, *two_slices(number)], 2))
    receiving.add(packetiser.picture(two_slices(4), 3))
    assert [unit.data for unit in receiving.units[2:4]] == [annex_b([delimiter, *two_slices(n)]) for n in range(2, 4)]


def interlaced_sets() -> list[bytes]:
    """Return SPS and PPS for 160 × 192 pixels, for frames or fields."""
    sequence = BitWriter().fixed(77, 8).fixed(0, 8).fixed(31, 8).unsigned(0, 0, 0, 0, 1).flags(0).unsigned(9, 5)
    return [sequence.flags(0, 0, 1, 0, 0).nal(b"\x67"), BitWriter().unsigned(0, 0).flags(0, 0).nal(b"\x68")]


def field(parity: int | None, number: int, header: bytes = b"\x65") -> bytes:
    """Return the only slice of a field or frame."""
    bits = BitWriter().unsigned(0, 7, 0).fixed(number, 4).flags(*((1, parity) if parity is not None else (0,)))
    return bits.unsigned(3).nal(header) + b"\x99" * 150


def test_fields_of_one_frame_are_one_unit_if_no_marker_parts_them_and_two_if_one_does() -> None:
    sets = interlaced_sets()
    receiving, packetiser = Receiving("h264", tuple(sets)), Packetiser("h264", mtu=100, markers="none")
    receiving.add(packetiser.picture([field(0, 0), field(1, 0)], 0))
    receiving.add(packetiser.picture([field(0, 1), field(0, 1)], 1))
    packetiser.markers = "slices"
    receiving.add(packetiser.picture([field(0, 2), field(1, 2)], 2))
    receiving.add(packetiser.picture([field(0, 3), field(1, 3)], 3))
    assert [unit.data for unit in receiving.units] == [
        annex_b([*sets, field(0, 0), field(1, 0)]),
        annex_b([field(0, 1)]),
        annex_b([field(0, 1)]),
        annex_b([field(0, 2), field(1, 2)]),
        annex_b([field(0, 3)]),
        annex_b([field(1, 3)]),
    ]
    assert receiving.access_units.parameters is not None and receiving.access_units.parameters.height == 192


@pytest.mark.parametrize("parity", [None, 0])
def test_a_loss_in_a_field_that_no_other_refers_to_may_be_of_the_other_field_of_its_frame(parity: int | None) -> None:
    receiving, packetiser = Receiving("h264", tuple(interlaced_sets())), Packetiser("h264", mtu=100)
    receiving.add(packetiser.picture([field(None, 0)], 0))
    packets = packetiser.picture([field(parity, 1, b"\x01")], 1)
    receiving.add(packets[:1])
    packetiser.sequence += 1
    receiving.add([packetiser.packet(packets[-1][12:], 1, marked=True)])
    receiving.add(packetiser.picture([field(None, 1, b"\x41")], 2))
    receiving.add(packetiser.picture([field(None, 2, b"\x41")], 3))
    assert receiving.discarded[0] == "incomplete"
    # Behind a frame decoding goes on.
    assert [unit.rtp_timestamp for unit in receiving.units] == ([0, 2, 3] if parity is None else [0])


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_nal_units_after_the_marker_make_no_unit_and_those_before_the_next_picture_belong_to_it(
    codec: Codec,
) -> None:
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


def test_parameters_are_those_of_the_description_until_the_stream_contains_its_own() -> None:
    codec, coded = stream(CHANGING[0])
    described = [nal for nal in coded[10].nals if nal_type(codec, nal) in (7, 8)]
    receiving = Receiving(codec, tuple(described))
    access_units = receiving.access_units
    assert access_units.parameters is not None and access_units.parameters.width == 64
    assert access_units.parameter_sets == annex_b(described)
    receiving.add(Packetiser(codec).packets(coded[:9]))
    assert access_units.parameters.width == 128
    assert access_units.parameter_sets == annex_b(nal for nal in coded[0].nals if nal_type(codec, nal) in (7, 8))


def test_a_keyframe_without_parameter_sets_is_not_returned_before_they_arrive() -> None:
    receiving, packetiser = Receiving("h264"), Packetiser("h264", mtu=100)
    for number in range(3):
        receiving.add(packetiser.picture(two_slices(number), number))
    assert not receiving.units and set(receiving.discarded) == {"awaiting_keyframe"}


def test_the_time_without_a_shown_picture_is_reported() -> None:
    codec, coded = stream("h264 slices")
    receiving = Receiving(codec)
    assert receiving.access_units.awaiting_since_ns is None
    packetiser = Packetiser(codec)
    receiving.add(packetiser.packets(coded[5:7]))
    since = receiving.access_units.awaiting_since_ns
    assert since is not None
    receiving.add(packetiser.packets(coded[7:10]))
    assert receiving.access_units.awaiting_since_ns == since
    receiving.add(packetiser.packets(coded[10:12]))
    assert receiving.access_units.awaiting_since_ns is None
    receiving.access_units.need_recovery()
    receiving.add(packetiser.packets(coded[12:14]))
    assert receiving.access_units.awaiting_since_ns is not None


def test_hidden_pictures_count_as_not_shown() -> None:
    codec, coded = stream("h264 intra refresh")
    receiving, packetiser = Receiving(codec), Packetiser(codec)
    receiving.add(packetiser.packets(coded[12:17]))
    assert receiving.units and not any(unit.shown for unit in receiving.units)
    assert receiving.access_units.awaiting_since_ns is not None
    receiving.add(packetiser.packets(coded[17:24]))
    assert receiving.units[-1].shown and receiving.access_units.awaiting_since_ns is None


def test_after_a_decoder_failure_no_picture_is_returned_until_decoding_can_restart() -> None:
    codec, coded = stream("h264 slices")
    receiving, packetiser = Receiving(codec), Packetiser(codec)
    receiving.add(packetiser.packets(coded[:5]))
    receiving.access_units.need_recovery()
    receiving.add(packetiser.packets(coded[5:]))
    numbers = [unit.rtp_timestamp // TICKS for unit in receiving.units]
    assert numbers == [0, 1, 2, 3, 4, *range(10, COUNT)]
    assert [unit.rtp_timestamp // TICKS for unit in receiving.units if unit.restart] == [0, 10]
    assert receiving.discarded == ["awaiting_keyframe"] * 5


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


def test_a_stream_of_one_picture_repeated_costs_no_list_for_most_packets() -> None:
    receiving, packetiser = begun()
    packets = packetiser.picture(two_slices(2), 2)
    results = [receiving.access_units.add(memoryview(packet), 0) for packet in packets]
    assert all(result is results[0] for result in results[:-1])
    assert len(results[-1]) == 1


def test_only_slices_of_a_keyframe_make_a_keyframe() -> None:
    coded = Coded(annex_b([*sets_of("h264"), b"\x41\x9a\1"]), 0, False)
    receiving, packetiser = begun()
    receiving.add(packetiser.packets([coded]))
    assert [unit.is_keyframe for unit in receiving.units] == [True, True, False]
