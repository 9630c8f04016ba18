"""RTSP cameras through FFmpeg's demuxer, over TCP or UDP, in a process of its own with limited memory.

FFmpeg's parser holds each access unit back until the next one begins: one frame interval.
"""

from __future__ import annotations

import json
import os
import select
import ssl
import subprocess
import sys
import threading
import time
from typing import Any

import av
import av.error
from av.video.codeccontext import VideoCodecContext

from stream.settings.engine import CameraConfig
from stream.sources.arrival_time import utc_us_at
from stream.sources.decoding import nvdec
from stream.sources.decoding.clock import EARLIEST_SANE_UTC_US, LATEST_UTC_US
from stream.sources.decoding.picture_limit import decoder_pixels
from stream.sources.errors import SourceError
from stream.sources.rtsp import ffmpeg_child
from stream.sources.rtsp.error_diagnosis import RtspErrorDiagnosis
from stream.sources.rtsp.ffmpeg_child import ABOUT, HEAD, NONE, TIMES
from stream.sources.rtsp.receiver import MICROSECOND
from stream.sources.transport import AccessUnit, Fallback, StoppedError, Transport, UnitTimes

WAIT_S = 0.2
"""How long `read` waits for a unit."""
DATA_BYTES = 512 << 20
"""Memory that the process may allocate: its libraries take 22 MiB, and it may decode some pictures to examine them."""
MAX_UNIT_BYTES = 16 << 20
ORPHANED_AFTER_S = 10.0
"""The process ends this long after a stall if nothing else ends it."""
AGREEMENT_US = 5_000
"""Less than a frame interval, more than the correction by a new report (some µs)."""


class FfmpegRtspTransport(Transport):
    """One connection to an RTSP camera; `fallback` tells why native RTSP does not read it."""

    def __init__(
        self,
        config: CameraConfig,
        diagnosis: RtspErrorDiagnosis,
        stopping: threading.Event,
        fallback: Fallback | None = None,
    ) -> None:
        super().__init__(diagnosis)
        self.fallback = fallback
        self._rtsp_diagnosis = diagnosis
        self._config = config
        self._stopping = stopping
        self._child: subprocess.Popen[bytes] | None = None
        self._received = bytearray()
        self._expected_us: int | None = None
        self._sender_offset_us: int | None = None

    def open(self) -> Transport:
        """Connect within the start timeout."""
        began_s = time.monotonic()
        config = self._config
        wanted = {
            "address": config.source.reveal(),
            "options": _options(config),
            "timeouts": (config.start_timeout_s, 2 * config.stall_timeout_s + ORPHANED_AFTER_S),
            "data_bytes": DATA_BYTES,
        }
        try:
            self._child = child = subprocess.Popen(
                [sys.executable, "-P", ffmpeg_child.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is for the engine, which ends it
            )
            assert child.stdin is not None
            with child.stdin as to_child:
                to_child.write(json.dumps(wanted).encode())
        except OSError as error:
            raise self._rtsp_diagnosis.reading(error) from None
        while (record := self._record()) is None:
            if self._stopping.is_set():
                raise StoppedError
            if time.monotonic() - began_s >= config.start_timeout_s:
                raise self._rtsp_diagnosis.not_open_in_time()
        described = json.loads(record[1])
        if "codec" not in described:
            raise self._error(described, time.monotonic() - began_s)
        codec = av.CodecContext.create(described["codec"], "r", nvdec.hardware(config.decoder))
        assert isinstance(codec, VideoCodecContext)
        codec.extradata = bytes.fromhex(described["extradata"]) or None
        codec.width, codec.height = described["size"]
        if described["pixels"] is not None:
            codec.pix_fmt = described["pixels"]
        self.codec = codec
        return self

    def _error(self, about: dict[str, Any], after_s: float | None) -> SourceError:
        """Return the camera's error for what the process reported. `after_s`: seconds since the start, if opening."""
        diagnosis = self._rtsp_diagnosis
        if "redirected" in about:
            return diagnosis.redirected()
        if "missing" in about:
            return diagnosis.no_video() if about["missing"] == "video" else diagnosis.unknown_codec()
        try:
            av.error.err_check(-about["errno"])
        except Exception as error:
            return diagnosis.reading(error) if after_s is None else diagnosis.opening(error, after_s)
        raise AssertionError("an error without a number")

    def read(self) -> AccessUnit | None:
        """Return the next unit, or None if none arrives for a moment."""
        record = self._record()
        if record is None:
            return None
        kind, content = record
        if kind == ABOUT:
            raise self._error(json.loads(content), None)
        arrival_ns, pts_us, dts_us, duration_us, sender_us, is_keyframe = TIMES.unpack_from(content)
        packet = av.Packet(content[TIMES.size :])
        packet.time_base = MICROSECOND
        packet.is_keyframe = bool(is_keyframe)
        pts_us = self._expected_us if pts_us == NONE else pts_us
        self._expected_us = pts_us + duration_us if pts_us is not None and duration_us else None
        packet.pts, packet.dts = pts_us, None if dts_us == NONE else dts_us
        sender_utc_us = self._sender_utc_us(sender_us, pts_us)
        return AccessUnit(packet, UnitTimes(pts_us, arrival_ns, utc_us_at(arrival_ns), sender_utc_us))

    def close(self) -> None:
        """End the process, and so the connection."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()

    def _record(self) -> tuple[int, bytes] | None:
        """Return the next record's kind and content, or None if it is not complete within a moment."""
        assert self._child is not None and self._child.stdout is not None
        until_s = time.monotonic() + WAIT_S
        while True:
            if len(self._received) >= HEAD.size:
                size, kind = HEAD.unpack_from(self._received)
                if size > MAX_UNIT_BYTES:
                    raise self._rtsp_diagnosis.reading(OverflowError("a unit is too large"))
                end = HEAD.size + size
                if len(self._received) >= end:
                    content = bytes(self._received[HEAD.size : end])
                    del self._received[:end]
                    return kind, content
            descriptor = self._child.stdout.fileno()
            poll = select.poll()  # unlike select(), for descriptors above 1023 too
            poll.register(descriptor, select.POLLIN)
            if not poll.poll(max(0.0, until_s - time.monotonic()) * 1000):
                return None
            data = os.read(descriptor, 1 << 20)
            if not data:
                raise self._rtsp_diagnosis.ended()
            self._received += data

    def _sender_utc_us(self, utc_us: int, pts_us: int | None) -> int | None:
        """Return the capture time by the sender's clock, once two successive packets agree on its offset.

        After a sender report, FFmpeg attaches the first time to the packet before the one that it belongs to.
        """
        sane = EARLIEST_SANE_UTC_US <= utc_us <= LATEST_UTC_US
        offset_us = utc_us - pts_us if sane and pts_us is not None else None
        before_us, self._sender_offset_us = self._sender_offset_us, offset_us
        if offset_us is None or before_us is None or abs(offset_us - before_us) > AGREEMENT_US:
            return None
        return utc_us


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
        "max_pixels": str(decoder_pixels(config.max_pixels)),
    }
    if config.source.scheme == "rtsps":
        # By default FFmpeg accepts any certificate.
        options["tls_verify"] = "1"
        authorities = config.tls_certificates or ssl.get_default_verify_paths().cafile
        if authorities is not None:
            options["ca_file"] = str(authorities)
    return options
