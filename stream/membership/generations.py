"""Under which generation each camera of an engine of a fleet runs.

The event loop calls `begin` and `end`; any thread may look a generation up.
"""

from __future__ import annotations

from collections.abc import Callable

ENDED_REMEMBERED = 1024
"""Cameras that the engine no longer has, whose last generation is remembered: clips are completed after a move."""


class Generations:
    """The generation of each camera that runs, and of those that ran last."""

    def __init__(self) -> None:
        self._generations: dict[str, int] = {}
        self.of: Callable[[str], int | None] = self._generations.get
        """Returns the generation under which a camera runs, or last ran; None if it is not known. It is the method of a
        dict, because it is called for every message."""
        self._ended: dict[str, None] = {}

    def begin(self, camera: str, generation: int) -> None:
        """Record that the camera is about to start under this generation."""
        self._ended.pop(camera, None)
        self._generations[camera] = generation

    def end(self, camera: str) -> None:
        """Record that the engine no longer has the camera, and that its last message is published."""
        if camera not in self._generations:
            return
        self._ended.pop(camera, None)
        self._ended[camera] = None
        while len(self._ended) > ENDED_REMEMBERED:
            forgotten = next(iter(self._ended))
            del self._ended[forgotten], self._generations[forgotten]
