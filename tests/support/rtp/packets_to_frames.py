"""Packets in, decoded frames out, as in native RTSP without its sockets and threads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import av
from av.video.codeccontext import VideoCodecContext

from stream.sources.decoding.decoder import Decoded, Decoder
from stream.sources.rtp.access_units import AccessUnits
from stream.sources.rtp.packets import EncodedUnit
from stream.sources.transport import AccessUnit, UnitTimes
from support.rtp.nal_units import FFMPEG_NAMES, annex_b
from support.rtp.packetiser import PAYLOAD_TYPE, TimedPacket
from support.rtp.stream_corpus import RTP_CLOCK, CorpusStream, digest_of

NS_PER_TICK = 1_000_000_000 / RTP_CLOCK


@dataclass(frozen=True)
class Shown:
    """A frame that came out. `pts`: ticks from the stream's first; `at`: when, ticks since the first packet."""

    pts: int
    at: int
    digest: int


class PacketsToFrames:
    """Takes one stream's packets.

    `shown` are the frames that came out so far, in order. `undelivered`: why units were not given to the decoder;
    `undecoded`: why the decoder gave no frame; `delivered`: how many units it was given.
    """

    def __init__(self, stream: CorpusStream, first_timestamp: int, reorder: bool = False) -> None:
        self.shown: list[Shown] = []
        self.undelivered: list[str] = []
        self.undecoded: list[str] = []
        self.delivered = 0
        self._last_at = 0
        self._first_timestamp = first_timestamp
        codec = av.CodecContext.create(FFMPEG_NAMES[stream.codec], "r")
        assert isinstance(codec, VideoCodecContext)
        codec.extradata = annex_b(stream.parameter_sets)
        self._decoder = Decoder(codec, self.undecoded.append)
        self.units = AccessUnits(
            stream.codec, PAYLOAD_TYPE, stream.parameter_sets, self.undelivered.append, reorder=reorder
        )

    def take(self, packets: Iterable[TimedPacket]) -> PacketsToFrames:
        """Take packets at their times, and give up what is overdue then."""
        for packet in packets:
            self._last_at = packet.at
            now_ns = round(packet.at * NS_PER_TICK)
            if self.units.waits:
                self._decode(self.units.due(now_ns), packet.at)
            self._decode(self.units.add(memoryview(packet.data), now_ns), packet.at)
        return self

    def flush(self) -> PacketsToFrames:
        """End the stream: give up what is missing, and take what the decoder held back."""
        at = self._last_at + 10 * RTP_CLOCK
        self._decode(self.units.due(round(at * NS_PER_TICK)), at)
        self._note(self._decoder.flush(), at)
        return self

    def _decode(self, units: list[EncodedUnit], at: int) -> None:
        for unit in units:
            self.delivered += 1
            packet = av.Packet(unit.data)
            packet.is_keyframe = unit.is_keyframe
            pts = (unit.rtp_timestamp - self._first_timestamp) & 0xFFFF_FFFF
            times = UnitTimes(pts, at, 0)
            self._note(self._decoder.decode(AccessUnit(packet, times, unit.restart)), at)

    def _note(self, pictures: list[Decoded], at: int) -> None:
        self.shown += [Shown(picture.pts_us or 0, at, digest_of(picture.frame)) for picture in pictures]
