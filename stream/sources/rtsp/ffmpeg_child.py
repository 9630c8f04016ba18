"""Reads an RTSP camera with FFmpeg's demuxer, in a process of its own, and writes its packets to standard output.

FFmpeg follows redirects, with the password, and buffers what a server sends without a limit. This process ends at a
redirect, and its memory is limited. It imports nothing of partstream, so that it starts quickly. Its only argument is
JSON on standard input: `address`, `options`, `timeouts` (seconds for opening and for one read), `data_bytes`.

The first record describes the stream; those that follow are packets. A record about an error is the last.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import struct
import sys
import time
from typing import Any

import av
import av.error
import av.logging
from av.container import InputContainer
from av.video.stream import VideoStream

HEAD = struct.Struct("<IB")
"""Of a record: its length without this, and its kind."""
ABOUT, PACKET = range(2)
"""Kinds of records: JSON about the stream or an error, and a packet: `TIMES`, then its data."""
TIMES = struct.Struct("<qqqqqB")
"""Arrival (monotonic, ns); times of presentation and decoding, duration, time by the camera's clock (all µs, `NONE` if
unknown); keyframe."""
NONE = -(1 << 63)
_PRODUCER_TIME = struct.Struct("<q")


def main() -> None:
    """Open the camera and write its packets until one of the two ends."""
    wanted = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted["data_bytes"],) * 2)
    av.logging.set_level(av.logging.INFO)
    logging.getLogger("libav").addHandler(_EndAtRedirect())
    logging.getLogger("libav").setLevel(logging.INFO)
    try:
        address: str = wanted["address"]
        options: dict[str, str] = wanted["options"]
        open_s: float
        read_s: float
        open_s, read_s = wanted["timeouts"]
        container = av.open(address, options=options, timeout=(open_s, read_s))
        _read(container)
    except (av.error.FFmpegError, MemoryError) as error:
        _write_json({"errno": getattr(error, "errno", None) or 12})
    except BrokenPipeError:  # nothing reads them any more
        os._exit(0)


def _read(container: InputContainer) -> None:
    video = next(iter(container.streams.video), None)
    if video is None or video.codec_context is None:
        _write_json({"missing": "video" if video is None else "decoder"})
        return
    _write_json(_described(video))
    us_per_tick = float((video.time_base or 0) * 1_000_000)
    for packet in container.demux(video):
        arrival_ns = time.monotonic_ns()
        if not packet.size:
            return
        pts_us, dts_us = (NONE if at is None else round(at * us_per_tick) for at in (packet.pts, packet.dts))
        duration_us = round((packet.duration or 0) * us_per_tick)
        times = TIMES.pack(arrival_ns, pts_us, dts_us, duration_us, _sender_us(packet), packet.is_keyframe)
        _write(PACKET, times + bytes(packet))


def _described(video: VideoStream) -> dict[str, Any]:
    codec = video.codec_context
    return {
        "codec": codec.name,
        "extradata": (codec.extradata or b"").hex(),
        "size": (codec.width, codec.height),
        "pixels": codec.pix_fmt,
    }


def _sender_us(packet: av.Packet) -> int:
    """Return the time that FFmpeg attaches to each packet after an RTCP sender report."""
    if not packet.has_sidedata("prft"):
        return NONE
    return _PRODUCER_TIME.unpack_from(bytes(packet.get_sidedata("prft")))[0]


def _write_json(content: dict[str, Any]) -> None:
    _write(ABOUT, json.dumps(content).encode())


def _write(kind: int, content: bytes) -> None:
    data = HEAD.pack(len(content), kind) + content
    while data:
        data = data[os.write(1, data) :]


class _EndAtRedirect(logging.Handler):
    """FFmpeg says that it follows a redirect before it connects, and has no option against it."""

    def emit(self, record: logging.LogRecord) -> None:
        """End the process at a redirect."""
        if "Redirecting to" in record.getMessage():
            _write_json({"redirected": True})
            os._exit(0)


if __name__ == "__main__":
    main()
