"""Pictures of the very frames that began alerts and events.

The inference thread only copies the frame; another thread scales and encodes it, and hands it to what keeps it.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from ring_buffers.doorbell import Doorbell
from stream.incidents.incident import Kind, Missing, Picture
from stream.pictures.jpeg import Encodable, JpegMaker, rounded_width
from stream.privacy.shown import Shown
from stream.results import Alert, Event, Frame

logger = logging.getLogger(__name__)

MOST_WAITING = 16
"""Copies that wait to be encoded: 22 MB at 720p. What begins beyond that has no picture."""
MOST_WAITING_EVENTS = 8
"""The same for frames without an alert, so that they leave room for alerts."""
MOST_IN_MEMORY = 200
"""Pictures: 8 MB at about 40 kB each."""
WIDTH_IN_MEMORY = 640


class KeptPictures(Protocol):
    """Where pictures are kept. `keep` is called by the encoding thread, the others by any; all may block."""

    def wants(self, message: Alert | Event) -> bool:
        """Return whether this message begins something of which a picture is wanted. Never blocks."""
        ...

    def keep(self, ids: Sequence[str], result: Frame, jpeg: bytes) -> None:
        """Keep the picture of a frame, for the incidents of these ids."""
        ...

    def picture(self, name: str) -> Picture | Missing:
        """Return the picture of an incident, or why there is none."""
        ...

    def with_pictures(self, names: Collection[str]) -> set[str]:
        """Return which of these incidents have a picture."""
        ...


class MemoryPictures:
    """The pictures of the latest alerts, in memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._lock = threading.Lock()

    def wants(self, message: Alert | Event) -> bool:
        """Return whether this message begins an alert."""
        return isinstance(message, Alert) and message.state == "began"

    def keep(self, ids: Sequence[str], result: Frame, jpeg: bytes) -> None:
        """Keep the picture of a frame, for the alerts of these ids."""
        with self._lock:
            self._kept |= dict.fromkeys(ids, Picture(jpeg, result))
            while len(self._kept) > MOST_IN_MEMORY:
                self._kept.popitem(last=False)

    def picture(self, name: str) -> Picture | Missing:
        """Return the picture of an alert; it is not known whether one was kept before."""
        with self._lock:
            return self._kept.get(name, "unknown")

    def with_pictures(self, names: Collection[str]) -> set[str]:
        """Return which of these alerts have a picture."""
        with self._lock:
            return self._kept.keys() & set(names)


class _Job(NamedTuple):
    messages: Sequence[Alert | Event]
    result: Frame
    copy: Encodable

    @property
    def ids(self) -> list[str]:
        return [message.alert if isinstance(message, Alert) else message.event for message in self.messages]


class FramePictures:
    """Takes pictures and hands them to `kept`. The encoding thread starts with the first picture."""

    def __init__(
        self,
        kept: KeptPictures,
        width: int = WIDTH_IN_MEMORY,
        permitted: Callable[[Frame | None], bool] = lambda result: True,
    ) -> None:
        """`permitted` returns whether a kept picture with this result, None if it was lost, may still be shown."""
        self._permitted = permitted
        self.kept = kept
        self.dropped: Counter[Kind] = Counter()
        """Alerts and events without a picture, because too many waited or it could not be encoded."""
        self._width = rounded_width(width)
        self._waiting: deque[_Job] = deque()
        self._encoding: Sequence[str] = ()
        self._bell = Doorbell()
        self._thread: threading.Thread | None = None
        self._closed = False

    def take(self, messages: Sequence[Alert | Event], shown: Shown, result: Frame) -> None:
        """Take a picture of this frame, whose slot is still leased, for what begins with it. Never raises."""
        wanted = [message for message in messages if self.kept.wants(message)]
        if not wanted or self._closed:
            return
        most = MOST_WAITING if any(isinstance(message, Alert) for message in wanted) else MOST_WAITING_EVENTS
        if len(self._waiting) >= most:
            self._drop(wanted)
            return
        try:
            copy = shown.copy()
            if self._thread is None:
                thread = threading.Thread(target=self._encode_all, name="incident pictures", daemon=True)
                thread.start()
                self._thread = thread
        except Exception:
            logger.exception("camera %s: taking a picture of frame %d failed", shown.meta.camera, shown.meta.frame)
            self._drop(wanted)
            return
        self._waiting.append(_Job(wanted, result, copy))
        self._bell.ring()

    def picture(self, name: str) -> Picture | Missing:
        """Return the picture of an alert or event, or why there is none. May block."""
        waits = any(name in job.ids for job in list(self._waiting)) or name in self._encoding
        found = self.kept.picture(name)
        if isinstance(found, Picture):
            return found if self._permitted(found.result) else "private"
        return "waiting" if waits else found

    def close(self, within_s: float = 1.0) -> None:
        """Keep what waits, for at most `within_s` seconds, and stop. May be called again."""
        self._closed = True
        self._bell.ring()
        if self._thread is not None:
            self._thread.join(within_s)

    def _drop(self, messages: Sequence[Alert | Event]) -> None:
        self.dropped.update("alert" if isinstance(message, Alert) else "event" for message in messages)

    def _encode_all(self) -> None:
        maker = JpegMaker()
        while True:
            self._bell.wait()
            closing = self._closed  # read before the queue, so that nothing is left in it
            while self._waiting:
                job = self._waiting[0]
                self._encoding = job.ids  # before it leaves the queue, so that it is always found in one of them
                self._waiting.popleft()
                try:
                    self.kept.keep(job.ids, job.result, maker.make(job.copy, self._width))
                except Exception:
                    logger.exception("camera %s: encoding a picture failed", job.result.camera)
                    self._drop(job.messages)
                self._encoding = ()
            if closing:
                return
