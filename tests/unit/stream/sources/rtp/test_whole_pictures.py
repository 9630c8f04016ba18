"""Pictures that are taken as a whole are those that their packets make one by one."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any, get_args
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.sources.handover import Handover
from stream.sources.rtp import whole_pictures
from stream.sources.rtp.errors import UnsupportedStreamError
from stream.sources.rtsp.protocol.framing import MIN_FREE_BYTES, Framing
from stream.sources.rtsp.protocol.sdp import VideoDescription
from stream.sources.rtsp.receiver import RtpReceiver
from support.examples import examples
from support.rtp.packetiser import PAYLOAD_TYPE, Markers, Packetiser
from support.rtp.rtp_streams import CHANGING, NAMES, stream

OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
CHANNEL = 6


class Connection:
    """An RTSP connection whose packets a receiver gets, and everything that comes of them."""

    def __init__(self, codec: Any, *, whole: bool) -> None:
        self.handover = Handover[Exception]()
        self.outcome: list[object] = []
        description = VideoDescription(codec, PAYLOAD_TYPE, parameter_sets=())
        self.receiver = RtpReceiver(
            description,
            self.handover,
            self.outcome.append,
            lambda: self.outcome.append("BYE"),
            reorder=False,
            channel=CHANNEL,
        )
        self.taken = 0
        """Packets of pictures that were taken as a whole."""
        self.waits = False
        self._now_ns = 0
        self.framing = Framing(self._packet, self.outcome.append)
        if whole:
            self.framing.take_pictures = self._take

    def receive(self, data: bytes, now_ns: int) -> None:
        """Receive this in one read."""
        self._now_ns = now_ns
        self.framing.buffer()[: len(data)] = data
        try:
            self.framing.filled(len(data), now_ns)
        except UnsupportedStreamError as error:
            self.outcome.append(error.reason)

    def units(self) -> None:
        """Get the waiting units."""
        while (got := self.handover.get(0)) is not None:
            codec, unit = got
            times = unit.times
            of_packet = bytes(unit.packet), unit.packet.pts, unit.packet.dts, unit.packet.time_base
            of_times = times.pts_us, times.arrival_ns, times.sender_utc_us, times.shown
            self.outcome.append((codec, of_packet, unit.packet.is_keyframe, of_times, unit.restart))

    def state(self) -> dict[str, object]:
        """Return everything that the next packet's fate depends on, and what is reported."""
        units = self.receiver.units
        parts = units, units.statistics, units._recovery, units._buffer, self.receiver._clock
        found = {f"{type(part).__name__}.{name}": value for part in parts for name, value in vars(part).items()}
        kept = {name: value for name, value in found.items() if isinstance(value, int | float | bytes | list | None)}
        del kept["AccessUnits._now_ns"]  # set before each use; packets that were kept are added later
        return {**kept, "data": bytes(units._buffer.data), "packets": self.receiver.packets}

    def _packet(self, channel: int, packet: memoryview) -> None:
        if channel == CHANNEL:
            self.receiver.packet(packet, self._now_ns)
        else:
            self.receiver.report(packet, self._now_ns)

    def _take(self, view: memoryview, end: int, now_ns: int) -> tuple[int, bool]:
        before = self.receiver.packets
        after, self.waits = self.receiver.take_pictures(view, end, now_ns)
        self.taken += self.receiver.packets - before
        return after, self.waits


def frame(packet: bytes, channel: int = CHANNEL) -> bytes:
    return struct.pack(">BBH", 0x24, channel, len(packet)) + packet


def altered(chance: random.Random, packets: list[bytes], faults: float) -> Iterator[bytes]:
    """Yield what a connection carries: packets, some lost, changed, moved or repeated, reports and answers."""
    packets = list(packets)
    for index in range(len(packets)):
        if chance.random() < faults / 2:
            other = min(len(packets) - 1, index + chance.randrange(4))
            packets[index], packets[other] = packets[other], packets[index]
    for packet in packets:
        turn = chance.random() / faults if faults else 2.0
        changed = bytearray(packet)
        if turn < 0.2:
            continue
        if turn < 0.5:
            changed[chance.choice((0, 1, 2, 3, 7, 11, 12, 13, 14, 15)) % len(changed)] ^= 1 << chance.randrange(8)
        elif turn < 0.6:
            del changed[chance.randrange(len(changed)) :]
        elif turn < 0.7:
            yield frame(packet)
        elif turn < 0.8:
            yield frame(packet, CHANNEL ^ 1 << chance.randrange(8))
        elif turn < 0.9:
            yield OK
        elif turn < 1:
            yield frame(struct.pack(">BBHIQIII", 0x80, 200, 6, 0x1234, 0xED00_0000 << 32, 3000, 0, 0), CHANNEL + 1)
        yield frame(bytes(changed))


