"""Pictures of alerts: the frame that began each of the latest alerts, as a JPEG in memory.

The inference thread only copies the frame; another thread scales and encodes it.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque

from ring_buffers.doorbell import Doorbell
from ring_buffers.frames import Lease
from stream.pictures.jpeg import JpegMaker, SlotCopy, rounded_width

logger = logging.getLogger(__name__)

WIDTH = 640
MOST_KEPT = 200
"""Pictures: 8 MB at about 40 kB each."""
MOST_WAITING = 8
"""Copies that wait to be encoded: 11 MB at 720p. Alerts beyond that have no picture."""


class AlertPictures:
    """The pictures of the latest alerts, by id. The encoding thread starts with the first picture."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[tuple[str, ...], SlotCopy]] = deque()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()  # for the two above; held briefly
        self._bell = Doorbell()
        self._thread: threading.Thread | None = None
        self._closed = False

    def take(self, alerts: tuple[str, ...], lease: Lease) -> None:
        """Keep a picture of this frame, whose slot is still leased, for the alerts of these ids."""
        if len(self._waiting) >= MOST_WAITING or self._closed:
            return
        copy = SlotCopy(lease.meta.format)
        copy.fill(lease.picture)
        with self._lock:
            self._waiting.append((alerts, copy))
        if self._thread is None:
            thread = threading.Thread(target=self._encode_all, name="alert pictures", daemon=True)
            thread.start()
            self._thread = thread
        self._bell.ring()

    def get(self, alert: str) -> bytes | None:
        """Return the JPEG of an alert; None if there is none, or no longer."""
        with self._lock:
            return self._kept.get(alert)

    def close(self) -> None:
        """Stop the thread after the picture that it is encoding. May be called again."""
        self._closed = True
        self._bell.ring()
        if self._thread is not None:
            self._thread.join(1.0)

    def _encode_all(self) -> None:
        maker = JpegMaker()
        while not self._closed:
            self._bell.wait()
            while self._waiting and not self._closed:
                with self._lock:
                    alerts, copy = self._waiting.popleft()
                try:
                    jpeg = maker.make(copy, rounded_width(WIDTH))
                except Exception:
                    logger.exception("encoding the picture of an alert failed")
                    continue
                with self._lock:
                    self._kept |= dict.fromkeys(alerts, jpeg)
                    while len(self._kept) > MOST_KEPT:
                        self._kept.popitem(last=False)
