"""Live pictures: what may be shown of the model's input as JPEGs for viewers, identified by epoch and frame.

When a frame's result is published, its picture is copied if a viewer waits for one of the camera. A separate thread
scales and encodes the copy. A viewer gets the next picture only after asking for it, so a slow viewer gets fewer and
newer pictures, and nothing queues. Viewers do not slow the engine.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ring_buffers.doorbell import Doorbell
from ring_buffers.frames import FrameMeta
from stream.pictures.jpeg import Encodable, JpegMaker, rounded_width
from stream.privacy.shown import Shown
from stream.sources.decoding.frame_writer import RateLimit

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LivePicture:
    """A JPEG with the `epoch` and `frame` of its result."""

    camera: str
    epoch: int
    frame: int
    capture_us: int
    jpeg: bytes


class Watch:
    """A viewer of one camera. It waits for a picture at first, and again after each call of `request_next`."""

    def __init__(self, camera: str, width: int, max_fps: float, deliver: Callable[[LivePicture], None]) -> None:
        self.camera = camera
        self.width = rounded_width(width)
        self.deliver = deliver
        self._rate = RateLimit(max_fps)
        self._waits = True

    def request_next(self) -> None:
        """Wait for the next picture."""
        self._waits = True

    def take_turn(self, now_us: int) -> bool:
        """Return whether the viewer gets this frame; it then no longer waits."""
        if not (self._waits and self._rate.keeps(now_us)):
            return False
        self._waits = False
        return True


@dataclass(slots=True)
class _Job:
    meta: FrameMeta
    copy: Encodable
    watches: list[Watch]


class LivePictures:
    """The viewers, and the encoding thread, which starts with the first viewer and stops with `close`.

    `offer` is called by the inference thread. A watch's `deliver` is called in the encoding thread and must not block.
    """

    def __init__(self, now_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000) -> None:
        self._now_us = now_us
        self.encoded = 0
        """JPEGs encoded so far."""
        self.skipped = 0
        """Pictures discarded before encoding, in favour of a newer one of the same camera."""
        self._watched: dict[str, tuple[Watch, ...]] = {}
        self._pending: dict[str, _Job] = {}
        self._lock = threading.Lock()  # for the two above it; held briefly
        self._bell = Doorbell()
        self._maker = JpegMaker()
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, camera: str, width: int, max_fps: float, deliver: Callable[[LivePicture], None]) -> Watch:
        """Deliver pictures of this camera, which need not exist yet."""
        watch = Watch(camera, width, max_fps, deliver)
        with self._lock:
            self._watched[camera] = (*self._watched.get(camera, ()), watch)
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._encode_all, name="live pictures", daemon=True)
            self._thread.start()
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Stop delivering. A picture that is being encoded can still arrive."""
        with self._lock:
            left = tuple(other for other in self._watched.get(watch.camera, ()) if other is not watch)
            if left:
                self._watched[watch.camera] = left
            else:
                self._watched.pop(watch.camera, None)

    def offer(self, shown: Shown) -> None:
        """Offer a published frame whose slot is still leased. Without viewers this costs a dict look-up."""
        watches = self._watched.get(shown.meta.camera)
        if not watches:
            return
        now_us = self._now_us()
        due = [watch for watch in watches if watch.take_turn(now_us)]
        if due:
            try:
                self._schedule(shown, due)
            except Exception:
                self._failed(shown.meta.camera, due)

    def close(self) -> None:
        """Stop the thread after the picture that it is encoding."""
        self._closed = True
        self._bell.ring()
        if self._thread is not None:
            self._thread.join(1.0)

    def _schedule(self, shown: Shown, due: list[Watch]) -> None:
        camera = shown.meta.camera
        copy = shown.copy()
        with self._lock:
            older = self._pending.pop(camera, None)
            if older is not None:
                self.skipped += 1
                due = older.watches + due
            self._pending[camera] = _Job(shown.meta, copy, due)
        self._bell.ring()

    # -- the encoding thread ------------------------------------------------------------------------------------
    def _encode_all(self) -> None:
        while not self._closed:
            self._bell.wait()
            while not self._closed and (job := self._next()) is not None:
                try:
                    self._encode(job)
                except Exception:
                    self._failed(job.meta.camera, job.watches)

    def _next(self) -> _Job | None:
        """Return the job of the camera that has waited longest."""
        with self._lock:
            return self._pending.pop(next(iter(self._pending))) if self._pending else None

    def _encode(self, job: _Job) -> None:
        meta = job.meta
        for width in sorted({watch.width for watch in job.watches}):
            jpeg = self._maker.make(job.copy, width)
            self.encoded += 1
            picture = LivePicture(meta.camera, meta.epoch, meta.frame, meta.capture_us, jpeg)
            for watch in job.watches:
                if watch.width == width:
                    watch.deliver(picture)

    def _failed(self, camera: str, watches: list[Watch]) -> None:
        logger.exception("camera %s: encoding a live picture failed", camera)
        for watch in watches:
            watch.request_next()
