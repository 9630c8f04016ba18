"""RTP packets as cameras write them, well or badly (RFC 6184, RFC 7798)."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from support.rtp.coded_pictures import Coded
from support.rtp.nal_units import Codec, is_slice, nal_type, nal_units
from support.rtp.stream_corpus import CorpusStream

Markers = Literal["last", "none", "all", "slices", "each_nal", "parameter_sets"]
"""Packets with the marker bit: each picture's last one, none, all, the last one of each slice or of each NAL unit, or
each picture's last one and those of parameter sets and SEI."""

HEADER = struct.Struct(">BBHII")
PAYLOAD_TYPE = 96
_STAP_A, _FU_A, _AP, _FU = 24, 28, 48, 49


@dataclass
class Packetiser:
    """Packetises one stream; each packet has the next sequence number."""

    codec: Codec
    mtu: int = 200
    """Largest payload."""
    aggregate: bool = False
    """Whether small NAL units go together into STAP-A or AP."""
    markers: Markers = "last"
    sequence: int = 0
    ssrc: int = 0x1234
    payload_type: int = PAYLOAD_TYPE
    header: bytes = b""
    """Contributing sources and an extension for every packet, as `flags` announces."""
    flags: int = 0x80

    def packets(self, pictures: Iterable[Coded]) -> list[bytes]:
        return [packet for picture in pictures for packet in self.picture(picture.nals, picture.timestamp)]

    def picture(self, nals: Sequence[bytes], timestamp: int) -> list[bytes]:
        payloads = list(self._payloads(nals))
        packets: list[bytes] = []
        for number, (payload, ends_nal, of_slice) in enumerate(payloads, 1):
            last = number == len(payloads)
            marked = {
                "last": last,
                "none": False,
                "all": True,
                "slices": ends_nal and of_slice,
                "each_nal": ends_nal,
                "parameter_sets": last or (ends_nal and not of_slice),
            }[self.markers]
            packets.append(self.packet(payload, timestamp, marked=marked))
        return packets

    def packet(self, payload: bytes, timestamp: int, *, marked: bool) -> bytes:
        second = marked << 7 | self.payload_type
        header = HEADER.pack(self.flags, second, self.sequence, timestamp & 0xFFFF_FFFF, self.ssrc)
        self.sequence = (self.sequence + 1) & 0xFFFF
        return header + self.header + payload

    def _payloads(self, nals: Sequence[bytes]) -> Iterator[tuple[bytes, bool, bool]]:
        """Yield each payload, whether a NAL unit ends with it, and whether it is of a slice."""
        waiting: list[bytes] = []
        for nal in nals:
            if self.aggregate and len(nal) + 2 + sum(len(other) + 2 for other in waiting) <= self.mtu - 2:
                waiting.append(nal)
                continue
            yield from self._together(waiting)
            waiting = []
            if self.aggregate and len(nal) + 4 <= self.mtu:
                waiting.append(nal)
            elif len(nal) <= self.mtu:
                yield nal, True, is_slice(self.codec, nal)
            else:
                yield from self._fragments(nal)
        yield from self._together(waiting)

    def _together(self, nals: list[bytes]) -> Iterator[tuple[bytes, bool, bool]]:
        of_slice = any(is_slice(self.codec, nal) for nal in nals)
        if len(nals) == 1:
            yield nals[0], True, of_slice
        elif nals:
            body = b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)
            if self.codec == "h264":
                header = bytes([_STAP_A | max(nal[0] & 0x60 for nal in nals)])
            else:
                header = bytes([_AP << 1, 1])
            yield header + body, True, of_slice

    def _fragments(self, nal: bytes) -> Iterator[tuple[bytes, bool, bool]]:
        kind = nal_type(self.codec, nal)
        if self.codec == "h264":
            header, body = bytes([nal[0] & 0xE0 | _FU_A]), nal[1:]
        else:
            header, body = bytes([nal[0] & 0x81 | _FU << 1, nal[1]]), nal[2:]
        room = self.mtu - len(header) - 1
        pieces = [body[at : at + room] for at in range(0, len(body), room)]
        for number, piece in enumerate(pieces, 1):
            last = number == len(pieces)
            bits = 0x80 * (number == 1) | 0x40 * last
            yield header + bytes([bits | kind]) + piece, last, is_slice(self.codec, nal)


@dataclass(frozen=True)
class TimedPacket:
    """One RTP packet, and when it is sent: ticks of 1/90000 s from the first."""

    at: int
    data: bytes


@dataclass(frozen=True)
class StreamPacketiser:
    """Packetises streams of the corpus. Sequence numbers and timestamps wrap soon after the beginning."""

    markers: Markers = "last"
    aggregate: bool = False
    mtu: int = 1200
    ssrc: int = 0x5EED5EED
    first_sequence: int = 65_500
    first_timestamp: int = 0xFFFF_0000

    @functools.cache  # noqa: B019 - a few packetisers, which live as long as the tests run
    def packets(self, stream: CorpusStream, turns: int = 1) -> tuple[TimedPacket, ...]:
        """Return the packets of the whole stream, `turns` times over."""
        packetiser = Packetiser(
            stream.codec, self.mtu, self.aggregate, self.markers, self.first_sequence & 0xFFFF, self.ssrc
        )
        starts = min(unit.dts for unit in stream.units)
        return tuple(
            TimedPacket(unit.dts - starts + shift, packet)
            for shift in range(0, turns * stream.duration, stream.duration)
            for unit in stream.units
            for packet in packetiser.picture(nal_units(unit.data), self.first_timestamp + unit.pts + shift)
        )
