"""Which messages of a camera that several engines publish are handed out, and in which order. Without sockets or times.

A camera's messages are handed out from one engine at a time, its source. When another engine publishes a higher
generation, its messages are held until the source's are complete (a handover); from then on it is the source, and what
the old one still publishes is discarded. The same is done when the source begins a higher generation itself: it may
have published more of the lower one than has arrived. Until a camera's new engine shows a picture, the old one stays
its source.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Generic, Literal, NamedTuple, TypeVar

from stream.results import KINDS, CameraKind, Place, Received, Stats, Status
from stream.subscription.subscription import CameraMessage, begins

Source = TypeVar("Source")
"""The engine's side of a connection; compared by identity."""
CAMERAS_ENDED = 4096
"""Removed cameras whose last generation is remembered."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A camera has moved to another engine or to another run of its engine, or was placed there again.

    It is placed again with a higher generation if the coordinator has lost its store.
    """

    camera: str
    old_generation: int
    new_generation: int
    lost: int | None
    """Messages of the old generation that are missing at its end. None: not known, because the old engine did not
    answer, generations between the two were not seen, or the camera moved while this reader was closed."""


Route = Literal["pass", "first", "late", "drop", "hold", "hand over"] | Moved
"""What is to be done with a message: hand it out; the same, as the first of its camera; request what was published of
its kind before it (`beginning_asked`), and route it again; discard it; nothing, as it is held; nothing but to begin a
handover; or tell that its camera has moved, and hand it out."""


@dataclass(frozen=True, slots=True)
class Handover(Generic[Source]):
    """A camera of which messages are held until those of the old source are complete."""

    camera: str
    old: Source
    old_generation: int
    new: Source
    new_generation: int


class Reached(NamedTuple):
    """How far the messages of one kind, of a camera's generation, were handed out: `next_seq` is the first not yet."""

    run: str
    epoch: int
    next_seq: int


@dataclass(slots=True)
class _Camera(Generic[Source]):
    generation: int = -1
    """The one that is handed out; -1 before the first."""
    source: Source | None = None
    run: str = ""
    began: Reached | None = None
    """Where `generation` began, whose messages are then all to be handed out; None if it was read from its middle."""
    goes_on: dict[CameraKind, Reached] = field(default_factory=dict[CameraKind, Reached])
    """The same of kinds whose numbers go on from the generation before, of the same engine and epoch."""
    reached: dict[CameraKind, Reached] = field(default_factory=dict[CameraKind, Reached])
    """Of `generation`, by kind."""
    announced: int = -1
    """The highest of status messages, which may be ahead."""
    complete: bool = False
    """Whether nothing more of `generation` is handed out: a handover is about to end."""
    held: deque[tuple[Source, CameraMessage]] = field(default_factory=deque[tuple[Source, CameraMessage]])

    def handed_out(self, message: CameraMessage, source: Source | None = None) -> None:
        """Record a message of `generation` that is handed out. A reader that was opened again has no source before."""
        if self.source is None:
            self.source = source
        self.run = message.run
        self.reached[KINDS[type(message)]] = Reached(message.run, message.epoch, message.seq + 1)

    def lacks_before(self, message: CameraMessage) -> bool:
        """Whether earlier messages of this kind were published since the generation began, and none arrived."""
        began = self.beginning(kind := KINDS[type(message)])
        if began is None or kind in self.reached:
            return False
        return (message.run, message.epoch) == began[:2] and message.seq > began.next_seq

    def beginning(self, kind: CameraKind) -> Reached | None:
        """Return where a kind of `generation` began; None if it was read from its middle."""
        return self.goes_on.get(kind, self.began)

    def of_epoch(self, message: CameraMessage) -> dict[CameraKind, Reached]:
        """Return how far kinds were handed out in the run and epoch of a message. Empty: it is another epoch."""
        known = self.goes_on | self.reached
        return {kind: one for kind, one in known.items() if one[:2] == (message.run, message.epoch)}

    def begin(self, first: CameraMessage, source: Source, *, whole: bool) -> None:
        """Hand out the generation of this message from now on. `whole`: all of it, not from this message on."""
        self.goes_on = self.of_epoch(first) if source is self.source else {}
        if not (self.goes_on and self.began is None):
            self.began = Reached(first.run, first.epoch, 0) if whole else None
        self.generation, self.source, self.complete = first.generation or 0, source, False
        self.reached.clear()


