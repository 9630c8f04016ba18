"""Sections of cameras, batches and publishing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ring_buffers.frames import Policy
from stream.settings.section import CAMERA_ID, Section
from stream.settings.source_address import SourceAddress

DetectorSide = Annotated[int, Field(ge=32, le=4096)]


class CameraConfig(Section):
    """One camera."""

    id: str = Field(description="Name in topics, metrics and logs: [a-z0-9][a-z0-9_-]{0,62}.")
    source: SourceAddress = Field(description="rtsp://…, a file, device:/dev/video0, whip, whep+https://… or pattern:.")
    enabled: bool = Field(True, description="False: the camera stays listed and nothing is read from it.")
    transport: Literal["auto", "native", "ffmpeg"] = Field(
        "auto",
        description="RTSP: the reader. `native` is partstream's own and has each picture one frame interval sooner "
        "than `ffmpeg`. `auto` is native, and FFmpeg for cameras that native RTSP cannot read, which is counted and "
        "shown in the camera's status.",
    )
    lower_transport: Literal["tcp", "udp"] = Field(
        "tcp",
        description="RTSP: what carries the pictures. TCP loses nothing; UDP only where a camera speaks nothing else, "
        "and TCP after all where nothing arrives over it.",
    )
    tls_certificates: Path | None = Field(
        None,
        description="rtsps: a PEM file with the certificates to trust (an authority's, or the camera's own) in place "
        "of the system's.",
    )
    tls_fingerprint: str | None = Field(
        None,
        description="rtsps: SHA-256 of the camera's certificate in hex, for one that no authority has signed: then it "
        "is this very certificate, whatever name it is for, or no connection. Not with `transport: ffmpeg`.",
    )
    decoder: Literal["auto", "software", "nvdec"] = Field(
        "software",
        description="RTSP and files: `nvdec` decodes on an NVIDIA GPU and, where that can't be, in software, counted "
        "and said in the camera's status; `auto` does so silently.",
    )
    pace: Literal["live", "fast", "loop"] = Field(
        "live",
        description="Files: `live` plays at the file's own times, `fast` hands out every frame as fast as it is taken, "
        "`loop` is live and starts again at the end, in a new epoch.",
    )
    max_fps: float | None = Field(None, gt=0, le=1000, description="Frames above this rate are dropped (rate_limited).")
    staleness_ms: int = Field(
        500,
        ge=1,
        le=3_600_000,
        description="A ready frame older than this is dropped rather than analysed: a live answer must be live.",
    )
    detector_size: tuple[DetectorSide, DetectorSide] | None = Field(
        None,
        description="Width, height of the picture that the detector sees; multiples of 32 are best. Null lets the "
        "model choose. Small (256, 256) for near people, large (768, 576) for far ones.",
    )
    ring_slots: int = Field(
        8, ge=2, le=256, description="Frames kept between decoding and inference: 8 is 0.3 s at 25 fps."
    )
    start_timeout_s: float = Field(
        10.0, gt=0, le=3600, description="How long a source may take to give its first frame."
    )
    stall_timeout_s: float = Field(
        3.0, gt=0, le=3600, description="Silence after which a live source counts as stalled."
    )
    reconnect_initial_s: float = Field(
        0.25, gt=0, le=3600, description="First wait before connecting again; doubles each time."
    )
    reconnect_max_s: float = Field(
        15.0, gt=0, le=86400, description="The longest wait: a camera back from repair is seen soon."
    )

    @property
    def ring_policy(self) -> Policy:
        """`every` for files read as fast as the engine takes them, so that no frame is lost; else `latest`."""
        return "every" if self.pace == "fast" and self.source.kind in ("file", "pattern") else "latest"

    @field_validator("transport", mode="before")
    @classmethod
    def _names_the_reader(cls, value: object) -> object:
        if value in ("tcp", "udp"):
            raise ValueError(f"selects the reader (auto, native, ffmpeg); write lower_transport: {value}")
        if value in ("wire", "libav"):
            raise ValueError(f"{value} has a new name; write transport: {'native' if value == 'wire' else 'ffmpeg'}")
        return value

    @field_validator("tls_fingerprint")
    @classmethod
    def _valid_fingerprint(cls, value: str | None) -> str | None:
        if value is None:
            return None
        digits = value.replace(":", "").lower()
        if not re.fullmatch(r"[0-9a-f]{64}", digits):
            raise ValueError("must be a SHA-256 fingerprint: 64 hex digits, colons allowed")
        return digits

    @model_validator(mode="after")
    def _fingerprint_is_checked(self) -> CameraConfig:
        if self.transport == "ffmpeg" and self.tls_fingerprint is not None:
            raise ValueError("FFmpeg ignores tls_fingerprint: set tls_certificates, or transport: auto or native")
        return self

    @field_validator("id")
    @classmethod
    def _valid_id(cls, value: str) -> str:
        if not CAMERA_ID.fullmatch(value):
            raise ValueError(f"camera id {value!r} must match [a-z0-9][a-z0-9_-]{{0,62}}")
        return value


class BatchConfig(Section):
    """Which frames go into a batch, and when it leaves."""

    max_frames: int = Field(
        8, ge=1, le=256, description="Frames a batch: more amortise launches, at the cost of latency."
    )
    max_wait_ms: float = Field(
        10.0, ge=0, description="The longest that a lone frame waits for company; the wait tunes itself below this."
    )
    max_batch_ms: float = Field(
        150.0,
        gt=0,
        description="The longest that a batch should take, by what batches took lately: with a slower model they get "
        "smaller, and older frames of live cameras give way to newer ones. A live answer must be live.",
    )


class PublishConfig(Section):
    """ZeroMQ out (docs/wire.md), and to whom (docs/security.md)."""

    endpoint: str = Field("tcp://127.0.0.1:5555", description="Where subscribers connect (XPUB). Port 0 picks one.")
    replay: str = Field("tcp://127.0.0.1:5556", description="Where missed messages are asked for (ROUTER).")
    encoding: Literal["json", "msgpack"] = Field(
        "json", description="JSON is read by everything; MessagePack is smaller."
    )
    high_water_mark: int = Field(
        256, ge=1, description="Messages queued for a slow subscriber before newer ones are dropped for it."
    )
    history_messages: int = Field(2000, ge=1, description="Messages a topic kept for replay: 80 s at 25 fps.")
    history_bytes: int = Field(64 << 20, ge=1 << 10, description="Memory for all history; the oldest goes first.")
    stats_interval_s: float = Field(1.0, gt=0, description="How often `stats/v1/` is published.")
    curve_secret_key_file: Path | None = Field(
        None,
        description="The engine's secret key, of `partstream keys new` (docs/security.md): both sockets encrypt, and "
        "take only clients of `curve_allowed_keys`.",
    )
    curve_allowed_keys: Path | None = Field(
        None,
        description="Clients' public keys: a directory of `*.key` files, or one file that holds several. Changes count "
        "for new connections, without a restart.",
    )
    allow_plaintext: bool = Field(
        False,
        description="Let the sockets listen off loopback without CURVE: whoever reaches them reads all results.",
    )

    @model_validator(mode="after")
    def _keys_go_together(self) -> PublishConfig:
        if (self.curve_secret_key_file is None) != (self.curve_allowed_keys is None):
            raise ValueError("curve_secret_key_file and curve_allowed_keys go together: set both, or neither")
        return self
