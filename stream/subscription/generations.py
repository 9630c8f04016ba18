"""The rule that no reader of a fleet goes back: messages of a placement that a later one has replaced are discarded.

While a camera is moved, its old and its new engine publish it for a moment, and an engine that has lost its coordinator
may publish it for long. Each placement has a generation, which is higher than that of the one before. It is checked
before the numbering is followed, because messages of two engines on one topic would make it useless.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from stream.results import (
    Alert,
    AlertHead,
    ClipReady,
    ClipReadyHead,
    Event,
    EventHead,
    Frame,
    FrameHead,
    Place,
    Received,
    Stats,
    Status,
)

CAMERAS_REMEMBERED = 16_384
"""Cameras whose generation is remembered; the one without messages for longest is forgotten first."""


CameraMessage = Frame | Event | Status | Alert | ClipReady | FrameHead | EventHead | AlertHead | ClipReadyHead
"""A message of a camera, which has a generation in a fleet."""


class Admission(Protocol):
    """Decides which messages of a socket are followed."""

    def admits(self, message: Received) -> bool:
        """Return false for a message that is to be discarded."""
        ...


def begins(message: CameraMessage) -> bool:
    """Whether a message shows that its engine reads the camera.

    A status other than `live` does not: a camera's new engine says that it connects while the old one still reads it.
    """
    return not isinstance(message, Status) or message.state == "live"


class Generations:
    """The highest generation seen of each camera, for a reader of one engine or of a proxy."""

    def __init__(self) -> None:
        self._begun: OrderedDict[str, int] = OrderedDict()
        self._announced: OrderedDict[str, int] = OrderedDict()
        """Of status messages. It may be ahead of the other one."""

    def admits(self, message: Received) -> bool:
        """Return false for a message of a lower generation than an earlier one of the camera.

        Status messages that do not show a picture count for status messages only.
        """
        if isinstance(message, (Stats, Place)) or (generation := message.generation) is None:
            return True
        if generation < self._begun.get(message.camera, 0):
            return False
        if isinstance(message, Status):
            if generation < self._announced.get(message.camera, 0):
                return False
            _remember(self._announced, message.camera, generation)
            if message.state != "live":
                return True
        _remember(self._begun, message.camera, generation)
        return True


def _remember(highest: OrderedDict[str, int], camera: str, generation: int) -> None:
    highest[camera] = generation
    highest.move_to_end(camera)
    if len(highest) > CAMERAS_REMEMBERED:
        highest.popitem(last=False)
