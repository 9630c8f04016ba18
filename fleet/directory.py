"""The directory: where each camera is, as last values on a publisher, for readers of the fleet."""

from __future__ import annotations

import time

from fleet.settings import ControllerConfig, naming_settings
from stream.messaging.history import TOPICS_NUMBERED
from stream.messaging.publisher import Publisher
from stream.results import Place
from telemetry.observer import Observer

TOPICS_PER_CAMERA = 2
"""Cameras that were removed keep their numbers for a while, in case that they return."""
MOST_REMOVED = 4096
"""Removed cameras that readers are still told of."""


class Directory:
    """Publishes the places of cameras. `run`: the controller's."""

    def __init__(self, config: ControllerConfig, run: str) -> None:
        self.publisher = Publisher(config.publishing, run, Observer())
        self.publisher.number_topics(max(TOPICS_NUMBERED, TOPICS_PER_CAMERA * config.http.max_cameras))
        self.places: dict[str, Place] = {}
        """The last message of each camera of the fleet."""
        self._removed: dict[str, None] = {}
        """The camera that was removed first at the beginning."""

    async def start(self) -> None:
        """Bind. Raises `ConfigError` naming the field."""
        with naming_settings():
            await self.publisher.start()

    def announce(self, place: Place) -> None:
        """Publish where a camera is from now on, if it is anything new.

        That it was removed stays a last value, for readers that are not connected. The earliest of too many ends.
        """
        before = self.places.get(place.camera)
        if before is not None and _said(before) == _said(place):
            return
        self._removed.pop(place.camera, None)
        if place.state == "removed":
            self.places.pop(place.camera, None)
            self._removed[place.camera] = None
            if len(self._removed) > MOST_REMOVED:
                oldest = next(iter(self._removed))
                del self._removed[oldest]
                self.publisher.forget(oldest)
        else:
            self.places[place.camera] = place
        self.publisher.publish(place)

    def place(self, camera: str, **of: object) -> Place:
        """Return a message for `announce`."""
        return Place(run="", seq=0, camera=camera, at_us=time.time_ns() // 1000, **of)  # pyright: ignore[reportArgumentType]


def _said(place: Place) -> tuple[object, ...]:
    return place.state, place.generation, place.address, place.previous, place.previous_generation, place.reason
