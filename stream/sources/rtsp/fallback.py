"""Choice between native RTSP and the FFmpeg backend for each RTSP connection."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import av
from av.video.codeccontext import VideoCodecContext

from stream.settings.engine import CameraConfig
from stream.sources.decoding import nvdec
from stream.sources.errors import SourceError
from stream.sources.handover import HandoverClosedError
from stream.sources.loop_thread import LoopStoppedError, LoopThread, outcome
from stream.sources.rtsp.client import RtspClient
from stream.sources.rtsp.error_diagnosis import UNSUPPORTED_MEANINGS, NativeUnsupportedError, RtspErrorDiagnosis
from stream.sources.rtsp.ffmpeg_transport import FfmpegRtspTransport
from stream.sources.rtsp.protocol.address import RtspAddress
from stream.sources.rtsp.trust import Trust
from stream.sources.transport import AccessUnit, Fallback, StoppedError, Transport, TransportOpener
from telemetry.reasons import DiscardReason

WAIT_S = 0.2
"""How long `read` waits for a unit."""
LIBAVCODEC_NAMES = {"h264": "h264", "h265": "hevc"}


class NativeRtspTransport(Transport):
    """One connection. Packets arrive in `thread`, which all cameras share; units are read in the camera's thread.

    `on_discard(reason)` is called for each unit that is discarded before the decoder gets it.
    """

    def __init__(
        self,
        config: CameraConfig,
        diagnosis: RtspErrorDiagnosis,
        stopping: threading.Event,
        thread: LoopThread,
        on_discard: Callable[[DiscardReason], None],
    ) -> None:
        super().__init__(diagnosis)
        self._diagnosis = diagnosis
        self._stopping = stopping
        self._thread = thread
        self._start_timeout_s = config.start_timeout_s
        self._hwaccel = nvdec.hardware(config.decoder)
        self._trust = Trust(config.tls_certificates, config.tls_fingerprint)
        self._address = RtspAddress.parse(config.source.reveal())
        self._client = RtspClient(
            self._address, config.lower_transport, self._trust, on_discard, diagnosis.session_ended
        )
        self._first: AccessUnit | None = None

    def open(self) -> Transport:
        """Connect and wait for the first unit. Raises `NativeUnsupportedError` for what it does not support."""
        began_s = time.monotonic()
        client = self._client
        try:
            tls = self._trust.context() if self._address.scheme == "rtsps" else None
            work = self._thread.submit(client.open(self._start_timeout_s, tls))
            outcome(work, self._stopping, RtspClient.close_soon)
        except LoopStoppedError:
            raise StoppedError from None
        except (StoppedError, SourceError):
            raise
        except Exception as error:
            raise self._diagnosis.native_opening_failed(
                error, connected=client.connected, answered=client.answered
            ) from None
        self.fallback = client.fallback
        while not self._stopping.is_set():
            unit = self._get()
            if unit is not None:
                self._first = unit
                self.codec = self._decoder()
                return self
            if time.monotonic() - began_s >= self._start_timeout_s:
                raise self._diagnosis.no_picture_in_time()
        raise StoppedError

    def read(self) -> AccessUnit | None:
        """Return the next unit in decoding order."""
        if self._first is not None:
            unit, self._first = self._first, None
            return unit
        return self._get()

    def close(self) -> None:
        """End the session."""
        self._client.close_soon()

    def _get(self) -> AccessUnit | None:
        try:
            got = self._client.handover.get(WAIT_S)
        except HandoverClosedError as closed:
            raise closed.reason from None
        return None if got is None else got[1]

    def _decoder(self) -> VideoCodecContext:
        assert self._client.receiver is not None
        receiver = self._client.receiver
        codec = av.CodecContext.create(LIBAVCODEC_NAMES[receiver.codec], "r", self._hwaccel)
        assert isinstance(codec, VideoCodecContext)
        codec.extradata = receiver.units.parameter_sets
        return codec


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
    """Prepare a connection to an RTSP camera. Raises `SourceError`."""
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