def reads(chance: random.Random, frames: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what is received at once: mostly what a sender sends at once, sometimes more or less, cut anywhere."""
    read = b""
    for sent in frames:
        read += sent
        marked = sent[0] == 0x24 and len(sent) > 5 and sent[5] & 0x80
        if marked and chance.random() < 0.8:
            yield read
            read = b""
        elif chance.random() < 0.03:
            at = chance.randrange(len(read))
            yield read[:at]
            read = read[at:]
    yield read


@settings(max_examples=examples(40))
@given(
    st.sampled_from([*NAMES, *CHANGING]),
    st.sampled_from([60, 200, 1400]),
    st.booleans(),
    st.sampled_from(get_args(Markers)),
    st.sampled_from([0.0, 0.03, 0.3]),
    st.sampled_from([3, 90]),
    st.integers(0, 2**32).map(random.Random),
)
def test_any_packets_have_the_same_outcome_whether_pictures_are_taken_as_a_whole_or_not(
    name: str, mtu: int, aggregate: bool, markers: Markers, faults: float, held: int, chance: random.Random
) -> None:
    codec, coded = stream(name)
    packetiser = Packetiser(codec, mtu, aggregate, sequence=chance.choice((0, 0xFFF0)))
    packets: list[bytes] = []
    for picture in coded:
        packetiser.markers = markers if chance.random() < faults else "last"
        packets += packetiser.packets([picture])
    connections = Connection(codec, whole=True), Connection(codec, whole=False)
    now_ns = 0
    with patch("stream.sources.handover.MAX_UNITS", held):
        for part in [OK, *reads(chance, altered(chance, packets, faults))]:
            now_ns += chance.randrange(100_000_000)
            for connection in connections:
                connection.receive(part, now_ns)
            if chance.random() < 0.5:
                for connection in connections:
                    connection.units()
            if chance.random() < faults / 10:  # the camera's thread could not decode a unit
                for connection in connections:
                    connection.receiver.units.need_recovery()
            assert_equal(*connections)


def assert_equal(whole: Connection, plain: Connection) -> None:
    """Compare the outcome, and the state unless the beginning of a picture was kept."""
    assert whole.waits or whole.state() == plain.state()
    assert whole.outcome == plain.outcome


def with_one_fault(frames: list[bytes]) -> Iterator[list[bytes]]:
    """Yield the packets of a picture with each single fault in its first, second and last packet."""
    for place in sorted({0, min(1, len(frames) - 1), len(frames) - 1}):
        before, at, after = frames[:place], frames[place], frames[place + 1 :]
        for bit in range(8 * min(len(at), 20)):
            changed = bytearray(at)
            changed[bit // 8] ^= 0x80 >> bit % 8
            yield [*before, bytes(changed), *after]
        for size in range(12, 18):
            yield [*before, frame(at[4 : 4 + size]), *after]
        yield [*before, *after]
        yield [*before, at, at, *after]
        yield [*before, OK, at, *after]
        yield [*after, at, *before]


def assert_same_outcome(codec: Any, received: list[list[bytes]]) -> None:
    connections = Connection(codec, whole=True), Connection(codec, whole=False)
    for now_ns, frames in enumerate(received):
        for connection in connections:
            connection.receive(b"".join(frames), now_ns)
            connection.units()
        assert_equal(*connections)


@pytest.mark.parametrize(
    ("name", "mtu"), [(name, mtu) for name in ("h264 baseline", "h264 B pictures", "h265") for mtu in (12, 60, 10_000)]
)
def test_no_fault_of_a_picture_is_overlooked(name: str, mtu: int) -> None:
    codec, coded = stream(name)
    packetiser = Packetiser(codec, 10_000)
    begun = packetiser.packets(coded[:2])
    packetiser.mtu = mtu
    packets = begun, *(packetiser.packets([picture]) for picture in coded[7:10])
    before, sent, *after = [[frame(packet) for packet in together] for together in packets]
    for faulty in with_one_fault(sent):
        assert_same_outcome(codec, [[OK], before, faulty, *after])


@pytest.mark.parametrize("name", ["h264 baseline", "h265"])
@pytest.mark.parametrize("is_first", [True, False])
def test_pictures_and_slices_that_share_a_timestamp_are_told_apart(name: str, is_first: bool) -> None:
    codec, coded = stream(name)
    packetiser = Packetiser(codec, 10_000)
    sent = [packetiser.packets([picture]) for picture in coded[:5]]
    again = [bytearray(packet) for packet in packetiser.picture(coded[5].nals, coded[4].timestamp)]
    if not is_first:
        again[0][13 if codec == "h264" else 14] &= 0x7F
    last = packetiser.packets(coded[6:8])
    received = [*sent, [bytes(packet) for packet in again], last]
    assert_same_outcome(codec, [[OK], *([frame(packet) for packet in packets] for packets in received)])


@pytest.mark.parametrize("size", [1, 3, 100, 1000, 60_000])
@pytest.mark.parametrize("name", ["h264 baseline", "h265"])
def test_a_picture_that_arrives_in_pieces_has_the_same_times_and_statistics(name: str, size: int) -> None:
    codec, coded = stream(name)
    packetiser = Packetiser(codec, 60)
    sent = b"".join(map(frame, packetiser.packets(coded[: 4 if size < 100 else 20])))
    if size >= 1000:
        packetiser.mtu = 1000
        header = coded[1].nals[-1][:4]
        # The second is too large to wait for.
        for length in (100_000, whole_pictures.MAX_WAITING_BYTES + 300_000, 1000):
            picture = packetiser.picture([header + b"x" * length], coded[20].timestamp + length)
            sent += b"".join(map(frame, picture))
    whole, plain = Connection(codec, whole=True), Connection(codec, whole=False)
    for at in range(0, len(sent), size):
        for connection in (whole, plain):
            connection.receive(sent[at : at + size], 1_000_003 * at)
            assert len(connection.framing.buffer()) >= MIN_FREE_BYTES
            connection.units()
        assert whole.outcome == plain.outcome
        assert whole.waits or whole.state() == plain.state()
    assert (whole.taken or size == 60_000) and len(whole.outcome) > 2


@pytest.mark.parametrize("name", ["h264 baseline", "h265"])
def test_the_beginning_of_a_picture_is_not_kept_once_decoding_has_to_restart(name: str) -> None:
    codec, coded = stream(name)
    packetiser = Packetiser(codec, 60)
    whole, plain = Connection(codec, whole=True), Connection(codec, whole=False)
    for number, picture in enumerate(coded[:25]):
        sent = b"".join(map(frame, packetiser.packets([picture])))
        for part in (sent[:150], sent[150:]):
            for connection in (whole, plain):
                connection.receive(part, number)
                connection.units()
            if number == 5:
                assert whole.waits == (part == sent[:150])
                for connection in (whole, plain):
                    connection.receiver.units.need_recovery()
            assert_equal(whole, plain)
    assert not whole.waits and "awaiting_keyframe" in whole.outcome


@pytest.mark.parametrize("markers", get_args(Markers))
@pytest.mark.parametrize("name", ["h264 slices", "h264 baseline", "h265"])
def test_markers_end_pictures_only_while_they_are_reliable(name: str, markers: Markers) -> None:
    codec, coded = stream(name)
    one_slice = stream("h264 baseline")[1] if codec == "h264" else coded
    packetiser = Packetiser(codec, 60, markers="last" if name == "h264 slices" else markers)
    received = [packetiser.packets(coded[:2])]
    packetiser.markers = markers
    received.append(packetiser.packets(coded[2:4]))
    # Without a payload, a packet completes the picture before it and begins none.
    received.append([packetiser.packet(b"", coded[4].timestamp - 1, marked=False)])
    packetiser.mtu = 10_000
    packetiser.markers = "last"
    received += [packetiser.packets([picture]) for picture in one_slice[4:7]]
    assert_same_outcome(codec, [[OK], *([frame(packet) for packet in packets] for packets in received)])


@pytest.mark.parametrize("mtu", [60, 200, 10_000])
@pytest.mark.parametrize("name", ["h264 baseline", "h264 B pictures", "h265", "h265 B pictures"])
def test_every_picture_between_keyframes_is_taken_as_a_whole_once_markers_are_reliable(name: str, mtu: int) -> None:
    codec, coded = stream(name)
    packetiser, connection = Packetiser(codec, mtu), Connection(codec, whole=True)
    taken: list[bool] = []
    for number, picture in enumerate(coded):
        packets = packetiser.packets([picture])
        before = connection.taken
        connection.receive(b"".join(map(frame, packets)), number)
        assert connection.taken - before in (0, len(packets))
        taken.append(connection.taken > before)
    first = next(number for number in range(1, len(coded)) if len(packetiser.packets([coded[number]])) > 1)
    plain = [len(picture.nals) == 1 and not picture.keyframe for picture in coded]
    assert sum(plain[first + 2 :]) > len(coded) / 2
    assert taken[first + 2 :] == plain[first + 2 :]
