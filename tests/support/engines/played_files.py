"""Files read into a packet ring, as if a camera sent them."""

from __future__ import annotations

import time
from pathlib import Path

import av

from stream.recording.packets import PacketRing
from stream.sources.decoding.clock import Stamp
from stream.sources.decoding.decoder import Decoded, Decoder
from stream.sources.transport import AccessUnit, CodecParameters, UnitTimes

OFFSET_US = 7


def played(source: Path) -> tuple[PacketRing, list[int]]:
    """Return a ring with the whole file, and the media times of its pictures."""
    ring = PacketRing(1000, 2000, 1 << 30)
    times_us: list[int] = []

    def show(shown: list[Decoded]) -> None:
        for picture in shown:
            assert picture.pts_us is not None
            times_us.append(picture.pts_us + OFFSET_US)
            ring.shown(picture.times, 1, Stamp(times_us[-1], 1_000_000 + times_us[-1], "media"))

    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        ring.begin(CodecParameters.of(stream.codec_context))
        decoder = Decoder(stream.codec_context, lambda reason: None)
        for packet in container.demux(stream):
            if packet.size:
                ticks = packet.pts if packet.pts is not None else packet.dts
                pts_us = round((ticks or 0) * packet.time_base * 1_000_000)
                unit = AccessUnit(packet, UnitTimes(pts_us, time.monotonic_ns(), 0))
                ring.add(unit)
                show(decoder.decode(unit))
        show(decoder.flush())
    ring.close()
    return ring, times_us
