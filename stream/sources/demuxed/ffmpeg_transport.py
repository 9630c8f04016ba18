"""FfmpegTransport: access units from files and devices, by FFmpeg's demuxers.

FFmpeg's reads block, so each read gets a time slice. A read that exceeds its slice leaves the container intact, and the
next one continues without loss.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping

import av
import av.error
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from stream.sources.arrival_time import utc_us_at
from stream.sources.error_diagnosis import ErrorDiagnosis
from stream.sources.transport import AccessUnit, StoppedError, Transport, UnitTimes

MAX_SLICE_S = 1.5
"""Longest time slice, and so the delay of a stop. Shorter ones could split access units of slow cameras."""
EMPTY_READ_PAUSE_S = 0.005
"""Pause before a device without a frame is read again."""
POLL_S = 0.05
"""Interval at which a stop is noticed while a container is being opened."""


def slice_s(stall_timeout_s: float) -> float:
    """Return the time slice of one read. The stall timeout is a multiple of it."""
    return stall_timeout_s / math.ceil(stall_timeout_s / MAX_SLICE_S)


class FfmpegTransport(Transport):
    """One container. `diagnosis` turns FFmpeg's errors into the camera's, which contain no secret."""

    def __init__(
        self,
        camera: str,
        address: str,
        diagnosis: ErrorDiagnosis,
        stopping: threading.Event,
        *,
        options: Mapping[str, str],
        start_timeout_s: float,
        stall_timeout_s: float,
        format: str | None = None,
        hwaccel: HWAccel | None = None,
        max_pixels: int | None = None,
    ) -> None:
        """`max_pixels`: FFmpeg's limit while it examines the streams, which may decode pictures."""
        super().__init__(diagnosis)
        self._camera = camera
        self.address = address
        self._stopping = stopping
        self._options = options if max_pixels is None else {**options, "max_pixels": str(max_pixels)}
        self._format = format
        self._hwaccel = hwaccel
        self._start_timeout_s = start_timeout_s
        self._slice_s = slice_s(stall_timeout_s)
        self._container: InputContainer | None = None
        self._stream: VideoStream
        self._packets: Iterator[av.Packet] | None = None
        self._us_per_tick = 0.0

    def open(self) -> Transport:
        """Connect within the start timeout."""
        opening = Opening(
            f"open-{self._camera}",
            self.address,
            self._options,
            self._format,
            self._start_timeout_s,
            self._slice_s,
            self._hwaccel,
        )
        began = time.monotonic()
        try:
            self._container = opening.wait(self._start_timeout_s, self._stopping)
        except OpeningStoppedError:
            raise StoppedError from None
        except OpeningTimeoutError:
            raise self.diagnosis.not_open_in_time() from None
        except Exception as error:
            raise self.diagnosis.opening(error, time.monotonic() - began) from None
        stream = _moving_pictures(self._container)
        if stream is None:
            raise self.diagnosis.no_video()
        if stream.codec_context is None:
            raise self.diagnosis.unknown_codec()
        self._stream = stream
        self._us_per_tick = float((stream.time_base or 0) * 1_000_000)
        self.codec = stream.codec_context
        return self

    @property
    def average_rate(self) -> float | None:
        """Frames a second according to the stream, once open."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate else None

    def read(self) -> AccessUnit | None:
        """Return the next unit, or None after a time slice without any."""
        assert self._container is not None
        packets = self._packets or self._container.demux(self._stream)
        self._packets = packets
        try:
            packet = next(packets)
        except StopIteration:
            raise self.diagnosis.ended() from None
        except (av.error.ExitError, av.error.TimeoutError):
            self._packets = None
            return None
        except av.error.BlockingIOError:
            self._packets = None
            self._stopping.wait(EMPTY_READ_PAUSE_S)
            return None
        except Exception as error:
            raise self.diagnosis.reading(error) from None
        arrival_ns = time.monotonic_ns()
        if packet.size == 0:  # FFmpeg's sign to flush the decoder: the stream has ended
            raise self.diagnosis.ended()
        pts_us = None if packet.pts is None else round(packet.pts * self._us_per_tick)
        return AccessUnit(packet, UnitTimes(pts_us, arrival_ns, utc_us_at(arrival_ns)))

    def close(self) -> None:
        """Close the connection."""
        container, self._container = self._container, None
        self._packets = None
        if container is not None:
            container.close()


def _moving_pictures(container: InputContainer) -> VideoStream | None:
    """Return the first video stream, but no cover image."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


class OpeningTimeoutError(Exception):
    """The container was not open in time."""


class OpeningStoppedError(Exception):
    """The camera was told to stop before the container was open."""


class Opening:
    """One attempt to open one container, which can block for long.

    It has its own thread, which the caller may abandon. What an abandoned thread opens is closed again, and the thread
    ends at FFmpeg's own time limit.
    """

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
