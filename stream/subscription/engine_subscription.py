"""The subscription to one engine, or to any other publisher of its kind.

Its ZeroMQ context and sockets live from the first iteration (or `async with`) to `close()`, the end of the iteration,
or its cancellation. ZeroMQ reconnects automatically; a restarted engine has a new `run`. Messages that were dropped
because this side was slow are detected by their numbers and, with a replay endpoint, requested and delivered in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

import msgspec
import zmq

from stream.messaging.curve.keys import ClientKeys
from stream.messaging.gap_filling import Counts, Gap, GapFilling, ReplayServerAt
from stream.messaging.gaps import Hole, Position, Sequences
from stream.results import Received, Stats, decode, topic_of
from stream.settings.values import CAMERA_ID
from stream.subscription.subscription import AnyMessage, Generations, Subscription
from stream.zeromq_context import terminated

logger = logging.getLogger(__name__)

EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN))
"""Errors that say nothing of the endpoint: a later attempt can succeed."""
MESSAGES_BETWEEN_YIELDS = 32
"""Messages after which other tasks run, even if more messages wait."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How a subscription connects: the address, its queues (messages, and bytes of the socket's buffer), and keys."""

    endpoint: str
    high_water_mark: int = 1000
    receive_buffer: int | None = None
    keys: ClientKeys | None = None


