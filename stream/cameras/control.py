"""Changes of cameras at run time: checked, written to the state file if one is set, and applied.

Changes are made one at a time. Each is checked, then written, then applied, so that a change that was answered is still
there after a restart. Independent of HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager

from stream.cameras.changes import (
    InFleetError,
    NoCapacityError,
    NotNowError,
    NotSavedError,
    Settings,
    checked_change,
    finished,
    no_such_camera,
    with_changes,
)
from stream.cameras.registry import CameraRegistry, differences
from stream.cameras.state_file import CameraStateFile
from stream.config import Config
from stream.inference import memory_budget
from stream.settings.engine import CameraConfig

logger = logging.getLogger(__name__)

MAX_WAITING = 64
"""Changes that may wait; further ones are refused."""


class Control:
    """Changes the cameras of one engine. Its methods run in the event loop, and may wait for a camera to stop.

    They raise `ControlError`. A change is finished even if its caller is cancelled.
    """

    def __init__(self, cameras: CameraRegistry, config: Config, state: CameraStateFile | None) -> None:
        self.elsewhere: Callable[[], str] | None = None
        """Returns where a fleet's cameras are changed instead, as the end of a sentence; None: here."""
        self._cameras = cameras
        self._config = config
        self._state = state
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def put(self, camera_id: str, settings: Settings) -> tuple[CameraConfig, bool]:
        """Add or replace a camera, with defaults for all settings not given. Return its settings and whether it is new.

        A `source` equal to the published one, without its secrets, keeps the camera's address.
        """
        return await finished(self._put(camera_id, settings))

    async def _put(self, camera_id: str, settings: Settings) -> tuple[CameraConfig, bool]:
        async with self._my_turn():
            before = self._cameras.configs.get(camera_id)
            config = self._checked(camera_id, settings, before)
            await self._set(config, before)
        return config, before is None

    async def patch(self, camera_id: str, changes: Settings) -> CameraConfig:
        """Change the given settings; null resets one to its default. Return all settings."""
        return await finished(self._patch(camera_id, changes))

    async def _patch(self, camera_id: str, changes: Settings) -> CameraConfig:
        async with self._my_turn():
            before = self._cameras.configs.get(camera_id)
            if before is None:
                raise no_such_camera(camera_id)
            config = self._checked(camera_id, with_changes(before, changes), before)
            await self._set(config, before)
        return config

    async def remove(self, camera_id: str) -> bool:
        """Remove the camera of this id. Return whether there was one."""
        return await finished(self._remove(camera_id))

    async def _remove(self, camera_id: str) -> bool:
        async with self._my_turn():
            if camera_id not in self._cameras.configs:
                return False
            await self._save(config for name, config in self._cameras.configs.items() if name != camera_id)
            try:
                await self._cameras.remove(camera_id)
            except (RuntimeError, KeyError) as error:
                raise NotNowError(f"camera {camera_id}: the engine is stopping") from error
            logger.info("camera %s: removed", camera_id)
            return True

    def _checked(self, camera_id: str, settings: Settings, before: CameraConfig | None) -> CameraConfig:
        return checked_change(CameraConfig, camera_id, settings, before, self._cameras.privacy, self._config.http)

    def _check_room(self, config: CameraConfig, before: CameraConfig | None) -> None:
        limit = self._config.http.max_cameras
        if before is None and len(self._cameras.configs) >= limit:
            raise NoCapacityError(f"there are {limit} cameras, the limit of http.max_cameras: remove one first")
        if not memory_budget.has_room(config, before, self._config, memory_budget.available_bytes()):
            recorded = " or recording.packet_bytes" if self._config.recording.directory is not None else ""
            raise NoCapacityError(f"camera {config.id}: its ring doesn't fit into memory: lower ring_slots{recorded}")

    async def _set(self, config: CameraConfig, before: CameraConfig | None) -> None:
        """Add a camera, or change it."""
        if before is not None and not differences(before, config):
            return
        self._check_room(config, before)
        privacy = self._cameras.privacy
        known = privacy.known(config.id)
        privacy.add(config)  # at once: stopping the camera takes a while
        try:
            await self._save({**self._cameras.configs, config.id: config}.values())
        except NotSavedError:
            privacy.restore(config.id, known)
            raise
        try:
            if before is None:
                self._cameras.add(config)
            else:
                await self._cameras.change(config)
        except (RuntimeError, KeyError) as error:
            if self._cameras.accepting:
                await self._save(self._cameras.configs.values())
            reason = "the engine is stopping, or no thread could be started"
            raise NotNowError(f"camera {config.id}: {reason}") from error
        logger.info("camera %s: %s", config.id, "added" if before is None else "changed")

    async def _save(self, cameras: Iterable[CameraConfig]) -> None:
        if self._state is None:
            return
        try:
            await asyncio.to_thread(self._state.save, list(cameras), self._cameras.privacy.hidden)
        except OSError as error:
            logger.error("state_file: %s can't be written: %s", self._state.path, error.strerror)
            raise NotSavedError(
                f"the state file can't be written ({error.strerror}): make room, or correct state_file"
            ) from None

    @asynccontextmanager
    async def _my_turn(self) -> AsyncGenerator[None]:
        if self.elsewhere is not None:
            raise InFleetError(f"this engine belongs to a fleet: change cameras at {self.elsewhere()}")
        if not self._cameras.accepting:
            raise NotNowError("the engine is starting or stopping: try again when /readyz answers 200")
        if self._waiting >= MAX_WAITING:
            raise NotNowError(f"{MAX_WAITING} changes are waiting: try again later")
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1
