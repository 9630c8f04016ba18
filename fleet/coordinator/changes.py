"""Changes of cameras and drains: checked, written to the store, and told to the placement, one at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fleet.coordinator.cameras import Cameras
from fleet.coordinator.store import Statement, drain_begun, drain_ended
from fleet.placement.events import CameraUnwanted, CameraWanted, DrainBegun, DrainEnded, Event
from fleet.settings import FleetCamera
from stream.cameras.changes import NotNowError, Settings

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(slots=True)
class Changes:
    """Changes the cameras of a fleet. Its methods run in the event loop, and wait for the store.

    They raise `ControlError`. A change is finished even if its caller is cancelled. `cameras` returns the cameras, or
    None while the coordinator does not run; `step` is called with what is to be placed, and `changed` with each camera
    whose settings its engine has to know.
    """

    cameras: Callable[[], Cameras | None]
    write: Callable[[Sequence[Statement]], Awaitable[None]]
    step: Callable[[Event], None]
    changed: Callable[[str], None]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])
    """Held until they end, also if their callers are cancelled."""

    async def put(self, camera_id: str, settings: Settings) -> tuple[FleetCamera, bool]:
        """Add or replace a camera, with defaults for all settings not given. Return it and whether it is new.

        A `source` equal to the published one, without its secrets, keeps the camera's address.
        """
        return await self._finished(self._put(camera_id, settings))

    async def _put(self, camera_id: str, settings: Settings) -> tuple[FleetCamera, bool]:
        async with self._turn:
            cameras = self._running()
            while True:
                before = cameras.all.get(camera_id)
                camera = cameras.checked(camera_id, settings)
                if await self._set(cameras, camera, before):
                    return camera, before is None

    async def patch(self, camera_id: str, changes: Settings) -> FleetCamera:
        """Change the given settings; null resets one to its default. Return all settings."""
        return await self._finished(self._patch(camera_id, changes))

    async def _patch(self, camera_id: str, changes: Settings) -> FleetCamera:
        async with self._turn:
            cameras = self._running()
            before = cameras.of(camera_id)
            camera = cameras.checked_changes(camera_id, changes)
            await self._set(cameras, camera, before)
            return camera

    async def remove(self, camera_id: str) -> bool:
        """Remove the camera of this id. Return whether there was one."""
        return await self._finished(self._remove(camera_id))

    async def _remove(self, camera_id: str) -> bool:
        async with self._turn:
            cameras = self._running()
            if not cameras.has(camera_id):
                return False
            await self.write(cameras.removing(camera_id))
            cameras.remove(camera_id)
            self.step(CameraUnwanted(camera_id))
            logger.info("camera %s: removed", camera_id)
            return True

    async def drain(self, name: str) -> None:
        """Move the cameras of a node or an engine away, and give it no more."""
        await self._finished(self._drain(drain_begun(name), DrainBegun(name)))

    async def undrain(self, name: str) -> None:
        """Let a node or an engine have cameras again."""
        await self._finished(self._drain(drain_ended(name), DrainEnded(name)))

    async def _drain(self, statement: Statement, event: DrainBegun | DrainEnded) -> None:
        async with self._turn:
            self._running()
            await self.write([statement])
            self.step(event)

    async def _set(self, cameras: Cameras, camera: FleetCamera, before: FleetCamera | None) -> bool:
        """Keep and apply a camera's settings. Return False if it was taken over from an engine meanwhile.

        That is written after these settings then, so that they must be checked and written again.
        """
        if before is not None and camera.whole() == before.whole():
            return True
        await self.write(cameras.keeping(camera))
        if cameras.all.get(camera.id) is not before:
            return False
        cameras.put(camera)
        self.step(CameraWanted(camera.id, camera.wish))
        if before is not None and before.for_engine() != camera.for_engine():
            self.changed(camera.id)
        logger.info("camera %s: %s", camera.id, "added" if before is None else "changed")
        return True

    def _finished(self, change: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Return what waits for a change, which goes on if the wait is cancelled."""
        task = asyncio.create_task(change)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return asyncio.shield(task)

    def _running(self) -> Cameras:
        cameras = self.cameras()
        if cameras is None:
            raise NotNowError("the coordinator is starting or stopping: try again when /readyz answers 200")
        return cameras
