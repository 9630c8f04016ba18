"""The tokens file: who may use the HTTP server, with which right, and for which cameras (docs/security.md).

It holds the SHA-256 of each token. Tokens are random and long (`partstream tokens new`), so that a digest does not
reveal its token, and needs no salt.
"""

from __future__ import annotations

import grp
import os
import stat
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError, field_validator, model_validator

from stages.settings import Section
from stages.settings_file import SettingsFileError, error_text, read_settings
from stream.settings.config_error import ConfigError
from stream.settings.values import CameraId

MOST_TOKENS = 1000
MOST_CAMERAS = 1024

RESERVED = ("read", "control", "loopback")
"""Names of callers that are not in the file: `http.read_token`, `http.control_token`, and this machine."""

Right = Literal["look", "review", "control"]
"""What a token permits. Each right includes those before it."""

TokenName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]


def _as_text(value: object) -> object:
    """Return a date or time, as YAML reads it, as text in ISO 8601."""
    return value.isoformat() if isinstance(value, date) else value


class TokenConfig(Section):
    """One token. Its right and its cameras have no default, so that none is given by mistake."""

    name: TokenName = Field(description="Who uses it. It is shown in the audit file and the log.")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the token, as 64 hexadecimal digits."
    )
    right: Right = Field(description="`look` reads; `review` also acknowledges alerts; `control` also changes cameras.")
    cameras: Literal["all"] | Annotated[list[CameraId], Field(min_length=1, max_length=MOST_CAMERAS)] = Field(
        description="The ids of the cameras that it is for, or `all`."
    )
    expires: Annotated[str, BeforeValidator(_as_text)] | None = Field(
        None, description="Date or time in ISO 8601 from which it is not valid; without a time zone, in UTC."
    )

    @field_validator("name")
    @classmethod
    def _is_not_reserved(cls, value: str) -> str:
        if value in RESERVED:
            raise ValueError(f"{value} is the name of a caller that is not in this file; choose another")
        return value

    @field_validator("expires")
    @classmethod
    def _is_a_time(cls, value: str | None) -> str | None:
        if value is not None:
            parsed_us(value)
        return value

    @property
    def expires_us(self) -> int | None:
        """When the token stops being valid, microseconds since 1970, UTC; None: never."""
        return parsed_us(self.expires) if self.expires is not None else None


class TokensConfig(Section):
    """The tokens file."""

    tokens: Annotated[list[TokenConfig], Field(max_length=MOST_TOKENS)] = Field(
        default_factory=list[TokenConfig], description="The tokens."
    )

    @model_validator(mode="after")
    def _tokens_differ(self) -> TokensConfig:
        for kind, values in (
            ("name", (token.name for token in self.tokens)),
            ("sha256", (token.sha256 for token in self.tokens)),
        ):
            seen: set[str] = set()
            for value in values:
                if value in seen:
                    raise ValueError(f"tokens: two have the same {kind}{f' {value}' if kind == 'name' else ''}")
                seen.add(value)
        return self


def parsed_us(text: str) -> int:
    """Return a date or time in ISO 8601 as microseconds since 1970, UTC. Raises ValueError."""
    try:
        at = datetime.fromisoformat(text)
        return round((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1e6)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r:.40} is not a date or time, for example 2027-01-31") from None


def load_tokens(path: Path) -> TokensConfig:
    """Read a tokens file. Raises `ConfigError` that names the file and every error by its field, without digests."""
    try:
        status = path.stat()
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}; `partstream tokens new` makes one") from None
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
        raise ConfigError(f"{path}: is not a file")
    if status.st_mode & 0o027:
        # Who can write the file can give rights. The group may read it, as it does where an orchestrator mounts it.
        raise ConfigError(f"{path}: other users can read or write it: {_remedy(path, status)}")
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigError(f"{path}: belongs to another user, who can give rights with it: change its owner")
    try:
        path.open("rb").close()
    except PermissionError:
        raise ConfigError(f"{path}: this user cannot read it: {_remedy(path, status)}") from None
    except OSError:
        pass  # said below
    try:
        return TokensConfig.model_validate(read_settings(path, ", for example `tokens: [...]`"))
    except SettingsFileError as error:
        raise ConfigError(str(error)) from None
    except ValidationError as error:
        text = error_text(error, TokensConfig, command="partstream tokens --help")
        raise ConfigError(f"{path}: {text}") from None


def _remedy(path: Path, status: os.stat_result) -> str:
    """Say who should be able to read the file. If root owns it and someone else runs the engine, their group must."""
    if status.st_uid == os.geteuid():
        return f"`chmod 600 {path}`"
    try:
        group = grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        group = str(os.getegid())
    return f"as root, `chgrp {group} {path}` and `chmod 640 {path}`"
