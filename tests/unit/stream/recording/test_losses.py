"""After lost packets, a clip has the same complete pictures as were shown live."""

from __future__ import annotations

import av
import pytest

from stream.recording.packets import PacketRing
from stream.sources.byte_stream import ByteStream, parameter_sets
from stream.sources.decoding.clock import Stamp
from stream.sources.decoding.decoder import Decoder
from stream.sources.transport import AccessUnit, CodecParameters, UnitTimes
from support.rtp.coded_pictures import Decoding, decoder
from support.rtp.nal_units import nal_type
from support.rtp.packetiser import Packetiser
from support.rtp.rtp_streams import Receiving, decoded, stream

REFRESHED = "h264 intra refresh"


def recorded(name: str, lost: int) -> Decoding:
    """Return the pictures that a player decodes from the recording of a stream with one lost packet."""
    codec, coded = stream(name)
    packetiser = Packetiser(codec)
    receiving = Receiving(codec)
    for number, picture in enumerate(coded):
        packets = packetiser.picture(picture.nals, picture.timestamp)
        receiving.add(packets[1:] if number == lost else packets)
    context = decoder(codec)
    ring, decoding = PacketRing(100.0, 100.0, 1 << 24), Decoder(context, lambda reason: None)
    ring.begin(CodecParameters(context.name, b"", (128, 128), "yuv420p"))
    for number, unit in enumerate(receiving.units):
        packet = av.Packet(unit.data)
        packet.is_keyframe = unit.is_keyframe
        times = UnitTimes(unit.rtp_timestamp * 100 // 9, number * 40_000_000, 0)
        ring.add(AccessUnit(packet, times, unit.restart))
        for picture in decoding.decode(AccessUnit(packet, times, unit.restart)):
            assert picture.times.pts_us is not None
            ring.shown(picture.times, 1, Stamp(picture.times.pts_us, picture.times.pts_us, "arrival"))
    ring.close()
    played, plain = Decoding(codec), ByteStream(context.name, b"")
    for held in ring.settled_from(0):
        played.add(plain.packet(bytes(held.unit.packet)), held.media_us)
    played.drain()
    return played


@pytest.mark.parametrize("name", [REFRESHED, "h264 baseline", "h265"])
def test_after_a_loss_a_clip_has_the_pictures_that_were_shown_live(name: str) -> None:
    whole = {timestamp * 100 // 9: picture for timestamp, picture in decoded(name).items()}
    codec, coded = stream(name)
    lost = 15
    played = recorded(name, lost)
    points = [at for at, picture in enumerate(coded) if at > lost and picture.keyframe]
    behind_us = coded[points[0] + (12 if name == REFRESHED else 0)].timestamp * 100 // 9
    behind = {at: picture for at, picture in played.pictures.items() if at > behind_us}
    assert behind == {at: picture for at, picture in whole.items() if at > behind_us}
    assert codec in ("h264", "h265")


def test_repeated_parameter_sets_are_not_a_change() -> None:
    codec, coded = stream("h264 baseline")
    picture_set = next(nal for nal in coded[0].nals if nal_type(codec, nal) == 8)
    other = b"\x68" + bytes([picture_set[1] & 0x1F | 0x40]) + picture_set[2:]  # of another number
    receiving = Receiving(codec, (other,))
    receiving.add(Packetiser(codec).packets(coded[:12]))
    keys = [parameter_sets("h264", unit.data) for unit in receiving.units if unit.is_keyframe]
    assert len(keys) == 2 and receiving.units[0].data.count(coded[0].nals[0]) == 2
    assert keys[0] == keys[1]
