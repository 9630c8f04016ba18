"""RTSP cameras through libav's demuxer, over TCP or UDP: the options that make it quick.

libav holds every picture back until the next one begins (its parser looks for the start), one frame interval.
"""

from __future__ import annotations

import threading

from stream.settings.engine import CameraConfig
from stream.sources import nvdec
from stream.sources.libav import LibavTransport
from stream.sources.rtsp.faults import RtspFaults


def rtsp_transport(config: CameraConfig, stopping: threading.Event) -> LibavTransport:
    """A connection to an RTSP camera. Raises `BadAddressError` if the address can't be one.

    These options give the first picture after 0.05 to 0.1 s rather than 1.0 s. `fflags=nobuffer` isn't among them: it
    throws the first keyframe away. Sound isn't asked for at all.
    """
    faults = RtspFaults(config)
    return LibavTransport(
        config.id,
        config.source.reveal(),
        faults,
        stopping,
        options={
            "rtsp_transport": config.lower_transport,
            "analyzeduration": "0",
            "probesize": "32",
            "flags": "low_delay",
            "allowed_media_types": "video",
        },
        start_timeout_s=config.start_timeout_s,
        stall_timeout_s=config.stall_timeout_s,
        hwaccel=nvdec.hardware(config.decoder),
    )