class EngineSubscription(Subscription[AnyMessage]):
    """Reads the messages whose topics begin with one of the prefixes.

    Of a fleet's camera, only those of its highest generation. With `context`, the sockets are opened in it, and it
    stays open. `decode` decodes bodies, and raises `msgspec.DecodeError`.
    """

    def __init__(
        self,
        connection: Connection,
        prefixes: Iterable[str],
        *,
        replay: ReplayServerAt | None = None,
        on_gap: Callable[[Gap], None] | None = None,
        sequences: Sequences | None = None,
        counts: Counts | None = None,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
        decode: Callable[[bytes], Received] = decode,
    ) -> None:
        super().__init__(counts)
        self._connection = connection
        self._decode_body = decode
        self._prefixes = dict.fromkeys(prefixes)
        self._sequences = Sequences() if sequences is None else sequences
        self._generations = Generations()
        self._missed = GapFilling(
            replay, self._sequences, self._prefixes, self.counts, on_gap, self._decoded, self._warn
        )
        self._shared = context
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._held: Received | None = None
        self._arriving: asyncio.Future[list[bytes]] | None = None
        """Gets the parts of the next message."""
        self._at_once = 0
        self._warn_again_at = 0.0

    async def __anext__(self) -> AnyMessage:
        while (socket := self._socket) is not None:
            if (missed := self._missed.recovered()) is not None:
                self.replayed = True
                return cast("AnyMessage", missed)
            if await self._missed.advance():
                continue
            if self._held is not None:
                message, self._held = self._held, None
                self.counts.received += 1
                self.replayed = False
                return cast("AnyMessage", message)
            await self._receive(socket)
        raise StopAsyncIteration

    @property
    def drained(self) -> bool:
        """Whether everything that has arrived was handed out. Only while an `anext()` waits for more."""
        if self._arriving is None or self._arriving.done():
            return False
        self._take()  # only to ask ZeroMQ would clear its descriptor, and leave what has arrived there
        return not self._arriving.done()

    def expect(self, topic: str) -> None:
        """Request what was published on a topic before its first message, in the same epoch."""
        self._sequences.expect(topic)

    def request_rest(self, position: Position) -> None:
        """Request what follows a position in its epoch."""
        self._missed.add([Hole(position.topic, position.run, position.epoch, position.next_seq, None)])

    def follow(self, prefix: str) -> None:
        """Receive the messages of further topics from now on."""
        if prefix not in self._prefixes:
            self._prefixes[prefix] = None
            if self._socket is not None:
                self._socket.subscribe(prefix)

    def unfollow(self, topic: str) -> None:
        """Receive a topic no longer, unless a prefix has it. Its next message counts as its first one."""
        self._sequences.forget(topic)
        if topic in self._prefixes:
            del self._prefixes[topic]
            if self._socket is not None:
                self._socket.unsubscribe(topic)

    def close(self) -> None:
        context, self._context = self._context, None
        socket, self._socket = self._socket, None
        self._missed.close()
        arriving, self._arriving = self._arriving, None
        if arriving is not None and not arriving.done():
            arriving.set_result([])
        if context is None:
            return
        if socket is not None:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(socket.fileno())
            socket.close(linger=0)
        if context is not self._shared and not terminated(context):
            logger.warning("%s: closed without waiting longer for ZeroMQ", self._connection.endpoint)

    @property
    def _is_open(self) -> bool:
        return self._socket is not None

    def open(self) -> None:
        if self._socket is not None:
            return
        endpoint = self._connection.endpoint
        context = self._context = self._shared or zmq.Context()
        try:
            # Not one of zmq.asyncio, which takes a third more time for each message.
            socket = self._socket = context.socket(zmq.SUB)
            self._connect(socket)
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(socket.fileno(), self._take)
        except BaseException as error:
            self.close()  # an open socket would block the end of the process
            if not isinstance(error, zmq.ZMQError):
                raise
            if error.errno in EXHAUSTED:
                raise OSError(error.errno, f"{endpoint} can't be connected to now: {error.strerror}") from None
            raise ValueError(f"{endpoint!r} can't be subscribed to ({error}): use tcp://HOST:PORT") from None
        self._missed.open(context)

    def _connect(self, socket: zmq.Socket[bytes]) -> None:
        """Connect in the background, and again after a failure."""
        connection = self._connection
        socket.setsockopt(zmq.RCVHWM, connection.high_water_mark)
        socket.setsockopt(zmq.SNDHWM, 0)  # otherwise ZeroMQ drops subscriptions beyond the first thousand
        if connection.receive_buffer is not None:
            socket.setsockopt(zmq.RCVBUF, connection.receive_buffer)
        if connection.keys is not None:
            connection.keys.protect(socket)
        if "[" in connection.endpoint:
            socket.setsockopt(zmq.IPV6, 1)
        # Detects a host that vanished, and reconnects when it is back. With the TTL, the other side detects it too.
        socket.setsockopt(zmq.HEARTBEAT_IVL, 5000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15000)
        socket.setsockopt(zmq.HEARTBEAT_TTL, 15000)
        socket.setsockopt(zmq.RECONNECT_IVL, 100)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
        for prefix in self._prefixes:
            socket.setsockopt(zmq.SUBSCRIBE, prefix.encode())
        socket.connect(connection.endpoint)

    async def _receive(self, socket: zmq.Socket[bytes]) -> None:
        """Wait for a message, and hold it until the holes before it are filled."""
        arriving = self._arriving
        if arriving is None or arriving.cancelled():
            arriving = self._arriving = asyncio.get_running_loop().create_future()
            self._take()
        self._at_once += 1
        if self._at_once % MESSAGES_BETWEEN_YIELDS == 0:
            await asyncio.sleep(0)
        frames = await arriving  # cancelled when a message was already here, it stays for the next call
        self._arriving = None
        if self._socket is not socket:
            return  # `close()` was called meanwhile
        message = self._decoded(*frames)
        if message is None:
            return
        if not self._generations.admits(message):
            self.counts.stale += 1
            return
        if message.run != self.run:
            self.counts.restarts += self.run != ""
            self.run = message.run
            self._missed.run_began(message.run)
        holes = self._sequences.seen(topic_of(message), message.run, message.epoch, message.seq)
        if holes is None:
            self.counts.duplicates += 1
            return
        self._missed.add(holes)
        self._held = message

    def _take(self) -> None:
        """Receive a message if one is awaited. Called when ZeroMQ's descriptor is readable, which is edge-triggered."""
        if self._socket is None:
            return
        if self._arriving is None or self._arriving.done():
            self._socket.getsockopt(zmq.EVENTS)  # or the descriptor would stay readable
            return
        with contextlib.suppress(zmq.Again):
            self._arriving.set_result(self._socket.recv_multipart(zmq.NOBLOCK))

    def _decoded(self, *frames: bytes) -> Received | None:
        """Return the message of a body, which may have a topic before it; None for an invalid one, which is counted."""
        try:
            *names, body = frames
            if len(names) > 1:
                raise ValueError(f"it has {len(frames)} parts instead of 2")
            message = self._decode_body(body)
            if names and names[0].decode() != topic_of(message):
                raise ValueError("its topic is another message's")
            if not isinstance(message, Stats) and not CAMERA_ID.fullmatch(message.camera):
                raise ValueError("its camera has no valid id")
            return message
        except (msgspec.MsgspecError, ValueError) as error:
            self.counts.undecodable += 1
            self._warn(
                "a message from %s is not a partstream message of version 1: %s", self._connection.endpoint, error
            )
            return None

    def _warn(self, text: str, *arguments: object) -> None:
        """Log at most once a second, because a slow subscriber must not spend its time on logging."""
        now = time.monotonic()
        if now >= self._warn_again_at:
            self._warn_again_at = now + 1.0
            logger.warning(text, *arguments)
