"""What the wire's transport does with packets, without its sockets and threads: whole pictures of them, decoded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import av
from av.video.codeccontext import VideoCodecContext

from stream.sources.decoding.decoder import Decoded, Decoder
from stream.sources.rtp.access_units import AccessUnits
from stream.sources.rtp.encoded_unit import EncodedUnit
from stream.sources.transport import AccessUnit, UnitTimes
from support.rtp.rtp_packets import PAYLOAD_TYPE, TimedPacket
from support.rtp.stream_corpus import RTP_CLOCK, CorpusStream, annex_b, digest_of

NS_A_TICK = 1_000_000_000 / RTP_CLOCK


@dataclass(frozen=True)
class Given:
    """A picture that came out. `pts`: ticks from the stream's first; `at`: when, ticks since the first packet."""

    pts: int
    at: int
    digest: int


class WirePath:
    """One stream's packets in, by `take`; `given` are the pictures that came out so far, in order.

    `left_out`: why pictures weren't handed to the decoder; `discarded`: why the decoder gave none; `handed`: whether
    each unit that it got was to be shown.
    """

    def __init__(self, stream: CorpusStream, first_timestamp: int, reorder: bool = False) -> None:
        self.given: list[Given] = []
        self.left_out: list[str] = []
        self.discarded: list[str] = []
        self.handed: list[bool] = []
        self._last_at = 0
        self._first_timestamp = first_timestamp
        codec = av.CodecContext.create(stream.codec, "r")
        assert isinstance(codec, VideoCodecContext)
        codec.extradata = annex_b(stream.parameter_sets)
        self._decoder = Decoder(codec, self.discarded.append)
        name = "h264" if stream.codec == "h264" else "h265"
        sets = stream.parameter_sets
        self.units = AccessUnits(name, PAYLOAD_TYPE, sets, self.left_out.append, reorder=reorder)

    def take(self, packets: Iterable[TimedPacket]) -> WirePath:
        """Packets at their times, and whatever is overdue then."""
        for packet in packets:
            self._last_at = packet.at
            now_ns = round(packet.at * NS_A_TICK)
            if self.units.waits:
                self._decode(self.units.due(now_ns), packet.at)
            self._decode(self.units.add(memoryview(packet.data), now_ns), packet.at)
        return self

    def flush(self) -> WirePath:
        """Nothing more comes: what is waited for is given up, and the decoder gives what it held back."""
        at = self._last_at + 10 * RTP_CLOCK
        self._decode(self.units.due(round(at * NS_A_TICK)), at)
        self._note(self._decoder.flush(), at)
        return self

    def _decode(self, units: list[EncodedUnit], at: int) -> None:
        for unit in units:
            self.handed.append(unit.shown)
            packet = av.Packet(unit.data)
            packet.is_keyframe = unit.is_keyframe
            pts = (unit.rtp_timestamp - self._first_timestamp) & 0xFFFF_FFFF
            times = UnitTimes(pts, at, 0, shown=unit.shown)
            self._note(self._decoder.decode(AccessUnit(packet, times, unit.restart)), at)

    def _note(self, pictures: list[Decoded], at: int) -> None:
        self.given += [Given(picture.pts_us or 0, at, digest_of(picture.frame)) for picture in pictures]
