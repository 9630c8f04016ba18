"""The configuration of `partstream notify`: a YAML file, in which the targets are named."""

from __future__ import annotations

import ipaddress
import logging
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from stages.settings import Section
from stages.settings_file import SettingsFileError, error_text, read_settings
from stream.settings.config_error import ConfigError
from stream.settings.values import Duration, HoursConfig, TimeZoneName, microseconds
from telemetry.redaction import redact

logger = logging.getLogger(__name__)

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
State = Literal["began", "updated", "acknowledged", "cleared"]
Severity = Literal["info", "warning", "critical"]
KINDS = ("mqtt", "webhook", "apprise")


def _located(path: Path, info: ValidationInfo) -> Path:
    return Path(info.context or "", path)


FilePath = Annotated[Path, AfterValidator(_located)]
"""A file. `load` takes a relative path from the configuration's folder, whatever the working directory is."""


class EngineConfig(Section):
    """The engine, or the fleet, whose messages are read."""

    endpoint: str = Field(
        "tcp://127.0.0.1:5555",
        description="The engine's `publish.endpoint`; of a fleet `fleet://HOST:PORT`, the address of its directory.",
    )
    replay: str | None = Field(
        "tcp://127.0.0.1:5556",
        description="The engine's `publish.replay`. Null: missed messages are lost. Not for a fleet.",
    )
    api: str | None = Field(
        None,
        pattern=r"^https?://[^/]",
        description="Address of the engine's HTTP server, for rules, acknowledging, pictures and links. "
        "Not for a fleet.",
    )
    token_file: FilePath | None = Field(
        None, description="File with a token for that server, with the right `look`, or `review` to acknowledge."
    )
    ca_file: FilePath | None = Field(
        None, description="PEM file of the authority that signed that server's certificate."
    )
    allow_plaintext: bool = Field(False, description="Allow the token without TLS to another host.")
    server_key: str | None = Field(None, description="CURVE: the engine's public key, or a file that holds it.")
    key_file: FilePath | None = Field(None, description="CURVE: file with the client's secret key.")

    @property
    def fleet(self) -> bool:
        """Whether it is a fleet."""
        return self.endpoint.startswith("fleet://")

    @field_validator("server_key")
    @classmethod
    def _located_key(cls, value: str | None, info: ValidationInfo) -> str | None:
        from stream.messaging.curve.keys import is_key

        if value is None or (is_key(value) and not _located(Path(value), info).exists()):
            return value
        return str(_located(Path(value), info))

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> EngineConfig:
        for name in ("replay", "api"):
            if self.fleet and name in self.model_fields_set:
                raise ValueError(f"{name} is of one engine, and endpoint is of a fleet: remove it")
        parts = urlsplit(self.api or "")
        if self.token_file and parts.scheme == "http" and not (self.allow_plaintext or _loopback(parts.hostname)):
            raise ValueError("the token would be sent without TLS: use https://, or set allow_plaintext: true")
        return self


class TargetConfig(Section):
    """Settings of every target."""

    states: list[State] = Field(default=["began"], description="Messages of an alert that are sent.")
    cameras: list[str] | None = Field(None, description="Only these cameras. Unset: all.")
    rules: list[str] | None = Field(None, description="Only these rules. Unset: all.")
    severity: list[Severity] | None = Field(None, description="Only these severities. Unset: all.")
    quiet_hours: HoursConfig | None = Field(
        None, description="Hours in which alerts are held back; at the end, one message sums them up."
    )
    critical: bool = Field(True, description="Whether critical alerts are sent in quiet hours.")
    group_within: Duration = Field(
        0, description="After an alert, further ones of the same camera and rule within this time are held back."
    )
    most_per_minute: int | None = Field(
        None, ge=1, le=100_000, description="Most messages a minute; further ones are held back. Unset: no limit."
    )
    most_pending: int = Field(
        10_000, ge=10, le=1_000_000, description="Most pending messages; beyond it, the oldest are held back."
    )
    give_up_after: Duration = Field(
        microseconds("24h"), gt=0, description="Age at which a message that cannot be delivered is given up."
    )
    notices: bool = Field(True, description="Whether to report lost messages and a silent engine.")

    def wants(self, camera: str, rule: str, severity: str) -> bool:
        """Return whether alerts of this camera, rule and severity go to the target."""
        return (
            (self.cameras is None or camera in self.cameras)
            and (self.rules is None or rule in self.rules)
            and (self.severity is None or severity in self.severity)
        )


