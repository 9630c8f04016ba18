"""PyPI's aio-rtsp-toolkit as an RTSP server.

It supports TCP only (461 for UDP), and plays to each client from the start. It sends sender reports, and ends sessions
of clients that send nothing for `session_timeout_s` (at least 15). Use streams without B-frames: it gives reordered
pictures wrong times.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from support.rtp.stream_corpus import CorpusStream
from support.rtsp_servers.server_process import ServerProcess

_PROGRAM = """
import asyncio, sys
from aio_rtsp_toolkit import server
asyncio.run(server.serve(sys.argv[1], "127.0.0.1", int(sys.argv[2]), session_timeout=int(sys.argv[3])))
"""


class AioRtspServer(ServerProcess):
    """Plays each of `streams` under its name, in a loop."""

    def __init__(self, *streams: CorpusStream, session_timeout_s: int = 60) -> None:
        super().__init__()
        self._streams = streams
        self._session_timeout_s = session_timeout_s

    def prepare(self, folder: Path) -> None:
        for stream in self._streams:
            stream.write_container(folder / f"{stream.name}.mp4")

    def command(self, folder: Path) -> Sequence[str]:
        return [sys.executable, "-c", _PROGRAM, str(folder), str(self.port), str(self._session_timeout_s)]

    def url(self, name: str | None = None) -> str:
        return f"rtsp://127.0.0.1:{self.port}/{name or self._streams[0].name}.mp4?play_count=0"
