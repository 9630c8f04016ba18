"""PyPI's rtsp-rs as an RTSP server.

It supports UDP only (461 for TCP) and H.264 only, without RTCP and passwords. All clients share one playback. Pictures
have equal intervals.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from support.rtp.stream_corpus import CorpusStream
from support.rtsp_servers.server_process import ServerProcess

_PROGRAM = """
import itertools, pathlib, struct, sys, time
import rtsp
content = pathlib.Path(sys.argv[1]).read_bytes()
units, at = [], 0
while at < len(content):
    (size,) = struct.unpack_from(">I", content, at)
    units.append(content[at + 4 : at + 4 + size])
    at += 4 + size
server = rtsp.Server(f"127.0.0.1:{sys.argv[2]}")
server.start()
due = time.monotonic()
for unit in itertools.cycle(units):
    due += 0.04
    time.sleep(max(0.0, due - time.monotonic()))
    server.send_frame(unit, 3600)
"""


class RtspRsServer(ServerProcess):
    """Plays `stream` at 25 fps, in a loop."""

    def __init__(self, stream: CorpusStream) -> None:
        super().__init__()
        assert stream.codec == "h264"
        self._stream = stream

    def prepare(self, folder: Path) -> None:
        units = [len(unit.data).to_bytes(4, "big") + unit.data for unit in self._stream.units]
        (folder / "units").write_bytes(b"".join(units))

    def command(self, folder: Path) -> Sequence[str]:
        return [sys.executable, "-c", _PROGRAM, str(folder / "units"), str(self.port)]

    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/stream"
