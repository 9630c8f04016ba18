"""Client of the benchmark's camera server, which it starts in a separate process for a `with` block."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from benchmarks.cameras.clip import Clip
from benchmarks.cameras.rtsp_server import DEBIAN_PACKAGES, START_TIMEOUT_S, SYSTEM_PYTHON, RtspServerError
from benchmarks.machine import process_cpu_seconds

SERVER = Path(__file__).with_name("camera_server.py")


class CameraServerError(RtspServerError):
    """The camera server does not start; the message gives the remedy."""


@dataclass(frozen=True, slots=True)
class Sent:
    """For each camera, the CLOCK_MONOTONIC ns at which frame 0, 1, 2 … was sent, and the number of sessions."""

    times_ns: list[np.ndarray]
    sessions: list[int]


class Cameras:
    """`count` RTSP cameras that send `clip`: `with Cameras(clip, 4) as cameras: cameras.urls` … `cameras.sent()`.

    `staggered`: they send in turn, not all at the same time. `spread`: they begin at different places of the clip.
    """

    def __init__(
        self, clip: Clip, count: int, *, staggered: bool = True, spread: bool = False, capacity: int = 20_000
    ) -> None:
        self.clip = clip
        self.count = count
        self.urls: list[str] = []
        self._staggered = staggered
        self._spread = spread
        self._capacity = capacity
        self._process: subprocess.Popen[str] | None = None
        self._log: Path | None = None

    @property
    def pid(self) -> int:
        """Process id of the server."""
        if self._process is None:
            raise CameraServerError("the cameras are not running")
        return self._process.pid

    def __enter__(self) -> Cameras:
        if not SYSTEM_PYTHON.exists():
            raise CameraServerError(f"{SYSTEM_PYTHON} is missing. On Debian: apt-get install {DEBIAN_PACKAGES}")
        descriptor, name = tempfile.mkstemp(prefix="partstream-sent-")
        os.close(descriptor)
        self._log = Path(name)
        command = [str(SYSTEM_PYTHON), str(SERVER), "--stream", str(self.clip.stream), "--index", str(self.clip.index)]
        command += ["--cameras", str(self.count), "--log", name, "--capacity", str(self._capacity)]
        if not self._staggered:
            command.append("--aligned")
        if self._spread:
            command.append("--spread")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        try:
            port = self._first_line()
        except CameraServerError:
            self.close()
            raise
        self.urls = [f"rtsp://127.0.0.1:{port}/cam{camera}" for camera in range(self.count)]
        return self

    def _first_line(self) -> int:
        assert self._process is not None and self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_TIMEOUT_S)
        line = self._process.stdout.readline().strip() if ready else ""
        if not line.isdigit():
            raise CameraServerError(
                "the camera server did not start. It requires GStreamer's RTSP server and its Python bindings. "
                f"On Debian: apt-get install {DEBIAN_PACKAGES}"
            )
        return int(line)

    def cpu_seconds(self) -> float:
        """Return the user and system time of the server."""
        return process_cpu_seconds(self.pid)

    def sent(self) -> Sent:
        """Return the times at which frames were sent so far."""
        if self._log is None:
            raise CameraServerError("the cameras are not running")
        rows = np.fromfile(self._log, np.int64).reshape(self.count, self._capacity + 2)
        return Sent([row[2 : 2 + row[1]].copy() for row in rows], [int(row[0]) for row in rows])

    def close(self) -> None:
        """Stop the server and remove its log."""
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.close()
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5.0)
            self._process.stdout.close()
            self._process = None
        if self._log is not None:
            self._log.unlink(missing_ok=True)
            self._log = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