class MqttConfig(TargetConfig):
    """An MQTT broker."""

    kind: Literal["mqtt"]
    states: list[State] = Field(
        default=["began", "updated", "acknowledged", "cleared"], description="Messages of an alert that are sent."
    )
    broker: str = Field(description="`mqtt://HOST[:PORT]` or, with TLS, `mqtts://HOST[:PORT]`, of MQTT 5.")
    node: Name = Field("partstream", description="Name of this installation: topics begin with `partstream/NODE/`.")
    username: str | None = Field(None, description="User name at the broker.")
    password_file: FilePath | None = Field(None, description="File with the password.")
    ca_file: FilePath | None = Field(
        None, description="PEM file of the authority that signed the broker's certificate."
    )
    discovery: str | None = Field(
        "homeassistant",
        pattern=r"^[^/+#\x00]+(/[^/+#\x00]+)*$",
        description="Prefix of Home Assistant's discovery topics. Null: no discovery.",
    )
    people: bool = Field(True, description="Whether to publish the number of people by action.")
    events: bool = Field(False, description="Whether to publish events of actions.")
    clips: bool = Field(False, description="Whether to publish a message when a clip is complete.")
    pictures: bool = Field(
        False, description="Whether to publish the picture of each alert that begins; needs `engine.api`."
    )
    allow_plaintext: bool = Field(False, description="Allow a password without TLS to another host.")

    @field_validator("broker")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError("must be mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
        if parts.username or parts.password:
            raise ValueError("must not contain a password: set username and password_file")
        _ = parts.port
        return value

    @model_validator(mode="after")
    def _password_is_protected(self) -> MqttConfig:
        parts = urlsplit(self.broker)
        if self.password_file and parts.scheme == "mqtt" and not (self.allow_plaintext or _loopback(parts.hostname)):
            raise ValueError("the password would be sent without TLS: use mqtts://, or set allow_plaintext: true")
        if self.password_file and self.username is None:
            raise ValueError("password_file needs username")
        return self


class WebhookConfig(TargetConfig):
    """An HTTP address that receives signed messages."""

    kind: Literal["webhook"]
    states: list[State] = Field(
        default=["began", "acknowledged", "cleared"], description="Messages of an alert that are sent."
    )
    url: str = Field(description="`https://…`; `http://…` only on this machine.")
    secret_files: list[FilePath] = Field(
        min_length=1,
        max_length=4,
        description="Files with secrets, `whsec_…`. Each signs, so that one can be replaced.",
    )
    ca_file: FilePath | None = Field(
        None, description="PEM file of the authority that signed the server's certificate."
    )
    allow_plaintext: bool = Field(False, description="Allow `http://` to another host.")

    @model_validator(mode="after")
    def _address(self) -> WebhookConfig:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url must be https://…")
        _ = parts.port
        if parts.scheme == "http" and not (self.allow_plaintext or _loopback(parts.hostname)):
            raise ValueError("url: alerts would be sent without TLS: use https://, or set allow_plaintext: true")
        return self


class AppriseConfig(TargetConfig):
    """Phones, mail and chats, by Apprise."""

    kind: Literal["apprise"]
    urls_file: FilePath = Field(description="File with Apprise's addresses, one per line.")
    picture: bool = Field(False, description="Attach the picture of the alert; needs `engine.api`.")


Target = Annotated[MqttConfig | WebhookConfig | AppriseConfig, Field(discriminator="kind")]


class NotifyConfig(Section):
    """The whole configuration. Relative paths are taken from the folder of the file."""

    engine: EngineConfig = Field(default_factory=EngineConfig)  # pyright: ignore[reportArgumentType]
    ledger: FilePath = Field(
        Path("notify.db"),
        validate_default=True,
        description="SQLite file of alerts and deliveries, which `partstream notify` creates if it is missing.",
    )
    metrics: str | None = Field(
        "127.0.0.1:9097", pattern=r"^.+:\d{1,5}$", description="HOST:PORT of /metrics and /healthz. Null: no server."
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Address at which people open the engine's pages, for links; needs `engine.api`. Unset: no links.",
    )
    time_zone: TimeZoneName = Field("UTC", description="Time zone of texts, and of quiet hours without their own.")
    late_after: Duration = Field(
        microseconds("60s"), description="Age at which an alert is sent as late instead of as new."
    )
    least_on: Duration = Field(microseconds("2s"), description="Shortest time for which a sensor stays on.")
    engine_silent: Duration = Field(
        microseconds("15s"), gt=0, description="Time without messages after which cameras are unavailable."
    )
    engine_lost: Duration = Field(
        microseconds("5m"), gt=0, description="Time without messages after which all alerts are closed."
    )
    keep_days: int = Field(7, ge=1, le=365, description="Days for which sent messages stay listed.")
    targets: dict[Name, Target] = Field(min_length=1, description="The targets, by name.")

    @model_validator(mode="after")
    def _pictures_have_a_source(self) -> NotifyConfig:
        for name, target in self.targets.items():
            wanted = isinstance(target, AppriseConfig) and target.picture and "picture"
            wanted = wanted or (isinstance(target, MqttConfig) and target.pictures and "pictures")
            if wanted and self.engine.api is None:
                raise ValueError(
                    f"targets.{name}.{wanted}: pictures come from the engine's HTTP server; set engine.api"
                )
        return self


def load(path: Path) -> NotifyConfig:
    """Read the file. Relative paths in it are taken from its folder.

    Raises `ConfigError` that names the errors by file and field, without secrets.
    """
    try:
        content: dict[str, Any] = read_settings(path, ", for example `targets: {…}`")
        return NotifyConfig.model_validate(content, context=path.absolute().parent)
    except SettingsFileError as error:
        raise ConfigError(str(error)) from None
    except ValidationError as error:
        found = _readable(error.errors(include_url=False))
        text = redact(error_text(found, NotifyConfig, command="partstream notify schema"))
        raise ConfigError(f"{path}: {text}") from None


def _readable(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Return the errors with locations as in the file, in which a target's kind is no level."""
    for error in errors:
        location = error["loc"]
        if location[:1] == ("targets",) and location[2:3] and location[2] in KINDS:
            error["loc"] = location[:2] + location[3:]
        if error["type"] == "missing":
            error["msg"] = "is missing" + ("; an example is in docs/notify.md" if location == ("targets",) else "")
        elif error["type"] in ("union_tag_invalid", "union_tag_not_found"):
            error["loc"], error["msg"] = (*location, "kind"), f"must be {', '.join(KINDS[:-1])} or {KINDS[-1]}"
    return errors


def secret(path: Path, setting: str) -> str:
    """Return the secret in a file, without its line break, and warn if others may read it.

    Raises `ConfigError` that begins with `setting`.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
        if path.stat().st_mode & 0o077:
            logger.warning("%s holds a secret, and other users may read it: chmod 600", path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"{setting}: {path.absolute()}: can't be read: {reason}") from None
    if not text:
        raise ConfigError(f"{setting}: {path.absolute()}: is empty, and must hold a secret")
    return text


def _loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