class Merging(Generic[Source]):
    """The state of all cameras of a reader."""

    def __init__(self) -> None:
        self._cameras: dict[str, _Camera[Source]] = {}
        self._ended: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        """Cameras of which something was handed out."""
        return len(self._cameras)

    def admits(self, message: Received) -> bool:
        """Return false for a message that will be discarded, so that its numbering is not followed."""
        if isinstance(message, (Stats, Place)) or (generation := message.generation) is None:
            return True
        camera = self._cameras.get(message.camera)
        if camera is None:
            return self._after_end(message, generation)
        if generation < camera.generation or (generation == camera.generation and camera.complete):
            return False
        return not isinstance(message, Status) or generation >= camera.announced

    def route(self, source: Source, message: Received) -> Route:
        """Take the next message of a source, and return what is to be done with it."""
        if isinstance(message, (Stats, Place)) or (generation := message.generation) is None:
            return "pass"
        camera = self._cameras.get(message.camera)
        if camera is None:
            if not self._after_end(message, generation):
                return "drop"
            camera = self._cameras[message.camera] = _Camera[Source]()
        if generation == camera.generation and not camera.complete and not isinstance(message, Status):
            if camera.lacks_before(message):
                return "late"
            camera.handed_out(message, source)
            return "pass"
        if not self.admits(message):
            return "drop"
        if generation == camera.generation:
            camera.announced = generation
            camera.handed_out(message, source)
            return "pass"
        if camera.held:
            camera.held.append((source, message))
            return "hold"
        if not begins(message):
            camera.announced = generation
            return "pass"
        if camera.source is None or (camera.source is source and camera.run != message.run):
            before = camera.generation
            camera.begin(message, source, whole=False)
            camera.handed_out(message)
            if isinstance(message, Status):
                camera.announced = generation
            return Moved(message.camera, before, generation, None) if before >= 0 else "first"
        camera.held.append((source, message))
        return "hand over"

    def handover(self, name: str) -> Handover[Source] | None:
        """Return the handover of a camera of which messages are held; None if there are none."""
        camera = self._cameras.get(name)
        if camera is None or not camera.held or camera.source is None:
            return None
        # Engines are read independently, so the next but one may be the first to be held.
        begun = [(first.generation or 0, new) for new, first in camera.held if begins(first)]
        generation, new = min(begun, key=lambda one: one[0])
        return Handover(name, camera.source, camera.generation, new, generation)

    def waiting(self, name: str) -> int:
        """Return the number of messages of a camera that are held."""
        camera = self._cameras.get(name)
        return len(camera.held) if camera is not None else 0

    def held(self, name: str) -> list[tuple[Source, CameraMessage]]:
        """Return the messages of a camera that are held, and where they come from, in the order of their arrival."""
        camera = self._cameras.get(name)
        return list(camera.held) if camera is not None else []

    def reached(self, name: str, kind: CameraKind) -> Reached | None:
        """Return how far messages of this kind of a camera were handed out, of the generation that is; None if unknown.

        It is unknown if none was handed out, and the generation was not read from its beginning.
        """
        camera = self._cameras.get(name)
        return None if camera is None else camera.reached.get(kind, camera.beginning(kind))

    def first_missing(self, handover: Handover[Source], message: CameraMessage) -> int:
        """Return the number of the first message that may be missing before this one of the new generation.

        It is 0 in an epoch of its own. If the same engine goes on in the same one, what was handed out of the old
        generation is not missing, nor is what was published before the camera was read.
        """
        camera = self._cameras.get(handover.camera)
        if camera is None or handover.old is not handover.new or not (known := camera.of_epoch(message)):
            return 0
        reached = known.get(KINDS[type(message)])
        if reached is not None:
            return reached.next_seq
        return message.seq if camera.began is None else 0

    def rest_asked(self, name: str, kind: CameraKind, reached: Reached) -> None:
        """Record that a kind of the old generation was requested up to here."""
        camera = self._cameras.get(name)
        if camera is not None and camera.complete:
            camera.reached[kind] = reached

    def recovered(self, message: CameraMessage) -> bool:
        """Take a message of the source that was requested during a handover. Return whether it is to be handed out.

        A status is not if one of a higher generation was.
        """
        camera = self._cameras.get(message.camera)
        if camera is None or message.generation != camera.generation:
            return True  # of the beginning of the new generation
        camera.handed_out(message)
        return not isinstance(message, Status) or camera.generation >= camera.announced

    def beginning_asked(self, message: CameraMessage) -> None:
        """Record that what was published before this message, the first of its kind, was requested."""
        camera = self._cameras.get(message.camera)
        if camera is not None and message.generation == camera.generation and not camera.complete:
            camera.reached[KINDS[type(message)]] = Reached(message.run, message.epoch, message.seq)

    def complete(self, name: str) -> None:
        """Admit no more messages of the old source, which is about to be replaced."""
        camera = self._cameras.get(name)
        if camera is not None:
            camera.complete = True

    def hand_over(self, handover: Handover[Source]) -> list[CameraMessage]:
        """End a handover. Return the messages to be handed out, all of the new generation.

        Messages of a yet higher one may be held afterwards: the next handover. Those of a lower one are dropped.
        """
        camera = self._cameras.get(handover.camera)
        if camera is None or camera.generation != handover.old_generation or not camera.held:
            return []
        released: list[CameraMessage] = []
        later: deque[tuple[Source, CameraMessage]] = deque()
        held, camera.held = camera.held, deque()
        first = next(one for _, one in held if one.generation == handover.new_generation and begins(one))
        camera.begin(first, handover.new, whole=True)
        for source, message in held:
            generation = message.generation or 0
            if generation > camera.generation and (later or begins(message)):
                later.append((source, message))
            elif generation >= camera.generation and self._in_order(camera, message, generation):
                released.append(message)
                if generation == camera.generation:
                    camera.handed_out(message)
        camera.held = later
        return released

    def reopened(self) -> None:
        """Begin with new sources. Generations stay, so that a reader does not go back; what was held is dropped."""
        for camera in self._cameras.values():
            camera.source, camera.complete, camera.began = None, False, None
            camera.goes_on = {}
            camera.reached.clear()
            camera.held.clear()

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
        if isinstance(message, Status):
            if generation < camera.announced:
                return False
            camera.announced = generation
        return True
