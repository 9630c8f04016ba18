"""The subscription to a fleet: `subscribe("fleet://HOST:PORT")` with the address of its directory.

It reads the directory, and every engine that has one of its cameras, each in a task. Their messages are merged in one
bounded queue, from which the caller takes them. Each placement of a camera has a generation, which is higher than that
of the one before. While it moves, its old and new engine are followed, until the first message of the new generation is
handed out that shows that its engine reads the camera. From then on, lower generations are stale, wherever they come
from. Gaps are filled by replay as for a single engine. An engine or a directory that is away delays nothing of the
others, and what is known goes on. With `resume`, alerts that came while no reader was there are requested, and those
that replay delivers are handed out although their camera has moved since.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import zmq

from stream.messaging.client_endpoints import parse_endpoint
from stream.messaging.curve.keys import ClientKeys
from stream.messaging.gap_filling import Gap, ReplayServerAt
from stream.messaging.gaps import Position, Sequences
from stream.messaging.replay import ALERTS
from stream.results import Alert, CameraKind, EngineAddress, Place, Received, Stats, Status, decode, topic
from stream.subscription.engine_subscription import Connection, EngineSubscription
from stream.subscription.subscription import AnyMessage, Generations, Kind, Subscription, begins, prefixes_of
from stream.zeromq_context import terminated

logger = logging.getLogger(__name__)

QUEUED = 64
"""Messages of all engines that wait for the caller; further ones wait in their sockets."""
MAX_SOCKETS, MOST_LOGGED = 20_000, 100
"""Sockets, up to two for each engine, and engines that are logged as unusable: a false directory could name any number.
ZeroMQ's own limit of sockets is 1,023."""
SETTLE_S = 5.0
"""Time between a change and a check which engines need not be followed any more, or can be connected to by now, if
there was no socket for one. The check may come after twice this time. The last messages of an engine that a camera was
taken from may be on their way."""
ENDED = ("disabled", "removed")
"""States of a placement in which no engine is to read the camera."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A camera goes on with a later placement: at another engine, at another run of its engine, or there again.

    This is a gap of unknown size: messages from the end of the old placement may be missing, and of those between them.
    """

    camera: str
    old_generation: int
    new_generation: int


_Key = tuple[str, str, str | None]
"""A change of this requires another connection to the engine."""


def _key(address: EngineAddress) -> _Key:
    return address.endpoint, address.replay, address.key


