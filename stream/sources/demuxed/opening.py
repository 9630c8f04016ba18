"""Opening of FFmpeg containers, which can block for long, and in name look-ups without limit.

Each container is opened in its own thread, which the caller may abandon. What an abandoned thread opens is closed
again, and the thread ends at FFmpeg's own time limit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

POLL_S = 0.05


class OpeningTimeoutError(Exception):
    """The container was not open in time."""


class OpeningStoppedError(Exception):
    """The camera was told to stop before the container was open."""


class Opening:
    """One attempt to open one container."""

    def __init__(
        self,
        name: str,
        address: str,
        options: Mapping[str, str],
        format: str | None,
        open_s: float,
        read_s: float,
        hwaccel: HWAccel | None = None,
    ) -> None:
        self._address = address
        self._options = dict(options)
        self._format = format
        self._hwaccel = hwaccel
        # FFmpeg has separate limits for connecting and for reading.
        self._timeout = (open_s, read_s)
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._abandoned = False
        self._container: InputContainer | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._open, name=name, daemon=True)

    def wait(self, timeout_s: float, stopping: threading.Event) -> InputContainer:
        """Return the open container. Raises FFmpeg's error, `OpeningTimeoutError` or `OpeningStoppedError`."""
        self._thread.start()
        deadline = time.monotonic() + timeout_s
        while not self._done.wait(POLL_S):
            if stopping.is_set() or time.monotonic() >= deadline:
                with self._lock:
                    self._abandoned = True
                    container = self._container
                if container is None:
                    raise OpeningStoppedError if stopping.is_set() else OpeningTimeoutError
                return container
        if self._error is not None:
            raise self._error
        assert self._container is not None
        return self._container

    def _open(self) -> None:
        try:
            container = av.open(
                self._address,
                options=self._options,
                format=self._format,
                timeout=self._timeout,
                metadata_errors="replace",
                hwaccel=self._hwaccel,
            )
        except Exception as error:
            self._error = error
        else:
            with self._lock:
                if not self._abandoned:
                    self._container = container
            if self._container is None:
                container.close()
        self._done.set()
