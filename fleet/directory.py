"""The directory: where each camera is, as last values on a publisher, for readers of the fleet."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from fleet.placement import Camera
from fleet.settings import ControllerConfig
from stream.messaging.history import TOPICS_NUMBERED
from stream.messaging.publisher import Publisher
from stream.results import EngineAddress, Place
from telemetry.observer import Observer

TOPICS_PER_CAMERA = 2
"""Cameras that were removed keep their numbers for a while, in case that they return."""
MOST_REMOVED = 4096
"""Removed cameras whose last message is kept."""


class Directory:
    """Publishes placements. `run`: the controller's. `address_of` returns where an engine's results are."""

    def __init__(
        self, config: ControllerConfig, run: str, address_of: Callable[[str | None], EngineAddress | None]
    ) -> None:
        self.publisher = Publisher(config.publishing, run, Observer())
        self.publisher.number_topics(max(TOPICS_NUMBERED, TOPICS_PER_CAMERA * config.http.max_cameras))
        self.places: dict[str, Place] = {}
        """The last message of each camera of the fleet."""
        self._address_of = address_of
        self._removed: dict[str, None] = {}
        """The camera that was removed first at the beginning."""

    def announce(self, name: str, camera: Camera | None) -> None:
        """Publish where a camera is from now on, if that has changed; None: it was removed.

        The message of a removed camera stays a last value, for readers that connect later, up to `MOST_REMOVED`.
        """
        before = self.places.pop(name, None)
        place = self._place(name, camera, before.generation if before is not None else 0)
        self._removed.pop(name, None)
        if camera is None:
            self._removed[name] = None
            if len(self._removed) > MOST_REMOVED:
                oldest = next(iter(self._removed))
                del self._removed[oldest]
                self.publisher.forget(oldest)
        else:
            self.places[name] = place
        if before is None or replace(before, run="", seq=0, at_us=place.at_us) != place:
            self.publisher.publish(place)

    def _place(self, name: str, camera: Camera | None, last_generation: int) -> Place:
        at_us = time.time_ns() // 1000
        if camera is None:
            return Place(run="", seq=0, at_us=at_us, camera=name, state="removed", generation=last_generation)
        address = self._address_of(camera.engine)
        old, generation = camera.old or (None, None)
        return Place(
            run="",
            seq=0,
            at_us=at_us,
            camera=name,
            state="disabled" if not camera.wish.enabled else "unplaced" if address is None else "placed",
            generation=camera.generation,
            address=address,
            previous=self._address_of(old),
            previous_generation=generation,
            reason=camera.reason,
        )
