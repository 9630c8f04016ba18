"""The subscription to a fleet: `subscribe("fleet://HOST:PORT")` with the address of its directory.

It reads the directory, and every engine that has one of its cameras, each in a task; their messages are merged in one
bounded queue, from which the caller takes them. When a camera moves, its old engine is followed until the new one
publishes it (`stream.fleet_directory.merging`). What the old one still has of its last messages is requested before
those of the new one are handed out. An engine or a directory that is away delays nothing of the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, cast

import zmq
import zmq.asyncio

from stream.fleet_directory.engine_link import EngineLink, LinkKey
from stream.fleet_directory.merged_queue import MergedQueue
from stream.fleet_directory.merging import Handover, Merging, Moved
from stream.fleet_directory.recovery import CAMERA_KINDS, HELD, Recovery
from stream.fleet_directory.whereabouts import Whereabouts, followed
from stream.messaging.client_endpoints import parse_endpoint
from stream.messaging.curve.keys import ClientKeys
from stream.messaging.gap_filling import Gap, ReplayServerAt
from stream.results import KINDS, EngineAddress, Place, Received, Stats, Status, decode, topic
from stream.subscription.engine_subscription import Connection, EngineSubscription
from stream.subscription.subscription import AnyMessage, CameraMessage, Kind, Subscription, prefixes_of
from stream.zeromq_context import terminated

logger = logging.getLogger(__name__)

QUEUED = 64
"""Messages of all engines that wait for the caller; further ones wait in their sockets."""
MAX_SOCKETS = 65_535
"""Sockets of a subscription: up to three for each engine. ZeroMQ's own limit is 1,023."""
CONNECT_AGAIN_S = 5.0
"""Time after which engines are connected to for which there was no socket, for example because too many files were
open."""
RETIRE_S = 5.0
"""Time for which a camera's old engine is still followed after the move: its last messages may be on their way."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of each engine's subscription: messages and bytes queued, and time without an answer from its replay server."""

    high_water_mark: int = 1000
    receive_buffer: int | None = None
    replay_timeout_s: float = 2.0