@dataclass(slots=True, eq=False)
class _Link:
    """The subscription to one engine, and the cameras that it is followed for."""

    key: _Key
    engine: str
    cameras: set[str] = field(default_factory=set[str])
    gaps: list[Gap] = field(default_factory=list[Gap])
    """Those to be reported before the next message."""
    queued: int = 0
    """Its messages and gaps that wait for the caller, or for room in the queue."""
    subscription: EngineSubscription[Received] = field(init=False)
    reading: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Close the sockets at once, and end the reading."""
        if self.reading is not None:
            self.reading.cancel()
        self.subscription.close()


class FleetSubscription(Subscription[AnyMessage]):
    """Reads cameras of a fleet (by default all) from the engines that its directory names.

    `directory`: its address and keys; the queues are those of each engine's connection. `counts` are those of all
    engines together; `received` includes messages that wait for the caller, or turn out to be stale after a gap was
    filled. `decode` decodes bodies, and raises `msgspec.DecodeError`.
    """

    def __init__(
        self,
        directory: Connection,
        kinds: Sequence[Kind],
        cameras: Sequence[str] | None,
        *,
        replay_timeout_s: float = 2.0,
        on_gap: Callable[[Gap], None] | None = None,
        on_moved: Callable[[Moved], None] | None = None,
        resume: Iterable[Position] | None = None,
        decode: Callable[[bytes], Received] = decode,
    ) -> None:
        super().__init__()
        self._connection = directory
        self._replay_timeout_s = replay_timeout_s
        self._cameras = cameras
        self._on_gap = on_gap
        self._on_moved = on_moved
        self._resume = None if resume is None else list(resume)
        self._left = {one.topic: one for one in self._resume or () if one.topic.startswith(ALERTS)}
        """The position in the last epoch of each topic of alerts whose engine is not followed yet."""
        self._decode = decode
        self._wanted = kinds
        self._stats: tuple[Kind, ...] = ("stats",) if "stats" in kinds else ()
        of_cameras: list[CameraKind] = [kind for kind in kinds if kind not in ("directory", "stats")]
        self._kinds: tuple[CameraKind, ...] = tuple(dict.fromkeys((*of_cameras, "status"))) if of_cameras else ()
        """Kinds that are read of cameras. A status shows that a new engine reads a camera, also before an event."""
        self._places: dict[str, Place] = {}
        self._generations = Generations()
        self._handed_out: dict[str, int] = {}
        """The generation of each camera that is handed out."""
        self._links: dict[_Key, _Link] = {}
        self._unusable: set[str] = set()
        """Names of engines that cannot be connected to, which is logged once."""
        self._changed: set[str] = set()
        """Cameras whose links are to be checked."""
        self._queue: asyncio.Queue[tuple[_Link | None, Received | Gap | Exception, bool]] = asyncio.Queue(QUEUED)
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._directory: EngineSubscription[Place] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __anext__(self) -> AnyMessage:
        if self._tasks and self._tasks[0].get_loop() is not asyncio.get_running_loop():
            raise RuntimeError("a subscription to a fleet is read in the event loop in which it was opened")
        while self._context is not None:
            link, item, replayed = await self._queue.get()
            if link is not None:
                link.queued -= 1
            if isinstance(item, Exception):
                raise item
            if isinstance(item, Gap):
                if self._on_gap is not None:
                    self._on_gap(item)
            elif link is None or self._hands_out(link, item, replayed=replayed):
                self.replayed = replayed
                return cast("AnyMessage", item)
        raise StopAsyncIteration

    @property
    def engines(self) -> list[str]:
        """Names of the engines that are followed now, sorted."""
        return sorted(link.engine for link in self._links.values())

    def ended(self, camera: str) -> bool:
        """Whether the directory says that no engine is to read a camera."""
        place = self._places.get(camera)
        return place is not None and place.state in ENDED

    def close(self) -> None:
        context, self._context = self._context, None
        if context is None:
            return
        for task in self._tasks:
            task.cancel()
        if self._directory is not None:
            self._directory.close()
        for link in self._links.values():
            link.close()
        self._directory, self._tasks, self._links = None, [], {}
        if not self._queue.full():
            self._queue.put_nowait((None, StopAsyncIteration(), False))  # for a caller that waits
        if not terminated(context):
            logger.warning("%s: closed without waiting longer for ZeroMQ", self._connection.endpoint)

    @property
    def _is_open(self) -> bool:
        return self._context is not None

    def open(self) -> None:
        if self._context is not None:
            return
        context = self._context = zmq.Context()
        context.set(zmq.MAX_SOCKETS, MAX_SOCKETS)
        self._queue = asyncio.Queue(QUEUED)
        try:
            # Its queue is not limited: one message a camera, which is read at once.
            connection = Connection(self._connection.endpoint, 0, None, self._connection.keys)
            directory = self._directory = EngineSubscription[Place](
                connection, prefixes_of(("directory",), self._cameras), context=context, decode=self._decode
            )
            directory.open()
            self._tasks = [self._started(lambda: self._follow(directory)), self._started(self._check)]
        except BaseException:
            self.close()
            raise

    def _started(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Run this in a task. Its error is raised where messages are read."""
        queue = self._queue

        async def run() -> None:
            try:
                await work()
            except Exception as error:
                await queue.put((None, error, False))

        return asyncio.create_task(run())

    # -- the engines, by the directory --------------------------------------------------------------------------
    async def _follow(self, directory: EngineSubscription[Place]) -> None:
        async for place in directory:
            if not isinstance(place, Place):  # pyright: ignore[reportUnnecessaryIsInstance]
                continue
            known = self._places.get(place.camera)
            if known is not None and place.generation < known.generation:
                continue  # of a directory that has lost its store, or that a newer one has replaced
            self._places[place.camera] = place
            self._connect(place)
            self._changed.add(place.camera)
            if "directory" in self._wanted:
                await self._queue.put((None, place, False))

    def _settled(self, place: Place) -> bool:
        """Whether no engine is followed for a camera but the one that has it.

        An engine that the controller cannot reach may still publish a camera that is unplaced.
        """
        if place.state in ENDED or not self._kinds:
            return True
        return place.address is not None and self._handed_out.get(place.camera, -1) >= place.generation

    def _connect(self, place: Place) -> None:
        """Follow the engines that may publish a camera."""
        if place.state in ENDED or not (self._kinds or self._stats):
            return
        camera = place.camera
        for address in (place.address, None if self._settled(place) else place.previous):
            if address is None or (link := self._linked(address, camera)) is None:
                continue
            link.engine = address.engine
            if camera not in link.cameras:
                link.cameras.add(camera)
                moves = 0 <= self._handed_out.get(camera, -1) < place.generation
                for kind in self._kinds:
                    if moves and kind != "status":  # earlier ones say nothing
                        link.subscription.expect(topic(kind, camera))
                    if self._cameras is not None:
                        link.subscription.follow(topic(kind, camera))

    def _linked(self, address: EngineAddress, camera: str) -> _Link | None:
        """Return the link to an engine; None if its address is unusable, or it has to wait for a socket."""
        key = _key(address)
        if (known := self._links.get(key)) is not None or self._context is None:
            return known
        link = _Link(key, address.engine)
        resumed = self._resume is not None and camera not in self._handed_out
        try:
            if not address.endpoint.startswith("tcp:") or not address.replay.startswith("tcp:"):
                raise ValueError("its addresses are not tcp://HOST:PORT")
            own = self._connection.keys
            if address.key is not None and own is None:
                raise ValueError("it encrypts its results: give the directory's server_key and your key_file")
            keys = ClientKeys(address.key, own.own) if address.key is not None and own is not None else None
            link.subscription = EngineSubscription[Received](
                replace(self._connection, endpoint=parse_endpoint(address.endpoint), keys=keys),
                prefixes_of((*(self._kinds if self._cameras is None else ()), *self._stats), None),
                replay=ReplayServerAt(parse_endpoint(address.replay), self._replay_timeout_s, keys),
                on_gap=link.gaps.append,
                sequences=Sequences(one for one in self._resume or () if one.run == address.run) if resumed else None,
                counts=self.counts,
                context=self._context,
                decode=self._decode,
            )
            link.subscription.open()
            for name in [name for name, one in self._left.items() if one.run == address.run]:
                link.subscription.request_rest(self._left.pop(name))
        except (ValueError, OSError) as error:
            if address.engine not in self._unusable and len(self._unusable) < MOST_LOGGED:
                logger.warning("engine %s of the fleet can't be followed: %s", address.engine, error)
                self._unusable.add(address.engine)
            self._changed.add(camera)
            return None
        self._links[key] = link
        link.reading = self._started(lambda: self._read(link))
        return link

    async def _check(self) -> None:
        """Check cameras some time after their last change."""
        due: set[str] = set()
        while True:
            await asyncio.sleep(SETTLE_S)
            settled, due, self._changed = due - self._changed, self._changed, set()
            for camera in settled:
                self._settle(camera)
                await asyncio.sleep(0)  # there may be many cameras

    def _settle(self, camera: str) -> None:
        """Follow the engines that may publish a camera, and no others; close links without cameras."""
        place = self._places.get(camera)
        if place is None:
            return
        self._connect(place)
        left = self._left.pop(topic("alerts", camera), None)
        if left is not None and self._on_gap is not None:  # its engine at that time has ended, or has no cameras now
            self.counts.unknown += 1
            self._on_gap(Gap(left.topic, left.run, left.epoch, left.next_seq, 0, 0, more=True))
        if not self._settled(place):
            return
        ended = place.state in ENDED
        key = None if ended or place.address is None else _key(place.address)
        others = [link for link in self._links.values() if camera in link.cameras and link.key != key]
        if ended and not all(link.subscription.drained and not link.queued for link in others):
            self._changed.add(camera)  # a slow reader is still to get what was published before the end
            return
        for link in others:
            link.cameras.discard(camera)
            for kind in self._kinds:
                link.subscription.unfollow(topic(kind, camera))
            if not link.cameras:
                del self._links[link.key]
                link.close()
        if ended:
            self._generations.end(camera, place.generation)
            self._handed_out.pop(camera, None)
            if place.state == "removed":
                del self._places[camera]

    # -- messages -----------------------------------------------------------------------------------------------
    async def _read(self, link: _Link) -> None:
        """Put an engine's messages and gaps into the queue."""
        async for message in link.subscription:
            gaps, link.gaps[:] = link.gaps[:], []
            link.queued += len(gaps) + 1
            for item in (*gaps, message):
                await self._queue.put((link, item, link.subscription.replayed))

    def _hands_out(self, link: _Link, message: Received, *, replayed: bool) -> bool:
        """Take the next message of an engine. Return whether it is handed out. Before that, report a move."""
        if isinstance(message, Place) or (isinstance(message, Stats) and message.engine not in (None, link.engine)):
            self.counts.received -= 1  # of a topic that is not for this publisher
            self.counts.undecodable += 1
            return False
        if isinstance(message, Stats):
            return True
        if not self._generations.admits(message):
            if self._resume is not None and replayed and isinstance(message, Alert):
                return True  # it was published when nobody could read it
            self.counts.stale += 1
            return False
        camera, generation = message.camera, message.generation or 0
        before = self._handed_out.get(camera, -1)
        if generation > before and begins(message):
            self._handed_out[camera] = generation
            self._changed.add(camera)
            if before >= 0 and self._on_moved is not None:
                self._on_moved(Moved(camera, before, generation))
        if isinstance(message, Status) and "status" not in self._wanted:
            self.counts.received -= 1
            return False
        return True
