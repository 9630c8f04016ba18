"""GStreamer's RTSP server in a separate process, for tests, benchmarks and the demo.

`RtspServer` runs the process within its `with` block, with a temporary folder for the access units of its clips.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import av

SYSTEM_PYTHON = Path("/usr/bin/python3")
"""Debian's own interpreter, the only one with the `gi` bindings."""
SCRIPT = Path(__file__).with_name("rtsp_server_process.py")
DEBIAN_PACKAGES = (
    "gstreamer1.0-rtsp gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad "
    "gstreamer1.0-plugins-ugly gstreamer1.0-libav libgstrtspserver-1.0-0 gir1.2-gst-rtsp-server-1.0 "
    "gir1.2-gst-plugins-base-1.0 python3-gi"
)
UNIT_HEADER = struct.Struct("<qqI?")
START_TIMEOUT_S = 20.0
TO_BYTE_STREAM = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}


class RtspServerError(RuntimeError):
    """The server cannot start; the message gives the reason and the remedy."""


def write_units(video: Path, to: Path) -> None:
    """Split a video into the access units that the server reads, without decoding or encoding.

    The video is H.264, H.265 or MJPEG in any container. Times are shifted so that the first picture is at 0. Raises
    `RtspServerError` for other codecs.
    """
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context.name
        if codec not in (*TO_BYTE_STREAM, "mjpeg"):
            raise RtspServerError(
                f"{video}: the server plays H.264, H.265 and MJPEG, this is {codec}: convert it first"
            )
        filters = av.BitStreamFilterContext(TO_BYTE_STREAM[codec], stream) if codec in TO_BYTE_STREAM else None
        packets = [packet for packet in container.demux(stream) if packet.size]
        if filters is not None:
            packets = [out for packet in packets for out in filters.filter(packet)] + filters.filter(None)
        frame_s = 1 / float(stream.average_rate or stream.guessed_rate or 25)
        base = stream.time_base or packets[0].time_base

        def to_ns(ticks: int | None) -> int:
            return round((ticks or 0) * base * 1_000_000_000)

        first = min(to_ns(packet.pts) for packet in packets)
        last = max(to_ns(packet.pts) for packet in packets)
        head = {"codec": codec, "duration_ns": last - first + round(frame_s * 1e9)}
        with to.open("wb") as out:
            out.write(json.dumps(head).encode() + b"\n")
            for packet in packets:
                data = bytes(packet)
                pts = to_ns(packet.pts) - first
                dts = max(0, to_ns(packet.dts) - first)
                out.write(UNIT_HEADER.pack(pts, dts, len(data), packet.is_keyframe) + data)


class RtspServer:
    """`with RtspServer(files={"/clip": Path("clip.mp4")}) as server: open(server.url("/clip"))`.

    `files`: path on the server → a video, or several that are played in turn (for a change of size in the stream). They
    loop with increasing times. A file `*.units` has the format of `write_units`. Every client starts at frame 0.
    `launch`: path → a GStreamer pipeline with a payloader named `pay0`, shared by all clients. `users`: name →
    password; if given, every mount requires one, by Digest if `digest`, else by Basic. `port` 0 picks a free port,
    which `restart` keeps.
    """

    def __init__(
        self,
        files: Mapping[str, Path | Sequence[Path]] | None = None,
        launch: Mapping[str, str] | None = None,
        users: Mapping[str, str] | None = None,
        port: int = 0,
        digest: bool = False,
    ) -> None:
        self._files = {
            path: [video] if isinstance(video, Path) else list(video) for path, video in (files or {}).items()
        }
        self._launch = dict(launch or {})
        self._users = dict(users or {})
        self._digest = digest
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> RtspServer:
        self._folder = tempfile.TemporaryDirectory(prefix="rtsp-server-")
        try:
            self._configuration = self._write_configuration(Path(self._folder.name))
            self.start()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self._process is None:
            raise RtspServerError("the RTSP server is not running: call start() or restart() first")
        return self._process.pid

    def url(self, path: str, user: str | None = None, password: str | None = None) -> str:
        """Return the address of a mount, with credentials if given."""
        login = f"{user}:{password}@" if user is not None else ""
        return f"rtsp://{login}127.0.0.1:{self.port}{path}"

    def start(self) -> None:
        """Start the process and wait until it listens. Raises `RtspServerError` with the missing packages."""
        if self._folder is None:
            raise RtspServerError("use the RTSP server as a context manager: `with RtspServer(…) as server`")
        if not SYSTEM_PYTHON.exists():
            raise RtspServerError(f"{SYSTEM_PYTHON} is missing. On Debian: apt-get install {DEBIAN_PACKAGES}")
        errors_file = Path(self._folder.name) / "stderr"
        with errors_file.open("wb") as errors:
            process = subprocess.Popen(
                [str(SYSTEM_PYTHON), str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        self._process = process
        assert process.stdin is not None
        try:
            # Standard input stays open: the server ends when it closes, even if this process is killed.
            process.stdin.write(json.dumps({**self._configuration, "port": self.port}).encode() + b"\n")
            process.stdin.flush()
            self.port = json.loads(_first_line(process))["port"]
        except (OSError, ValueError):
            self.kill()
            message = errors_file.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
            raise RtspServerError(
                f"GStreamer's RTSP server does not start ({message or 'no error message'}). If a package is missing, "
                f"on Debian: apt-get install {DEBIAN_PACKAGES}"
            ) from None
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Kill the process, as when a camera loses its power."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()

    def restart(self, users: Mapping[str, str] | None = None) -> None:
        """Kill the process if it runs, and start it again on the same port; `users` replace names and passwords."""
        self.kill()
        if users is not None:
            self._configuration["users"] = dict(users)
        self.start()

    def suspend(self) -> None:
        """Stop the process (SIGSTOP): connections stay open without data, as with a frozen camera."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the process (SIGCONT) after `suspend`."""
        os.kill(self.pid, signal.SIGCONT)

    def _write_configuration(self, folder: Path) -> dict[str, Any]:
        mounts: list[dict[str, Any]] = []
        taken_apart: dict[Path, str] = {}
        for path, videos in self._files.items():
            for video in videos:
                if video not in taken_apart:
                    units = video
                    if video.suffix != ".units":
                        units = folder / f"{len(taken_apart)}.units"
                        write_units(video, units)
                    taken_apart[video] = str(units)
            mounts.append({"path": path, "kind": "units", "files": [taken_apart[video] for video in videos]})
        mounts += [{"path": path, "kind": "launch", "launch": text} for path, text in self._launch.items()]
        return {"users": self._users, "digest": self._digest, "mounts": mounts}


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    """Return the first line that the process prints. Raises `ValueError` after `START_TIMEOUT_S`."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    if not readable:
        raise ValueError("the process did not report its port")
    return process.stdout.readline()
