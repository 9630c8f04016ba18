"""Headers and payloads: extensions, padding, unsupported packetisations, and malformed packets."""

from __future__ import annotations

import pytest

from stream.sources.rtp.packets import UnsupportedStreamError, payload_range
from support.rtp.nal_units import Codec, annex_b
from support.rtp.packetiser import Packetiser
from support.rtp.rtp_streams import Receiving, begun, sets_of, stream, two_slices


def test_several_units_sent_as_one_with_start_codes_are_split() -> None:
    receiving, packetiser = Receiving("h264"), Packetiser("h264", mtu=100)
    sequence, picture = sets_of("h264")
    joined = sequence + b"\0\0\0\1" + picture + b"\0\0\1" + two_slices(0)[0]
    receiving.add(packetiser.picture([joined], 0))
    receiving.add(packetiser.picture([sequence + b"\0\0\1" + picture], 1))
    receiving.add(packetiser.picture(two_slices(1), 1))
    receiving.add(packetiser.picture(two_slices(2), 2))
    assert [unit.data for unit in receiving.units[:2]] == [
        annex_b([sequence, picture, two_slices(0)[0]]),
        annex_b([sequence, picture, *two_slices(1)]),
    ]


@pytest.mark.parametrize(
    ("codec", "payload"),
    [("h264", bytes([kind]) + b"\0\0\0") for kind in (25, 26, 27, 29)] + [("h265", b"\x64\x01\0\0")],
)
def test_an_unsupported_packetisation_raises_an_error(codec: Codec, payload: bytes) -> None:
    receiving, packetiser = begun(codec)
    with pytest.raises(UnsupportedStreamError) as raised:
        receiving.add([packetiser.packet(payload, 3, marked=True)])
    assert raised.value.reason == "packetisation"


H264_BROKEN = [
    b"\x7c\x05abc",  # a fragment without a beginning
    b"\x7c\x85",  # and without content
    b"\x7c\x98abc",  # of an aggregate
    b"\x7c\x45abc",  # an end
    b"\x18",  # an empty aggregate
    b"\x18\0",
    b"\x18\0\5ab",
    b"\x18\0\0",
    b"\x18\0\3\x18\0\0",  # an aggregate within one
    b"\xe5abc",  # the forbidden bit
    b"\x18\0\3\xe5ab",
    b"\x00abc",  # no type
    b"\x1eabc",
    b"\x65",  # a slice of nothing
]
H265_BROKEN = [
    b"\x62\x01\x13abc",
    b"\x62\x01\x93",
    b"\x62\x01\xb0abc",
    b"\x62\x01\x53abc",
    b"\x60\x01",
    b"\x60",
    b"\x60\x01\0",
    b"\x60\x01\0\5ab",
    b"\x60\x01\0\0",
    b"\x60\x01\0\4\x60\x01\0\0",
    b"\xa6\x01abc",
    b"\x60\x01\0\4\xa6\x01ab",
    b"\x7e\x01abc",
    b"\x26",
    b"\x26\x01",
]


@pytest.mark.parametrize(
    ("codec", "payload"),
    [("h264", payload) for payload in H264_BROKEN] + [("h265", payload) for payload in H265_BROKEN],
)
def test_a_malformed_payload_breaks_its_picture_and_what_refers_to_it(codec: Codec, payload: bytes) -> None:
    receiving, packetiser = begun(codec)
    receiving.add([packetiser.packet(payload, 2, marked=False)])
    receiving.add(packetiser.picture(two_slices(2, codec), 2))
    receiving.add(packetiser.picture(two_slices(3, codec), 3))
    assert receiving.discarded == ["incomplete"]
    assert [unit.restart for unit in receiving.units] == [True, False, True]


@pytest.mark.parametrize(
    ("flags", "header"),
    [
        (0x82, b"sourcemore"[:8]),
        (0x90, b"\xab\xac\0\2extended"),
        (0x90, b"\xab\xac\0\0"),
        (0x91, b"from\xab\xac\0\1more"),
    ],
)
def test_contributing_sources_and_extensions_are_skipped(flags: int, header: bytes) -> None:
    codec, coded = stream("h264 slices")
    receiving = Receiving(codec)
    receiving.add(Packetiser(codec, flags=flags, header=header).packets(coded))
    assert [unit.data for unit in receiving.units] == [annex_b(picture.nals) for picture in coded]


def test_padding_is_removed_and_packets_of_only_padding_count_as_received() -> None:
    codec, coded = stream("h264 slices")
    receiving, packetiser = Receiving(codec), Packetiser(codec)
    for picture in coded:
        for packet in packetiser.packets([picture]):
            receiving.add([bytes([packet[0] | 0x20]) + packet[1:] + b"\0\0\3"])
        packetiser.flags = 0xA0
        receiving.add([packetiser.packet(bytes(7) + b"\x08", picture.timestamp, marked=False)])
        packetiser.flags = 0x80
        receiving.add([packetiser.packet(b"", picture.timestamp, marked=False)])
    assert [unit.data for unit in receiving.units] == [annex_b(picture.nals) for picture in coded]
    assert receiving.access_units.statistics.lost == 0


def test_a_header_that_announces_more_than_the_packet_contains_leaves_no_payload() -> None:
    for packet in (
        b"\x8f" + bytes(20),
        b"\x90" + bytes(12),
        b"\x90" + bytes(13) + b"\xff\xff" + bytes(9),
        b"\xa0" + bytes(11) + b"abc\xff",
        b"\xa0" + bytes(11) + b"abc\0",
        b"\xa0" + bytes(11),
    ):
        start, end = payload_range(memoryview(packet))
        assert start == end
