"""What a coordinator knows of its fleet: as the store has it at the start, and for another store if that is damaged."""

from __future__ import annotations

from fleet.coordinator.cameras import Cameras
from fleet.coordinator.removed_cameras import RemovedCameras
from fleet.coordinator.store import Kept, LastPlace, Statement, floor_raised, ttl_kept
from fleet.placement.placement import Placement
from fleet.placement.records import Remembered
from fleet.settings import FleetConfig

TICKS = 8
"""Ticks of the placement in the time of a lease."""


class Recollection:
    """The cameras, their places, and what else is kept. `now_s` is of the placement's clock, `now_ms` since 1970."""

    def __init__(self, config: FleetConfig, kept: Kept, *, now_s: float, now_ms: int) -> None:
        self.cameras = Cameras(config, kept)
        gone = {name: place for name, place in kept.places.items() if not self.cameras.has(name)}
        self.removed = RemovedCameras(gone)
        self.rebuilding = not kept.places
        """Whether the store was empty at the start, so that which engine is right about a camera is not known yet."""
        self._ttl_ms = round(config.placement.ttl_s * 1000)
        self._longest_ms = max(kept.ttl_ms, self._ttl_ms)
        """The longest lease that an engine can have, also of an earlier coordinator."""
        self._created_ms = kept.created_ms
        self._written_floor = kept.floor
        # Time too: if this is an older copy of the store, higher generations than it knows may have been given since.
        unplaced = (*gone.values(), *self.cameras.places_of_invalid().values())
        floor = max([kept.floor, now_ms, *(place.generation + 1 for place in unplaced)])
        self.placement = Placement(
            config.placement,
            (
                Remembered(name, camera.wish, place.generation, place.engine, place.run)
                for name, camera in self.cameras.all.items()
                for place in (kept.places.get(name, LastPlace(0)),)
            ),
            generation_floor=floor,
            now_s=now_s,
            settle_s=self._settling_s(config),
        )

    @property
    def floor(self) -> int:
        """No lower generation is given any more."""
        return self.placement.generation_floor

    def floor_to_write(self) -> list[Statement]:
        """Return what keeps the lowest generation that may be given, if it has grown since this was called last."""
        if self.floor == self._written_floor:
            return []
        self._written_floor = self.floor
        return [floor_raised(self.floor)]

    def ttl_to_write(self) -> list[Statement]:
        """Return what keeps the length of leases, if they were longer and those are over now."""
        if not self.placement.settled or self._longest_ms == self._ttl_ms:
            return []
        self._longest_ms = self._ttl_ms
        return [ttl_kept(self._ttl_ms)]

    def whole(self) -> Kept:
        """Return all that a store has to have."""
        places = {
            name: LastPlace(camera.generation, camera.engine, camera.run)
            for name, camera in self.placement.cameras.items()
            if camera.generation and name in self.cameras.all
        }
        places = {**self.removed.places(), **self.cameras.places_of_invalid(), **places}
        hidden = [hidden.model_dump(mode="json") for hidden in self.cameras.privacy.hidden]
        return Kept(
            self._created_ms,
            self.floor,
            dict(self.cameras.changed()),
            places,
            self.placement.drains,
            hidden,
            self._longest_ms,
        )

    def _settling_s(self, config: FleetConfig) -> float:
        """Return how long to listen."""
        placement = config.placement
        if placement.fence == "soft":
            return placement.settling_s
        return max(placement.settling_s, self._longest_ms / 1000 + placement.ttl_s / TICKS)
