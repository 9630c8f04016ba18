"""Settings of cameras, batches and publishing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from ring_buffers.policy import Policy
from stages.settings import LEAST, Section
from stream.settings.network import BoundEndpoint
from stream.settings.privacy import MOST_MASKS, BackgroundConfig, MaskConfig, PrivacyMode, WantedPrivacy
from stream.settings.source_address import SourceAddress, quoted
from stream.settings.source_kinds import ADDRESS_FORMS, PACES
from stream.settings.values import CameraId
from stream.settings.zones import MOST_LINES, MOST_ZONES, LineConfig, ZoneConfig, ZoneName

MOST_PIXELS = 1 << 28
"""Above what FFmpeg can decode with 16 bytes per pixel."""
LEAST_PIXELS = 64 * 64
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_NUMBER = re.compile(r"\d{1,9}")


def pixels_of(size: str | int) -> int:
    """Return the number of pixels. Raises `ValueError` for other forms."""
    if isinstance(size, int):
        return size
    found = _SIZE.fullmatch(size)
    if found is not None:
        return int(found[1]) * int(found[2])
    if _NUMBER.fullmatch(size):
        return int(size)
    raise ValueError(f"{quoted(size)} is not a picture size: write WIDTHxHEIGHT, or a number of pixels")


def _within_bounds(size: str | int) -> str | int:
    pixels = pixels_of(size)
    if not LEAST_PIXELS <= pixels <= MOST_PIXELS:
        raise ValueError(f"{size} is not from {LEAST_PIXELS} to {MOST_PIXELS} pixels")
    return size


MaxPicture = Annotated[Annotated[int, Field(ge=LEAST_PIXELS, le=MOST_PIXELS)] | str, AfterValidator(_within_bounds)]


DetectorSide = Annotated[int, Field(ge=32, le=4096)]


class CameraConfig(Section):
    """One camera."""

    id: CameraId = Field(description="Name in topics, metrics and logs: a-z, 0-9, - and _, at most 63 characters.")
    source: SourceAddress = Field(description=f"{ADDRESS_FORMS}.")
    enabled: bool = Field(True, description="False: the camera stays listed but is not read.")
    transport: Literal["auto", "native", "ffmpeg"] = Field(
        "auto",
        description="RTSP: the reader. `native` is partstream's own and delivers each frame one frame "
        "interval sooner than `ffmpeg`. `auto` is `native`, or `ffmpeg` for codecs other than H.264 "
        "and H.265; a metric and the camera's status report this.",
    )
    lower_transport: Literal["tcp", "udp"] = Field(
        "tcp",
        description="RTSP: the protocol that carries the packets. TCP loses none. Use UDP only for cameras "
        "without TCP; if UDP fails, TCP is used.",
    )
    tls_certificates: Path | None = Field(
        None,
        description="rtsps: PEM file of certificates to trust instead of the system's: an authority's, or the "
        "camera's own.",
    )
    tls_fingerprint: str | None = Field(
        None,
        description="rtsps: SHA-256 of the camera's certificate in hex, for a self-signed one. Only this certificate "
        "is accepted, for any host name. Not with `transport: ffmpeg`.",
    )
    decoder: Literal["auto", "software", "nvdec"] = Field(
        "software",
        description="RTSP and files: `nvdec` decodes on an NVIDIA GPU, or in software if that is impossible; "
        "a metric and the camera's status report this. `auto` does the same without reporting it.",
    )
    pace: Literal["live", "fast", "loop"] = Field("live", description=PACES)
    max_fps: float | None = Field(
        None, ge=LEAST, le=1000, description="Frames above this rate are dropped (rate_limited). Unset: no limit."
    )
    staleness_ms: int = Field(
        500,
        ge=1,
        le=3_600_000,
        description="Frames that have waited longer than this are dropped (stale).",
    )
    detector_size: tuple[DetectorSide, DetectorSide] | None = Field(
        None,
        description="Width and height of the detector's input; multiples of 32 are best. Unset: the model chooses. "
        "Small (256, 256) suits people near the camera, large (768, 576) people far away.",
    )
    zones: dict[ZoneName, ZoneConfig] = Field(
        default_factory=dict[str, ZoneConfig],
        max_length=MOST_ZONES,
        json_schema_extra={"additionalProperties": False},
        description="Named parts of the picture. Results then list the zones that each person is in (docs/zones.md).",
    )
    lines: dict[ZoneName, LineConfig] = Field(
        default_factory=dict[str, LineConfig],
        max_length=MOST_LINES,
        json_schema_extra={"additionalProperties": False},
        description="Named lines across the picture. Results then list the lines that each person crosses "
        "(docs/zones.md).",
    )
    masks: dict[ZoneName, MaskConfig] = Field(
        default_factory=dict[str, MaskConfig],
        max_length=MOST_MASKS,
        json_schema_extra={"additionalProperties": False},
        description="Named parts of the picture that are black for the model and in everything that leaves the engine "
        "(docs/privacy.md). Clips and live video of the camera are then encoded from its masked pictures.",
    )
    privacy: WantedPrivacy = Field(
        "off",
        description="`skeleton`: no pixel of the camera leaves the engine. Pictures, clips and live video are drawn "
        "from the results (docs/privacy.md).",
    )
    background: BackgroundConfig | None = Field(
        None,
        description="In skeleton mode: the picture over which people are drawn; unset: grey. It can be set in the "
        "configuration file only, not over HTTP (docs/privacy.md).",
    )
    ring_slots: int = Field(
        8, ge=2, le=256, description="Frames held between decoding and inference; 8 are 0.3 s at 25 fps."
    )
    max_picture: MaxPicture = Field(
        "7680x4320",
        description="Largest picture, as WIDTHxHEIGHT or a number of pixels; only the number of pixels counts. "
        "Larger ones are refused (`picture_too_large`), and those for which there is too little memory (`no_memory`).",
    )
    start_timeout_s: float = Field(10.0, ge=LEAST, le=3600, description="Longest time until a source's first frame.")
    stall_timeout_s: float = Field(
        3.0, ge=LEAST, le=3600, description="Time without data after which a live source is stalled."
    )
    reconnect_initial_s: float = Field(
        0.25,
        ge=LEAST,
        le=3600,
        description="First wait before a reconnect; it doubles each time. After a refusal, at most 1 s.",
    )
    reconnect_max_s: float = Field(15.0, ge=LEAST, le=86400, description="Longest wait before a reconnect.")

    @property
    def privacy_mode(self) -> PrivacyMode:
        """How much of the camera's pictures is hidden."""
        if self.privacy == "skeleton":
            return "skeleton"
        return "masked" if self.masks else "off"

    def at_least(self, privacy: Literal["off", "skeleton"]) -> Self:
        """Return these settings with at least this privacy."""
        return self if privacy in ("off", self.privacy) else self.model_copy(update={"privacy": privacy})

    @property
    def max_pixels(self) -> int:
        """The pixels of the largest picture."""
        return pixels_of(self.max_picture)

    @property
    def ring_policy(self) -> Policy:
        """`every` for sources read as fast as the engine takes them, so that no frame is lost; else `latest`."""
        return "every" if self.pace == "fast" and not self.source.traits.live else "latest"

    @field_validator("transport", mode="before")
    @classmethod
    def _check_transport(cls, value: object) -> object:
        if value in ("tcp", "udp"):
            raise ValueError(f"selects the reader (auto, native, ffmpeg); write lower_transport: {value}")
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


