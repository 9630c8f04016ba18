"""The client that users import: `async for result in subscribe("tcp://…", camera="lobby")`.

A subscription owns its ZeroMQ context and sockets, from the first iteration (or `async with`) to `close()`, the end of
the iteration, or its cancellation. ZeroMQ reconnects by itself; a restarted engine is known by its new `run`. Messages
that were dropped because this side was slow are noticed by their numbers and, with a replay endpoint, fetched and
handed out in order.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Literal, TypeVar, cast, overload

import msgspec
import zmq
import zmq.asyncio

from stream.config import CAMERA_ID
from stream.gaps import Hole, Sequences
from stream.replay_client import Page, ReplayClient, ReplayUnavailableError
from stream.results import STATS_TOPIC, Frame, Message, decode, topic

logger = logging.getLogger(__name__)

Kind = Literal["results", "events", "status", "stats"]
KINDS: tuple[Kind, ...] = ("results", "events", "status", "stats")
AnyMessage = TypeVar("AnyMessage", bound=Message, covariant=True)

REPLAY_PAGE = 500
"""Missed messages asked for at a time; so many bodies are held in memory."""
REPLAY_RETRY_S = 5.0
"""After the replay server was silent, gaps are only counted for this long: live results go first."""
MESSAGES_BETWEEN_YIELDS = 32
"""A flood of messages lets the loop's other tasks run this often."""


