"""The HTTP server and WebRTC."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator, model_validator

from stream.settings.section import Section


class HttpConfig(Section):
    """Metrics, health and the control API (docs/control-api.md)."""

    bind: str | None = Field(
        "127.0.0.1:9090",
        description="host:port; port 0 picks one; null switches the server off. Any address but a loopback one needs "
        "a token.",
    )
    read_token: SecretStr | None = Field(
        None, description="Lets its bearer read: metrics, status, results, the configuration."
    )
    control_token: SecretStr | None = Field(
        None, description="Lets its bearer read and change cameras. Unset: no change is taken from other hosts."
    )
    tls_certificate: Path | None = Field(None, description="PEM file, the chain included: HTTPS instead of HTTP.")
    tls_key: Path | None = Field(None, description="PEM file of its private key, without a passphrase.")
    cors_origins: list[str] = Field(
        default_factory=list[str],
        description="Web pages of other origins that may use the API, as `https://host[:port]`. Empty: none.",
    )
    camera_schemes: list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*$")]] = Field(
        default=["rtsp", "rtsps", "whip", "pattern"],
        description="What addresses of cameras added over HTTP may begin with; `file` stands for paths. The "
        "configuration's own cameras may have any.",
    )
    max_cameras: int = Field(64, ge=1, le=1024, description="Cameras; over HTTP none is added beyond.")
    max_streams: int = Field(
        64,
        ge=0,
        le=1024,
        description="Answers that go on (events, pictures, clips) at once; a live page has two. A further one is "
        "refused.",
    )
    requests_per_second: float = Field(
        50.0,
        gt=0,
        le=1e6,
        description="Requests taken from one address; twice as many at once. Those for health and metrics don't count.",
    )

    @field_validator("bind")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r".+:\d{1,5}", value):
            raise ValueError(f"{value!r} is not host:port, for example 127.0.0.1:9090")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _whole_origins(cls, value: list[str]) -> list[str]:
        for origin in value:
            if not re.fullmatch(r"https?://[^/?#@\s*]+", origin):
                raise ValueError(f"{origin!r} is not an origin, for example https://wall.example:8443")
        return [origin.lower() for origin in value]

    @model_validator(mode="after")
    def _tokens_and_tls(self) -> HttpConfig:
        read, control = self.read_token, self.control_token
        if read is not None and control is not None and read.get_secret_value() == control.get_secret_value() != "":
            raise ValueError("read_token and control_token are the same: who may read could change cameras")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together: set both, or neither")
        return self


class IceServer(Section):
    """A server that helps connections through firewalls."""

    urls: list[str] = Field(
        min_length=1, description="`stun:host[:port]`, `turn:host[:port][?transport=tcp]` or `turns:host[:port]`."
    )
    username: str = Field("", description="For TURN.")
    credential: SecretStr | None = Field(None, description="The password for TURN.")

    @field_validator("urls")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for url in value:
            if not re.fullmatch(
                r"(stun:[^?:@\s]+(:\d{1,5})?|turns?:[^?:@\s]+(:\d{1,5})?(\?transport=(udp|tcp))?)", url
            ):
                raise ValueError("must be stun:host[:port], turn:host[:port][?transport=tcp] or turns:host[:port]")
        return value


class WebRtcConfig(Section):
    """WebRTC: cameras that come in by it, and live video that goes out (docs/webrtc.md)."""

    max_publishers: int = Field(
        8, ge=0, le=256, description="Cameras that are published to (`source: whip`) at once; a further one is refused."
    )
    max_viewers: int = Field(
        16,
        ge=0,
        le=256,
        description="Viewers that are sent a camera's own video at once (WHEP, the live page); a further one is "
        "refused, and the page shows JPEGs instead.",
    )
    ice_servers: list[IceServer] = Field(
        default_factory=list[IceServer],
        description="STUN and TURN servers; the first of each kind is used. Empty: none, which does in one network.",
    )
    min_bitrate_kbps: int = Field(
        1500,
        ge=0,
        le=100_000,
        description="What Chromium is told never to send less than: below it makes its picture smaller. 0: nothing.",
    )
    start_bitrate_kbps: int = Field(
        3000, ge=0, le=100_000, description="The bitrate that Chromium is told to begin with. 0: its own, 300."
    )
    max_bitrate_kbps: int = Field(
        8000, ge=0, le=100_000, description="What publishers are told never to send more than. 0: nothing."
    )
