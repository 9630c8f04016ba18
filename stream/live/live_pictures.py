"""Live pictures: what the model saw, as JPEGs for whoever watches, each named by its epoch and frame.

A frame's slot is copied when its result is published, and only if somebody who watches its camera waits for a picture;
a thread of this module's scales and encodes it. Who watches gets one picture, and the next only after asking again: a
slow one gets fewer and newer ones, and nothing queues up anywhere. Nobody who watches holds up the engine.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ring_buffers.doorbell import Doorbell
from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stream.live.live_jpeg import JpegMaker, SlotCopy, rounded_width
from stream.sources.decoding.frame_writer import RateLimit

logger = logging.getLogger(__name__)

COPIES = 2
"""A camera: one is being encoded, one waits."""


@dataclass(frozen=True, slots=True)
class LivePicture:
    """One picture. `epoch` and `frame` are those of the result that belongs to it."""

    camera: str
    epoch: int
    frame: int
    capture_us: int
    jpeg: bytes


class Watch:
    """One who watches one camera: waits for a picture from the beginning, and again after each `again`."""

    def __init__(self, camera: str, width: int, max_fps: float, deliver: Callable[[LivePicture], None]) -> None:
        self.camera = camera
        self.width = rounded_width(width)
        self.deliver = deliver
        self._rate = RateLimit(max_fps)
        self._waits = True

    def again(self) -> None:
        """The next picture may come."""
        self._waits = True

    def takes_turn(self, now_us: int) -> bool:
        """Whether this frame is for this one, who then waits no more."""
        if not (self._waits and self._rate.keeps(now_us)):
            return False
        self._waits = False
        return True


@dataclass(slots=True)
class _Job:
    meta: FrameMeta
    copy: SlotCopy
    watches: list[Watch]


class LivePictures:
    """Those who watch, and the thread that works for them: it begins with the first one and ends with `close`.

    `offer` is the inference thread's; `deliver` of a watch is called in the encoding thread, and must be quick.
    """

    def __init__(self, now_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000) -> None:
        self._now_us = now_us
        self.encoded = 0
        """JPEGs made since it began."""
        self.skipped = 0
        """Pictures that gave way to a newer one of their camera before they were encoded."""
        self._watched: dict[str, tuple[Watch, ...]] = {}
        self._pending: dict[str, _Job] = {}
        self._spare: dict[str, list[SlotCopy]] = {}
        self._lock = threading.Lock()  # guards the three above; held for no longer than they are looked at
        self._bell = Doorbell()
        self._maker = JpegMaker()
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, camera: str, width: int, max_fps: float, deliver: Callable[[LivePicture], None]) -> Watch:
        """From now on `deliver` gets pictures of this camera, whether or not there is one of this name yet."""
        watch = Watch(camera, width, max_fps, deliver)
        with self._lock:
            self._watched[camera] = (*self._watched.get(camera, ()), watch)
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._live, name="live pictures", daemon=True)
            self._thread.start()
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Deliver nothing more to it, but what is on its way."""
        with self._lock:
            left = tuple(other for other in self._watched.get(watch.camera, ()) if other is not watch)
            if left:
                self._watched[watch.camera] = left
            else:
                self._watched.pop(watch.camera, None)
                self._spare.pop(watch.camera, None)

    def offer(self, lease: Lease) -> None:
        """This frame's result is out, and its slot still there. With nobody who waits, it costs a look into a dict."""
        watches = self._watched.get(lease.meta.camera)
        if not watches:
            return
        now_us = self._now_us()
        due = [watch for watch in watches if watch.takes_turn(now_us)]
        if due:
            try:
                self._keep(lease, due)
            except Exception:
                self._failed(lease.meta.camera, due)

    def close(self) -> None:
        """End the thread, with the picture in hand."""
        self._closed = True
        self._bell.ring()
        if self._thread is not None:
            self._thread.join(1.0)

    def _keep(self, lease: Lease, due: list[Watch]) -> None:
        camera = lease.meta.camera
        copy = self._take_copy(camera, lease.meta.format)
        copy.fill(lease.picture)
        with self._lock:
            older = self._pending.pop(camera, None)
            if older is not None:
                self.skipped += 1
                self._give_back(camera, older.copy)
                due = older.watches + due
            self._pending[camera] = _Job(lease.meta, copy, due)
        self._bell.ring()

    def _take_copy(self, camera: str, format: SlotFormat) -> SlotCopy:
        with self._lock:
            spare = self._spare.get(camera, [])
            while spare:
                copy = spare.pop()
                if copy.format == format:
                    return copy
        return SlotCopy(format)

    def _give_back(self, camera: str, copy: SlotCopy) -> None:
        """With the lock held."""
        spare = self._spare.setdefault(camera, []) if camera in self._watched else []
        if len(spare) < COPIES:
            spare.append(copy)

    # -- the encoding thread ------------------------------------------------------------------------------------
    def _live(self) -> None:
        while not self._closed:
            self._bell.wait()
            while not self._closed and (job := self._next()) is not None:
                try:
                    self._encode(job)
                except Exception:
                    self._failed(job.meta.camera, job.watches)
                with self._lock:
                    self._give_back(job.meta.camera, job.copy)

    def _next(self) -> _Job | None:
        """The camera's that has waited longest."""
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
        logger.exception("camera %s: no live picture could be made of a frame", camera)
        for watch in watches:
            watch.again()
