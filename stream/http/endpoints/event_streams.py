"""Published messages as server-sent events, for browsers and other clients without ZeroMQ.

The publishing thread only queues a message and wakes the event loop, which does everything else. A message is encoded
once for all clients. Each client has a bounded queue that drops its oldest messages and tells the client how many. A
client that reads nothing for a while is disconnected. Clients never slow the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Literal

import msgspec
from aiohttp import web

from stream.http.server.auth import Caller
from stream.http.server.problems import Problem
from stream.http.server.routes import CAMERA_ID_SCHEMA, Parameter, read_query
from stream.http.server.streaming import send
from stream.messaging.publisher import MessageListener
from stream.results import Alert, ClipReady, Event, Frame, Message, Stats, Status

UNSENT = 1024
"""Messages that can wait for the event loop; if it is blocked for longer, the oldest are lost."""

QUEUED = 256
"""Messages that can wait for a client: 10 s of one camera."""

QUEUED_BYTES = 1 << 20

WRITE_INTERVAL_S = 0.02
"""Minimum time between two writes to a client."""

WRITES_PER_SECOND = 1000
"""Maximum for all clients together, so that many clients do not take the loop's time. With fifty clients, each gets its
messages 20 times a second."""

HEARTBEAT_S = 15.0
"""Time without a message after which a comment is sent, to keep proxies' connections and find dead clients."""

POLL_S = 1.0
"""Maximum time until a disconnected client is noticed."""

RETRY = b"retry: 2000\n\n"

KINDS: dict[type[Message], str] = {
    Frame: "results",
    Event: "events",
    Status: "status",
    Stats: "stats",
    Alert: "alerts",
    ClipReady: "clips",
}
"""Kinds of messages, as in their topics."""

DEFAULT_KINDS = ("results", "events", "status", "alerts")

QUERY = (
    Parameter(
        "camera",
        "Stream only this camera; can be repeated. Default: all cameras.",
        {"type": "array", "items": CAMERA_ID_SCHEMA},
    ),
    Parameter(
        "kind",
        f"Kind of messages; can be repeated. Default: {', '.join(DEFAULT_KINDS)}.",
        {"type": "array", "items": {"type": "string", "enum": list(KINDS.values())}},
    ),
)

LastMessage = Callable[[Literal["results", "status"], str], bytes | None]
"""Takes a kind and a camera, and returns the last message of that topic as JSON, or None."""


class _Client:
    """A client: its filter, and the messages that wait for it."""

    def __init__(self, kinds: frozenset[str], cameras: frozenset[str], caller: Caller) -> None:
        self.caller = caller
        self.kinds = kinds
        self.cameras = cameras
        self.changed = asyncio.Event()
        self.missed = 0
        self._waiting: deque[bytes] = deque()
        self._bytes = 0

    def wants(self, kind: str, camera: str) -> bool:
        if kind not in self.kinds or kind == "stats":
            return kind in self.kinds
        return self.caller.sees(camera) and (not self.cameras or camera in self.cameras)

    def put(self, chunk: bytes) -> int:
        """Queue a chunk, and return how many older ones were dropped."""
        dropped = 0
        self._waiting.append(chunk)
        self._bytes += len(chunk)
        while len(self._waiting) > QUEUED or (self._bytes > QUEUED_BYTES and len(self._waiting) > 1):
            self._bytes -= len(self._waiting.popleft())
            dropped += 1
        self.missed += dropped
        self.changed.set()
        return dropped

    def take(self) -> bytes:
        """Return everything that waits, preceded by the number of missed messages."""
        self.changed.clear()
        chunks = [_event("missed", b'{"messages":%d}' % self.missed)] if self.missed else []
        chunks += self._waiting
        self.missed = self._bytes = 0
        self._waiting.clear()
        return b"".join(chunks)


