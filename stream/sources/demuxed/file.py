"""Video files, read at their frame rate or at the speed of processing."""

from __future__ import annotations

import errno
import threading
import time

import av.error

from stream.settings.engine import CameraConfig
from stream.sources.addresses import unknown_kind
from stream.sources.arrival_time import utc_us_at
from stream.sources.decoding import nvdec
from stream.sources.decoding.picture_limit import decoder_pixels
from stream.sources.demuxed.ffmpeg_transport import FfmpegTransport
from stream.sources.error_diagnosis import ErrorDiagnosis
from stream.sources.errors import SourceError
from stream.sources.transport import AccessUnit, Transport, UnitTimes

DEMUXERS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,ogg,asf,ivf,nut,mxf,rm,dv,gxf,wtv,yuv4mpegpipe,gif,swf,"
    "h261,h263,h264,hevc,vvc,obu,av1,m4v,mjpeg,vc1,vc1test,dirac,cavsvideo,rawvideo"
)
"""Formats of files. Those that name other files or addresses (lists of ffconcat, playlists) are not among them."""
PLAYLISTS = "hls,dash,sdp,rtp,rtsp,mpjpeg"
"""Formats that a URL may also lead to."""
NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)
ASSUMED_FPS = 25
"""Rate of streams without times or rate (raw H.264)."""


def file_transport(config: CameraConfig, stopping: threading.Event) -> FileTransport:
    """Prepare one pass through a file, at its own pace unless `pace` is `fast`."""
    diagnosis = FileErrorDiagnosis(config.id, config.source, config.start_timeout_s, config.stall_timeout_s)
    reading = FfmpegTransport(
        config.id,
        config.source.reveal(),
        diagnosis,
        stopping,
        options={"format_whitelist": DEMUXERS if config.source.scheme == "file" else f"{DEMUXERS},{PLAYLISTS}"},
        start_timeout_s=config.start_timeout_s,
        stall_timeout_s=config.stall_timeout_s,
        max_pixels=decoder_pixels(config.max_pixels),
        hwaccel=nvdec.hardware(config.decoder),
    )
    return FileTransport(reading, stopping, paced=config.pace != "fast")


class FileTransport(Transport):
    """One pass through a file. If `paced`, each unit is held back until its time, as if a camera sent it."""

    def __init__(self, reading: FfmpegTransport, stopping: threading.Event, *, paced: bool) -> None:
        super().__init__(reading.diagnosis)
        self._reading = reading
        self._stopping = stopping
        self._paced = paced
        self._start_ns: int | None = None
        self._first_us = 0.0
        self._due_us = 0.0
        self._units = 0

    def open(self) -> Transport:
        """Open the file."""
        self.codec = self._reading.open().codec
        rate = self._reading.average_rate
        self._interval_us = 1_000_000 / (rate or ASSUMED_FPS)
        return self

    def read(self) -> AccessUnit | None:
        """Return the next unit, at its time. The file ends one frame interval after its last unit."""
        try:
            unit = self._reading.read()
        except SourceError:
            self._wait_until(self._due_us + self._interval_us)
            raise
        if unit is None:
            return None
        packet = unit.packet
        pts_us = unit.times.pts_us
        if pts_us is None and packet.dts is None:
            pts_us = round(self._units * self._interval_us)
        self._units += 1
        # Decoding order, in which cameras send.
        ticks = packet.dts if packet.dts is not None else packet.pts
        self._due_us = float(pts_us or 0) if ticks is None else float(ticks * packet.time_base * 1_000_000)
        self._wait_until(self._due_us)
        if self._stopping.is_set():
            return None
        now_ns = time.monotonic_ns()
        return AccessUnit(packet, UnitTimes(pts_us, now_ns, utc_us_at(now_ns)))

    def close(self) -> None:
        """Close the file."""
        self._reading.close()

    def _wait_until(self, due_us: float) -> None:
        if not self._paced:
            return
        now_ns = time.monotonic_ns()
        if self._start_ns is None:
            self._start_ns, self._first_us = now_ns, due_us
        wait_s = (self._start_ns + (due_us - self._first_us) * 1000 - now_ns) / 1e9
        if wait_s > 0:
            self._stopping.wait(wait_s)


class FileErrorDiagnosis(ErrorDiagnosis):
    """Errors of files. They end the camera, since the file does not change."""

    def opening(self, error: Exception, after_s: float) -> SourceError:
        """Use the error of the operating system or the demuxer."""
        if isinstance(error, OSError) and error.errno in NO_DESCRIPTOR:
            return self._error(
                "busy", f"no file descriptor is free to open {self.address}", "Raise the limit (ulimit -n)"
            )
        if isinstance(error, (av.error.FileNotFoundError, av.error.NotADirectoryError)):
            return self._error(
                "no_such_file",
                f"there is no file {self.address}",
                "Check the path, or write rtsp://… for a camera",
            )
        if isinstance(error, av.error.ProtocolNotFoundError):
            return unknown_kind(self.camera, self.address)
        if isinstance(error, (av.error.PermissionError, av.error.IsADirectoryError)):
            return self._error(
                "unreadable",
                f"{self.address} cannot be read ({error.strerror})",
                "Use the path of a readable file",
            )
        # An ArgumentError means that the format is not among those of files.
        if isinstance(error, (av.error.InvalidDataError, av.error.EOFError, av.error.ArgumentError)):
            return self._error(
                "not_a_video",
                f"{self.address} is not a video, or is incomplete",
                "Use a video file, such as MP4 or MKV",
            )
        return self.reading(error)
