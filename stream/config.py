"""The configuration of an engine. YAML keys are the field names.

Precedence: command line, then `PARTSTREAM_…` environment variables (`__` between levels), then the file.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from stages.settings import ModelSettings, Section, TrackingSettings, WindowSettings
from stages.settings_file import SettingsFileError, error_text, merged, read_settings
from stream.settings import files
from stream.settings.config_error import ConfigError
from stream.settings.engine import BatchConfig, CameraConfig, PublishConfig
from stream.settings.network import HttpConfig, TracingConfig, WebRtcConfig
from stream.settings.privacy import PrivacyConfig
from stream.settings.recording import IncidentsConfig, RecordingConfig, VerdictsConfig
from stream.settings.values import CAMERA_ID
from telemetry.redaction import redact

logger = logging.getLogger(__name__)
Configuration = TypeVar("Configuration", bound=Section)

PREFIX = "PARTSTREAM_"
OTHER_VARIABLES = frozenset(
    {"CACHE", "SERVER_KEY", "KEY_FILE", "READ_TOKEN", "CONTROL_TOKEN", "FLEET_TOKEN", "CONTAINERFILE"}
)
"""Variables of commands, of the cache of weights and of deploy/compose.yaml, without the prefix."""

SERVICE_LINK = re.compile(r"(^|_)SERVICE_(HOST|PORT(_\w+)?)$|(^|_)PORT_\d+_(TCP|UDP)(_\w+)?$")
"""Variables that Kubernetes sets in each container for each service, here one called partstream."""


def warn_of_unknown_variables(config: type[BaseModel], environment: Mapping[str, str]) -> None:
    """Log a warning for each variable that sets nothing of `config`, with the nearest one that does.

    Unknown keys within a section, such as `PARTSTREAM_HTTP__BINDS`, are left to the validation of the section.
    """
    names: list[str] | None = None
    for variable, value in environment.items():
        if not variable.upper().startswith(PREFIX):
            continue
        name = variable.upper().removeprefix(PREFIX)
        if name in OTHER_VARIABLES:
            continue
        if SERVICE_LINK.search(name) or (name.endswith("PORT") and "://" in value):
            continue
        if name.split("__")[0].lower() in config.model_fields:
            continue
        names = names or _variables(config)
        nearest = difflib.get_close_matches(name, names, 1)
        advice = f"did you mean {PREFIX}{nearest[0]}?" if nearest else "docs/configuration.md lists all settings"
        logger.warning("the environment variable %s sets nothing; %s", variable, advice)


def _variables(config: type[BaseModel]) -> list[str]:
    names: list[str] = []
    for name, field in config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            names += [f"{name}__{inner}".upper() for inner in section.model_fields]
        else:
            names.append(name.upper())
    return names


class Config(Section):
    """The whole configuration."""

    cameras: list[CameraConfig] = Field(default_factory=list[CameraConfig])
    model: ModelSettings = Field(default_factory=ModelSettings)
    window: WindowSettings = Field(default_factory=WindowSettings)
    tracking: TrackingSettings = Field(default_factory=TrackingSettings)
    overload: Literal["adapt", "drop"] = Field(
        "adapt",
        description="If the model is too slow for the live cameras: `adapt` detects less often and in smaller "
        "pictures, down to `model.min_detections_per_second` and `model.min_detector_side`, and drops frames only if "
        "that is not enough; `drop` only drops frames.",
    )
    batch: BatchConfig = Field(default_factory=BatchConfig)  # pyright: ignore[reportArgumentType]
    publish: PublishConfig = Field(default_factory=PublishConfig)  # pyright: ignore[reportArgumentType]
    http: HttpConfig = Field(default_factory=HttpConfig)  # pyright: ignore[reportArgumentType]
    webrtc: WebRtcConfig = Field(default_factory=WebRtcConfig)  # pyright: ignore[reportArgumentType]
    recording: RecordingConfig = Field(default_factory=RecordingConfig)  # pyright: ignore[reportArgumentType]
    incidents: IncidentsConfig = Field(default_factory=IncidentsConfig)  # pyright: ignore[reportArgumentType]
    verdicts: VerdictsConfig = Field(default_factory=VerdictsConfig)  # pyright: ignore[reportArgumentType]
    privacy: PrivacyConfig = Field(default_factory=PrivacyConfig)  # pyright: ignore[reportArgumentType]
    tracing: TracingConfig = Field(default_factory=TracingConfig)  # pyright: ignore[reportArgumentType]
    rules_file: Annotated[
        Path | None,
        Field(
            description="File of written actions and of rules that raise alerts (docs/rules.md). It is read again when "
            "it changes."
        ),
    ] = None
    alerts_file: Annotated[
        Path | None,
        Field(
            description="File that remembers open alerts, so that they are cleared after a crash. Unset: the rules "
            "file's name with the ending `.open-alerts.jsonl`, in its folder."
        ),
    ] = None
    once: bool = Field(False, description="Stop when every source has ended (files).")
    results: Annotated[
        Path | None,
        Field(
            description="File for every result as a JSON line. A file with results of an earlier run is kept as "
            "`FILE.1`, `FILE.2` and so on. While it cannot be written, for example on a full disk, results are "
            "missing from it: they are counted, and with `once` the exit code is 1."
        ),
    ] = None
    state_file: Annotated[
        Path | None,
        Field(
            description="File that keeps changes of cameras made at run time, for the next start. It contains the "
            "cameras' passwords and is readable only by its owner."
        ),
    ] = None

    profiling_directory: Annotated[
        Path | None,
        Field(
            description="Directory of the recordings made on SIGUSR2; the newest 8 are "
            "kept. Unset: a new temporary directory."
        ),
    ] = None

    @model_validator(mode="after")
    def _cameras_are_unique_and_at_least_as_private(self) -> Config:
        check_unique(self.cameras)
        self.cameras[:] = [camera.at_least(self.privacy.mode) for camera in self.cameras]
        return self

    @model_validator(mode="after")
    def _written_files_are_their_own(self) -> Config:
        if self.rules_file is not None and not self.rules_file.name:
            raise ValueError("rules_file: must be a file")
        try:
            files.check_written(self)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self

    @model_validator(mode="after")
    def _published_cameras_have_a_server(self) -> Config:
        for camera in self.cameras:
            if camera.source.kind == "whip" and self.http.bind is None:
                raise ValueError(f"camera {camera.id}: `whip` needs the HTTP server; set http.bind")
        return self


class _Environment(Config, BaseSettings):
    """The configuration as read from `PARTSTREAM_…` variables."""

    model_config = SettingsConfigDict(env_prefix="PARTSTREAM_", env_nested_delimiter="__")


def load(path: str | Path | None = None, overrides: dict[str, Any] | None = None) -> Config:
    """Read the YAML file, if any; the environment overrides it, and `overrides` (nested, like the file) overrides both.

    Raises `ConfigError` that names the errors by file and field, without secrets.
    """
    path = Path(path) if path is not None else None
    content = merged(merged(read(path) if path is not None else {}, _read_environment()), overrides or {})
    config = validated(Config, content, str(path or "configuration"))
    files.check_written(config, path)
    return config


def with_cameras(config: Config, cameras: Sequence[CameraConfig | Mapping[str, Any]], origin: str) -> Config:
    """Return the configuration with these cameras. Raises `ConfigError` naming `origin` if they are invalid in it."""
    return validated(Config, dict(config) | {"cameras": list(cameras)}, origin)


def read(path: Path) -> dict[str, Any]:
    """Return the mapping in a configuration file. Raises `ConfigError`."""
    try:
        return read_settings(path, ", for example `cameras: [...]`")
    except SettingsFileError as error:
        raise ConfigError(str(error)) from None


def check_unique(cameras: Iterable[CameraConfig]) -> None:
    """Raise `ValueError` if two cameras have the same id."""
    seen: set[str] = set()
    for camera in cameras:
        if camera.id in seen:
            raise ValueError(f"camera id {camera.id!r} is used twice; every camera needs its own")
        seen.add(camera.id)


def validated(
    model: type[Configuration], content: dict[str, Any], origin: str, reference: str = "partstream config schema"
) -> Configuration:
    """Return a configuration of an engine or a fleet. Raises `ConfigError` naming `origin` and the wrong settings."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        # A key or an id may be an address.
        found = [_with_camera(one, content.get("cameras")) for one in error.errors(include_url=False)]
        raise ConfigError(f"{origin}: {redact(error_text(found, model, command=reference))}") from None


def _with_camera(error: ErrorDetails, cameras: Any) -> ErrorDetails:
    """Return an error in the settings of a camera with the camera's id after its number."""
    match error["loc"]:
        case ("cameras", int(number), field, *rest) if field != "id":
            camera: Any = cameras[number]
            name = camera.get("id") if isinstance(camera, Mapping) else getattr(camera, "id", None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            if isinstance(name, str) and CAMERA_ID.fullmatch(name):
                return ErrorDetails(**{**error, "loc": ("cameras", f"{number} ({name})", field, *rest)})
        case _:
            pass
    return error


def _read_environment() -> dict[str, Any]:
    warn_of_unknown_variables(Config, os.environ)
    try:
        return EnvSettingsSource(_Environment)()
    except RecursionError:
        raise ConfigError("environment: a value is nested too deep") from None
    except SettingsError as error:
        raise ConfigError(f"environment: {error}; lists are given as JSON") from None
