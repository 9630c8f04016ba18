"""What an engine of a fleet may publish: messages of the cameras that the directory places there, and its statistics.

The directory tells readers of a placement before the engine hears of it, but over another connection. A message that
comes before its place is kept for a while, so that none is lost. Without sockets, and without a clock of its own.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from stream.messaging.gap_filling import Counts
from stream.results import Place, Stats
from stream.results.heads import Received
from stream.subscription.generations import CameraMessage
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

HELD_S = 30.0
"""Time for which messages wait for their place. A reader finds after 20 s that its connection to the directory is dead,
and connects again."""
LOGGED_PER_S = 60.0


@dataclass(slots=True)
class _Early:
    """Messages of a camera that wait for its place, in the order of their arrival, and since when the first does."""

    since_s: float
    messages: list[CameraMessage] = field(default_factory=list[CameraMessage])


class PlacedCameras:
    """The cameras that an engine has, or had and is still followed for, each up to a generation: a `Permission`.

    At most `most_held` messages wait. Further ones, and those that wait for `HELD_S`, are discarded, and counted in
    `counts.misplaced`. `clock`: seconds.
    """

    def __init__(self, counts: Counts, most_held: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._counts = counts
        self._most_held = most_held
        self._clock = clock
        self._engines: dict[str, None] = {}
        """The engine's name. Several, if the directory names several at one address."""
        self._generations: dict[str, int] = {}
        self._early: OrderedDict[str, _Early] = OrderedDict()
        self._held = 0
        self._logged = RepeatLimiter(1, LOGGED_PER_S, kinds=1)

    def __contains__(self, camera: str) -> bool:
        return camera in self._generations

    def __len__(self) -> int:
        """Cameras."""
        return len(self._generations)

    @property
    def held(self) -> int:
        """Messages that wait."""
        return self._held

    def add(self, camera: str, generation: int, engine: str) -> list[CameraMessage]:
        """Take over that an engine has a camera with this generation, or had it with this one or a lower one.

        Return the messages that have waited for it.
        """
        self._engines[engine] = None
        self._generations[camera] = max(generation, self._generations.get(camera, generation))
        early = self._early.pop(camera, None)
        if early is None:
            return []
        allowed = [message for message in early.messages if self.allows(message)]
        later = [message for message in early.messages if not self.allows(message)]
        if later:
            self._early[camera] = _Early(early.since_s, later)
            self._early.move_to_end(camera, last=False)
        self._held -= len(allowed)
        return allowed

    def remove(self, camera: str) -> None:
        """Note that the engine is no longer followed for the camera."""
        self._generations.pop(camera, None)

    def allows(self, message: Received) -> bool:
        """Return whether the directory says that the engine may send this. In a fleet, messages have generations."""
        if self._early:
            self._discard_old()
        if isinstance(message, Stats):
            return message.engine in self._engines
        if isinstance(message, Place) or message.generation is None:
            return False
        return message.generation <= self._generations.get(message.camera, -1)

    def refuse(self, message: Received) -> None:
        """Keep a message that is not allowed until its place is known; count it if it cannot be kept."""
        if isinstance(message, (Stats, Place)) or message.generation is None or self._held >= self._most_held:
            self._counts.misplaced += 1
            return
        early = self._early.get(message.camera)
        if early is None:
            early = self._early[message.camera] = _Early(self._clock())
        early.messages.append(message)
        self._held += 1

    def _discard_old(self) -> None:
        now_s = self._clock()
        while self._early:
            camera, early = next(iter(self._early.items()))
            if now_s < early.since_s + HELD_S:
                return
            del self._early[camera]
            self._held -= len(early.messages)
            self._counts.misplaced += len(early.messages)
            if self._logged.admit("", now_s)[0]:
                logger.warning(
                    "engine %s of the fleet publishes %s, which it does not have, as the directory says: discarded",
                    ", ".join(self._engines),
                    camera,
                )
