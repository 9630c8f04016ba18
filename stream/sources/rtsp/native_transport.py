"""Native RTSP: each access unit is available as soon as its last packet has arrived."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from stream.settings.engine import CameraConfig
from stream.sources.decoding import nvdec
from stream.sources.errors import SourceError
from stream.sources.handover import HandoverClosedError
from stream.sources.loop_thread import LoopStoppedError, LoopThread, outcome
from stream.sources.rtsp.client import RtspClient
from stream.sources.rtsp.error_diagnosis import RtspErrorDiagnosis
from stream.sources.rtsp.protocol.address import RtspAddress
from stream.sources.rtsp.trust import Trust
from stream.sources.transport import AccessUnit, StoppedError, Transport
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
        units = self._client.receiver.units
        parameters = units.parameters
        assert parameters is not None  # no unit is handed over before they are known
        codec = av.CodecContext.create(LIBAVCODEC_NAMES[parameters.codec], "r", self._hwaccel)
        assert isinstance(codec, VideoCodecContext)
        codec.extradata = units.parameter_sets
        codec.width, codec.height = parameters.width, parameters.height
        with contextlib.suppress(ValueError):  # libavcodec has no name for the bit depth: its decoder reports it
            codec.pix_fmt = parameters.pixel_format
        if parameters.reorder == 0:
            codec.flags |= Flags.low_delay
        return codec