class BatchConfig(Section):
    """The frames in a batch, and when it starts."""

    max_frames: int = Field(
        8, ge=1, le=256, description="Maximum frames in a batch. Larger batches cost less per frame and add latency."
    )
    max_wait_ms: float = Field(
        10.0,
        ge=0,
        le=3_600_000,
        description="Longest wait of a frame for others to share its batch; the actual wait adapts, up to this.",
    )
    max_batch_ms: float = Field(
        150.0,
        ge=LEAST,
        le=3_600_000,
        description="Target for the longest time of a batch. If recent batches took longer, batches get "
        "smaller, and older frames of live cameras are dropped for newer ones.",
    )


class PublishConfig(Section):
    """Results over ZeroMQ (docs/wire.md) and the clients that may read them (docs/security.md)."""

    endpoint: BoundEndpoint = Field(
        "tcp://127.0.0.1:5555", description="Address for subscribers (XPUB). Port 0: any free port."
    )
    replay: BoundEndpoint = Field(
        "tcp://127.0.0.1:5556", description="Address for requests of missed messages (ROUTER)."
    )
    encoding: Literal["json", "msgpack"] = Field(
        "json", description="JSON works with every client; MessagePack is smaller."
    )
    high_water_mark: int = Field(
        256,
        ge=1,
        le=1_000_000,
        description="Messages queued for a slow subscriber; when the queue is full, newer ones are dropped.",
    )
    history_messages: int = Field(
        2000, ge=1, le=10_000_000, description="Messages kept for replay per topic: 80 s at 25 fps."
    )
    history_bytes: int = Field(
        64 << 20, ge=1 << 10, le=1 << 40, description="Memory for all history; the oldest messages are removed first."
    )
    stats_interval_s: float = Field(1.0, ge=0.1, le=86_400, description="Interval of messages on `stats/v1/`.")
    curve_secret_key_file: Path | None = Field(
        None,
        description="The engine's secret key from `partstream keys new` (docs/security.md). Both sockets then encrypt "
        "and accept only the clients in `curve_allowed_keys`.",
    )
    curve_allowed_keys: Path | None = Field(
        None,
        description="Clients' public keys: a directory of `*.key` files, or one file with several keys. Changes apply "
        "to new connections without a restart.",
    )
    allow_plaintext: bool = Field(
        False,
        description="Allow addresses other than loopback without CURVE. Anyone who can reach them can then read all "
        "results.",
    )

    @model_validator(mode="after")
    def _keys_go_together(self) -> PublishConfig:
        if (self.curve_secret_key_file is None) != (self.curve_allowed_keys is None):
            raise ValueError("curve_secret_key_file and curve_allowed_keys go together: set both, or neither")
        return self

    @model_validator(mode="after")
    def _endpoints_differ(self) -> PublishConfig:
        if self.endpoint == self.replay and not self.endpoint.endswith((":0", "*")):
            raise ValueError(f"endpoint and replay are both {self.endpoint}: each needs an address of its own")
        return self
