"""Changes of cameras' settings, as they arrive over HTTP: checks, and the errors of changes that are refused.

Independent of an engine, so that a fleet's controller checks in the same way without loading one.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from stages.settings_file import plain_message
from stream.privacy.known_privacy import KnownPrivacy
from stream.settings.engine import CameraConfig
from stream.settings.network import HttpConfig
from stream.settings.values import CAMERA_ID
from stream.sources.addresses import check_address
from stream.sources.errors import SourceError

Camera = TypeVar("Camera", bound=CameraConfig)
T = TypeVar("T")

Settings = Mapping[str, object]
"""A camera's settings, as decoded from JSON."""


class ControlError(Exception):
    """A change was refused. The message says why and what to do, without secrets."""


class SettingsError(ControlError):
    """Settings are invalid; `errors` has the name and the error of each wrong setting."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {detail}" for field, detail in errors))
        self.errors = errors


class NoSuchCameraError(ControlError):
    """No camera has this id."""


class NoCapacityError(ControlError):
    """The limit of cameras is reached, or this camera's ring does not fit into memory."""


class NotSavedError(ControlError):
    """The state file cannot be written, so the change was not made."""


class PrivateError(ControlError):
    """A camera would show more than its privacy permits."""


class InFleetError(ControlError):
    """The cameras are changed elsewhere, because the engine belongs to a fleet."""


class NotNowError(ControlError):
    """The engine is starting or stopping, or too many changes wait."""


def checked_settings(kind: type[Camera], camera_id: str, settings: Settings, before: CameraConfig | None) -> Camera:
    """Return the settings of a camera, of this kind. Raises `SettingsError`.

    A `source` equal to that of `before` without its secrets keeps the whole address.
    """
    if not CAMERA_ID.fullmatch(camera_id):
        raise SettingsError([("id", "use a-z, 0-9, - and _, for example front-door")])
    if settings.get("id", camera_id) != camera_id:
        raise SettingsError([("id", f"must be {camera_id!r}, as in the URL; or leave it out")])
    given = dict(settings) | {"id": camera_id}
    if before is not None and given.get("source") == str(before.source):
        given["source"] = before.source.reveal()
    try:
        return kind.model_validate_json(json.dumps(given), strict=True)
    except RecursionError:
        raise SettingsError([("settings", "nested too deep")]) from None
    except ValidationError as error:
        raise SettingsError(
            [
                (".".join(str(step)[:64] for step in found["loc"]) or "settings", plain_message(found))
                for found in error.errors(include_url=False, include_input=False, include_context=False)
            ]
        ) from None


def checked_change(
    kind: type[Camera],
    camera_id: str,
    settings: Settings,
    before: CameraConfig | None,
    privacy: KnownPrivacy,
    http: HttpConfig,
    schemes_setting: str = "http.camera_schemes",
) -> Camera:
    """Return the settings of a camera, if they may be set over HTTP. Raises `SettingsError` or `PrivateError`."""
    config = checked_settings(kind, camera_id, settings, before).at_least(privacy.everywhere)
    if (refusal := privacy.refusal(config, before)) is not None:
        raise PrivateError(refusal)
    check_scheme(config, before, http.camera_schemes, schemes_setting)
    check_certificates(config, before, http.tls_certificates_folder)
    check_can_be_opened(config, before)
    return config


def with_changes(before: CameraConfig, changes: Settings) -> Settings:
    """Return the settings with these changes, in which null stands for a default. They are not checked."""
    merged = before.model_dump(mode="json") | dict(changes)
    return {name: value for name, value in merged.items() if value is not None or name not in type(before).model_fields}


def check_scheme(config: CameraConfig, before: CameraConfig | None, allowed: Sequence[str], setting: str) -> None:
    """Raise `SettingsError` if the address is a new one whose scheme is not allowed. `setting` allows others."""
    if before is not None and before.source.reveal() == config.source.reveal():
        return
    if config.source.scheme not in allowed:
        beginnings = " or ".join(f"{scheme}:" for scheme in allowed)
        raise SettingsError([("source", f"must begin with {beginnings}; other addresses need {setting}")])


def check_certificates(config: CameraConfig, before: CameraConfig | None, folder: Path | None) -> None:
    """Raise `SettingsError` if `tls_certificates` is a new one outside of the folder, or if there is no folder.

    Otherwise errors of the camera would tell which files this machine has. The answer is the same for any such path.
    """
    path = config.tls_certificates
    if path is None or (before is not None and before.tls_certificates == path):
        return
    try:
        allowed = folder is not None and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except ValueError:  # a null character
        allowed = False
    if not allowed:
        raise SettingsError(
            [("tls_certificates", "must name a file in http.tls_certificates_folder, or be set in the configuration")]
        )


def check_can_be_opened(config: CameraConfig, before: CameraConfig | None) -> None:
    """Raise `SettingsError` if the address is a new one that no engine can ever open."""
    if before is not None and before.source.reveal() == config.source.reveal():
        return
    try:
        check_address(config)
    except SourceError as error:
        raise SettingsError([("source", f"{error.what}. {error.remedy}")]) from None


def no_such_camera(camera_id: str) -> NoSuchCameraError:
    """Return the error for an id that no camera has. The message contains the id only if it is a valid one."""
    name = camera_id if CAMERA_ID.fullmatch(camera_id) else "of this id"
    return NoSuchCameraError(f"there is no camera {name}: GET /api/v1/cameras lists them")


_unfinished: set[asyncio.Task[Any]] = set()
"""Held until they end, also if their callers are cancelled."""


def finished(change: Coroutine[Any, Any, T]) -> Awaitable[T]:
    """Return what waits for a change, which goes on if the wait is cancelled."""
    task = asyncio.create_task(change)
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
    return asyncio.shield(task)
