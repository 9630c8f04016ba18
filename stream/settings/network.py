"""Settings of the HTTP server, WebRTC and traces, and the form of addresses that ZeroMQ sockets are bound to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from stages.settings import LEAST, Section
from stream.settings.source_address import quoted

HIGHEST_PORT = 65_535


def bindable(endpoint: str) -> str:
    """Return an endpoint that clients can connect to. Raises `ValueError`.

    ZeroMQ takes the lowest 16 bits of any port, and binds `inproc://` for its own process. It checks the rest itself.
    """
    port = re.fullmatch(r"tcp://.*:(\d+)", endpoint)
    if port is not None and int(port[1]) > HIGHEST_PORT:
        raise ValueError(f"there is no port {port[1]}: the highest is {HIGHEST_PORT}")
    if endpoint.startswith("inproc:"):
        raise ValueError("no other program can connect to inproc addresses: use tcp://ADDRESS:PORT or ipc://PATH")
    return endpoint


BoundEndpoint = Annotated[str, AfterValidator(bindable)]


class HttpConfig(Section):
    """Metrics, health and the control API (docs/control-api.md)."""

    bind: str | None = Field(
        "127.0.0.1:9090",
        description="host:port. Port 0: any free port; null: no server. Addresses other than loopback need a token.",
    )
    read_token: SecretStr | None = Field(
        None, description="Token to read metrics, status, results and the configuration."
    )
    control_token: SecretStr | None = Field(
        None, description="Token to read, and to change cameras. Unset: other hosts cannot change anything."
    )
    tokens_file: Path | None = Field(
        None,
        description="File of further tokens, each with a name, a right and cameras (docs/security.md). It is read "
        "again when it changes.",
    )
    audit_file: Path | None = Field(
        None,
        description="File that gets a JSON line for each change over HTTP (docs/security.md). Unset: the lines go to "
        "the log.",
    )
    tls_certificate: Path | None = Field(None, description="PEM file of the certificate and its chain, for HTTPS.")
    tls_key: Path | None = Field(None, description="PEM file of the certificate's private key, without a passphrase.")
    cors_origins: list[str] = Field(
        default_factory=list[str],
        description="Origins whose web pages may use the API, as `https://host[:port]`. Empty: none.",
    )
    camera_schemes: list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*$")]] = Field(
        default=["rtsp", "rtsps", "whip", "pattern"],
        description="Allowed schemes for cameras added over HTTP; `file` stands for paths. Cameras in the "
        "configuration may use any.",
    )
    tls_certificates_folder: Path | None = Field(
        None,
        description="Folder of the files that `tls_certificates` of cameras may name over HTTP. Unset: none. In the "
        "configuration it may name any.",
    )
    max_cameras: int = Field(64, ge=1, le=1024, description="Maximum cameras; beyond it, none can be added over HTTP.")
    max_streams: int = Field(
        64,
        ge=0,
        le=1024,
        description="Maximum open streams (events, pictures, clips); a live page uses two. Further ones are refused.",
    )
    requests_per_second: float = Field(
        50.0,
        ge=LEAST,
        le=1e6,
        description="Maximum requests per second from one address, with bursts of twice as many. Health and "
        "metrics do not count.",
    )

    @field_validator("bind")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r".+:\d{1,5}", value):
            raise ValueError(f"{quoted(value)} is not host:port, for example 127.0.0.1:9090")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _whole_origins(cls, value: list[str]) -> list[str]:
        return whole_origins(value)

    @model_validator(mode="after")
    def _tokens_and_tls(self) -> HttpConfig:
        read, control = self.read_token, self.control_token
        if read is not None and control is not None and read.get_secret_value() == control.get_secret_value() != "":
            raise ValueError("read_token and control_token are the same: every reader could change cameras")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together: set both, or neither")
        return self


def whole_origins(value: list[str]) -> list[str]:
    """Return the origins as browsers write them: in lower case, and without the scheme's default port.

    Raises `ValueError` if one is none.
    """
    for origin in value:
        if not re.fullmatch(r"https?://[^/?#@\s*]+", origin):
            raise ValueError(f"{quoted(origin)} is not an origin, for example https://wall.example:8443")
    return [re.sub(r"^(http://.*):80$|^(https://.*):443$", r"\1\2", origin.lower()) for origin in value]


class IceServer(Section):
    """A STUN or TURN server."""

    urls: list[str] = Field(
        min_length=1, description="`stun:host[:port]`, `turn:host[:port][?transport=tcp]` or `turns:host[:port]`."
    )
    username: str = Field("", description="User name for TURN.")
    credential: SecretStr | None = Field(None, description="Password for TURN.")

    @field_validator("urls")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for url in value:
            if not re.fullmatch(
                r"(stun:[^?:@\s]+(:\d{1,5})?|turns?:[^?:@\s]+(:\d{1,5})?(\?transport=(udp|tcp))?)", url
            ):
                raise ValueError("must be stun:host[:port], turn:host[:port][?transport=tcp] or turns:host[:port]")
            port = re.search(r":(\d+)(?:\?|$)", url)
            if port is not None and not 0 < int(port[1]) < 65536:
                raise ValueError(f"{port[1]} is not a port: must be 1 to 65535")
        return value


class WebRtcConfig(Section):
    """WebRTC for cameras and for live video (docs/webrtc.md)."""

    max_publishers: int = Field(
        8, ge=0, le=256, description="Maximum publishers (`source: whip`); further ones are refused."
    )
    max_viewers: int = Field(
        16,
        ge=0,
        le=256,
        description="Maximum viewers of cameras' own video (WHEP, the live page). Further ones are refused, "
        "and the page shows JPEGs instead.",
    )
    ice_servers: list[IceServer] = Field(
        default_factory=list[IceServer],
        description="STUN and TURN servers; the first of each kind is used. Not needed within one network.",
    )
    min_bitrate_kbps: int = Field(
        1500,
        ge=0,
        le=100_000,
        description="Minimum bitrate for Chromium, which shrinks the picture at lower bitrates. 0: no limit.",
    )
    start_bitrate_kbps: int = Field(
        3000, ge=0, le=100_000, description="Start bitrate for Chromium. 0: Chromium's default, 300."
    )
    max_bitrate_kbps: int = Field(8000, ge=0, le=100_000, description="Maximum bitrate for publishers. 0: no limit.")


class TracingConfig(Section):
    """OpenTelemetry traces of single frames (docs/tracing.md)."""

    sample_ratio: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of frames to trace; 0.01 is one in a hundred. 0: none, and OpenTelemetry is not loaded. "
        "`OTEL_EXPORTER_OTLP_ENDPOINT` sets where traces go.",
    )
