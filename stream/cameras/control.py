"""Control: cameras added, changed and removed by others than the configuration, checked, and kept if a file is set.

One change is made at a time, whole: checked first, then written to the state file, then done, so that what was answered
holds after a restart. Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from pydantic import ValidationError

from stream.cameras.registry import CameraRegistry, differences
from stream.cameras.state_file import CameraStateFile
from stream.config import Config
from stream.inference import memory_budget
from stream.settings.engine import CameraConfig
from stream.settings.section import CAMERA_ID
from stream.settings.source_address import SourceAddress

logger = logging.getLogger(__name__)

WAITING = 64
"""Changes that may wait for their turn; more are refused."""

Settings = Mapping[str, object]
"""A camera's settings as decoded from JSON."""


class ControlError(Exception):
    """A change was refused; the message says why and what to do, without secrets."""


class SettingsError(ControlError):
    """Settings that can't be: (name of the setting, what is wrong with it) of each fault."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {detail}" for field, detail in faults))
        self.faults = faults


class NoSuchCameraError(ControlError):
    """There is no camera of this id."""


class NoRoomError(ControlError):
    """There are as many cameras as may be, or this one's ring doesn't fit into memory."""


class NotKeptError(ControlError):
    """The state file can't be written, so the change was not made."""


class NotNowError(ControlError):
    """The engine hasn't started, is stopping, or has too many changes to make."""


class Control:
    """Changes the cameras of one engine. Its methods run in the event loop; each may take as long as a camera's end.

    Raises `ControlError`s. A change that came too far to be undone is finished also if nobody waits for it any more.
    """

    def __init__(self, cameras: CameraRegistry, config: Config, state: CameraStateFile | None) -> None:
        self._cameras = cameras
        self._config = config
        self._state = state
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def put(self, camera_id: str, settings: Settings) -> tuple[CameraConfig, bool]:
        """Have a camera with these settings and defaults for all others; what it is now, and whether it is new.

        A `source` that is given as it is shown, without its secrets, means the one that the camera has.
        """
        async with self._one_at_a_time():
            before = self._cameras.configs.get(camera_id)
            config = self._checked(camera_id, settings, before)
            await self._set(config)
        return config, before is None

    async def patch(self, camera_id: str, changes: Settings) -> CameraConfig:
        """Change the settings that are given; null takes one back to its default."""
        async with self._one_at_a_time():
            before = self._cameras.configs.get(camera_id)
            if before is None:
                raise no_such_camera(camera_id)
            merged = before.model_dump(mode="json") | dict(changes)
            config = self._checked(
                camera_id,
                {
                    name: value
                    for name, value in merged.items()
                    if value is not None or name not in CameraConfig.model_fields
                },
                before,
            )
            await self._set(config)
        return config

    async def remove(self, camera_id: str) -> bool:
        """Have no camera of this id; whether there was one."""
        async with self._one_at_a_time():
            if camera_id not in self._cameras.configs:
                return False
            wanted = {name: config for name, config in self._cameras.configs.items() if name != camera_id}
            await self._keep(wanted)
            try:
                await self._cameras.remove(camera_id)
            except (RuntimeError, KeyError) as error:
                raise NotNowError(f"camera {camera_id}: the engine stops") from error
            logger.info("camera %s: removed", camera_id)
            return True

    def _checked(self, camera_id: str, settings: Settings, before: CameraConfig | None) -> CameraConfig:
        if not CAMERA_ID.fullmatch(camera_id):
            raise SettingsError([("id", "must match [a-z0-9][a-z0-9_-]{0,62}; choose another id")])
        if settings.get("id", camera_id) != camera_id:
            raise SettingsError([("id", f"must be {camera_id!r}, as in the address; or leave it out")])
        given = dict(settings) | {"id": camera_id}
        if before is not None and given.get("source") == str(before.source):
            given["source"] = before.source.reveal()
        try:
            config = CameraConfig.model_validate_json(json.dumps(given), strict=True)
        except RecursionError:
            raise SettingsError([("settings", "nested too deep")]) from None
        except ValidationError as error:
            raise SettingsError(
                [
                    (".".join(str(step)[:64] for step in fault["loc"]) or "settings", fault["msg"])
                    for fault in error.errors(include_url=False, include_input=False, include_context=False)
                ]
            ) from None
        if before is None or before.source.reveal() != config.source.reveal():
            self._check_scheme(config.source)
        self._check_room(config, before)
        return config

    def _check_scheme(self, source: SourceAddress) -> None:
        allowed = self._config.http.camera_schemes
        if source.scheme not in allowed:
            raise SettingsError(
                [("source", f"must begin with {' or '.join(f'{scheme}:' for scheme in allowed)} (http.camera_schemes)")]
            )

    def _check_room(self, config: CameraConfig, before: CameraConfig | None) -> None:
        most = self._config.http.max_cameras
        if before is None and len(self._cameras.configs) >= most:
            raise NoRoomError(f"there are {most} cameras, as many as http.max_cameras allows: remove one first")
        if not memory_budget.has_room(config, before, self._config, memory_budget.available_bytes()):
            recorded = " or recording.packet_bytes" if self._config.recording.directory is not None else ""
            raise NoRoomError(f"camera {config.id}: its ring doesn't fit into memory: lower ring_slots{recorded}")

    async def _set(self, config: CameraConfig) -> None:
        before = self._cameras.configs.get(config.id)
        if before is not None and not differences(before, config):
            return
        await self._keep(self._cameras.configs | {config.id: config})
        try:
            if before is None:
                self._cameras.add(config)
            else:
                await self._cameras.change(config)
        except (RuntimeError, KeyError) as error:
            if self._cameras.accepting:
                await self._keep(self._cameras.configs)
            raise NotNowError(f"camera {config.id}: the engine stops, or has no more threads") from error
        logger.info("camera %s: %s", config.id, "added" if before is None else "changed")

    async def _keep(self, wanted: Mapping[str, CameraConfig]) -> None:
        if self._state is None:
            return
        try:
            await asyncio.to_thread(self._state.save, list(wanted.values()))
        except OSError as error:
            logger.error("state_file: %s can't be written: %s", self._state.path, error.strerror)
            raise NotKeptError(
                f"the state file can't be written ({error.strerror}): make room or correct state_file"
            ) from None

    @asynccontextmanager
    async def _one_at_a_time(self) -> AsyncGenerator[None]:
        if not self._cameras.accepting:
            raise NotNowError("the engine is starting or stopping: try again when /readyz says that it is ready")
        if self._waiting >= WAITING:
            raise NotNowError(f"{WAITING} changes wait already: try again later")
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1


def no_such_camera(camera_id: str) -> NoSuchCameraError:
    """For an id that no camera has. The id is told only if it could be one."""
    name = camera_id if CAMERA_ID.fullmatch(camera_id) else "of this id"
    return NoSuchCameraError(f"there is no camera {name}: GET /api/v1/cameras lists them")
