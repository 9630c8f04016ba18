"""The configuration that a command runs with: a file, the environment, and the command line over both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.settings.source_kinds import ADDRESS_FORMS

if TYPE_CHECKING:
    from stream.config import Config

SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID=]SOURCE", help=f"{ADDRESS_FORMS}. Without an id they are cam0, cam1 …", show_default=False
    ),
]


def configuration(
    path: Path | None, overrides: Mapping[str, Any], sources: Sequence[str], of_cameras: Mapping[str, Any] | None = None
) -> Config:
    """Return the configuration with these sources as further cameras. Raises `ConfigError`.

    `overrides` are nested like the file; `of_cameras` are settings that every camera gets.
    """
    from stream.config import load, with_cameras

    _check_options(of_cameras or {})
    settings = load(path, dict(overrides))
    if not sources and not of_cameras:
        return settings
    cameras = [camera.model_dump() | {"source": camera.source} for camera in settings.cameras]
    cameras += [parse_source(text, len(cameras) + index) for index, text in enumerate(sources)]
    cameras = [camera | dict(of_cameras or {}) for camera in cameras]
    return with_cameras(settings, cameras, str(path or "configuration"))


def _check_options(of_cameras: Mapping[str, Any]) -> None:
    """Raise `ConfigError` naming the option whose value no camera can have."""
    from pydantic import ValidationError

    from stages.settings_file import plain_message
    from stream.settings.config_error import ConfigError
    from stream.settings.engine import CameraConfig

    try:
        CameraConfig.model_validate({"id": "cam0", "source": "pattern:", **of_cameras})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = "--" + str(first["loc"][0]).replace("_", "-") if first["loc"] else "options"
        raise ConfigError(f"{option} {plain_message(first)}") from None


def parse_source(text: str, index: int) -> dict[str, Any]:
    """Return the id and source of `ID=SOURCE`, or of a bare source, which is named cam0, cam1 … by its place.

    Raises `ConfigError` for an id that cannot be one, and for an id without `=`, unless a file has that name.
    """
    from stream.settings.config_error import ConfigError
    from stream.settings.source_address import SourceAddress
    from stream.settings.values import CAMERA_ID, camera_id_error

    name, equals, source = text.partition("=")
    if (meant := _without_equals(text)) is not None:
        raise ConfigError(
            f"{meant} is neither a file nor an address. For a camera of this name, write {meant}=rtsp://…"
        )
    if not equals or any(mark in name for mark in "/:?#") or _is_file(text):
        name, source = f"cam{index}", text
    elif not CAMERA_ID.fullmatch(name):
        raise ConfigError(camera_id_error(name))
    elif not source:
        raise ConfigError(f"camera {name}: no source after `{name}=`")
    try:
        return {"id": name, "source": SourceAddress.parse(source)}
    except ValueError as error:
        raise ConfigError(f"camera {name}: the source {error}") from None


def _without_equals(text: str) -> str | None:
    """Return the id in `ID` or `ID:rtsp://…`, where `ID=rtsp://…` was meant; None for any other text."""
    from stream.settings.source_kinds import kind_of
    from stream.settings.values import CAMERA_ID

    name, _, rest = text.partition(":")
    alone = not rest and not name.isdigit()
    if CAMERA_ID.fullmatch(name) and kind_of(text) == "file" and (alone or "://" in rest) and not _is_file(text):
        return name
    return None


def _is_file(text: str) -> bool:
    try:
        return Path(text).exists()
    except OSError:  # for example because the name is too long
        return False
