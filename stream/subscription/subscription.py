"""What readers of messages get from `subscribe`, whether they read one engine or a fleet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar

from stream.messaging.gap_filling import Counts
from stream.results import STATS_TOPIC, Received, topic

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
    def request_all(self, name: str, run: str, epoch: int) -> None:
        """Request all messages of topic `name`, run and epoch, also those received, before the next one is returned.

        For a reader that learns otherwise that some are missing: the numbers show neither messages before the first
        one received nor messages at the end.
        """

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
