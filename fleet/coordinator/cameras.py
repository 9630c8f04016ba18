"""The settings of a fleet's cameras: those of the configuration, with the changes that the store has."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from fleet.coordinator.store import Kept, LastPlace, Statement, camera_as_configured, camera_changed, camera_hidden
from fleet.settings import REFERENCE, FleetCamera, FleetConfig
from stages.settings_file import error_text
from stream.cameras.changes import (
    ControlError,
    NoCapacityError,
    PrivateError,
    Settings,
    SettingsError,
    check_can_be_opened,
    check_certificates,
    check_scheme,
    checked_settings,
    no_such_camera,
    with_changes,
)
from stream.config import Config
from stream.privacy.known_privacy import MOST_KNOWN, HiddenCamera, KnownPrivacy
from stream.settings.engine import CameraConfig
from telemetry.redaction import redact

logger = logging.getLogger(__name__)

OTHER_SCHEMES = "coordinator.http.camera_schemes, or have to be written into the fleet's configuration"
"""What allows cameras of other schemes than those that may be added over HTTP."""
HIDDEN_PER_CAMERA = 2
"""Cameras whose privacy is remembered, removed ones included, for each that there may be."""


class Cameras:
    """The cameras of a fleet. Checks changes; the caller writes them before it applies them."""

    def __init__(self, config: FleetConfig, kept: Kept) -> None:
        """Cameras in the store whose settings are not valid any more are not placed, and that is logged."""
        self._http = config.coordinator.http
        self._configured = {camera.id: camera for camera in config.cameras}
        everywhere = Config.model_validate(config.engine).privacy.mode
        most = max(MOST_KNOWN, HIDDEN_PER_CAMERA * max(config.coordinator.http.max_cameras, len(config.cameras)))
        self.privacy = KnownPrivacy(config.cameras, everywhere, most)
        self.privacy.remember(HiddenCamera.model_validate(hidden) for hidden in kept.hidden)
        self.all: dict[str, FleetCamera] = {
            name: camera for name, camera in self._configured.items() if kept.cameras.get(name, camera) is not None
        }
        self._for_engine: dict[str, Mapping[str, Any]] = {}
        self.invalid: dict[str, Mapping[str, Any]] = {}
        """Cameras whose settings in the store are not valid, for example after an upgrade. They stay in the store."""
        self._places = kept.places
        for name, settings in kept.cameras.items():
            if settings is None:
                continue
            if (camera := self._valid(name, settings)) is not None:
                self.all[name] = camera
                self.privacy.add(camera)
            else:
                self.invalid[name] = settings
                self.all.pop(name, None)
                logger.error("camera %s: it is not placed before its settings are replaced over HTTP", name)

    def for_engine(self, camera: str) -> Mapping[str, Any] | None:
        """Return a camera's settings as an engine gets them; None if there is no such camera."""
        found = self._for_engine.get(camera)
        if found is None and camera in self.all:
            found = self._for_engine[camera] = self.all[camera].for_engine()
        return found

    def checked(self, camera_id: str, settings: Settings) -> FleetCamera:
        """Return the settings with which a camera is to be added or replaced. Raises `ControlError`."""
        before = self.all.get(camera_id)
        self._check_scheme_first(camera_id, settings, before)
        camera = checked_settings(FleetCamera, camera_id, settings, before).at_least(self.privacy.everywhere)
        if (refusal := self.privacy.refusal(camera, before)) is not None:
            raise PrivateError(refusal)
        if before is None:
            self._check_new(camera)
        else:
            check_scheme(camera, before, self._http.camera_schemes, OTHER_SCHEMES)
            check_certificates(camera, before, self._http.tls_certificates_folder)
        check_can_be_opened(camera, before)
        return camera

    def _check_scheme_first(self, camera_id: str, settings: Settings, before: FleetCamera | None) -> None:
        """Refuse an address whose scheme is not allowed, whatever else is wrong: a device would need a pin before."""
        try:
            alone = checked_settings(CameraConfig, camera_id, {"source": settings.get("source")}, before)
        except SettingsError:
            return
        check_scheme(alone, before, self._http.camera_schemes, OTHER_SCHEMES)

    def _check_new(self, camera: FleetCamera) -> None:
        check_scheme(camera, None, self._http.camera_schemes, OTHER_SCHEMES)
        check_certificates(camera, None, self._http.tls_certificates_folder)
        if len(self.all) >= self._http.max_cameras:
            raise NoCapacityError(
                f"there are {len(self.all)} cameras, the limit of coordinator.http.max_cameras: remove one first"
            )

    def checked_changes(self, camera_id: str, changes: Settings) -> FleetCamera:
        """Return a camera's settings with these changes; null stands for a default. Raises `ControlError`."""
        return self.checked(camera_id, with_changes(self.of(camera_id), changes))

    def of(self, camera_id: str) -> FleetCamera:
        """Return a camera. Raises `NoSuchCameraError`."""
        if camera_id not in self.all:
            raise no_such_camera(camera_id)
        return self.all[camera_id]

    def keeping(self, camera: FleetCamera) -> list[Statement]:
        """Return what keeps these settings."""
        hidden = HiddenCamera.of(camera)
        hides = [camera_hidden(hidden.model_dump(mode="json"))] if hidden.masks or hidden.privacy != "off" else []
        return [self._kept_as(camera.id, camera), *hides]

    def removing(self, camera_id: str) -> list[Statement]:
        """Return what keeps that a camera was removed."""
        return [self._kept_as(camera_id, None)]

    def put(self, camera: FleetCamera) -> None:
        """Add a camera, or replace it."""
        self.all[camera.id] = camera
        self.invalid.pop(camera.id, None)
        self._for_engine.pop(camera.id, None)
        self.privacy.add(camera)

    def remove(self, camera_id: str) -> None:
        """Remove a camera. What was hidden of it stays known."""
        self.all.pop(camera_id, None)
        self.invalid.pop(camera_id, None)
        self._for_engine.pop(camera_id, None)

    def has(self, camera_id: str) -> bool:
        """Return whether the camera exists, also with settings that are not valid."""
        return camera_id in self.all or camera_id in self.invalid

    def may_adopt(self, camera_id: str) -> bool:
        """Return whether a camera's settings may be taken from an engine: neither configuration nor store has any."""
        return not self.has(camera_id) and camera_id not in self._configured

    def adopted(self, camera_id: str, settings: Mapping[str, Any], node: str) -> FleetCamera | None:
        """Return a camera with the settings of an engine on this node; None if it is not to be had, which is logged.

        For cameras that a lost store had. Pins are not among the settings; a capture device gets that of its node.
        """
        if not self.may_adopt(camera_id):
            return None
        own = {"pin": node} if str(settings.get("source", "")).startswith("device:") else {}
        camera = self._valid(camera_id, {**settings, **own})
        if camera is None:
            return None
        try:
            self._check_new(camera)
        except ControlError as error:
            logger.error("camera %s: it is not taken from its engine: %s", camera_id, error)
            return None
        return camera

    def places_of_invalid(self) -> dict[str, LastPlace]:
        """Return where the cameras that are not placed, because their settings are not valid, were placed last."""
        return {name: self._places[name] for name in self.invalid if name in self._places}

    def changed(self) -> Iterable[tuple[str, Mapping[str, Any] | None]]:
        """Return the cameras that differ from the configuration, as the store keeps them."""
        yield from self.invalid.items()
        for name in (self._configured.keys() | self.all.keys()) - self.invalid.keys():
            settings, configured = _whole(self.all.get(name)), _whole(self._configured.get(name))
            if settings != configured:
                yield name, settings

    def _kept_as(self, camera_id: str, camera: FleetCamera | None) -> Statement:
        if _whole(camera) == _whole(self._configured.get(camera_id)):
            return camera_as_configured(camera_id)
        return camera_changed(camera_id, _whole(camera))

    def _valid(self, camera_id: str, settings: Mapping[str, Any]) -> FleetCamera | None:
        try:
            camera = FleetCamera.model_validate({**settings, "id": camera_id})
            return self.privacy.applied(camera.at_least(self.privacy.everywhere))
        except ValidationError as error:
            text = error_text(error, FleetCamera, command=REFERENCE)
            logger.error("camera %s: its kept settings are invalid: %s", camera_id, redact(text))
        except ValueError as error:
            logger.error("camera %s: its kept settings are left out: %s", camera_id, error)
        return None


def _whole(camera: FleetCamera | None) -> dict[str, Any] | None:
    return camera.whole() if camera is not None else None
