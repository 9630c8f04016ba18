"""Packets that are reordered, repeated, late, stray, invalid, or come from a sender that restarted."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.sources.rtp import packets as rtp_packets
from stream.sources.rtp.access_units import AccessUnits
from stream.sources.rtp.packets import GIVE_UP_NS, MAX_PACKETS, ReorderBuffer, UnsupportedStreamError
from support.examples import examples
from support.rtp.nal_units import annex_b
from support.rtp.packetiser import PAYLOAD_TYPE, Packetiser
from support.rtp.rtp_streams import NAMES, Receiving, decoded, stream

NAME = "h264 B pictures"
GIVE_UP_MS = GIVE_UP_NS // 1_000_000


def sent(mtu: int = 200, sequence: int = 0xFFC0) -> list[bytes]:
    codec, coded = stream(NAME)
    return Packetiser(codec, mtu, sequence=sequence).packets(coded)


def whole() -> list[bytes]:
    return [annex_b(picture.nals) for picture in stream(NAME)[1]]


@settings(max_examples=examples(25))
@given(st.sampled_from(NAMES), st.integers(0, 0xFFFF), st.integers(0, 2**32).map(random.Random), st.integers(1, 30))
def test_slightly_reordered_and_repeated_packets_make_the_same_units(
    name: str, sequence: int, chance: random.Random, reach: int
) -> None:
    codec, coded = stream(name)
    packets = Packetiser(codec, sequence=sequence).packets(coded)
    first, *rest = packets
    places = sorted(
        [(index + chance.uniform(0, reach), packet) for index, packet in enumerate(rest)]
        + [(index + chance.uniform(0, reach), packet) for index, packet in enumerate(rest) if chance.random() < 0.2]
    )
    receiving = Receiving(codec, reorder=True)
    receiving.add([first, *(packet for _, packet in places)])
    assert [unit.data for unit in receiving.units] == [annex_b(picture.nals) for picture in coded]
    assert not receiving.discarded and not receiving.access_units.waits
    assert receiving.access_units.statistics.extended_highest & 0xFFFF == (sequence + len(packets) - 1) & 0xFFFF
    assert receiving.access_units.statistics.lost == len(rest) - len(places)


def test_a_missing_packet_is_given_up_after_a_limited_time() -> None:
    packets = sent()
    receiving = Receiving("h264", reorder=True)
    receiving.add([*packets[:50], *packets[51:60]])
    before = len(receiving.units)
    assert receiving.access_units.waits
    receiving.pass_ms(GIVE_UP_MS - 2)
    assert receiving.access_units.waits and len(receiving.units) == before
    receiving.pass_ms(3)
    assert not receiving.access_units.waits
    receiving.add(packets[50:51])  # too late
    receiving.add(packets[60:])
    pictures = receiving.pictures
    assert all(picture == decoded(NAME)[timestamp] for timestamp, picture in pictures.items())
    assert 0 < len(pictures) < len(decoded(NAME))


def test_held_packets_and_bytes_stay_within_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    held = ReorderBuffer()
    for number in range(MAX_PACKETS):
        held.hold(number, memoryview(b"x"), 0)
    assert not held.overdue(0)
    held.hold(MAX_PACKETS, memoryview(b"x"), 0)
    assert held.overdue(0)
    monkeypatch.setattr(rtp_packets, "MAX_PACKETS", 20)
    packets = sent(mtu=60)
    receiving = Receiving("h264", reorder=True)
    for packet in [*packets[:30], *packets[31:]]:
        receiving.add([packet])
        assert len(receiving.access_units._held) <= 20
    few = ReorderBuffer()
    few.hold(1, memoryview(bytes(rtp_packets.MAX_BYTES)), 0)
    assert not few.overdue(0)
    few.hold(2, memoryview(b"x"), 0)
    assert few.overdue(0)
    assert few.pop(1) is not None and not few.overdue(0)


@pytest.mark.parametrize("reorder", [False, True])
@pytest.mark.parametrize("ssrc", [0x1234, 0x9999])
@pytest.mark.parametrize("sequence", [0x2000, 0xA000])
def test_a_sender_that_restarts_costs_no_picture_of_its_new_stream(reorder: bool, ssrc: int, sequence: int) -> None:
    codec, coded = stream(NAME)
    receiving = Receiving(codec, reorder=reorder)
    receiving.add(Packetiser(codec, sequence=0xFFC0).packets(coded[:6]))
    again = Packetiser(codec, sequence=sequence, ssrc=ssrc)
    receiving.add(again.packets(coded))
    restarts = [index for index, unit in enumerate(receiving.units) if unit.restart]
    assert len(restarts) == 2
    assert [unit.data for unit in receiving.units[restarts[1] :]] == whole()
    assert receiving.access_units.statistics.ssrc == ssrc


def test_a_single_stray_packet_changes_nothing_with_reordering() -> None:
    receiving = Receiving("h264", reorder=True)
    for index, packet in enumerate(sent()):
        receiving.add([packet])
        if index % 10 == 3:
            stray = bytearray(packet)
            stray[2:4] = ((int.from_bytes(packet[2:4], "big") + 30_000 + 7 * index) & 0xFFFF).to_bytes(2, "big")
            receiving.add([bytes(stray)])
        if index % 10 == 7:
            receiving.add([packet[:8] + b"\0\0\0\1" + packet[12:]])
    assert [unit.data for unit in receiving.units] == whole()


def fuzzed(chance: random.Random, packets: list[bytes]) -> list[bytes]:
    """Generate packets of a real stream, some changed, dropped, moved or invented."""
    out: list[bytes] = []
    for packet in packets:
        turn = chance.random()
        changed = bytearray(packet)
        if turn < 0.1:
            continue
        if turn < 0.3:
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
        elif turn < 0.35:
            del changed[chance.randrange(len(changed)) :]
        elif turn < 0.4:
            changed = bytearray(packet[:12]) + chance.randbytes(chance.randint(0, 80))
        elif turn < 0.42:
            changed = bytearray(chance.randbytes(chance.randint(0, 80)))
        elif turn < 0.45:
            changed[12:12] = b"\0\0\1" * chance.randint(1, 100)
        out.append(bytes(changed))
        if turn > 0.97:
            out[-1], out[chance.randrange(len(out))] = out[chance.randrange(len(out))], out[-1]
    return out


@settings(max_examples=examples(25))
@given(st.sampled_from(NAMES), st.integers(0, 2**32).map(random.Random), st.booleans(), st.booleans())
def test_any_packets_raise_only_our_errors_and_stay_within_the_limits(
    name: str, chance: random.Random, reorder: bool, aggregate: bool
) -> None:
    codec, coded = stream(name)
    packets = fuzzed(chance, Packetiser(codec, chance.choice((60, 200)), aggregate).packets(coded))
    discarded: list[str] = []
    access_units = AccessUnits(codec, PAYLOAD_TYPE, (), discarded.append, reorder=reorder)
    total = 0
    for now, packet in enumerate(packets):
        total += len(packet)
        try:
            units = access_units.add(memoryview(packet), now * 1_000_000)
            if now % 7 == 0:
                units = units + access_units.due(now * 1_000_000)
        except UnsupportedStreamError:
            continue
        assert all(unit.data.startswith(b"\0\0\0\1") for unit in units)
        assert len(access_units._buffer.data) <= total + 5 * len(access_units._buffer.nals)
        assert len(access_units._held) <= GIVE_UP_MS + 2
    assert set(discarded) <= {"incomplete", "awaiting_keyframe"}
