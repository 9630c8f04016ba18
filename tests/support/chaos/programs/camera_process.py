"""A camera in a process of its own: an RTSP server with endless footage, a clock that can be stepped, and sizes.

    python -m support.chaos.programs.camera_process PORT FPS SEED

Commands are lines on standard input: `clock SECONDS` sets how far its clock is wrong, `footage NUMBER` what it shows
from the next round of its footage on. It ends with its standard input.
"""

from __future__ import annotations

import random
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from typing import cast

from support.rtp.nal_units import nal_units
from support.rtp.packetiser import Packetiser, TimedPacket
from support.rtp.stream_corpus import RTP_CLOCK, corpus_stream
from support.rtsp_servers.scripted_rtsp import ScriptedRtspServer, description_of

FOOTAGE = ("h264_baseline", "h264_cropped", "h264_size_change")
"""160 × 120, 178 × 98, and both 160 × 120 and 320 × 240."""
CODED_FPS = 25
UNIX_TO_NTP_S = 2_208_988_800
_REPORT = struct.Struct(">BBHIIIIII")


class Footage:
    """The packets of a client, from the first on, with a sender report after each picture that begins a second."""

    def __init__(self, fps: int, seed: int) -> None:
        self.clock_s = 0.0
        self.shown = 0
        self._random = random.Random(seed)
        self._slower = CODED_FPS / fps
        self._streams = [corpus_stream(name) for name in FOOTAGE]

    def __iter__(self) -> Iterator[TimedPacket]:
        began_s = time.time()
        ssrc, first = self._random.getrandbits(32), self._random.getrandbits(32)
        packetiser = Packetiser("h264", 1200, sequence=self._random.getrandbits(16), ssrc=ssrc)
        starts, sent, octets, reported = 0, 0, 0, -RTP_CLOCK
        while True:
            stream = self._streams[self.shown % len(self._streams)]
            for unit in stream.units:
                at = starts + round(unit.dts * self._slower)
                for packet in packetiser.picture(nal_units(unit.data), first + at):
                    sent, octets = sent + 1, octets + len(packet) - 12
                    yield TimedPacket(at, packet)
                if at - reported >= RTP_CLOCK:
                    reported = at
                    wall = began_s + at / RTP_CLOCK + self.clock_s + UNIX_TO_NTP_S
                    ntp = int(wall) & 0xFFFF_FFFF, int(wall % 1 * (1 << 32))
                    counts = sent & 0xFFFF_FFFF, octets & 0xFFFF_FFFF
                    yield TimedPacket(at, _REPORT.pack(0x80, 200, 6, ssrc, *ntp, first + at & 0xFFFF_FFFF, *counts))
            starts += round(stream.duration * self._slower)


def main() -> None:
    """Serve until standard input ends."""
    port, fps, seed = map(int, sys.argv[1:])
    footage = Footage(fps, seed)
    packets = cast("Sequence[TimedPacket]", footage)  # without end: the server only iterates over them
    server = ScriptedRtspServer(packets, description_of(corpus_stream(FOOTAGE[0])), port=port)
    with server:
        for line in sys.stdin:
            command, value = line.split()
            if command == "clock":
                footage.clock_s = float(value)
            elif command == "footage":
                footage.shown = int(value)


if __name__ == "__main__":
    main()
