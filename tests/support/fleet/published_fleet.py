"""A fleet of publishers without engines: a directory, and engines that publish what a test tells them to."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace

import support.engines.wire_messages as wire
from stream.messaging.publisher import Publisher
from stream.results import Alert, EngineAddress, Event, Frame, Place, Stats, Status
from support.engines.archiving import publishing
from support.incidents import alert


class PublishingEngine:
    """Publishes messages of cameras with the generation of their placement."""

    def __init__(self, name: str, publisher: Publisher) -> None:
        self.publisher = publisher
        self.address = EngineAddress(name, name, publisher.run, publisher.endpoint, publisher.replay_endpoint)
        self._numbers: dict[str, int] = {}

    def frame(self, camera: str, generation: int, epoch: int = 1) -> Frame:
        """Publish the camera's next result."""
        return self.publisher.publish(replace(wire.frame(camera, epoch, self._next(camera)), generation=generation))

    def frames(self, camera: str, generation: int, count: int) -> list[Frame]:
        """Publish several results."""
        return [self.frame(camera, generation) for _ in range(count)]

    def event(self, camera: str, generation: int) -> Event:
        """Publish an event of the camera."""
        return self.publisher.publish(replace(wire.event(camera, 1), generation=generation))

    def alert(self, camera: str, generation: int) -> Alert:
        """Publish the begin of an alert of the camera."""
        number = self._next(camera)
        name = f"{self.publisher.run[:8]}-{camera}-{number}"
        return self.publisher.publish(alert(number, "began", camera=camera, alert=name, generation=generation))

    def status(self, camera: str, generation: int, state: Any = "live") -> Status:
        """Publish a status of the camera."""
        return self.publisher.publish(replace(wire.status(camera), generation=generation, state=state))

    def stats(self) -> Stats:
        """Publish statistics."""
        return self.publisher.publish(wire.stats())

    def _next(self, camera: str) -> int:
        number = self._numbers[camera] = self._numbers.get(camera, -1) + 1
        return number


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
        state: Any = None,
        reason: str = "",
    ) -> Place:
        """Announce that an engine has the camera, or with None that none has it."""
        address = engine.address if isinstance(engine, PublishingEngine) else engine
        state = state or ("placed" if address is not None else "unplaced")
        given = {"camera": camera, "state": state, "generation": generation, "address": address, "reason": reason}
        if previous is not None:
            given |= {"previous": previous.address, "previous_generation": generation - 1}
        return self.publisher.publish(Place(run="", seq=0, at_us=1, **given))


@asynccontextmanager
async def engine(name: str, **settings: Any) -> AsyncIterator[PublishingEngine]:
    """Run an engine's publisher."""
    async with publishing(secrets.token_hex(16), **settings) as publisher:
        yield PublishingEngine(name, publisher)


@asynccontextmanager
async def directory(**settings: Any) -> AsyncIterator[Directory]:
    """Run a directory."""
    async with publishing(secrets.token_hex(16), **settings) as publisher:
        yield Directory(publisher)
