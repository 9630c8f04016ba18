"""RTSP cameras through FFmpeg's demuxer, over TCP or UDP.

FFmpeg's parser holds each access unit back until the next one begins: one frame interval.
"""

from __future__ import annotations

import ssl
import threading

from stream.settings.engine import CameraConfig
from stream.sources.decoding import nvdec
from stream.sources.decoding.picture_limit import decoder_pixels
from stream.sources.demuxed.ffmpeg_transport import FfmpegTransport
from stream.sources.rtsp.error_diagnosis import RtspErrorDiagnosis
from stream.sources.rtsp.trust import Trust, UnusableCertificatesError
from stream.sources.transport import Fallback, Transport


class FfmpegRtspTransport(FfmpegTransport):
    """One connection to an RTSP camera; `fallback` tells why native RTSP does not read it."""

    def __init__(
        self,
        config: CameraConfig,
        diagnosis: RtspErrorDiagnosis,
        stopping: threading.Event,
        fallback: Fallback | None = None,
    ) -> None:
        super().__init__(
            config.id,
            config.source.reveal(),
            diagnosis,
            stopping,
            options=_options(config),
            start_timeout_s=config.start_timeout_s,
            stall_timeout_s=config.stall_timeout_s,
            max_pixels=decoder_pixels(config.max_pixels),
            hwaccel=nvdec.hardware(config.decoder),
        )
        self.fallback = fallback
        self._rtsp_diagnosis = diagnosis
        self._trust = Trust(config.tls_certificates)

    def open(self) -> Transport:
        """Connect within the start timeout. FFmpeg would wait without end for the writer of a pipe of certificates."""
        try:
            self._trust.content()
        except UnusableCertificatesError as error:
            raise self._rtsp_diagnosis.native_opening_failed(error, connected=False, answered=False) from None
        return super().open()


def _options(config: CameraConfig) -> dict[str, str]:
    """Return options with which the first frame is there after 0.05 to 0.1 s rather than 1.0 s.

    `fflags=nobuffer` is not among them: it discards the first keyframe.
    """
    options = {
        "rtsp_transport": config.lower_transport,
        "analyzeduration": "0",
        "probesize": "32",
        "flags": "low_delay",
        "allowed_media_types": "video",
    }
    if config.source.scheme == "rtsps":
        # By default FFmpeg accepts any certificate.
        options["tls_verify"] = "1"
        authorities = config.tls_certificates or ssl.get_default_verify_paths().cafile
        if authorities is not None:
            options["ca_file"] = str(authorities)
    return options
