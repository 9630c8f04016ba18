"""Which messages of a camera that several engines publish are handed out, and in which order. Without sockets or times.

A camera's messages are handed out from one engine at a time, its source. When another engine publishes a higher
generation, its messages are held until the source's are complete (a handover); from then on it is the source, and what
the old one still publishes is discarded. Until a camera's new engine shows a picture, the old one stays its source.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from stream.results import Message, Place, Stats, Status
from stream.subscription.generations import CameraMessage, begins

Source = TypeVar("Source")
"""The engine's side of a connection; compared by identity."""
CAMERAS_ENDED = 4096
"""Removed cameras whose last generation is remembered."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A camera has moved to another engine, or to another run of its engine."""

    camera: str
    old_generation: int
    new_generation: int
    lost: int | None
    """Messages of the old generation that are missing at its end. None: not known, because the old engine did not
    answer."""


Route = Literal["pass", "first", "drop", "hold", "hand over"] | Moved
"""What is to be done with a message: hand it out; the same, as the first of its camera; discard it; nothing, as it is
held; nothing but to begin a handover; or tell that its camera has moved, and hand it out."""


@dataclass(frozen=True, slots=True)
class Handover(Generic[Source]):
    """A camera of which messages are held until those of the old source are complete."""

    camera: str
    old: Source
    old_generation: int
    new: Source
    new_generation: int


@dataclass(slots=True)
class _Camera(Generic[Source]):
    generation: int = -1
    """The one that is handed out; -1 before the first."""
    source: Source | None = None
    run: str = ""
    announced: int = -1
    """The highest of status messages, which may be ahead."""
    complete: bool = False
    """Whether nothing more of `generation` is handed out: a handover is about to end."""
    held: deque[tuple[Source, CameraMessage]] = field(default_factory=deque[tuple[Source, CameraMessage]])


class Merging(Generic[Source]):
    """The state of all cameras of a reader."""

    def __init__(self) -> None:
        self._cameras: dict[str, _Camera[Source]] = {}
        self._ended: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        """Cameras of which something was handed out."""
        return len(self._cameras)

    def admits(self, message: Message) -> bool:
        """Return false for a message that will be discarded, so that its numbering is not followed."""
        if isinstance(message, (Stats, Place)) or (generation := message.generation) is None:
            return True
        camera = self._cameras.get(message.camera)
        if camera is None:
            return self._after_end(message, generation)
        if generation < camera.generation or (generation == camera.generation and camera.complete):
            return False
        return type(message) is not Status or generation >= camera.announced

    def route(self, source: Source, message: Message) -> Route:
        """Take the next message of a source, and return what is to be done with it."""
        if isinstance(message, (Stats, Place)) or (generation := message.generation) is None:
            return "pass"
        camera = self._cameras.get(message.camera)
        if camera is None:
            if not self._after_end(message, generation):
                return "drop"
            camera = self._cameras[message.camera] = _Camera[Source]()
        if generation == camera.generation and not camera.complete and type(message) is not Status:
            return "pass"
        if not self.admits(message):
            return "drop"
        if generation == camera.generation:
            camera.announced = generation
            return "pass"
        if camera.held:
            camera.held.append((source, message))
            return "hold"
        if type(message) is Status:
            camera.announced = generation
        if not begins(message):
            return "pass"
        if camera.source is None or camera.source is source:
            before, run = camera.generation, camera.run
            camera.generation, camera.source, camera.run = generation, source, message.run
            # Within a run, what is missing is found by the numbering.
            return Moved(message.camera, before, generation, 0 if run == message.run else None) if run else "first"
        camera.held.append((source, message))
        return "hand over"

    def handover(self, name: str) -> Handover[Source] | None:
        """Return the handover of a camera of which messages are held; None if there are none."""
        camera = self._cameras.get(name)
        if camera is None or not camera.held or camera.source is None:
            return None
        new, first = camera.held[0]
        return Handover(name, camera.source, camera.generation, new, first.generation or 0)

    def waiting(self, name: str) -> int:
        """Return the number of messages of a camera that are held."""
        camera = self._cameras.get(name)
        return len(camera.held) if camera is not None else 0

    def held(self, name: str) -> list[CameraMessage]:
        """Return the messages of a camera that are held."""
        camera = self._cameras.get(name)
        return [message for _, message in camera.held] if camera is not None else []

    def complete(self, name: str) -> None:
        """Admit no more messages of the old source, which is about to be replaced."""
        camera = self._cameras.get(name)
        if camera is not None:
            camera.complete = True

    def hand_over(self, name: str) -> list[CameraMessage]:
        """End a handover. Return the messages to be handed out, all of the new generation.

        Messages of a yet higher one may be held afterwards: the next handover.
        """
        camera, handover = self._cameras.get(name), self.handover(name)
        if camera is None or handover is None:
            return []
        camera.generation, camera.source, camera.complete = handover.new_generation, handover.new, False
        camera.run = camera.held[0][1].run
        released: list[CameraMessage] = []
        later: deque[tuple[Source, CameraMessage]] = deque()
        for source, message in camera.held:
            generation = message.generation or 0
            if generation > camera.generation and (later or begins(message)):
                later.append((source, message))
            elif generation >= camera.generation and self._in_order(camera, message, generation):
                released.append(message)
        camera.held = later
        return released

    def generation(self, name: str) -> int:
        """Return the generation of a camera that is handed out; -1 before the first."""
        camera = self._cameras.get(name)
        return camera.generation if camera is not None else -1

    def source(self, name: str) -> Source | None:
        """Return where a camera's messages come from; None before the first."""
        camera = self._cameras.get(name)
        return camera.source if camera is not None else None

    def ended(self, name: str, generation: int) -> None:
        """Forget a removed or disabled camera, and discard what may still come of this generation or lower ones."""
        self._cameras.pop(name, None)
        self._ended[name] = max(generation, self._ended.pop(name, 0))
        if len(self._ended) > CAMERAS_ENDED:
            self._ended.popitem(last=False)

    def _after_end(self, message: CameraMessage, generation: int) -> bool:
        return generation > self._ended.get(message.camera, -1)

    def _in_order(self, camera: _Camera[Source], message: CameraMessage, generation: int) -> bool:
        """Whether no status of a higher generation was handed out before this message, if it is one."""
        if type(message) is Status:
            if generation < camera.announced:
                return False
            camera.announced = generation
        return True
