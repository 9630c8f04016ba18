"""The cameras of a fleet: the settings of the configuration, with the changes that the store has.

Changes are checked and written before they apply, one at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from fleet.settings import REFERENCE, FleetCamera, FleetConfig
from fleet.store import Kept, Statement, Store, StoreError, camera_hidden, camera_kept
from stages.settings_file import error_text
from stream.cameras.changes import (
    NoCapacityError,
    NotSavedError,
    Settings,
    checked_change,
    finished,
    no_such_camera,
    with_changes,
)
from stream.privacy.known_privacy import MOST_KNOWN, HiddenCamera, KnownPrivacy
from telemetry.redaction import redact

logger = logging.getLogger(__name__)

OTHER_SCHEMES = "controller.http.camera_schemes, or have to be written into the fleet's configuration"
"""What allows cameras of other schemes than those that may be added over HTTP."""
HIDDEN_PER_CAMERA = 2
"""Cameras whose privacy is remembered, removed ones included, for each that there may be."""


class Cameras:
    """The settings of all cameras, and their changes. Its methods run in the event loop, and wait for the store.

    They raise `ControlError`. A change is finished even if its caller is cancelled. `changed` is called with each
    camera whose settings have changed, or that is gone.
    """

    def __init__(self, config: FleetConfig, store: Store, changed: Callable[[str], None]) -> None:
        self._http = config.controller.http
        self._configured = {camera.id: camera for camera in config.cameras}
        self._store = store
        self._changed = changed
        most = max(MOST_KNOWN, HIDDEN_PER_CAMERA * max(self._http.max_cameras, len(config.cameras)))
        self.privacy = KnownPrivacy(config.cameras, config.of_engine("engine-1").privacy.mode, most)
        self.all = dict(self._configured)
        self._turn = asyncio.Lock()

    def restore(self, kept: Kept) -> None:
        """Take over what the store has. Called once, first."""
        self.privacy.remember(HiddenCamera.model_validate(hidden) for hidden in kept.hidden)
        for name, settings in kept.cameras.items():
            if settings is not None and (camera := self._valid(name, settings)) is not None:
                self.all[name] = camera
                self.privacy.add(camera)
            else:
                self.all.pop(name, None)

    async def put(self, camera_id: str, settings: Settings) -> tuple[FleetCamera, bool]:
        """Add or replace a camera, with defaults for all settings not given. Return it and whether it is new.

        A `source` equal to the published one, without its secrets, keeps the camera's address.
        """
        return await finished(self._put(camera_id, lambda: settings))

    async def patch(self, camera_id: str, changes: Settings) -> FleetCamera:
        """Change the given settings; null resets one to its default. Return all settings."""
        camera, _ = await finished(self._put(camera_id, lambda: with_changes(self.of(camera_id), changes)))
        return camera

    async def remove(self, camera_id: str) -> bool:
        """Remove the camera of this id. Return whether there was one."""
        return await finished(self._remove(camera_id))

    def of(self, camera_id: str) -> FleetCamera:
        """Return a camera. Raises `NoSuchCameraError`."""
        if camera_id not in self.all:
            raise no_such_camera(camera_id)
        return self.all[camera_id]

    async def write(self, statements: Iterable[Statement]) -> None:
        """Write to the store. Raises `NotSavedError`."""
        try:
            await asyncio.to_thread(self._store.write, list(statements))
        except StoreError as error:
            raise NotSavedError(f"controller.store can't be written: {error}; nothing was changed") from None

    async def _put(self, camera_id: str, settings: Callable[[], Settings]) -> tuple[FleetCamera, bool]:
        async with self._turn:
            before, known = self.all.get(camera_id), self.privacy.known(camera_id)
            # In threads, because comparing masks takes long.
            camera = await asyncio.to_thread(self._checked, camera_id, settings(), before)
            if before is None or camera.whole() != before.whole():
                await asyncio.to_thread(self.privacy.add, camera)
                hidden = [one.model_dump(mode="json") for one in self.privacy.known(camera_id)]
                hides = [camera_hidden(camera_id, hidden)] if hidden else []
                try:
                    await self.write([self._kept(camera_id, camera), *hides])
                except NotSavedError:
                    self.privacy.restore(camera_id, known)
                    raise
                self.all[camera_id] = camera
                self._changed(camera_id)
                logger.info("camera %s: %s", camera_id, "added" if before is None else "changed")
            return camera, before is None

    async def _remove(self, camera_id: str) -> bool:
        async with self._turn:
            if camera_id not in self.all:
                return False
            await self.write([self._kept(camera_id, None)])
            del self.all[camera_id]
            self._changed(camera_id)
            logger.info("camera %s: removed", camera_id)
            return True

    def _checked(self, camera_id: str, settings: Settings, before: FleetCamera | None) -> FleetCamera:
        camera = checked_change(FleetCamera, camera_id, settings, before, self.privacy, self._http, OTHER_SCHEMES)
        if before is None and len(self.all) >= self._http.max_cameras:
            raise NoCapacityError(
                f"there are {len(self.all)} cameras, the limit of controller.http.max_cameras: remove one first"
            )
        return camera

    def _kept(self, camera_id: str, camera: FleetCamera | None) -> Statement:
        configured = self._configured.get(camera_id)
        return camera_kept(camera_id, camera and camera.whole(), configured and configured.whole())

    def _valid(self, camera_id: str, settings: Mapping[str, Any]) -> FleetCamera | None:
        """Return a camera as the store has it. None if it is not valid any more, which is logged: it stays there."""
        try:
            camera = FleetCamera.model_validate({**settings, "id": camera_id})
            return self.privacy.applied(camera.at_least(self.privacy.everywhere))
        except ValidationError as error:
            text = redact(error_text(error, FleetCamera, command=REFERENCE))
        except ValueError as error:
            text = str(error)
        logger.error("camera %s: it is left out, because its kept settings are not valid: %s", camera_id, text)
        return None
