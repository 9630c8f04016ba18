"""The cameras of an engine of a fleet, as its controller assigns them.

Changes of different cameras are made side by side, because a camera can take long to stop. Those of one camera are made
one at a time, and each finds what is wanted by then: an assignment need not wait for the one before it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Mapping

from stream.cameras.changes import SettingsError, checked_settings
from stream.cameras.registry import CameraRegistry, differences
from stream.config import Config
from stream.inference import memory_budget
from stream.membership.messages import Assigned, CameraReport
from stream.settings.engine import CameraConfig

logger = logging.getLogger(__name__)

NEW_EPOCH_WITHIN_S = 1.0
"""Longest wait for the picture that begins an epoch, so that messages of the new generation begin with it."""
POLL_S = 0.01
ENDED_REMEMBERED = 1024
"""Cameras that the engine no longer has, whose last generation is remembered: clips are completed after a move."""


class RefusedError(Exception):
    """The engine cannot take a camera. The message says why, without secrets."""


class AssignedCameras:
    """Starts, changes and removes the cameras of one engine. Its methods run in the event loop.

    A camera that cannot be taken, for example because its settings are invalid, is refused with a reason. It is tried
    again when its assignment changes. `generations` gets the one under which each camera runs, or last ran. Other
    threads read it, for every message.
    """

    def __init__(self, cameras: CameraRegistry, config: Config, generations: dict[str, int]) -> None:
        self.refused: dict[str, CameraReport] = {}
        """The cameras that could not be taken, each with the reason."""
        self._cameras = cameras
        self._config = config
        self.generations = generations
        self._wanted: dict[str, Assigned] = {}
        self._settled: dict[str, Assigned] = {}
        """What the cameras were last changed to, refused ones included."""
        self._turns = defaultdict[str, asyncio.Lock](asyncio.Lock)
        self._reserved: dict[str, int] = {}
        """Bytes of the cameras that were started lately, whose memory may not be in use yet."""

    async def apply(self, wanted: Mapping[str, Assigned]) -> None:
        """Have these cameras and no others. May be called again before it has returned; the later call counts."""
        self._wanted = dict(wanted)
        changed = [name for name in {**self._settled, **wanted} if wanted.get(name) != self._settled.get(name)]
        await asyncio.gather(*map(self._settle, changed))
        self._reserved.clear()

    async def _settle(self, camera: str) -> None:
        async with self._turns[camera]:
            wanted = self._wanted.get(camera)
            if wanted == self._settled.get(camera):
                return
            try:
                if wanted is None:
                    await self._remove(camera)
                else:
                    await self._take(camera, wanted)
                self.refused.pop(camera, None)
            except RefusedError as error:
                await self._refuse(camera, wanted, str(error))
            except Exception as error:
                if not self._cameras.accepting:
                    return  # the engine is stopping
                logger.exception("camera %s: its assignment could not be applied", camera)
                await self._refuse(camera, wanted, f"a bug in partstream: {type(error).__name__}; see the engine's log")
            if wanted is None:
                self._settled.pop(camera, None)
            else:
                self._settled[camera] = wanted

    async def _take(self, camera: str, wanted: Assigned) -> None:
        before = self._cameras.configs.get(camera)
        config = self._checked(camera, wanted)
        await self._check_room(config, before)
        if before is None:
            self._begin(camera, wanted.generation)
            try:
                self._cameras.add(config)
            except RuntimeError as error:
                if not self._cameras.accepting:
                    raise
                raise RefusedError(f"camera {camera}: no thread could be started") from error
            logger.info("camera %s: taken over, generation %d", camera, wanted.generation)
            return
        restarted = bool(differences(before, config))
        if restarted:
            await self._cameras.change(config)
        if self.generations.get(camera) != wanted.generation:
            if not restarted:
                await self._new_epoch(camera)
            self._begin(camera, wanted.generation)
        logger.info("camera %s: changed, generation %d", camera, wanted.generation)

    async def _new_epoch(self, camera: str) -> None:
        """Begin a new epoch of a live camera, for its next generation, without connecting again."""
        running = self._cameras.running.get(camera)
        if running is None or running.status.state != "live":
            return
        before = running.status.epoch
        running.reader.begin_epoch()
        deadline = time.monotonic() + NEW_EPOCH_WITHIN_S
        while running.status.epoch == before and not running.stopped:
            if time.monotonic() >= deadline:
                return
            await asyncio.sleep(POLL_S)

    async def _remove(self, camera: str) -> None:
        if camera in self._cameras.configs:
            await self._cameras.remove(camera, moved=True)
            logger.info("camera %s: given up", camera)

    def _begin(self, camera: str, generation: int) -> None:
        """Record that the camera runs under this generation, and forget those of cameras that ran long ago."""
        self.generations[camera] = generation
        ended = [name for name in self.generations if name not in self._cameras.configs and name != camera]
        for name in ended[:-ENDED_REMEMBERED]:
            del self.generations[name]

    async def _refuse(self, camera: str, wanted: Assigned | None, reason: str) -> None:
        """Do without a camera, also if it ran until now: another engine may be able to take it as it is wanted."""
        if camera not in self.refused or self.refused[camera].refused != reason:
            logger.warning("the fleet's %s", reason)
        await self._remove(camera)
        if wanted is not None:
            self.refused[camera] = CameraReport(wanted.generation, "ended", refused=reason)

    def _checked(self, camera: str, wanted: Assigned) -> CameraConfig:
        try:
            config = checked_settings(CameraConfig, camera, wanted.settings, None)
        except SettingsError as error:
            raise RefusedError(f"camera {camera}: {error}") from None
        if config.source.kind == "whip" and self._config.http.bind is None:
            raise RefusedError(f"camera {camera}: `whip` needs the HTTP server; set http.bind")
        return config.at_least(self._cameras.privacy.everywhere)

    async def _check_room(self, config: CameraConfig, before: CameraConfig | None) -> None:
        """Raise `RefusedError` if the camera is one too many or does not fit into memory.

        Cameras that are being given up do not count, and their memory is waited for.
        """
        limit = self._config.http.max_cameras
        if before is None and len(self._cameras.configs.keys() & self._wanted.keys()) >= limit:
            raise RefusedError(f"camera {config.id}: the engine has {limit} cameras, the limit of http.max_cameras")
        while not memory_budget.has_room(
            config, before, self._config, memory_budget.available_bytes(), sum(self._reserved.values())
        ):
            if not self._cameras.configs.keys() - self._wanted.keys():
                raise RefusedError(f"camera {config.id}: its ring doesn't fit into the engine's memory")
            await asyncio.sleep(POLL_S)
        self._reserved[config.id] = max(0, memory_budget.growth(config, before, self._config))
