"""Cameras that were removed, so that no report of an engine that was away brings them back."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.coordinator.store import LastPlace, Statement, place_forgotten, placed

MOST_REMEMBERED = 4096


class RemovedCameras:
    """The latest removed cameras, and the generations that they had."""

    def __init__(self, places: Mapping[str, LastPlace]) -> None:
        """`places`: what the store has of them."""
        self._generations = {name: place.generation for name, place in places.items()}

    def may_return(self, camera: str, generation: int) -> bool:
        """Return whether an engine's camera of this generation is not one that was removed.

        A higher generation was given after the removal, by a coordinator whose store is lost.
        """
        return generation > self._generations.get(camera, -1)

    def add(self, camera: str, generation: int) -> list[Statement]:
        """Remember a removed camera, and return what keeps it. The earliest one is forgotten if there are too many."""
        self._generations[camera] = generation
        statements = [placed(camera, LastPlace(generation))]
        if len(self._generations) > MOST_REMEMBERED:
            oldest = next(iter(self._generations))
            del self._generations[oldest]
            statements.append(place_forgotten(oldest))
        return statements

    def forget(self, camera: str) -> None:
        """Forget a camera that was added again."""
        self._generations.pop(camera, None)

    def places(self) -> dict[str, LastPlace]:
        """Return them as the store keeps them."""
        return {name: LastPlace(generation) for name, generation in self._generations.items()}
