"""RTP packets of the corpus' streams, written as cameras write them, well or badly (RFC 6184, RFC 7798)."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from support.rtp.stream_corpus import Codec, CodedPicture, CorpusStream, nal_type, nal_units

Markers = Literal["last", "none", "all", "each_nal", "parameter_sets"]
"""Where the marker is set: on each picture's last packet, nowhere, on every packet, at every NAL unit's end, or on the
last packet and after parameter sets and SEI messages too."""

HEADER = struct.Struct(">BBHII")
PAYLOAD_TYPE = 96
_STAP_A, _FU_A, _AP, _FU = 24, 28, 48, 49


@dataclass(frozen=True)
class TimedPacket:
    """One RTP packet, and when it is sent: ticks of 1/90000 s from the first."""

    at: int
    data: bytes


@dataclass(frozen=True)
class Packetiser:
    """`size`: bytes of payload at most. `aggregate`: what comes before a picture's slices goes into one packet."""

    markers: Markers = "last"
    aggregate: bool = False
    size: int = 1200
    ssrc: int = 0x5EED5EED
    first_sequence: int = 65_500
    first_timestamp: int = 0xFFFF_0000

    @functools.cache  # noqa: B019 - a few packetisers, as long as the tests run
    def packets(self, stream: CorpusStream, turns: int = 1) -> tuple[TimedPacket, ...]:
        """The whole stream, `turns` times over; sequence numbers and timestamps wrap soon, as they may."""
        made: list[TimedPacket] = []
        starts = min(unit.dts for unit in stream.units)
        for turn in range(turns):
            for unit in stream.units:
                shift = turn * stream.duration
                timestamp = self.first_timestamp + unit.pts + shift & 0xFFFF_FFFF
                for payload, marker in self._payloads(stream.codec, unit):
                    sequence = self.first_sequence + len(made) & 0xFFFF
                    kind = PAYLOAD_TYPE | (0x80 if marker else 0)
                    header = HEADER.pack(0x80, kind, sequence, timestamp, self.ssrc)
                    made.append(TimedPacket(unit.dts - starts + shift, header + payload))
        return tuple(made)

    def _payloads(self, codec: Codec, unit: CodedPicture) -> Iterator[tuple[bytes, bool]]:
        """One picture's payloads, each with its marker."""
        nals = nal_units(unit.data)
        first_slice = next(at for at, nal in enumerate(nals) if is_slice(codec, nal))
        groups = [[nal] for nal in nals]
        if self.aggregate and first_slice > 1:
            groups[:first_slice] = [nals[:first_slice]]
        for group in groups:
            parts = list(self._fragments(codec, group))
            ahead = not is_slice(codec, group[-1])
            for number, part in enumerate(parts, 1):
                ends = number == len(parts)
                last = ends and group is groups[-1]
                marker = {
                    "last": last,
                    "none": False,
                    "all": True,
                    "each_nal": ends,
                    "parameter_sets": last or (ends and ahead),
                }[self.markers]
                yield part, marker

    def _fragments(self, codec: Codec, group: list[bytes]) -> Iterator[bytes]:
        if len(group) > 1:
            head = bytes([0x60 | _STAP_A]) if codec == "h264" else bytes([_AP << 1, 1])
            yield head + b"".join(len(nal).to_bytes(2, "big") + nal for nal in group)
            return
        (nal,) = group
        if len(nal) <= self.size:
            yield nal
            return
        header = 1 if codec == "h264" else 2
        rest = [nal[at : at + self.size] for at in range(header, len(nal), self.size)]
        for number, part in enumerate(rest):
            flags = (0x80 if number == 0 else 0) | (0x40 if number == len(rest) - 1 else 0)
            if codec == "h264":
                yield bytes([nal[0] & 0xE0 | _FU_A, flags | nal[0] & 0x1F]) + part
            else:
                yield bytes([nal[0] & 0x81 | _FU << 1, nal[1], flags | nal_type(codec, nal)]) + part


def is_slice(codec: Codec, nal: bytes) -> bool:
    """Whether a NAL unit is part of the picture itself."""
    return 1 <= nal_type(codec, nal) <= 5 if codec == "h264" else nal_type(codec, nal) < 32