class FleetSubscription(Subscription[AnyMessage]):
    """Reads cameras of a fleet (by default all) from the engines that its directory names.

    `counts` are those of all engines together; `received` includes messages that wait for the caller. `decode` decodes
    bodies, and raises `msgspec.DecodeError`.
    """

    def __init__(
        self,
        directory: Connection,
        kinds: Sequence[Kind],
        cameras: Sequence[str] | None,
        limits: Limits,
        on_gap: Callable[[Gap], None] | None,
        on_moved: Callable[[Moved], None] | None,
        decode: Callable[[bytes], Received] = decode,
    ) -> None:
        super().__init__()
        self._directory_at = Connection(directory.endpoint, 0, None, directory.keys)
        """Its queue is not limited: one message a camera, which is read at once."""
        self._cameras = cameras
        self._limits = limits
        self._on_gap = on_gap
        self._on_moved = on_moved
        self._decode = decode
        self._places_wanted = "directory" in kinds
        self._stats: tuple[Kind, ...] = ("stats",) if "stats" in kinds else ()
        self._kinds: tuple[Kind, ...] = tuple(kind for kind in kinds if kind not in ("directory", "stats"))
        self._status_wanted = "status" in self._kinds
        self._read_kinds = tuple(dict.fromkeys((*self._kinds, "status"))) if self._kinds else ()
        """With `status`, which shows that a camera's new engine reads it, also before its first event."""
        self._whereabouts = Whereabouts()
        self._merging = Merging[EngineLink]()
        self._queue = MergedQueue[Received | Gap | Moved](QUEUED)
        self._recovery = self._new_recovery()
        self._links: dict[LinkKey, EngineLink] = {}
        self._links_of: dict[str, set[EngineLink]] = {}
        self._unusable: set[LinkKey] = set()
        self._handovers: dict[str, asyncio.Task[None]] = {}
        self._moved_at: dict[str, float] = {}
        """Cameras whose links are to be checked, and since when; in order of time."""
        self._retiring: asyncio.TimerHandle | None = None
        self._connecting: asyncio.TimerHandle | None = None
        self._context: zmq.asyncio.Context | None = None
        self._directory: EngineSubscription[Place] | None = None
        self._following: asyncio.Task[None] | None = None

    async def __anext__(self) -> AnyMessage:
        while self._context is not None:
            item = self._queue.take()
            if item is None:
                await self._queue.arrival()
            elif type(item) is Moved:
                if self._on_moved is not None:
                    self._on_moved(item)
            elif type(item) is Gap:
                if self._on_gap is not None:
                    self._on_gap(item)
            else:
                return cast("AnyMessage", item)
        raise StopAsyncIteration

    @property
    def engines(self) -> list[str]:
        """Names of the engines that are followed now, sorted."""
        return sorted(link.engine for link in self._links.values())

    def close(self) -> None:
        context, self._context = self._context, None
        if context is None:
            return
        for task in (self._following, *self._handovers.values()):
            if task is not None:
                task.cancel()
        for timer in (self._retiring, self._connecting):
            if timer is not None:
                timer.cancel()
        if self._directory is not None:
            self._directory.close()
        for link in self._links.values():
            link.close()
        self._following = self._retiring = self._connecting = self._directory = None
        self._handovers, self._links, self._links_of = {}, {}, {}
        self._queue.close()
        if not terminated(context):
            logger.warning("%s: closed without waiting longer for ZeroMQ", self._directory_at.endpoint)

    @property
    def _is_open(self) -> bool:
        return self._context is not None

    def open(self) -> None:
        if self._context is not None:
            return
        context = self._context = zmq.asyncio.Context()
        context.set(zmq.MAX_SOCKETS, MAX_SOCKETS)
        self._merging.reopened()
        self._moved_at.clear()
        try:
            self._queue = MergedQueue(QUEUED)
            self._recovery = self._new_recovery()
            prefixes = prefixes_of(("directory",), self._cameras)
            self._directory = EngineSubscription[Place](
                self._directory_at, prefixes, context=context, decode=self._decode
            )
            self._directory.open()
            self._following = self._started(self._follow(self._directory))
        except BaseException:
            self.close()
            raise

    def _new_recovery(self) -> Recovery:
        tell_gaps = self._on_gap is not None
        return Recovery(self._merging, self._queue, self.counts, self._kinds, tell_gaps, self._decode)

    # -- the directory ------------------------------------------------------------------------------------------
    async def _follow(self, directory: EngineSubscription[Place]) -> None:
        async for place in directory:
            if not isinstance(place, Place):  # pyright: ignore[reportUnnecessaryIsInstance]
                continue
            if self._whereabouts.learn(place):
                self._connect(place)
                self._retire_later(place.camera)
                if self._places_wanted:
                    await self._queue.room()
                    self._queue.put(place)

    def _connect(self, place: Place) -> None:
        """Follow the engines that may publish a camera."""
        if not (self._read_kinds or self._stats):
            return
        for address in followed(place, self._merging.generation(place.camera))[0]:
            link = self._links.get(LinkKey.of(address)) or self._linked(address)
            if link is None:
                continue
            link.run, link.engine = address.run, address.engine
            if place.camera not in link.cameras:
                link.cameras.add(place.camera)
                self._links_of.setdefault(place.camera, set()).add(link)
                for prefix in self._prefixes(place.camera):
                    link.subscription.follow(prefix)

    def _connect_again(self) -> None:
        """Follow the engines that there was no socket for."""
        self._connecting = None
        for place in self._whereabouts.places():
            self._connect(place)

    def _prefixes(self, camera: str) -> list[str]:
        """Return the topics of a camera that are followed one by one: none if all cameras are."""
        return [] if self._cameras is None else prefixes_of(self._read_kinds, [camera])

    def _linked(self, address: EngineAddress) -> EngineLink | None:
        """Return a new link to an engine; None if its address is unusable, which is logged once, or it has to wait."""
        context, key = self._context, LinkKey.of(address)
        if context is None or key in self._unusable:
            return None
        try:
            keys = self._keys(address)
            replay = parse_endpoint(address.replay)
            connection = Connection(
                parse_endpoint(address.endpoint), self._limits.high_water_mark, self._limits.receive_buffer, keys
            )
            subscription = EngineSubscription[Received](
                connection,
                prefixes_of((*(self._read_kinds if self._cameras is None else ()), *self._stats), None),
                replay=ReplayServerAt(replay, self._limits.replay_timeout_s, keys),
                on_gap=self._queue.put if self._on_gap is not None else None,
                admission=self._merging,
                counts=self.counts,
                context=context,
                decode=self._decode,
            )
            subscription.open()
        except ValueError as error:
            self._unusable.add(key)
            logger.warning("engine %s of the fleet can't be followed: %s", address.engine, error)
            return None
        except OSError as error:
            if self._connecting is None:
                logger.warning("engine %s of the fleet can't be followed now: %s", address.engine, error.strerror)
                self._connecting = asyncio.get_running_loop().call_later(CONNECT_AGAIN_S, self._connect_again)
            return None
        queued = self._limits.high_water_mark
        link = self._links[key] = EngineLink(address, subscription, context, replay, keys, queued)
        link.reading = self._started(self._read(link))
        return link

    def _keys(self, address: EngineAddress) -> ClientKeys | None:
        """Return the keys for an engine. Raises `ValueError` if it encrypts and this reader has no keys."""
        if address.key is None:
            return None
        if self._directory_at.keys is None:
            raise ValueError("it encrypts its results: give the directory's server_key and your key_file")
        return ClientKeys(address.key, self._directory_at.keys.own)

    # -- the engines --------------------------------------------------------------------------------------------
    async def _read(self, link: EngineLink) -> None:
        """Put an engine's messages into the queue."""
        subscription, merging, queue, counts = link.subscription, self._merging, self._queue, self.counts
        async for message in subscription:
            link.passed += 1
            if isinstance(message, Place) or (isinstance(message, Stats) and message.engine not in (None, link.engine)):
                counts.received -= 1  # only the directory tells of places, and each engine of itself
                counts.undecodable += 1
                continue
            route = merging.route(link, message)
            if route == "late":
                await self._recovery.before(link, cast("CameraMessage", message))
                route = merging.route(link, message)
            if route != "pass":
                camera = cast("CameraMessage", message).camera
                if route == "drop":
                    counts.received -= 1
                    counts.stale += 1
                    continue
                if route in ("hold", "hand over"):
                    if route == "hand over":
                        self._handovers[camera] = self._started(self._hand_over(camera))
                    if merging.waiting(camera) >= HELD and (moving := self._handovers.get(camera)) is not None:
                        link.waits_for_handover = True
                        await asyncio.wait({moving})
                        link.waits_for_handover = False
                    continue
                if isinstance(route, Moved):
                    queue.put(route)
                self._retire_later(camera)
            if isinstance(message, Status) and not self._status_wanted:
                counts.received -= 1
                continue
            queue.put(message)
            if queue.full:
                link.waits_for_room = True
                await queue.room()
                link.waits_for_room = False

    async def _hand_over(self, camera: str) -> None:
        """Hand out the rest of a camera's old generation, then what is held of the new one."""
        while (handover := self._merging.handover(camera)) is not None:
            lost = await self._recovery.rest_of(handover)
            if self._merging.handover(camera) is None:
                break  # the camera was removed meanwhile
            if handover.new_generation != handover.old_generation + 1:
                lost = None  # generations between them were not seen
            self._queue.put(Moved(camera, handover.old_generation, handover.new_generation, lost))
            self._forget_numbers(handover)
            await self._recovery.beginning_of(handover)
            held = self._merging.waiting(camera)
            released = self._merging.hand_over(handover)
            dropped = held - len(released) - self._merging.waiting(camera)
            self.counts.received -= dropped
            self.counts.stale += dropped
            for message in released:
                if not isinstance(message, Status) or self._status_wanted:
                    self._queue.put(message)
        del self._handovers[camera]
        self._retire_later(camera)

    def _forget_numbers(self, handover: Handover[EngineLink]) -> None:
        """Follow the old engine's numbering of the camera no longer: the camera may come back, with later numbers.

        If it has come back already, its later numbers are followed.
        """
        if handover.old is handover.new:
            return
        back = {
            KINDS[type(message)] for source, message in self._merging.held(handover.camera) if source is handover.old
        }
        for kind in CAMERA_KINDS:
            if kind not in back:
                handover.old.subscription.forget(topic(kind, handover.camera))

    # -- engines that are no longer needed ----------------------------------------------------------------------
    def _retire_later(self, camera: str) -> None:
        """Check in a while which engines need not be followed for this camera any more."""
        loop = asyncio.get_running_loop()
        self._moved_at.pop(camera, None)
        self._moved_at[camera] = loop.time()
        if self._retiring is None and self._context is not None:
            self._retiring = loop.call_later(RETIRE_S, self._retire)

    def _retire(self) -> None:
        loop = asyncio.get_running_loop()
        self._retiring = None
        while self._moved_at:
            camera, moved_at = next(iter(self._moved_at.items()))
            if loop.time() < moved_at + RETIRE_S:
                if self._retiring is None:
                    self._retiring = loop.call_at(moved_at + RETIRE_S, self._retire)
                return
            del self._moved_at[camera]
            if camera in self._handovers:
                continue  # its end comes here again
            self._retire_links(camera)

    def _retire_links(self, camera: str) -> None:
        """Follow only the engines that may publish the camera, and close links without cameras."""
        place = self._whereabouts.place(camera)
        if place is None:
            return
        addresses, source_too = followed(place, self._merging.generation(camera))
        needed = {LinkKey.of(address) for address in addresses}
        source = self._merging.source(camera) if source_too else None
        links = self._links_of.get(camera, set())
        for link in [one for one in links if one.key not in needed and one is not source]:
            if not link.subscription.drained:
                self._retire_later(camera)  # a slow reader is still to get what it has published before
                continue
            links.discard(link)
            link.cameras.discard(camera)
            for prefix in self._prefixes(camera):
                link.subscription.unfollow(prefix)
            if not link.cameras:
                del self._links[link.key]
                link.close()
        if place.state in ("disabled", "removed") and not links:
            self._links_of.pop(camera, None)
            self._merging.ended(camera, place.generation)
            if place.state == "removed":
                self._whereabouts.forget(camera)

    # -- tasks --------------------------------------------------------------------------------------------------
    def _started(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run this in a task. Its error is raised where messages are read."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._queue.fail(error)