@dataclass(slots=True)
class Counts:
    """What a subscription has seen. After replay, `missed - replayed` messages are lost."""

    received: int = 0
    """Messages handed out as they came."""
    gaps: int = 0
    """Holes in the numbering."""
    missed: int = 0
    """Messages in them: sent by the engine, never received here."""
    replayed: int = 0
    """Of those missed, handed out after all, by replay."""
    duplicates: int = 0
    """Messages received again and discarded (last values sent for other late joiners)."""
    undecodable: int = 0
    """Bodies that aren't version 1 messages, discarded."""
    restarts: int = 0
    """Times that the engine came back as a new run."""

    @property
    def lost(self) -> int:
        """Messages missed for good."""
        return self.missed - self.replayed


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in the numbering of (run, topic, epoch), after all was done to fill it."""

    topic: str
    run: str
    epoch: int
    first_seq: int
    missed: int
    replayed: int


@overload
def subscribe(
    endpoint: str,
    *,
    camera: str | None = None,
    cameras: Iterable[str] | None = None,
    replay: str | None = None,
    on_gap: Callable[[Gap], None] | None = None,
    high_water_mark: int = 1000,
    receive_buffer: int | None = None,
    replay_timeout_s: float = 2.0,
) -> Subscription[Frame]: ...
@overload
def subscribe(
    endpoint: str,
    *,
    kinds: Iterable[Kind],
    camera: str | None = None,
    cameras: Iterable[str] | None = None,
    replay: str | None = None,
    on_gap: Callable[[Gap], None] | None = None,
    high_water_mark: int = 1000,
    receive_buffer: int | None = None,
    replay_timeout_s: float = 2.0,
) -> Subscription[Message]: ...
def subscribe(
    endpoint: str,
    *,
    kinds: Iterable[Kind] = ("results",),
    camera: str | None = None,
    cameras: Iterable[str] | None = None,
    replay: str | None = None,
    on_gap: Callable[[Gap], None] | None = None,
    high_water_mark: int = 1000,
    receive_buffer: int | None = None,
    replay_timeout_s: float = 2.0,
) -> Subscription[Message]:
    """Results of an engine, as they come: `async for result in subscribe("tcp://127.0.0.1:5555", camera="lobby")`.

    - `endpoint`: the engine's `publish.endpoint`. It need not be up yet.
    - `kinds`: which messages; by default results (`Frame`) only. `stream.subscriber.KINDS` is all of them.
    - `camera`, `cameras`: only these; by default all, also those added later.
    - `replay`: the engine's `publish.replay`. With it, missed messages are fetched and handed out in order; without it,
      or when they are too old, they are counted and reported.
    - `on_gap`: called after each hole in the numbering, filled or not.
    - `high_water_mark`, `receive_buffer`: messages queued, and bytes of the socket's buffer, while you are busy.
    - `replay_timeout_s`: how long the replay server may be silent before live results go on without it.

    Raises ValueError where a camera id, a kind or the endpoint isn't one.
    """
    wanted = {*(cameras or ()), *([camera] if camera is not None else [])}
    for name in wanted:
        if not CAMERA_ID.fullmatch(name):
            raise ValueError(f"camera {name!r} isn't a camera id ([a-z0-9][a-z0-9_-]{{0,62}})")
    kinds = tuple(dict.fromkeys(kinds))
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} isn't one of {', '.join(KINDS)}")
    if camera is None and cameras is None:
        prefixes = [STATS_TOPIC if kind == "stats" else f"{kind}/v1/" for kind in kinds]
    else:
        prefixes = [topic(kind, name) for kind in kinds if kind != "stats" for name in sorted(wanted)]
        prefixes += [STATS_TOPIC] if "stats" in kinds else []
    return Subscription(endpoint, prefixes, replay, on_gap, high_water_mark, receive_buffer, replay_timeout_s)


class Subscription(Generic[AnyMessage]):
    """What `subscribe` returns: an asynchronous iterable of messages, with `counts` of what was seen and missed.

    Iterating opens it and the iteration's end closes it. As a context manager it is open, and queues messages, from
    `async with` on, and iterations within go on where the one before stopped.
    """

    def __init__(
        self,
        endpoint: str,
        prefixes: list[str],
        replay: str | None,
        on_gap: Callable[[Gap], None] | None,
        high_water_mark: int,
        receive_buffer: int | None,
        replay_timeout_s: float,
    ) -> None:
        self.counts = Counts()
        self._endpoint = endpoint
        self._prefixes = prefixes
        self._replay_endpoint = replay
        self._on_gap = on_gap
        self._high_water_mark = high_water_mark
        self._receive_buffer = receive_buffer
        self._replay_timeout_s = replay_timeout_s
        self._sequences = Sequences()
        self._run = ""
        self._context: zmq.asyncio.Context | None = None
        self._socket: zmq.asyncio.Socket | None = None
        self._replay: ReplayClient | None = None
        self._replay_again_at = 0.0
        self._warn_again_at = 0.0

    async def __aenter__(self) -> Subscription[AnyMessage]:
        self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[AnyMessage]:
        return self._iterate()

    def close(self) -> None:
        """Close the sockets at once; may be called again. An iteration that waits for a message ends."""
        context, self._context, self._socket, self._replay = self._context, None, None, None
        if context is not None:
            context.destroy(linger=0)

    def _open(self) -> zmq.asyncio.Socket:
        if self._socket is not None:
            return self._socket
        context = self._context = zmq.asyncio.Context()
        try:
            socket = self._socket = context.socket(zmq.SUB)
            socket.setsockopt(zmq.RCVHWM, self._high_water_mark)
            if self._receive_buffer is not None:
                socket.setsockopt(zmq.RCVBUF, self._receive_buffer)
            if "[" in self._endpoint:
                socket.setsockopt(zmq.IPV6, 1)
            # A host that vanished without a word is noticed, and connected to again when it is back.
            socket.setsockopt(zmq.HEARTBEAT_IVL, 5000)
            socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15000)
            socket.setsockopt(zmq.RECONNECT_IVL, 100)
            socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
            for prefix in self._prefixes:
                socket.setsockopt(zmq.SUBSCRIBE, prefix.encode())
            socket.connect(self._endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise ValueError(f"{self._endpoint!r} can't be subscribed to ({error}): use tcp://HOST:PORT") from None
        if self._replay_endpoint is not None:
            self._replay = ReplayClient(context, self._replay_endpoint, self._replay_timeout_s)
        return socket

    async def _iterate(self) -> AsyncGenerator[AnyMessage, None]:
        close_at_end = self._socket is None
        socket = self._open()
        try:
            at_once = 0
            while True:
                at_once += 1
                if at_once % MESSAGES_BETWEEN_YIELDS == 0:
                    await asyncio.sleep(0)
                try:
                    frames = await socket.recv_multipart()
                except (asyncio.CancelledError, zmq.ZMQError):
                    task = asyncio.current_task()
                    if self._socket is socket or (task is not None and task.cancelling()):
                        raise
                    return  # closed by `close()`
                decoded = self._decode(frames)
                if decoded is None:
                    continue
                name, message = decoded
                holes = self._sequences.seen(name, message.run, message.epoch, message.seq)
                if holes is None:
                    self.counts.duplicates += 1
                    continue
                if message.run != self._run:
                    self.counts.restarts += self._run != ""
                    self._run = message.run
                for hole in holes:
                    async for missed in self._fill(hole):
                        yield cast("AnyMessage", missed)
                self.counts.received += 1
                yield cast("AnyMessage", message)
        finally:
            if close_at_end:
                self.close()

    def _decode(self, frames: list[bytes]) -> tuple[str, Message] | None:
        """Topic and message; None, and counted, where it isn't one of ours."""
        try:
            name, body = frames
            return name.decode(), decode(body)
        except (msgspec.MsgspecError, ValueError) as error:
            self.counts.undecodable += 1
            self._warn("a message from %s isn't one of partstream's version 1: %s", self._endpoint, error)
            return None

    async def _fill(self, hole: Hole) -> AsyncGenerator[Message, None]:
        """Hand out what replay still has of the hole, in order, and account for all of it."""
        counts = self.counts
        first, end = hole.first_seq, hole.end_seq
        missed = replayed = 0
        if end is not None:
            missed = end - first
            counts.gaps += 1
            counts.missed += missed
        cursor = first
        while end is None or cursor < end:
            page = await self._fetch(hole, cursor, REPLAY_PAGE if end is None else min(REPLAY_PAGE, end - cursor))
            if page is None or page.end.next_seq <= cursor:
                break
            cursor = page.end.next_seq
            if end is None:
                counts.gaps += missed == 0
                counts.missed += cursor - first - missed
                missed = cursor - first
            for body in page.bodies:
                decoded = self._decode([hole.topic.encode(), body])
                if decoded is None:
                    continue
                message = decoded[1]
                if end is not None and message.seq >= end:
                    break  # what was asked for is gone; these are newer than the hole
                self._sequences.recovered(hole, message.seq)
                replayed += 1
                counts.replayed += 1
                yield message
        if not missed:
            return
        if missed > replayed:
            lost = missed - replayed
            self._warn("%s: lost %d of %d messages missed in epoch %d", hole.topic, lost, missed, hole.epoch)
        if self._on_gap is not None:
            self._on_gap(Gap(hole.topic, hole.run, hole.epoch, first, missed, replayed))

    async def _fetch(self, hole: Hole, from_seq: int, limit: int) -> Page | None:
        """Ask for messages of the hole; None where replay isn't to be had or knows nothing of it."""
        if self._replay is None or time.monotonic() < self._replay_again_at:
            return None
        try:
            page = await self._replay.fetch(hole.topic, hole.run, hole.epoch, from_seq, limit)
        except ReplayUnavailableError as error:
            self._replay_again_at = time.monotonic() + REPLAY_RETRY_S
            self._warn("replay: %s; gaps aren't filled for %.0f s", error, REPLAY_RETRY_S)
            return None
        return page if page.end.status in ("ok", "too_old") else None

    def _warn(self, text: str, *arguments: object) -> None:
        """Log at most once a second: a subscriber that can't keep up must not write a log instead."""
        now = time.monotonic()
        if now >= self._warn_again_at:
            self._warn_again_at = now + 1.0
            logger.warning(text, *arguments)