class EventStreams:
    """The event streams of one engine. `on_message` is the publisher's method. Used in the event loop."""

    def __init__(self, on_message: Callable[[MessageListener], Callable[[], None]], last: LastMessage) -> None:
        self.skipped = 0
        """Messages that slow clients missed so far."""
        self._on_message = on_message
        self._last = last
        self._clients: set[_Client] = set()
        self._unsent: deque[Message] = deque(maxlen=UNSENT)
        self._woken = False
        self._closed = False
        self._unsubscribe: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def close(self) -> None:
        """End all streams, and reject new ones."""
        self._closed = True
        for client in self._clients:
            client.changed.set()

    async def follow(self, request: web.Request, cameras: list[str], caller: Caller) -> web.StreamResponse:
        """Stream messages until the client disconnects, beginning with the last messages of `cameras`.

        Messages of cameras that the caller does not see are left out.
        """
        query = read_query(request, QUERY)
        client = _Client(frozenset(query["kind"] or DEFAULT_KINDS), frozenset(query["camera"]), caller)
        if self._closed:
            raise Problem(503, "not-now", "the engine is stopping")
        return await send(request, "text/event-stream", self._chunks(client, cameras))

    async def _chunks(self, client: _Client, cameras: list[str]) -> AsyncGenerator[bytes]:
        loop = asyncio.get_running_loop()
        self._enter(client)
        try:
            yield RETRY + self._last_messages(client, cameras)
            written = loop.time()
            while not self._closed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await client.changed.wait()
                chunk = client.take()
                if not chunk and loop.time() - written >= HEARTBEAT_S:
                    chunk = b": heartbeat\n\n"
                yield chunk
                if chunk:
                    written = loop.time()
                    await asyncio.sleep(max(WRITE_INTERVAL_S, len(self._clients) / WRITES_PER_SECOND))
        finally:
            self._remove_client(client)

    def _last_messages(self, client: _Client, cameras: list[str]) -> bytes:
        """Return each camera's last status and result, so that a client does not have to wait for the next."""
        chunks: list[bytes] = []
        for camera in cameras:
            for kind in ("status", "results"):
                body = self._last(kind, camera) if client.wants(kind, camera) else None
                if body is not None:
                    chunks.append(_event(kind, body))
        return b"".join(chunks)

    # -- messages -----------------------------------------------------------------------------------------------
    def _enter(self, client: _Client) -> None:
        self._clients.add(client)
        if self._unsubscribe is None:
            self._loop = asyncio.get_running_loop()
            self._unsubscribe = self._on_message(self._queue)

    def _remove_client(self, client: _Client) -> None:
        self._clients.discard(client)
        if not self._clients and self._unsubscribe is not None:
            self._unsubscribe()  # so that messages cost nothing without clients
            self._unsubscribe = None

    def _queue(self, topic: str, message: Message) -> None:
        """Queue a message. Called in the publishing thread."""
        self._unsent.append(message)
        if self._woken or self._loop is None:
            return
        self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._distribute)
        except RuntimeError:
            return  # the loop is closed

    def _distribute(self) -> None:
        self._woken = False  # first, because messages queued from now on must wake the loop again
        for _ in range(len(self._unsent)):
            message = self._unsent.popleft()
            kind, camera = KINDS[type(message)], "" if isinstance(message, Stats) else message.camera
            interested = [client for client in self._clients if client.wants(kind, camera)]
            chunks: dict[
                frozenset[str] | None, bytes
            ] = {}  # by the cameras that clients see, if that makes a difference
            for client in interested:
                cameras = client.caller.cameras if isinstance(message, Stats) else None
                if cameras not in chunks:
                    seen = seen_stats(message, cameras) if isinstance(message, Stats) else message
                    chunks[cameras] = _event(kind, msgspec.json.encode(seen))
                self.skipped += client.put(chunks[cameras])


def seen_stats(stats: Stats, cameras: frozenset[str] | None) -> Stats:
    """Return what a caller who sees these cameras may know of the statistics; None: the caller sees all.

    Fields are taken over one by one, so that one that is added does not tell of other cameras. `open_alerts` does.
    """
    if cameras is None:
        return stats
    own = [camera for camera in stats.cameras if camera.camera in cameras]
    return Stats(
        run=stats.run,
        seq=stats.seq,
        at_us=stats.at_us,
        uptime_s=stats.uptime_s,
        ready=stats.ready,
        ready_reason=stats.ready_reason,
        model=stats.model,
        cameras=own,
        state_slots_used=sum(camera.tracks for camera in own),  # of all cameras, it would tell of people at others
        state_slots=stats.state_slots,
        subscriptions=stats.subscriptions,
        load=stats.load,
    )


def _event(name: str, body: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), body)
