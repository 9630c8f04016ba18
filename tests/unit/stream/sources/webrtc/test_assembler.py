"""Access units from RTP packets: complete, in order, and without damaged pictures after a loss."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sources.webrtc import assembler
from stream.sources.webrtc.assembler import (
    GIVE_UP_NS,
    REQUEST_AGAIN_NS,
    AssembledUnit,
    UnitAssembler,
    is_decoding_start,
)

VP8 = 96
MS = 1_000_000


@dataclass
class FakePacket:
    sequence_number: int
    timestamp: int
    _data: bytes
    marker: int = 0
    ssrc: int = 1
    payload_type: int = VP8


def packets(frames: int, parts: int = 3, first: int = 0, key_every: int = 10_000) -> list[FakePacket]:
    """Return the packets of frames with these numbers of packets. A keyframe's first byte is even, as in VP8."""
    return [
        FakePacket(
            (first + frame * parts + part) & 0xFFFF,
            frame * 3000 & 0xFFFFFFFF,
            bytes([0 if frame % key_every == 0 else 1, frame & 0xFF, part]),
            marker=int(part == parts - 1),
        )
        for frame in range(frames)
        for part in range(parts)
    ]


class Assembling:
    """An assembler with a clock that advances 1 ms per packet, and its units."""

    def __init__(self) -> None:
        self.discarded: list[str] = []
        self.assembler = UnitAssembler({VP8: "VP8", 97: "rtx"}, self.discarded.append)
        self.units: list[AssembledUnit] = []
        self.now_ns = 0

    def add(self, *some: FakePacket) -> list[AssembledUnit]:
        for packet in some:
            self.now_ns += MS
            self.units += self.assembler.add(packet, self.now_ns)
        return self.units

    @property
    def frames(self) -> list[int]:
        return [unit.data[1] for unit in self.units]


def test_a_unit_is_complete_with_its_marked_packet() -> None:
    assembling = Assembling()
    sent = packets(2)
    assert assembling.add(*sent[:2]) == []
    (unit,) = assembling.add(sent[2])
    assert unit == AssembledUnit(b"\x00\x00\x00\x00\x00\x01\x00\x00\x02", 0, "VP8", True)
    assembling.add(*sent[3:])
    assert assembling.frames == [0, 1]
    assert not assembling.units[1].is_keyframe


@given(st.integers(0, 0xFFFF), st.integers(0, 2**32), st.data())
def test_any_order_within_the_time_of_a_retransmission_gives_every_unit_once(
    first: int, seed: int, data: st.DataObject
) -> None:
    sent = packets(30, first=first)
    order = sent[1:]
    for place in range(0, len(order), 6):
        part = order[place : place + 6]
        random.Random(seed + place).shuffle(part)
        order[place : place + 6] = part
    repeated = data.draw(st.lists(st.sampled_from(sent), max_size=10))
    assembling = Assembling()
    assembling.add(sent[0], *order, *repeated)
    assert assembling.frames == list(range(30))
    assert assembling.discarded == []


def test_after_a_loss_a_keyframe_is_requested_and_all_units_before_it_are_discarded() -> None:
    assembling = Assembling()
    sent = packets(400, key_every=300)
    lost = sent.pop(3 * 5 + 1)
    assembling.add(*sent[: 3 * 6])
    assert assembling.frames == [0, 1, 2, 3, 4]
    assert not assembling.assembler.should_request_keyframe(assembling.now_ns)
    assembling.add(*sent[3 * 6 :])
    assert assembling.frames == [0, 1, 2, 3, 4, *(frame & 0xFF for frame in range(300, 400))]
    assert assembling.discarded.count("incomplete") == 2
    assert set(assembling.discarded) == {"incomplete", "awaiting_keyframe"}
    assert assembling.add(lost) == assembling.units, "what comes too late is of no use"


def test_a_keyframe_is_requested_again_until_it_arrives() -> None:
    assembling = Assembling()
    assembling.add(FakePacket(5, 0, b"\x01", marker=1))
    assert assembling.discarded == ["awaiting_keyframe"]
    asks = assembling.assembler.should_request_keyframe
    assert asks(0)
    assert not asks(REQUEST_AGAIN_NS - 1)
    assert asks(REQUEST_AGAIN_NS)
    assembling.add(FakePacket(6, 3000, b"\x00", marker=1))
    assert not asks(10 * REQUEST_AGAIN_NS)
    assembling.assembler.need_keyframe()
    assert asks(10 * REQUEST_AGAIN_NS)
    assembling.add(FakePacket(7, 6000, b"\x01", marker=1))
    assert len(assembling.units) == 1


@pytest.mark.parametrize("change", [{"ssrc": 2, "sequence_number": 9}, {"sequence_number": 60_000}])
def test_a_sender_that_restarts_is_followed_from_its_next_keyframe(change: dict[str, int]) -> None:
    assembling = Assembling()
    assembling.add(*packets(40, first=62_500))
    first = FakePacket(**{"timestamp": 7, "_data": b"\x01\x63", "marker": 1, **change})  # pyright: ignore
    second = FakePacket(**{**vars(first), "sequence_number": first.sequence_number + 1, "_data": b"\x00\x64"})
    assembling.add(first, second)
    assert assembling.frames == [*range(40), 0x64]


def test_a_gap_and_a_picture_without_end_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembler, "MAX_BYTES", 1000)
    monkeypatch.setattr(assembler, "MAX_PACKETS", 50)
    assembling = Assembling()
    assembling.now_ns = -GIVE_UP_NS
    assembling.add(FakePacket(0, 0, b"\x00", marker=1))
    for number in range(2, 200):
        assembling.add(FakePacket(number, 3000, bytes(100)))
        assembling.now_ns -= MS  # no time goes by
        assert len(assembling.assembler._held) <= 51
    assert sum(map(len, assembling.assembler._parts)) <= 1000
    assembling.add(FakePacket(200, 3000, b"", marker=1), FakePacket(201, 6000, b"\x00", marker=1))
    assert [unit.rtp_timestamp for unit in assembling.units] == [0, 6000]


def test_keyframes_are_detected_by_their_first_bytes() -> None:
    start = b"\x00\x00\x00\x01"
    assert is_decoding_start("VP8", b"\x10")
    assert not is_decoding_start("VP8", b"\x11")
    assert is_decoding_start("H264", start + b"\x67\x42" + start + b"\x68" + start + b"\x65\x88")
    assert is_decoding_start("H264", start + b"\x06\x05" + start + b"\x65\x88")
    assert not is_decoding_start("H264", start + b"\x09\x10" + start + b"\x41\x9a")
    assert not is_decoding_start("H264", start)


def test_a_keyframe_for_a_new_viewer_is_requested_without_discarding_units() -> None:
    assembling = Assembling()
    assembling.add(*packets(2))
    assert not assembling.assembler.should_request_keyframe(0)
    assembling.assembler.want_keyframe()
    assert assembling.assembler.should_request_keyframe(0)
    assert not assembling.assembler.should_request_keyframe(1), "not again at once"
    assembling.add(*packets(5)[6:])
    assert assembling.discarded == []
    assert assembling.assembler.should_request_keyframe(2 * REQUEST_AGAIN_NS), "it hasn't come yet"
    assembling.add(*packets(6, key_every=5)[15:])
    assert assembling.frames == [0, 1, 2, 3, 4, 5]
    assert not assembling.assembler.should_request_keyframe(9 * REQUEST_AGAIN_NS)
