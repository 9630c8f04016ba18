"""Where each camera of a fleet is, as its directory says, and which engines a reader follows for it."""

from __future__ import annotations

from stream.results import EngineAddress, Place


class Whereabouts:
    """The latest place of each camera. It goes on with what it knows while the directory is away."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}

    def __len__(self) -> int:
        """Cameras known."""
        return len(self._places)

    def learn(self, place: Place) -> bool:
        """Take over what the directory says. Return False if it says less than what is known.

        A directory that has lost its memory, or one that a newer one has replaced, may tell of earlier placements.
        """
        known = self._places.get(place.camera)
        if known is not None and place.generation < known.generation:
            return False
        self._places[place.camera] = place
        return True

    def place(self, camera: str) -> Place | None:
        """Return the latest place of a camera; None if it is not known."""
        return self._places.get(camera)

    def places(self) -> list[Place]:
        """Return the latest places of all cameras."""
        return list(self._places.values())

    def forget(self, camera: str) -> None:
        """Drop a camera that is no longer in the fleet."""
        self._places.pop(camera, None)


def followed(place: Place, generation: int) -> tuple[list[EngineAddress], bool]:
    """Return the engines to follow for a camera, and whether also the one that its messages come from now.

    `generation` is the one of its latest messages, -1 before the first. Until the new engine publishes the camera, the
    old one is followed as well. An engine that the coordinator does not hear may still publish a camera that is placed
    nowhere.
    """
    previous = [place.previous] if place.previous is not None else []
    if place.state in ("disabled", "removed"):
        return [], False
    if place.address is None:
        return previous, True
    return ([place.address], False) if generation >= place.generation else ([place.address, *previous], True)
