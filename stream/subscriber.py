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
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Generic, Literal, TypeVar, cast, overload

import msgspec
import zmq
import zmq.asyncio

from stream.messaging.client_endpoints import parse_endpoint
from stream.messaging.curve.keys import ClientKeys, client_keys
from stream.messaging.gap_filling import Counts, Gap, GapFilling, ReplayServerAt
from stream.messaging.gaps import Hole, Position, Postponed, Sequences
from stream.messaging.subscriber_socket import connected_socket
from stream.results import STATS_TOPIC, Frame, Message, decode, topic
from stream.settings.camera_id import CAMERA_ID, camera_id_error

logger = logging.getLogger(__name__)

Kind = Literal["results", "events", "status", "stats", "alerts", "clips"]
KINDS: tuple[Kind, ...] = ("results", "events", "status", "stats", "alerts", "clips")
AnyMessage = TypeVar("AnyMessage", bound=Message, covariant=True)

MESSAGES_BETWEEN_YIELDS = 32
"""Messages after which other tasks run, even if more messages wait."""


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
    - `resume`: positions at which an earlier subscription stopped, the last one of the engine's run that it read last.
      The messages since then are requested as after any gap, and so is the beginning of each new run of the engine. If
      empty, only the latter. Of runs that have ended, alerts are requested, which the engine may have kept.
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
    keys = client_keys(server_key, key_file)
    return Subscription(
        parse_endpoint(endpoint),
        prefixes,
        ReplayServerAt(parse_endpoint(replay), replay_timeout_s, keys) if replay is not None else None,
        on_gap,
        high_water_mark,
        receive_buffer,
        keys,
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
        replay: ReplayServerAt | None,
        on_gap: Callable[[Gap], None] | None,
        high_water_mark: int,
        receive_buffer: int | None,
        keys: ClientKeys | None,
        sequences: Sequences,
        postponed: Postponed | None,
    ) -> None:
        self.counts = Counts()
        self.run = ""
        """The engine's run of the latest message that has arrived."""
        self._endpoint = endpoint
        self._prefixes = prefixes
        self._high_water_mark = high_water_mark
        self._receive_buffer = receive_buffer
        self._keys = keys
        self._sequences = sequences
        self._missed = GapFilling(replay, sequences, prefixes, postponed, self.counts, on_gap, self._decode, self._warn)
        self._context: zmq.asyncio.Context | None = None
        self._socket: zmq.asyncio.Socket | None = None
        self._held: Message | None = None
        self._arriving: asyncio.Future[list[bytes]] | None = None
        self._at_once = 0
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
        while (socket := self._socket) is not None:
            if (missed := self._missed.recovered()) is not None:
                return cast("AnyMessage", missed)
            if await self._missed.advance():
                continue
            if self._held is not None:
                message, self._held = self._held, None
                self.counts.received += 1
                return cast("AnyMessage", message)
            await self._receive(socket)
        raise StopAsyncIteration

    def request_all(self, name: str, run: str, epoch: int) -> None:
        """Request all messages of topic `name`, run and epoch, also those received, before the next one is returned.

        For a reader that learns otherwise that some are missing: the numbers show neither messages before the first
        one received nor messages at the end.
        """
        self._missed.add([Hole(name, run, epoch, 0, None)])

    @property
    def incomplete(self) -> frozenset[str]:
        """Topics of which messages are missing that will be requested again (`late_replay`)."""
        return self._missed.incomplete

    @property
    def behind(self) -> bool:
        """Whether alerts of earlier runs of the engine are still to come.

        With `late_replay`, they may come after messages of the present run. A reader that keeps positions to resume
        from then keeps those from before, so that nothing is lost if it ends.
        """
        return self._missed.earlier_runs

    def close(self) -> None:
        """Close the sockets at once. A waiting iteration ends. May be called again."""
        context, self._context, self._socket = self._context, None, None
        self._missed.close()
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
        self._missed.open(context)
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
        if message.run != self.run:
            self.counts.restarts += self.run != ""
            self.run = message.run
            self._missed.run_began(message.run)
        holes = self._sequences.seen(name, message.run, message.epoch, message.seq)
        if holes is None:
            self.counts.duplicates += 1
            return
        self._missed.add(holes)
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

    def _warn(self, text: str, *arguments: object) -> None:
        """Log at most once a second, because a slow subscriber must not spend its time on logging."""
        now = time.monotonic()
        if now >= self._warn_again_at:
            self._warn_again_at = now + 1.0
            logger.warning(text, *arguments)
