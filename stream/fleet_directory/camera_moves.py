"""Where each camera of a fleet is, and which of its messages are handed out while it moves. Without sockets or times.

Each placement of a camera has a generation, which is higher than that of the one before. Its engines are read side by
side, until the first message of a higher generation arrives that shows that its engine reads the camera. From then on,
messages of lower generations are stale, wherever they come from.
"""

from __future__ import annotations

from dataclasses import dataclass

from stream.results import Place, Received
from stream.subscription.subscription import CameraMessage, Generations


@dataclass(frozen=True, slots=True)
class Moved:
    """A camera goes on with a later placement: at another engine, at another run of its engine, or there again.

    This is a gap of unknown size: messages from the end of the old placement may be missing, and of those between them.
    """

    camera: str
    old_generation: int
    new_generation: int


class CameraMoves:
    """The place and the generation of each camera of one reader. It goes on with them while the directory is away.

    Messages pass it twice: when they arrive, so that numbering is not followed for stale ones, and when they are handed
    out, because a gap may have been filled before them while the camera moved.
    """

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._arrived = Generations()
        self._handed_out = Generations()

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

    def admits(self, message: Received) -> bool:
        """Take a message that arrives. Return false for one that is stale."""
        return self._arrived.admits(message)

    def hands_out(self, message: CameraMessage) -> bool:
        """Take a message that is about to be handed out. Return false for one that is stale."""
        return self._handed_out.admits(message)

    def generation(self, camera: str) -> int:
        """Return the generation of a camera that is handed out; -1 before the first."""
        return self._handed_out.generation(camera)

    def newest(self, camera: str) -> bool:
        """Whether no message of a higher generation has arrived than the one that is handed out."""
        return self._arrived.generation(camera) <= self._handed_out.generation(camera)

    def end(self, place: Place) -> None:
        """Forget a camera that was disabled or removed. Messages up to this generation are stale."""
        self._arrived.end(place.camera, place.generation)
        self._handed_out.forget(place.camera)
        if place.state == "removed":
            self._places.pop(place.camera, None)
