"""RTSP cameras through libav's demuxer, over TCP or UDP: the options that make it quick.

libav holds every picture back until the next one begins (its parser looks for the start), one frame interval.
"""

from __future__ import annotations

import ssl
import threading

from stream.settings.engine import CameraConfig
from stream.sources.decoding import nvdec
from stream.sources.demuxed.ffmpeg_transport import FfmpegTransport
from stream.sources.rtsp.error_diagnosis import RtspErrorDiagnosis
from stream.sources.transport import Fallback


def demuxer_transport(
    config: CameraConfig, diagnosis: RtspErrorDiagnosis, stopping: threading.Event, fallback: Fallback | None = None
) -> FfmpegTransport:
    """A connection to an RTSP camera; `fallback` says why not another.

    These options give the first picture after 0.05 to 0.1 s rather than 1.0 s. `fflags=nobuffer` isn't among them: it
    throws the first keyframe away. Sound isn't asked for at all.
    """
    options = {
        "rtsp_transport": config.lower_transport,
        "analyzeduration": "0",
        "probesize": "32",
        "flags": "low_delay",
        "allowed_media_types": "video",
    }
    if config.source.scheme == "rtsps":
        # Left to itself libav takes any certificate.
        options["tls_verify"] = "1"
        authorities = config.tls_certificates or ssl.get_default_verify_paths().cafile
        if authorities is not None:
            options["ca_file"] = str(authorities)
    transport = FfmpegTransport(
        config.id,
        config.source.reveal(),
        diagnosis,
        stopping,
        options=options,
        start_timeout_s=config.start_timeout_s,
        stall_timeout_s=config.stall_timeout_s,
        hwaccel=nvdec.hardware(config.decoder),
    )
    transport.fallback = fallback
    return transport
