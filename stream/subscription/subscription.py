"""What readers of messages get from `subscribe`, whether they read one engine or a fleet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar

from stream.messaging.gap_filling import Counts
from stream.results import (
    STATS_TOPIC,
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
    topic,
)

Kind = Literal["results", "events", "status", "stats", "alerts", "clips", "directory"]
KINDS: tuple[Kind, ...] = ("results", "events", "status", "stats", "alerts", "clips", "directory")
AnyMessage = TypeVar("AnyMessage", bound=Received, covariant=True)


def prefixes_of(kinds: Iterable[Kind], cameras: Collection[str] | None) -> list[str]:
    """Return the prefixes of these cameras' topics of these kinds; without `cameras`, of all cameras."""
    prefixes: list[str] = []
    for kind in kinds:
        if kind == "stats":
            prefixes.append(STATS_TOPIC)
        elif cameras is None:
            prefixes.append(f"{kind}/v1/")
        else:
            prefixes += [topic(kind, name) for name in cameras]
    return prefixes


class Subscription(ABC, Generic[AnyMessage]):
    """An asynchronous iterable of messages, returned by `subscribe`, with `counts` of received and missed messages.

    Iterating opens it, and the end of the iteration closes it. As a context manager it is open, and queues messages,
    from `async with` on; iterations and single `anext()` calls within continue where the previous one stopped, also
    after a timeout.
    """

    def __init__(self, counts: Counts | None = None) -> None:
        self.counts = Counts() if counts is None else counts
        self.run = ""
        """The engine's run of the latest message that has arrived; of a fleet, which has several, always empty."""
        self.replayed = False
        """Whether the message that was handed out last came by replay."""

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[AnyMessage]:
        return self if self._is_open else self._iterate_and_close()

    @abstractmethod
    async def __anext__(self) -> AnyMessage:
        """Return the next message. May be cancelled, for example by a timeout, and called again, without loss."""

    @abstractmethod
    def close(self) -> None:
        """Close the sockets at once. A waiting iteration ends. May be called again."""

    @property
    @abstractmethod
    def _is_open(self) -> bool: ...

    @abstractmethod
    def open(self) -> None:
        """Open the sockets, unless they are open: messages queue from now on.

        Raises `ValueError` for a bad address or key, and `OSError` if there can be no further socket now.
        """

    async def _iterate_and_close(self) -> AsyncGenerator[AnyMessage, None]:
        self.open()
        try:
            async for message in self:
                yield message
        finally:
            self.close()


# -- generations: messages of a placement that a later one has replaced are discarded -------------------------------
CAMERAS_REMEMBERED = 131_072
"""Cameras whose generation is remembered; the one without messages for longest is forgotten first."""


CameraMessage = Frame | Event | Status | Alert | ClipReady | FrameHead | EventHead | AlertHead | ClipReadyHead
"""A message of a camera, which has a generation in a fleet."""


def begins(message: CameraMessage) -> bool:
    """Whether a message shows that its engine reads the camera.

    A status other than `live` does not: a camera's new engine says that it connects while the old one still reads it.
    """
    return not isinstance(message, Status) or message.state == "live"


class Generations:
    """The highest generation seen of each camera, for a reader of one engine or of a proxy.

    While a camera is moved, its old and its new engine publish it for a moment, and an engine that has lost its
    controller may publish it for long. Each placement has a generation, which is higher than that of the one before.
    It is checked before the numbering is followed, because messages of two engines on one topic would make it useless.
    """

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

    def end(self, camera: str, generation: int) -> None:
        """Discard messages of a camera up to this generation."""
        _remember(self._begun, camera, max(self._begun.get(camera, 0), generation + 1))


def _remember(highest: OrderedDict[str, int], camera: str, generation: int) -> None:
    highest[camera] = generation
    highest.move_to_end(camera)
    if len(highest) > CAMERAS_REMEMBERED:
        highest.popitem(last=False)
