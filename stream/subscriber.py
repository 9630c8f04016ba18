"""The client for results: `async for result in subscribe("tcp://…", camera="lobby")`.

A subscription's ZeroMQ context and sockets live from the first iteration (or `async with`) to `close()`, the end of the
iteration, or its cancellation. ZeroMQ reconnects automatically; a restarted engine has a new `run`. Messages that were
dropped because this side was slow are detected by their numbers and, with a replay endpoint, requested and delivered in
order.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, Literal, TypeVar, cast, overload

import msgspec
import zmq
import zmq.asyncio

from stream.messaging.client_endpoints import parse_endpoint
from stream.messaging.curve.keys import ClientKeys, client_keys
from stream.messaging.gaps import Filling, Hole, Position, Postponed, Sequences
from stream.messaging.replay_client import ReplayClient, ReplayPage, ReplayUnavailableError
from stream.messaging.subscriber_socket import connected_socket
from stream.results import STATS_TOPIC, Frame, Message, decode, topic
from stream.settings.camera_id import CAMERA_ID, camera_id_error

logger = logging.getLogger(__name__)

Kind = Literal["results", "events", "status", "stats", "alerts", "clips"]
KINDS: tuple[Kind, ...] = ("results", "events", "status", "stats", "alerts", "clips")
AnyMessage = TypeVar("AnyMessage", bound=Message, covariant=True)

REPLAY_PAGE = 500
"""Missed messages requested at a time and held in memory."""
REPLAY_RETRY_S = 5.0
"""Time for which gaps are only counted after the replay server did not answer."""
MESSAGES_BETWEEN_YIELDS = 32
"""Messages after which other tasks run, even if more messages wait."""


@dataclass(slots=True)
class Counts:
    """Counts of a subscription. After replay, `missed - replayed` messages are lost."""

    received: int = 0
    """Messages delivered as they arrived."""
    gaps: int = 0
    """Gaps in the numbering."""
    missed: int = 0
    """Messages in these gaps: sent by the engine, but not received."""
    replayed: int = 0
    """Missed messages that were delivered by replay."""
    duplicates: int = 0
    """Messages received twice and discarded (last values sent for other new subscribers)."""
    undecodable: int = 0
    """Discarded bodies that are not version 1 messages."""
    restarts: int = 0
    """Restarts of the engine."""

    @property
    def lost(self) -> int:
        """Messages missed and not replayed."""
        return self.missed - self.replayed


@dataclass(frozen=True, slots=True)
class Gap:
    """A gap in the numbering of (run, topic, epoch), after the attempt to fill it."""

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
    server_key: str | None = None,
    key_file: str | Path | None = None,
    resume: Iterable[Position] | None = None,
    late_replay: bool = False,
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
    server_key: str | None = None,
    key_file: str | Path | None = None,
    resume: Iterable[Position] | None = None,
    late_replay: bool = False,
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
    server_key: str | None = None,
    key_file: str | Path | None = None,
    resume: Iterable[Position] | None = None,
    late_replay: bool = False,
) -> Subscription[Message]:
    """Subscribe to an engine: `async for result in subscribe("tcp://127.0.0.1:5555", camera="lobby")`.

    - `endpoint`: the engine's `publish.endpoint`, or only its HOST:PORT. The engine need not be running yet.
    - `kinds`: the kinds of messages; by default only results (`Frame`). `stream.subscriber.KINDS` has all.
    - `camera`, `cameras`: ids of cameras; by default all, including those added later.
    - `replay`: the engine's `publish.replay`. With it, missed messages are requested and delivered in order. Without
      it, or if they are too old, they are counted and reported.
    - `on_gap`: called after each gap in the numbering, filled or not.
    - `high_water_mark`, `receive_buffer`: messages, and bytes of the socket's buffer, queued while you are busy.
    - `replay_timeout_s`: time without an answer from the replay server after which live results continue without it.
    - `server_key`, `key_file`: for an engine with CURVE (docs/security.md), its public key or a file that holds it,
      and the file of your secret key.
    - `resume`: positions at which an earlier subscription stopped. The messages since then are requested as after any
      gap, and so is the beginning of each new run of the engine. If empty, only the latter.
    - `late_replay`: while the replay server does not answer, its messages are not given up, but requested again for ten
      minutes. They then come late, out of order.

    Raises ValueError if a camera id, a kind, a key or the endpoint is invalid, and TypeError for other types.
    """
    for name, text in (("endpoint", endpoint), ("replay", replay), ("camera", camera)):
        if not isinstance(text, str) and (text is not None or name == "endpoint"):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{name} must be a string, not {type(text).__name__}")
    for name, several in (("cameras", cameras), ("kinds", kinds)):
        if isinstance(several, str):
            raise TypeError(f"{name} must be a list of strings, not one string")
    wanted = {*(cameras or ()), *([camera] if camera is not None else [])}
    for name in wanted:
        if not CAMERA_ID.fullmatch(name):
            raise ValueError(camera_id_error(name))
    kinds = tuple(dict.fromkeys(kinds))
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} isn't one of {', '.join(KINDS)}")
    if camera is None and cameras is None:
        prefixes = [STATS_TOPIC if kind == "stats" else f"{kind}/v1/" for kind in kinds]
    else:
        prefixes = [topic(kind, name) for kind in kinds if kind != "stats" for name in sorted(wanted)]
        prefixes += [STATS_TOPIC] if "stats" in kinds else []
    return Subscription(
        parse_endpoint(endpoint),
        prefixes,
        parse_endpoint(replay) if replay is not None else None,
        on_gap,
        high_water_mark,
        receive_buffer,
        replay_timeout_s,
        client_keys(server_key, key_file),
        Sequences(resume),
        Postponed() if late_replay else None,
    )


class Subscription(Generic[AnyMessage]):
    """An asynchronous iterable of messages, returned by `subscribe`, with `counts` of received and missed messages.

    Iterating opens it, and the end of the iteration closes it. As a context manager it is open, and queues messages,
    from `async with` on; iterations and single `anext()` calls within continue where the previous one stopped, also
    after a timeout.
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
        keys: ClientKeys | None,
        sequences: Sequences,
        postponed: Postponed | None,
    ) -> None:
        self.counts = Counts()
        self._endpoint = endpoint
        self._prefixes = prefixes
        self._replay_endpoint = replay
        self._on_gap = on_gap
        self._high_water_mark = high_water_mark
        self._receive_buffer = receive_buffer
        self._replay_timeout_s = replay_timeout_s
        self._keys = keys
        self._sequences = sequences
        self._postponed = postponed
        self._run = ""
        self._context: zmq.asyncio.Context | None = None
        self._socket: zmq.asyncio.Socket | None = None
        self._replay: ReplayClient | None = None
        self._holes: deque[Hole] = deque()
        self._filling: Filling | None = None
        self._recovered: deque[Message] = deque()
        self._held: Message | None = None
        self._fetching: asyncio.Task[ReplayPage | None] | None = None
        self._arriving: asyncio.Future[list[bytes]] | None = None
        self._unanswered = False
        """Whether the last request of replay got no answer."""
        self._at_once = 0
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
        return self if self._socket is not None else self._iterate_and_close()

    async def __anext__(self) -> AnyMessage:
        """Return the next message. May be cancelled, for example by a timeout, and called again, without loss."""
        while self._socket is not None:
            if self._recovered and self._filling is not None:
                self._filling.replayed += 1
                self.counts.replayed += 1
                return cast("AnyMessage", self._recovered.popleft())
            if self._filling is not None:
                await self._fill(self._filling)
            elif self._holes:
                self._begin_filling(self._holes.popleft())
            elif self._postponed is not None and (late := self._postponed.due(time.monotonic())) is not None:
                self._filling = late
            elif self._held is not None:
                message, self._held = self._held, None
                self.counts.received += 1
                return cast("AnyMessage", message)
            else:
                await self._receive(self._socket)
        raise StopAsyncIteration

    def request_all(self, name: str, run: str, epoch: int) -> None:
        """Request all messages of topic `name`, run and epoch, also those received, before the next one is returned.

        For a reader that learns otherwise that some are missing: the numbers show neither messages before the first
        one received nor messages at the end.
        """
        self._holes.append(Hole(name, run, epoch, 0, None))

    @property
    def incomplete(self) -> frozenset[str]:
        """Topics of which messages are missing that will be requested again (`late_replay`)."""
        return self._postponed.topics if self._postponed is not None else frozenset()

    def close(self) -> None:
        """Close the sockets at once. A waiting iteration ends. May be called again."""
        context, self._context, self._socket, self._replay = self._context, None, None, None
        if self._fetching is not None:
            self._fetching.cancel()
            self._fetching = None
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None
        if context is not None:
            context.destroy(linger=0)

    def _open(self) -> zmq.asyncio.Socket:
        if self._socket is not None:
            return self._socket
        context = self._context = zmq.asyncio.Context()
        try:
            socket = self._socket = connected_socket(
                context,
                self._endpoint,
                self._prefixes,
                high_water_mark=self._high_water_mark,
                receive_buffer=self._receive_buffer,
                keys=self._keys,
            )
        except zmq.ZMQError as error:
            self.close()
            raise ValueError(f"{self._endpoint!r} can't be subscribed to ({error}): use tcp://HOST:PORT") from None
        except BaseException:
            self.close()  # an open socket would block the end of the process
            raise
        if self._replay_endpoint is not None:
            self._replay = ReplayClient(context, self._replay_endpoint, self._replay_timeout_s, self._keys)
        return socket

    async def _iterate_and_close(self) -> AsyncGenerator[AnyMessage, None]:
        self._open()
        try:
            async for message in self:
                yield message
        finally:
            self.close()

    async def _receive(self, socket: zmq.asyncio.Socket) -> None:
        """Wait for a message, and hold it until the holes before it are filled."""
        self._at_once += 1
        if self._at_once % MESSAGES_BETWEEN_YIELDS == 0:
            await asyncio.sleep(0)
        # Not awaited directly, so that a cancelled wait does not lose a message.
        arriving = self._arriving = self._arriving or asyncio.ensure_future(socket.recv_multipart())
        if not arriving.done():
            await asyncio.wait({arriving})
        self._arriving = None
        if self._socket is not socket:
            return  # `close()` was called meanwhile
        frames = arriving.result()
        decoded = self._decode(frames)
        if decoded is None:
            return
        name, message = decoded
        holes = self._sequences.seen(name, message.run, message.epoch, message.seq)
        if holes is None:
            self.counts.duplicates += 1
            return
        if message.run != self._run:
            self.counts.restarts += self._run != ""
            self._run = message.run
        self._holes.extend(holes)
        self._held = message

    def _decode(self, frames: list[bytes]) -> tuple[str, Message] | None:
        """Return topic and message; None for an invalid one, which is counted."""
        try:
            if len(frames) != 2:
                raise ValueError(f"it has {len(frames)} parts instead of 2")
            name, body = frames
            return name.decode(), decode(body)
        except (msgspec.MsgspecError, ValueError) as error:
            self.counts.undecodable += 1
            self._warn("a message from %s is not a partstream message of version 1: %s", self._endpoint, error)
            return None

    def _begin_filling(self, hole: Hole) -> None:
        self._filling = Filling.of(hole)
        self.counts.missed += self._filling.missed
        self.counts.gaps += self._filling.missed > 0

    async def _fill(self, filling: Filling) -> None:
        """Request the next page of missing messages, or report the gap if there are no more."""
        wanted, known = filling.wants(REPLAY_PAGE), filling.missed
        page = await self._fetched(filling.hole, filling.cursor, wanted) if wanted else None
        if self._postponed is not None and wanted:
            if not self._unanswered:
                self._postponed.answered()
            elif self._postponed.put(filling, time.monotonic()):
                self._filling = None
                return
        if page is None or page.end.next_seq <= filling.cursor:
            self._filling = None
            self._report(filling)
            return
        for body in page.bodies:
            decoded = self._decode([filling.hole.topic.encode(), body])
            if decoded is not None and filling.holds(decoded[1].seq):
                self._sequences.recovered(filling.hole, decoded[1].seq)
                self._recovered.append(decoded[1])
        filling.advance(page.end.next_seq)
        self.counts.missed += filling.missed - known
        self.counts.gaps += known == 0

    def _report(self, filling: Filling) -> None:
        hole, missed, replayed = filling.hole, filling.missed, filling.replayed
        if not missed:
            return
        if missed > replayed:
            lost = missed - replayed
            self._warn("%s: lost %d of %d messages missed in epoch %d", hole.topic, lost, missed, hole.epoch)
        if self._on_gap is not None:
            self._on_gap(Gap(hole.topic, hole.run, hole.epoch, hole.first_seq, missed, replayed))

    async def _fetched(self, hole: Hole, from_seq: int, limit: int) -> ReplayPage | None:
        """Return the page. Cancelling the wait does not cancel the request: the next call finds its answer."""
        if self._fetching is None:
            self._fetching = asyncio.ensure_future(self._fetch(hole, from_seq, limit))
        await asyncio.wait({self._fetching})
        fetched, self._fetching = self._fetching, None
        return None if fetched is None or fetched.cancelled() else fetched.result()

    async def _fetch(self, hole: Hole, from_seq: int, limit: int) -> ReplayPage | None:
        """Request messages of the hole; None if replay is unavailable or does not know them."""
        self._unanswered = self._replay is not None
        if self._replay is None or time.monotonic() < self._replay_again_at:
            return None
        try:
            page = await self._replay.fetch(hole.topic, hole.run, hole.epoch, from_seq, limit)
        except ReplayUnavailableError as error:
            self._replay_again_at = time.monotonic() + REPLAY_RETRY_S
            self._warn("replay: %s; gaps are not filled for %.0f s", error, REPLAY_RETRY_S)
            return None
        self._unanswered = False
        return page if page.end.status in ("ok", "too_old") else None

    def _warn(self, text: str, *arguments: object) -> None:
        """Log at most once a second, because a slow subscriber must not spend its time on logging."""
        now = time.monotonic()
        if now >= self._warn_again_at:
            self._warn_again_at = now + 1.0
            logger.warning(text, *arguments)
