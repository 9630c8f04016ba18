"""The directory: where each camera is, as last values on a publisher, for readers of the fleet."""

from __future__ import annotations

import time
from collections.abc import Mapping

from fleet.coordinator.engines import Engines
from fleet.coordinator.removed_cameras import MOST_REMEMBERED
from fleet.placement.commands import Announce
from fleet.settings import CoordinatorConfig
from stream.messaging.history import TOPICS_NUMBERED
from stream.messaging.publisher import Publisher
from stream.results import EngineAddress, Place
from stream.settings.config_error import ConfigError
from telemetry.observer import Observer

TOPICS_PER_CAMERA = 2
"""Cameras that were removed keep their numbers for a while, in case that they return."""


class Directory:
    """Publishes the places of cameras. `run`: the coordinator's."""

    def __init__(self, config: CoordinatorConfig, run: str, engines: Engines) -> None:
        self._run = run
        self._engines = engines
        self.publisher = Publisher(config.publishing, run, Observer())
        self.publisher.number_topics(max(TOPICS_NUMBERED, TOPICS_PER_CAMERA * config.http.max_cameras))
        self._places: dict[str, Place] = {}
        self._removed: dict[str, None] = {}
        """Removed cameras that readers are still told of, the one that was removed first at the beginning."""

    @property
    def places(self) -> Mapping[str, Place]:
        """The last message of each camera of the fleet."""
        return self._places

    async def start(self) -> None:
        """Bind. Raises `ConfigError` naming the field."""
        try:
            await self.publisher.start()
        except ConfigError as error:
            text = str(error).replace("publish.endpoint", "coordinator.directory")
            raise ConfigError(text.replace("publish.", "coordinator.")) from None

    async def stop(self) -> None:
        """Close. May be called again."""
        await self.publisher.stop()

    def announce(self, announce: Announce) -> None:
        """Publish where a camera is from now on.

        That it was removed stays a last value, for readers that are not connected. The earliest of too many ends.
        """
        place = Place(
            run=self._run,
            seq=0,
            camera=announce.camera,
            state=announce.state,
            generation=announce.generation,
            at_us=time.time_ns() // 1000,
            address=self._address(announce.engine, announce.run),
            previous=self._engines.address_of(announce.previous, announce.run),
            previous_generation=announce.previous_generation,
            reason=announce.reason,
        )
        self.publisher.publish(place)
        if announce.state == "removed":
            self._places.pop(announce.camera, None)
            self._removed.pop(announce.camera, None)
            self._removed[announce.camera] = None
            if len(self._removed) > MOST_REMEMBERED:
                oldest = next(iter(self._removed))
                del self._removed[oldest]
                self.publisher.forget(oldest)
        else:
            self._removed.pop(announce.camera, None)
            self._places[announce.camera] = place

    def _address(self, engine: str | None, run: str | None) -> EngineAddress | None:
        session = self._engines.sessions.get(engine) if engine is not None else None
        return session.address if session is not None and session.address.run == run else None
