"""Choice between native RTSP and the FFmpeg backend for each RTSP connection."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from stream.settings.engine import CameraConfig
from stream.sources.loop_thread import LoopThread
from stream.sources.rtsp.error_diagnosis import UNSUPPORTED_MEANINGS, NativeUnsupportedError, RtspErrorDiagnosis
from stream.sources.rtsp.ffmpeg_transport import FfmpegRtspTransport
from stream.sources.rtsp.native_transport import NativeRtspTransport
from stream.sources.transport import Fallback, Transport, TransportOpener
from telemetry.reasons import DiscardReason

REMEMBERED_S = {
    "codec": 3600.0,
    "encrypted": 3600.0,
    "interleaving": 3600.0,
    "packetisation": 3600.0,
    "clock_rate": 3600.0,
    "multicast": 3600.0,
}
"""Seconds for which a camera that native RTSP could not read is left to the FFmpeg backend, by reason. The limit is for
cameras whose settings change. Other reasons may be temporary and are not remembered."""
MAX_REMEMBERED = 1024
RELEASE_S = 0.3
"""Time for a server to release a connection. Many cameras accept few, and GStreamer answers the next one with 503."""


class NativeRtsp:
    """What the native RTSP connections of one engine share. All methods may be called from any thread.

    It holds the network thread in which packets arrive, and the addresses that native RTSP could not read.
    """

    def __init__(self) -> None:
        self.thread = LoopThread("rtsp", _new_loop, _nothing)
        self._lock = threading.Lock()
        self._unsupported: dict[str, tuple[str, float]] = {}

    def remember_unsupported(self, address: str, reason: str) -> None:
        """Leave this address to the FFmpeg backend for a time that depends on the reason."""
        if reason not in REMEMBERED_S:
            return
        with self._lock:
            self._unsupported.pop(address, None)
            self._unsupported[address] = reason, time.monotonic() + REMEMBERED_S[reason]
            while len(self._unsupported) > MAX_REMEMBERED:
                del self._unsupported[next(iter(self._unsupported))]

    def unsupported_reason(self, address: str) -> str | None:
        """Return why native RTSP is not to be tried for this address, or None if it is."""
        with self._lock:
            reason, until_s = self._unsupported.get(address, (None, 0.0))
        return reason if time.monotonic() < until_s else None

    def stop(self) -> bool:
        """End the thread, and return whether it ended within a second."""
        return self.thread.stop()


def _new_loop() -> asyncio.AbstractEventLoop:
    """Use uvloop where it is installed: the packets of a frame then take 225 µs instead of 262."""
    try:
        import uvloop
    except ImportError:
        return asyncio.SelectorEventLoop()
    return uvloop.new_event_loop()


async def _nothing() -> None:
    """Connections are closed by their cameras."""


def rtsp_opener(
    config: CameraConfig,
    stopping: threading.Event,
    on_discard: Callable[[DiscardReason], None],
    native_rtsp: NativeRtsp | None,
) -> TransportOpener:
    """Prepare a connection to an RTSP camera. Raises `BadAddressError`."""
    diagnosis = RtspErrorDiagnosis(config)
    if config.transport == "ffmpeg":
        return FfmpegRtspTransport(config, diagnosis, stopping)
    return RtspOpener(config, diagnosis, stopping, on_discard, native_rtsp)


class RtspOpener:
    """Opens native RTSP and, under `transport: auto`, the FFmpeg backend for what native RTSP does not support.

    What turns out to be unsupported while a connection is read is left to the FFmpeg backend from the next one on.
    """

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
        self._on_discard = on_discard
        self._native_rtsp = native_rtsp or NativeRtsp()
        self._owns_native_rtsp = native_rtsp is None
        self._transport: Transport | None = None

    def open(self) -> Transport:
        """Connect with the one or the other."""
        address = self._config.source.reveal()
        # FFmpeg cannot check a fingerprint.
        may_fall_back = self._config.transport == "auto" and self._config.tls_fingerprint is None
        reason = self._native_rtsp.unsupported_reason(address) if may_fall_back else None
        if reason is None:
            native = NativeRtspTransport(
                self._config,
                self.diagnosis,
                self._stopping,
                self._native_rtsp.thread,
                self._on_discard,
                lambda code: self._native_rtsp.remember_unsupported(address, code),
            )
            self._transport = native
            try:
                return native.open()
            except NativeUnsupportedError as error:
                if not may_fall_back:
                    raise
                reason = error.code
            native.close()
            self._stopping.wait(RELEASE_S)
        fallback = Fallback(reason, f"read by the FFmpeg backend, one frame later: {UNSUPPORTED_MEANINGS[reason]}")
        self._transport = FfmpegRtspTransport(self._config, self.diagnosis, self._stopping, fallback)
        return self._transport.open()

    def close(self) -> None:
        """Close the transport, and the network thread if this camera has one of its own."""
        if self._transport is not None:
            self._transport.close()
        if self._owns_native_rtsp:
            self._native_rtsp.stop()
