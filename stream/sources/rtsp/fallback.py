"""The way to an RTSP camera: at the wire, or through libav's demuxer where the wire doesn't speak what the camera does.

`NativeRtsp` is what the cameras of an engine share. Owned by the engine.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from av.video.codeccontext import VideoCodecContext

from stream.settings.engine import CameraConfig
from stream.sources.loop_thread import LoopThread
from stream.sources.rtsp.error_diagnosis import MEANINGS, NativeUnsupportedError, RtspErrorDiagnosis
from stream.sources.rtsp.ffmpeg_transport import demuxer_transport
from stream.sources.rtsp.native_transport import NativeRtspTransport
from stream.sources.transport import AccessUnit, Fallback, Transport
from telemetry.reasons import DiscardReason

REMEMBERED_S = {
    "codec": 3600.0,
    "encrypted": 3600.0,
    "interleaving": 3600.0,
    "packetisation": 3600.0,
    "clock_rate": 3600.0,
    "multicast": 3600.0,
    "no_recovery_point": 600.0,
}
"""How long a camera that the wire couldn't read is left to libav, by why: its settings may change. What isn't named may
have been a bad moment."""
MOST_REMEMBERED = 1024
LET_GO_S = 0.3
"""What a server needs to let go of a connection: many cameras have few, and GStreamer answers the next one with 503."""


class NativeRtsp:
    """The thread in which the packets of all cameras arrive, and which cameras are better left to libav. Any thread."""

    def __init__(self) -> None:
        self.thread = LoopThread("rtsp", _new_loop, _nothing)
        self._lock = threading.Lock()
        self._unsupported: dict[str, tuple[str, float]] = {}

    def remember_unsupported(self, address: str, reason: str) -> None:
        """The wire can't read what is there."""
        if reason not in REMEMBERED_S:
            return
        with self._lock:
            self._unsupported.pop(address, None)
            self._unsupported[address] = reason, time.monotonic() + REMEMBERED_S[reason]
            while len(self._unsupported) > MOST_REMEMBERED:
                del self._unsupported[next(iter(self._unsupported))]

    def unsupported_reason(self, address: str) -> str | None:
        """Why a camera is to be read by libav at once; None if the wire is to try."""
        with self._lock:
            reason, until_s = self._unsupported.get(address, (None, 0.0))
        return reason if time.monotonic() < until_s else None

    def stop(self) -> bool:
        """End the thread; whether that came about within a second. Blocks so long."""
        return self.thread.stop()


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it exists: a frame's packets cost the thread 225 µs instead of 262."""
    try:
        import uvloop
    except ImportError:
        return asyncio.SelectorEventLoop()
    return uvloop.new_event_loop()


async def _nothing() -> None:
    """Sessions are ended by their cameras."""


def rtsp_transport(
    config: CameraConfig,
    stopping: threading.Event,
    on_discard: Callable[[DiscardReason], None],
    native_rtsp: NativeRtsp | None,
) -> Transport:
    """A connection to an RTSP camera. Raises `BadAddressError` if the address can't be one."""
    diagnosis = RtspErrorDiagnosis(config)
    if config.transport == "ffmpeg":
        return demuxer_transport(config, diagnosis, stopping)
    return RtspOpener(config, diagnosis, stopping, on_discard, native_rtsp)


class RtspOpener:
    """The wire; under `auto`, libav's demuxer if it must be."""

    def __init__(
        self,
        config: CameraConfig,
        diagnosis: RtspErrorDiagnosis,
        stopping: threading.Event,
        on_discard: Callable[[DiscardReason], None],
        native_rtsp: NativeRtsp | None,
    ) -> None:
        self.diagnosis = diagnosis
        self._config = config
        self._stopping = stopping
        self._native_rtsp = native_rtsp or NativeRtsp()
        self._owns_native_rtsp = native_rtsp is None
        self._way: Transport = NativeRtspTransport(config, diagnosis, stopping, self._native_rtsp.thread, on_discard)

    @property
    def fallback(self) -> Fallback | None:
        """That libav reads it, or that TCP carries it."""
        return self._way.fallback

    @property
    def awaiting_recovery(self) -> bool:
        """Whether it waits for a point of recovery."""
        return self._way.awaiting_recovery

    def open(self) -> VideoCodecContext:
        """Connect, one way or the other."""
        address = self._config.source.reveal()
        why_not = self._native_rtsp.unsupported_reason(address) if self._may_fall_back else None
        if why_not is not None:
            return self._open_with_libav(why_not)
        try:
            return self._way.open()
        except NativeUnsupportedError as error:
            if not self._may_fall_back:
                raise
            self._native_rtsp.remember_unsupported(address, error.code)
            self._way.close()
            self._stopping.wait(LET_GO_S)
            return self._open_with_libav(error.code)

    def read(self) -> AccessUnit | None:
        """The next unit. What the wire turns out not to speak libav reads from the next connection on."""
        try:
            return self._way.read()
        except NativeUnsupportedError as error:
            if self._may_fall_back:
                self._native_rtsp.remember_unsupported(self._config.source.reveal(), error.code)
            raise

    def undecodable(self) -> None:
        """The last unit couldn't be decoded."""
        self._way.undecodable()

    def want_keyframe(self) -> None:
        """Cameras send keyframes when they do."""

    def close(self) -> None:
        """End it."""
        self._way.close()
        if self._owns_native_rtsp:
            self._native_rtsp.stop()

    @property
    def _may_fall_back(self) -> bool:
        # libav can't be told to trust one certificate only.
        return self._config.transport == "auto" and self._config.tls_fingerprint is None

    def _open_with_libav(self, reason: str) -> VideoCodecContext:
        self._way.close()
        fallback = Fallback(reason, f"read by FFmpeg, one picture later: {MEANINGS[reason]}")
        self._way = demuxer_transport(self._config, self.diagnosis, self._stopping, fallback)
        return self._way.open()
