"""Native RTSP: each access unit is available as soon as its last packet has arrived.

A transport serves one connection and is read in the camera's thread. Packets arrive in a network thread that all
cameras share.
"""

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
from stream.sources.rtp.access_units import AccessUnits
from stream.sources.rtsp.client import RtspClient
from stream.sources.rtsp.error_diagnosis import RtspErrorDiagnosis
from stream.sources.rtsp.protocol.address import RtspAddress
from stream.sources.rtsp.trust import Trust
from stream.sources.transport import AccessUnit, Fallback, StoppedError
from telemetry.reasons import DiscardReason

WAIT_S = 0.2
"""How long a read waits for a picture before its caller looks around."""
NO_RECOVERY_AFTER_S = 10.0
"""Pictures have come for so long and none can be decoded."""
LIBAV_NAMES = {"h264": "h264", "h265": "hevc"}


class NativeRtspTransport:
    """One connection. `on_discard(reason)` is called for each picture that is lost on its way."""

    def __init__(
        self,
        config: CameraConfig,
        diagnosis: RtspErrorDiagnosis,
        stopping: threading.Event,
        thread: LoopThread,
        on_discard: Callable[[DiscardReason], None],
    ) -> None:
        self.diagnosis = diagnosis
        self.fallback: Fallback | None = None
        self.awaiting_recovery = False
        self._diagnosis = diagnosis
        self._stopping = stopping
        self._thread = thread
        self._start_timeout_s = config.start_timeout_s
        self._hwaccel = nvdec.hardware(config.decoder)
        self._trust = Trust(config.tls_certificates, config.tls_fingerprint)
        self._address = RtspAddress.parse(config.source.reveal())
        self._session = RtspClient(
            self._address, config.lower_transport, self._trust, on_discard, diagnosis.session_ended
        )
        self._first: AccessUnit | None = None
        self._packets_before = 0

    def open(self) -> VideoCodecContext:
        """Connect and wait for the first access unit. Raises `NativeUnsupportedError` for what FFmpeg may read."""
        began_s = time.monotonic()
        session = self._session
        try:
            tls = self._trust.context() if self._address.scheme == "rtsps" else None
            work = self._thread.submit(session.open(self._start_timeout_s, tls))
            outcome(work, self._stopping, RtspClient.close_soon)
        except LoopStoppedError:
            raise StoppedError from None
        except (StoppedError, SourceError):
            raise
        except Exception as error:
            raise self._diagnosis.native_opening_failed(
                error, connected=session.connected, answered=session.answered
            ) from None
        self.fallback = session.fallback
        while not self._stopping.is_set():
            unit = self._get()
            if unit is not None:
                self._first = unit
                return self._decoder()
            if time.monotonic() - began_s >= self._start_timeout_s:
                raise self._nothing_in_time()
        raise StoppedError

    def read(self) -> AccessUnit | None:
        """The next picture, in decoding order."""
        if self._first is not None:
            unit, self._first = self._first, None
            return unit
        unit = self._get()
        units = self._units
        self.awaiting_recovery = unit is None and units.awaiting and self._anything_came()
        if units.awaiting_since_ns is not None and (self._waiting_s() or 0.0) >= NO_RECOVERY_AFTER_S:
            raise self._diagnosis.no_recovery(NO_RECOVERY_AFTER_S)
        return unit

    def undecodable(self) -> None:
        """Leave out what comes until the next point of recovery."""
        self._session.need_recovery()

    def want_keyframe(self) -> None:
        """Cameras send keyframes when they do."""

    def close(self) -> None:
        """End the session."""
        self._session.close_soon()

    def _get(self) -> AccessUnit | None:
        try:
            got = self._session.handover.get(WAIT_S)
        except HandoverClosedError as closed:
            raise closed.reason from None
        return None if got is None else got[1]

    @property
    def _units(self) -> AccessUnits:
        receiver = self._session.receiver
        assert receiver is not None
        return receiver.units

    def _anything_came(self) -> bool:
        """Since this was asked last: silence is a stall, whatever was lost before it."""
        receiver = self._session.receiver
        assert receiver is not None
        before, self._packets_before = self._packets_before, receiver.packets
        return receiver.packets != before

    def _waiting_s(self) -> float | None:
        """For how long pictures have come that can't be decoded."""
        since_ns = self._units.awaiting_since_ns
        return None if since_ns is None else (time.monotonic_ns() - since_ns) / 1e9

    def _nothing_in_time(self) -> SourceError:
        if self._waiting_s() is not None:
            return self._diagnosis.no_recovery_at_first()
        return self._diagnosis.no_picture_in_time()

    def _decoder(self) -> VideoCodecContext:
        units = self._units
        parameters = units.parameters
        assert parameters is not None  # no unit is given before
        codec = av.CodecContext.create(LIBAV_NAMES[parameters.codec], "r", self._hwaccel)
        assert isinstance(codec, VideoCodecContext)
        codec.extradata = units.parameter_sets
        codec.width, codec.height = parameters.width, parameters.height
        with contextlib.suppress(ValueError):  # a depth that libav has no name for: then its own decoder says so
            codec.pix_fmt = parameters.pixel_format
        if parameters.reorder == 0:
            codec.flags |= Flags.low_delay
        return codec
