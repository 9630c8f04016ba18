"""Real streams, packetised and received again: every picture whole, in order, as early as it can be."""

from __future__ import annotations

from typing import Literal

import pytest
from rtp_streams import CHANGING, COUNT, NAMES, Receiving, decoded, stream
from support.rtp_packetiser import TICKS, Codec, Packetiser, annex_b

ALL = [*NAMES, *CHANGING]


def received(name: str, packetiser: Packetiser) -> Receiving:
    """All of a stream, with an end that closes the last picture also where markers don't."""
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


@pytest.mark.parametrize("name", ALL)
def test_they_decode_to_the_same_pictures(name: str) -> None:
    codec, coded = stream(name)
    assert len(decoded(name)) == len(coded)
    pictures = received(name, Packetiser(codec)).pictures
    # Where the size changes a decoder that isn't told so drops nothing: every picture is there.
    assert pictures == decoded(name)


@pytest.mark.parametrize("markers", ["none", "every", "slices", "sets"])
@pytest.mark.parametrize("name", ["h264 slices", "h264 B pyramid", "h265 slices", "h265 open GOP"])
def test_markers_that_are_wrong_break_nothing(name: str, markers: Literal["none", "every", "slices", "sets"]) -> None:
    codec, coded = stream(name)
    receiving = received(name, Packetiser(codec, markers=markers))
    assert [unit.data for unit in receiving.units] == [annex_b(picture.nals) for picture in coded]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_picture_is_given_with_its_marked_packet_once_markers_have_proved_right(codec: Codec) -> None:
    coded = stream("h264 slices" if codec == "h264" else "h265 slices")[1]
    packetiser = Packetiser(codec)
    receiving = Receiving(codec)
    given: list[int] = []
    for picture in coded:
        receiving.add(packetiser.packets([picture]))
        given.append(len(receiving.units))
    assert given == [0, *range(2, len(coded) + 1)]
    assert receiving.access_units.closes_on == "marker"
