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

REMEMBERED_S = 3600.0
"""Seconds for which a camera of another codec is left to the FFmpeg backend. It may be set to another one."""
MAX_REMEMBERED = 1024
OTHER_CODEC = "codec"
"""The reason, for metrics."""
RELEASE_S = 0.3
"""Time for a server to release a connection. Many cameras accept few, and GStreamer answers the next one with 503."""


class NativeRtsp:
    """What the native RTSP connections of one engine share. All methods may be called from any thread.

    It holds the network thread in which packets arrive, and the addresses that native RTSP could not read.
    """

    def __init__(self) -> None:
        self.thread = LoopThread("rtsp", _new_loop, _nothing)
        self._lock = threading.Lock()
        self._other_codecs: dict[str, float] = {}

    def remember_other_codec(self, address: str) -> None:
        """Leave this address to the FFmpeg backend for a while."""
        with self._lock:
            self._other_codecs.pop(address, None)
            self._other_codecs[address] = time.monotonic() + REMEMBERED_S
            while len(self._other_codecs) > MAX_REMEMBERED:
                del self._other_codecs[next(iter(self._other_codecs))]

    def has_other_codec(self, address: str) -> bool:
        """Return whether native RTSP is not to be tried for this address."""
        with self._lock:
            return time.monotonic() < self._other_codecs.get(address, 0.0)

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
    """Opens native RTSP and, under `transport: auto`, the FFmpeg backend for codecs other than H.264 and H.265."""

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
        if not may_fall_back or not self._native_rtsp.has_other_codec(address):
            native = NativeRtspTransport(
                self._config, self.diagnosis, self._stopping, self._native_rtsp.thread, self._on_discard
            )
            self._transport = native
            try:
                return native.open()
            except NativeUnsupportedError as error:
                if not may_fall_back or error.code != OTHER_CODEC:
                    raise
            self._native_rtsp.remember_other_codec(address)
            native.close()
            self._stopping.wait(RELEASE_S)
        meaning = f"read by the FFmpeg backend, one frame later: {UNSUPPORTED_MEANINGS[OTHER_CODEC]}"
        self._transport = FfmpegRtspTransport(
            self._config, self.diagnosis, self._stopping, Fallback(OTHER_CODEC, meaning)
        )
        return self._transport.open()

    def close(self) -> None:
        """Close the transport, and the network thread if this camera has one of its own."""
        if self._transport is not None:
            self._transport.close()
        if self._owns_native_rtsp:
            self._native_rtsp.stop()
