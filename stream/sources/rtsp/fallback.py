"""Choice between native RTSP and the FFmpeg backend for each RTSP connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from stream.settings.engine import CameraConfig
from stream.sources.loop_thread import LoopThread
from stream.sources.rtsp.error_diagnosis import UNSUPPORTED_MEANINGS, NativeUnsupportedError, RtspErrorDiagnosis
from stream.sources.rtsp.ffmpeg_transport import FfmpegRtspTransport
from stream.sources.rtsp.native_transport import NativeRtspTransport
from stream.sources.transport import Fallback, Transport, TransportOpener
from telemetry.reasons import DiscardReason

OTHER_CODEC = "codec"
"""The reason, for metrics."""
RELEASE_S = 0.3
"""Time for a server to release a connection. Many cameras accept few, and GStreamer answers the next one with 503."""


def network_thread() -> LoopThread:
    """Return the thread in which the packets of all native RTSP connections of one engine arrive."""
    return LoopThread("rtsp", _new_loop, _nothing)


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
    thread: LoopThread | None,
) -> TransportOpener:
    """Prepare a connection to an RTSP camera. Raises `BadAddressError`."""
    diagnosis = RtspErrorDiagnosis(config)
    if config.transport == "ffmpeg":
        return FfmpegRtspTransport(config, diagnosis, stopping)
    return RtspOpener(config, diagnosis, stopping, on_discard, thread)


class RtspOpener:
    """Opens native RTSP and, under `transport: auto`, the FFmpeg backend for codecs other than H.264 and H.265."""

    def __init__(
        self,
        config: CameraConfig,
        diagnosis: RtspErrorDiagnosis,
        stopping: threading.Event,
        on_discard: Callable[[DiscardReason], None],
        thread: LoopThread | None,
    ) -> None:
        self.diagnosis = diagnosis
        self._config = config
        self._stopping = stopping
        self._on_discard = on_discard
        self._thread = thread or network_thread()
        self._owns_thread = thread is None
        self._transport: Transport | None = None

    def open(self) -> Transport:
        """Connect with the one or the other."""
        native = NativeRtspTransport(self._config, self.diagnosis, self._stopping, self._thread, self._on_discard)
        self._transport = native
        try:
            return native.open()
        except NativeUnsupportedError as error:
            # FFmpeg cannot check a fingerprint.
            may_fall_back = self._config.transport == "auto" and self._config.tls_fingerprint is None
            if error.code != OTHER_CODEC or not may_fall_back:
                raise
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
        if self._owns_thread:
            self._thread.stop()
