"""A fleet of publishers without engines: a directory, and engines that publish what a test tells them to."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec

import support.engines.wire_messages as wire
from stream.messaging.publisher import MessageStore, Publisher
from stream.results import Alert, EngineAddress, Event, Frame, Place, Stats, Status
from stream.settings.engine import PublishConfig
from support.incidents import alert
from telemetry.observer import Observer


@asynccontextmanager
async def publishing(store: MessageStore | None = None, **settings: Any) -> AsyncIterator[Publisher]:
    """Run a publisher at free ports of this machine. `store` keeps its messages."""
    config = PublishConfig(**{"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0", **settings})
    publisher = Publisher(config, secrets.token_hex(16), Observer())
    if store is not None:
        publisher.keep_in(store)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


class PublishingEngine:
    """Publishes results of cameras with the generation of their placement."""

    def __init__(self, name: str, publisher: Publisher) -> None:
        self.publisher = publisher
        self.address = EngineAddress(name, name, publisher.run, publisher.endpoint, publisher.replay_endpoint)
        self._numbers: dict[str, int] = {}

    def frame(self, camera: str, generation: int, epoch: int = 1) -> Frame:
        """Publish the camera's next result."""
        number = self._numbers[camera] = self._numbers.get(camera, -1) + 1
        return self.publisher.publish(_of(wire.frame(camera, epoch, number), generation))

    def frames(self, camera: str, generation: int, count: int) -> list[Frame]:
        """Publish several results."""
        return [self.frame(camera, generation) for _ in range(count)]

    def event(self, camera: str, generation: int, epoch: int = 1) -> Event:
        """Publish an event of the camera."""
        return self.publisher.publish(_of(wire.event(camera, epoch), generation))

    def alert(self, camera: str, generation: int, state: Literal["began", "updated", "cleared"] = "began") -> Alert:
        """Publish an alert of the camera."""
        number = self._numbers[camera] = self._numbers.get(camera, -1) + 1
        name = f"{self.publisher.run[:8]}-{camera}-{number}"
        return self.publisher.publish(alert(number, state, camera=camera, alert=name, generation=generation))

    def status(self, camera: str, generation: int, state: str = "live") -> Status:
        """Publish a status of the camera."""
        return self.publisher.publish(_of(wire.status(camera), generation, state=state))

    def stats(self) -> Stats:
        """Publish statistics."""
        return self.publisher.publish(wire.stats())


class Directory:
    """Publishes where cameras are."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.fleet = publisher.endpoint.replace("tcp://", "fleet://")

    def place(
        self,
        camera: str,
        generation: int,
        engine: PublishingEngine | EngineAddress | None,
        previous: PublishingEngine | None = None,
        state: str | None = None,
        reason: str = "",
    ) -> Place:
        """Announce that an engine has the camera, or with None that none has it."""
        address = engine.address if isinstance(engine, PublishingEngine) else engine
        return self.publisher.publish(
            Place(
                run="",
                seq=0,
                camera=camera,
                state=state or ("placed" if address is not None else "unplaced"),  # pyright: ignore[reportArgumentType]
                generation=generation,
                at_us=1_790_000_000_000_000,
                address=address,
                previous=previous.address if previous is not None else None,
                previous_generation=generation - 1 if previous is not None else None,
                reason=reason,
            )
        )


@asynccontextmanager
async def engine(name: str, **settings: Any) -> AsyncIterator[PublishingEngine]:
    """Run an engine's publisher."""
    async with publishing(**settings) as publisher:
        yield PublishingEngine(name, publisher)


@asynccontextmanager
async def directory(**settings: Any) -> AsyncIterator[Directory]:
    """Run a directory."""
    async with publishing(**settings) as publisher:
        yield Directory(publisher)


def _of(message: Any, generation: int, **changes: Any) -> Any:
    return msgspec.structs.replace(message, generation=generation, **changes)
