"""One camera read as the engine reads it: a CameraReader, its ring, and a thread that takes every frame out of it."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from benchmarks.cameras import barcode
from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import FrameMeta, SlotFormat
from stream.settings.engine import CameraConfig
from stream.sources.reader import CameraReader
from stream.sources.status import CameraStatus
from telemetry.observer import Observer


@dataclass(frozen=True)
class Taken:
    """One frame out of the ring, and the number that its pixels show (`barcode.UNREADABLE` if none).

    `digest`: CRC-32 of its planes. `taken_ns`: monotonic instant when it was taken out.
    """

    meta: FrameMeta
    number: int
    digest: int
    taken_ns: int


class WatchedCamera(Observer):
    """`with WatchedCamera(url) as camera: camera.wait_for(lambda: camera.live)`; stopped at the end."""

    def __init__(self, source: str | Path, camera: str = "cam", slots: int = 8, **settings: Any) -> None:
        settings = {"reconnect_initial_s": 0.1, "reconnect_max_s": 0.3, "stall_timeout_s": 1.0, **settings}
        self.config = CameraConfig(id=camera, source=str(source), **settings)  # pyright: ignore[reportArgumentType]
        self.said: list[CameraStatus] = []
        self.said_after_s: list[float] = []
        self.frames: list[Taken] = []
        self.reconnects: list[str] = []
        self.discarded: list[str] = []
        self.fallbacks: list[str] = []
        self._filled = threading.Event()
        policy = "every" if self.config.pace == "fast" else "latest"
        self.ring = FrameRing(camera, slots, policy, on_ready=self._filled.set)
        self.reader = CameraReader(
            self.config,
            self.ring,
            lambda source, detector: SlotFormat("planes", source, source),
            self,
            self._take_status,
        )
        self._drainer = threading.Thread(target=self._drain, daemon=True)
        self._done = threading.Event()

    def __enter__(self) -> WatchedCamera:
        self._began = time.monotonic()
        self._drainer.start()
        self.reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self, within_s: float = 2.0) -> float:
        """Stop it, and say how many seconds that took; fails if it takes longer than allowed."""
        began = time.monotonic()
        self.reader.stop()
        ended = self.reader.join(within_s)
        took = time.monotonic() - began
        self._done.set()
        self._filled.set()
        self._drainer.join(5)
        assert ended, f"the camera's thread still runs {took:.2f} s after stop()"
        return took

    def wait_for(self, what: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Until `what` holds; fails, showing what the camera said, if it doesn't in time."""
        deadline = time.monotonic() + timeout_s
        while not what():
            assert time.monotonic() < deadline, f"not in {timeout_s} s; {len(self.frames)} frames; {self.said}"
            time.sleep(0.01)

    def wait_until_ended(self, timeout_s: float = 20.0) -> None:
        """Until the source is over and every frame is taken."""
        self.wait_for(lambda: self.state == "ended" and self.ring.finished, timeout_s)

    @property
    def state(self) -> str:
        """The state said last."""
        return self.said[-1].state if self.said else ""

    @property
    def live(self) -> bool:
        """Whether it is live now."""
        return self.state == "live"

    @property
    def reasons(self) -> list[str]:
        """Every reason said so far, in order."""
        return [status.reason for status in self.said if status.reason is not None]

    @property
    def epochs(self) -> list[int]:
        """The epochs of the frames taken, in order, each once."""
        return sorted({taken.meta.epoch for taken in self.frames})

    def numbers(self, epoch: int) -> list[int]:
        """What the pixels of an epoch's frames say."""
        return [taken.number for taken in self.frames if taken.meta.epoch == epoch]

    def of_epoch(self, epoch: int) -> list[FrameMeta]:
        """What is said of an epoch's frames."""
        return [taken.meta for taken in self.frames if taken.meta.epoch == epoch]

    # -- what it is told --------------------------------------------------------------------------------------------

    def reconnecting(self, camera: str, reason: str) -> None:
        self.reconnects.append(reason)

    def unit_discarded(self, camera: str, reason: str) -> None:
        self.discarded.append(reason)

    def transport_fallback(self, camera: str, reason: str) -> None:
        self.fallbacks.append(reason)

    def _take_status(self, status: CameraStatus) -> None:
        self.said_after_s.append(time.monotonic() - self._began)
        self.said.append(status)

    def _drain(self) -> None:
        while not self._done.is_set():
            self._filled.wait(0.5)
            self._filled.clear()
            while lease := self.ring.lease():
                taken_ns = time.monotonic_ns()
                width, height = lease.meta.format.size
                luma: np.ndarray = lease.picture[: width * height].reshape(height, width)
                digest = zlib.crc32(lease.picture.tobytes())
                self.frames.append(Taken(lease.meta, barcode.read(luma), digest, taken_ns))
                self.ring.release(lease)
