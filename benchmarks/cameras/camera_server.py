"""RTSP server that loops a pre-encoded clip and records when it sends each frame.

This is a separate program, because only the system's Python has GStreamer's bindings. It runs until its standard input
closes. Each client gets its own stream, which starts with frame 0. Frames are sent on a fixed grid of the monotonic
clock, camera i of n shifted by i/n of a frame interval, so that phases are the same for every contender. With
`--spread`, camera i also begins i/n into the clip, at a keyframe, so that cameras do not all show the same.

The log file has `capacity + 2` native 64-bit integers for each camera: the number of sessions, the frames sent in the
current session, and for each of them the time at which it entered the RTP payloader (CLOCK_MONOTONIC, in ns).

    python3 camera_server.py --stream CLIP.h264 --index CLIP.json --cameras 4 --log TIMES --capacity 20000
"""

from __future__ import annotations

import argparse
import heapq
import json
import mmap
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gi  # pyright: ignore[reportMissingImports]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # pyright: ignore[reportMissingImports] # noqa: E402

LAUNCH = (
    "( appsrc name=clip is-live=true format=time do-timestamp=false max-buffers=500 leaky-type=downstream "
    "caps=video/x-h264,stream-format=byte-stream,alignment=au,width={width},height={height},framerate={fps}/1 "
    "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)
HEAD_START_NS = 5_000_000
"""Offset of timestamps into the past, so that the server's sink never delays a frame."""


class SendLog:
    """Shared file of send times."""

    def __init__(self, path: Path, cameras: int, capacity: int) -> None:
        self.capacity = capacity
        self.row = capacity + 2
        with path.open("r+b") as file:
            file.truncate(cameras * self.row * 8)
            self._words = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")

    def begin(self, camera: int) -> None:
        base = camera * self.row
        self._words[base] += 1
        self._words[base + 1] = 0

    def sent(self, camera: int, number: int, now_ns: int) -> None:
        base = camera * self.row
        if number < self.capacity:
            self._words[base + 2 + number] = now_ns
            self._words[base + 1] = number + 1


class Stream:
    """Stream of a client: the next frame and its time."""

    def __init__(self, camera: int, source: Any, first_unit: int) -> None:
        self.camera = camera
        self.source = source
        self.first_unit = first_unit
        self.next = 0
        self.first_due_ns = 0
        self.first_pts_ns = 0
        self.closed = False


class Feeder(threading.Thread):
    """Thread that sends the frames of all streams when they are due."""

    def __init__(self, units: list[Any], fps: int, cameras: int, staggered: bool) -> None:
        super().__init__(name="feeder", daemon=True)
        self._units = units
        self._interval_ns = 1_000_000_000 // fps
        self._phases = [self._interval_ns * i // cameras if staggered else 0 for i in range(cameras)]
        self._due: list[tuple[int, int, Stream]] = []
        self._entries = 0
        self._changed = threading.Condition()

    def add(self, stream: Stream) -> None:
        """Send frame 0 at once, because the client gets no answer before it, and schedule the others on the grid."""
        self._push(stream, 0)
        with self._changed:
            self._schedule(self._next_on_grid(stream.camera, time.monotonic_ns()), stream)
            self._changed.notify()

    def run(self) -> None:
        while True:
            with self._changed:
                while not self._due:
                    self._changed.wait()
                due_ns, _, stream = self._due[0]
                wait_ns = due_ns - time.monotonic_ns()
                if wait_ns > 0:
                    self._changed.wait(wait_ns / 1e9)
                    continue
                heapq.heappop(self._due)
            if stream.closed:
                continue
            self._push(stream, due_ns)
            with self._changed:
                self._schedule(due_ns + self._interval_ns, stream)

    def _schedule(self, due_ns: int, stream: Stream) -> None:
        self._entries += 1
        heapq.heappush(self._due, (due_ns, self._entries, stream))

    def _next_on_grid(self, camera: int, now_ns: int) -> int:
        phase = self._phases[camera]
        return ((now_ns - phase) // self._interval_ns + 1) * self._interval_ns + phase

    def _push(self, stream: Stream, due_ns: int) -> None:
        number = stream.next
        stream.next += 1
        buffer = self._units[(stream.first_unit + number) % len(self._units)].copy()
        if number == 1:
            stream.first_due_ns = due_ns
            age_ns = time.monotonic_ns() - due_ns
            stream.first_pts_ns = max(1, self._running_ns(stream) - age_ns - HEAD_START_NS)
        buffer.pts = stream.first_pts_ns + due_ns - stream.first_due_ns if number else 0
        buffer.offset = number
        stream.source.emit("push-buffer", buffer)

    @staticmethod
    def _running_ns(stream: Stream) -> int:
        clock = stream.source.get_clock()
        return clock.get_time() - stream.source.get_base_time() if clock else 0


def read_units(stream: Path, index: dict[str, Any]) -> list[Any]:
    """Return the clip's access units as buffers, which all streams share."""
    data = stream.read_bytes()
    units, offset = [], 0
    for size in index["sizes"]:
        units.append(Gst.Buffer.new_wrapped(data[offset : offset + size]))
        offset += size
    return units


def serve(arguments: argparse.Namespace) -> None:
    """Serve `/cam0`, `/cam1` … until standard input closes. Prints the port as its only line."""
    Gst.init(None)
    index = json.loads(arguments.index.read_text())
    log = SendLog(arguments.log, arguments.cameras, arguments.capacity)
    feeder = Feeder(read_units(arguments.stream, index), index["fps"], arguments.cameras, not arguments.aligned)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")

    def configure(_factory: Any, media: Any, camera: int) -> None:
        element = media.get_element()
        share = camera / arguments.cameras if arguments.spread else 0
        # Clips have a keyframe per second.
        first_unit = int(share * len(index["sizes"])) // index["fps"] * index["fps"]
        stream = Stream(camera, element.get_by_name("clip"), first_unit)
        log.begin(camera)

        def note(_pad: Any, info: Any) -> Any:
            log.sent(camera, info.get_buffer().offset, time.monotonic_ns())
            return Gst.PadProbeReturn.OK

        def start(_source: Any, _length: int) -> None:
            if not stream.next:
                feeder.add(stream)

        def end(_media: Any) -> None:
            stream.closed = True

        element.get_by_name("pay0").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, note)
        stream.source.connect("need-data", start)
        media.connect("unprepared", end)

    for camera in range(arguments.cameras):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(LAUNCH.format(**index))
        factory.set_shared(False)
        factory.connect("media-configure", configure, camera)
        server.get_mount_points().add_factory(f"/cam{camera}", factory)
    if not server.attach(None):
        sys.exit("camera_server: no port could be bound")
    feeder.start()
    loop = GLib.MainLoop()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # An idle callback, because the loop may not be running yet when the input closes.
    threading.Thread(target=lambda: (sys.stdin.read(), GLib.idle_add(loop.quit)), daemon=True).start()
    print(server.get_bound_port(), flush=True)
    loop.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stream", type=Path, required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--cameras", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--capacity", type=int, default=20_000)
    parser.add_argument("--aligned", action="store_true", help="all cameras send at the same time")
    parser.add_argument("--spread", action="store_true", help="cameras begin at different places of the clip")
    serve(parser.parse_args())
