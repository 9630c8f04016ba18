"""A camera that is read as in the engine: a CameraReader, its ring, and a thread that takes every frame from it."""

from __future__ import annotations

import threading
import zlib
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
from support.waiting import PATIENCE_S, wait_until
from telemetry.observer import Observer


@dataclass(frozen=True)
class Taken:
    """A frame from the ring. `number`: in its pixels, or `barcode.UNREADABLE`; `digest`: CRC-32 of its planes."""

    meta: FrameMeta
    number: int
    digest: int


class WatchedCamera(Observer):
    """`with WatchedCamera(url) as camera: wait_until(lambda: camera.live)`.

    By default there are no timeouts, because the machine may be busy.
    """

    def __init__(self, source: str | Path, camera: str = "cam", slots: int = 64, **settings: Any) -> None:
        settings = {
            "reconnect_initial_s": 0.1,
            "reconnect_max_s": 0.3,
            "start_timeout_s": PATIENCE_S,
            "stall_timeout_s": PATIENCE_S,
            **settings,
        }
        self.config = CameraConfig(id=camera, source=str(source), **settings)  # pyright: ignore[reportArgumentType]
        self.statuses: list[CameraStatus] = []
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

    def __repr__(self) -> str:
        return f"{len(self.frames)} frames; {self.statuses}"

    def __enter__(self) -> WatchedCamera:
        self._drainer.start()
        self.reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the camera, and wait until its threads have ended."""
        self.reader.stop()
        self.reader.join(PATIENCE_S)
        self._done.set()
        self._filled.set()
        self._drainer.join()

    def wait_until_ended(self) -> None:
        """Wait until the source has ended and every frame is taken."""
        wait_until(lambda: self.state == "ended" and self.ring.finished)

    @property
    def state(self) -> str:
        """The last state reported."""
        return self.statuses[-1].state if self.statuses else ""

    @property
    def live(self) -> bool:
        """Whether the last state is `live`."""
        return self.state == "live"

    @property
    def states(self) -> list[str]:
        """All states reported so far, in order."""
        return [status.state for status in self.statuses]

    @property
    def reasons(self) -> list[str]:
        """All reasons reported so far, in order."""
        return [status.reason for status in self.statuses if status.reason is not None]

    @property
    def epochs(self) -> list[int]:
        """The epochs of the frames taken so far, in order."""
        return sorted({taken.meta.epoch for taken in self.frames})

    def numbers(self, epoch: int) -> list[int]:
        """Return the numbers in the pixels of an epoch's frames."""
        return [taken.number for taken in self.frames if taken.meta.epoch == epoch]

    def frames_after(self, epoch: int) -> int:
        """Return the number of frames of the newest epoch, if it is later than `epoch`, else 0."""
        newest = max((taken.meta.epoch for taken in self.frames), default=0)
        return len(self.numbers(newest)) if newest > epoch else 0

    def of_epoch(self, epoch: int) -> list[FrameMeta]:
        """Return the metadata of an epoch's frames."""
        return [taken.meta for taken in self.frames if taken.meta.epoch == epoch]

    # -- observer -------------------------------------------------------------------------------------------------

    def reconnecting(self, camera: str, reason: str) -> None:
        self.reconnects.append(reason)

    def unit_discarded(self, camera: str, reason: str) -> None:
        self.discarded.append(reason)

    def transport_fallback(self, camera: str, reason: str) -> None:
        self.fallbacks.append(reason)

    def _take_status(self, status: CameraStatus) -> None:
        self.statuses.append(status)

    def _drain(self) -> None:
        while not self._done.is_set():
            self._filled.wait()
            self._filled.clear()
            while lease := self.ring.lease():
                width, height = lease.meta.format.size
                luma: np.ndarray = lease.picture[: width * height].reshape(height, width)
                digest = zlib.crc32(lease.picture.tobytes())
                self.frames.append(Taken(lease.meta, barcode.read(luma), digest))
                self.ring.release(lease)
