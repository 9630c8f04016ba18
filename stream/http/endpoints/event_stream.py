"""Published messages as server-sent events, for browsers and whoever has no ZeroMQ.

The publishing thread only notes a message and rings, once for however many: all else happens in the event loop. A
message is encoded once for all clients. Each client has a bounded queue that forgets its oldest messages; what it
missed it is told. One that takes nothing for long is cut. Nobody who reads here can hold up the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Literal

import msgspec
from aiohttp import web

from stream.http.server.connections import STREAM_LIFE_S
from stream.http.server.problems import Problem
from stream.http.server.slow_clients import bound_buffers, cut, has_gone, write
from stream.messaging.publisher import Tap
from stream.results import Event, Frame, Message, Stats, Status
from stream.settings.section import CAMERA_ID

FRESH = 1024
"""Messages between the publishing thread and the loop; a loop that hangs longer loses the oldest."""

BEHIND = 256
"""Messages that a client may be behind: 10 s of one camera."""

BEHIND_BYTES = 1 << 20

EVERY_S = 0.02
"""A client is written to at most this often …"""

WRITES_PER_SECOND = 1000
"""… and all of them together this often, so that the loop's time with many is as with a few. With fifty clients each
has its messages 20 times a second."""

HEARTBEAT_S = 15.0
"""A comment after this long without a message, so that proxies keep the connection and the dead are found."""

LOOK_S = 1.0
"""How soon it is seen that a client has gone, or that the server stops."""

RETRY = b"retry: 2000\n\n"

KINDS: dict[type[Message], str] = {Frame: "results", Event: "events", Status: "status", Stats: "stats"}
"""Kinds of messages, as their topics name them."""

USUAL_KINDS = ("results", "events", "status")


LastMessage = Callable[[Literal["results", "status"], str], bytes | None]
"""Takes a kind and a camera; gives the last message of that topic, JSON, or None."""


class _Client:
    """One who reads: what he wants, and what waits for him."""

    def __init__(self, kinds: frozenset[str], cameras: frozenset[str]) -> None:
        self.kinds = kinds
        self.cameras = cameras
        self.news = asyncio.Event()
        self.missed = 0
        self._waiting: deque[bytes] = deque()
        self._bytes = 0

    def wants(self, kind: str, camera: str) -> bool:
        return kind in self.kinds and (not self.cameras or kind == "stats" or camera in self.cameras)

    def put(self, chunk: bytes) -> int:
        """Queue it; how many older ones had to go."""
        gone = 0
        self._waiting.append(chunk)
        self._bytes += len(chunk)
        while len(self._waiting) > BEHIND or (self._bytes > BEHIND_BYTES and len(self._waiting) > 1):
            self._bytes -= len(self._waiting.popleft())
            gone += 1
        self.missed += gone
        self.news.set()
        return gone

    def miss(self, count: int) -> None:
        """So many are lost before they could be queued."""
        self.missed += count
        self.news.set()

    def take(self) -> bytes:
        """All that waits, with what was missed before it."""
        self.news.clear()
        chunks = [_event("missed", b'{"messages":%d}' % self.missed)] if self.missed else []
        chunks += self._waiting
        self.missed = self._bytes = 0
        self._waiting.clear()
        return b"".join(chunks)


class EventStreams:
    """Every client of one engine. `on_message` is the publisher's; `last(kind, camera)` the last message's JSON.

    Lives in the event loop; `close` ends every stream.
    """

    def __init__(self, on_message: Callable[[Tap], Callable[[], None]], last: LastMessage) -> None:
        self.skipped = 0
        """Messages that clients were too slow for, since it began."""
        self._on_message = on_message
        self._last = last
        self._clients: set[_Client] = set()
        self._fresh: deque[Message] = deque()
        self._lost: Counter[tuple[str, str]] = Counter()
        """Messages that the loop was too slow for, by kind and camera, to be told to those who wanted them."""
        self._lock = threading.Lock()  # guards the two above; held for no longer than they are looked at
        self._rung = False
        self._closed = False
        self._end_tap: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def close(self) -> None:
        """End every stream, and begin none any more."""
        self._closed = True
        for client in self._clients:
            client.news.set()

    async def follow(self, request: web.Request, cameras: list[str]) -> web.StreamResponse:
        """Answer with messages until the client goes. `cameras`: those that there are, for their last messages."""
        client = _wanted(request)
        if self._closed:
            raise Problem(503, "not-now", "the engine is stopping")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        await response.prepare(request)
        bound_buffers(request)
        self._enter(client)
        try:
            await write(response, RETRY + self._last_messages(client, cameras))
            await self._feed(request, response, client)
        except (TimeoutError, ConnectionError):
            cut(request)
        finally:
            self._leave(client)
        return response

    async def _feed(self, request: web.Request, response: web.StreamResponse, client: _Client) -> None:
        loop = asyncio.get_running_loop()
        began = wrote = loop.time()
        while not self._closed and loop.time() - began < STREAM_LIFE_S:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await client.news.wait()
            if has_gone(request):
                return
            chunk = client.take()
            if not chunk and loop.time() - wrote >= HEARTBEAT_S:
                chunk = b": still here\n\n"
            if chunk:
                await write(response, chunk)
                wrote = loop.time()
                await asyncio.sleep(max(EVERY_S, len(self._clients) / WRITES_PER_SECOND))

    def _last_messages(self, client: _Client, cameras: list[str]) -> bytes:
        """What a client who comes late would otherwise wait for: each camera's state and last result."""
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
        if self._end_tap is None:
            self._loop = asyncio.get_running_loop()
            self._end_tap = self._on_message(self._note)

    def _leave(self, client: _Client) -> None:
        self._clients.discard(client)
        if not self._clients and self._end_tap is not None:
            self._end_tap()  # with nobody here, a frame costs nothing
            self._end_tap = None

    def _note(self, topic: str, message: Message) -> None:
        """In the publishing thread."""
        with self._lock:
            if len(self._fresh) >= FRESH:
                self.skipped += 1
                self._lost[_about(self._fresh.popleft())] += 1
            self._fresh.append(message)
        if self._rung or self._loop is None:
            return
        self._rung = True
        try:
            self._loop.call_soon_threadsafe(self._hand_out_soon)
        except RuntimeError:
            return  # the loop is closed: nobody reads any more

    def _hand_out_soon(self) -> None:
        """With many clients a little later: they are written to that seldom anyway, and several messages go in one."""
        asyncio.get_running_loop().call_later(len(self._clients) / WRITES_PER_SECOND / 4, self._hand_out)

    def _hand_out(self) -> None:
        self._rung = False  # first: what comes from here on rings anew
        with self._lock:
            fresh, self._fresh = self._fresh, deque()
            lost, self._lost = self._lost, Counter()
        for about, count in lost.items():
            for client in self._wanting(*about):
                client.miss(count)
        for message in fresh:
            kind, camera = _about(message)
            wanting = self._wanting(kind, camera)
            if wanting:
                chunk = _event(kind, msgspec.json.encode(message))
                for client in wanting:
                    self.skipped += client.put(chunk)

    def _wanting(self, kind: str, camera: str) -> list[_Client]:
        return [client for client in self._clients if client.wants(kind, camera)]


def _about(message: Message) -> tuple[str, str]:
    """Its kind and its camera; stats have none."""
    return KINDS[type(message)], "" if isinstance(message, Stats) else message.camera


def _event(name: str, body: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), body)


def _wanted(request: web.Request) -> _Client:
    """Raises `Problem` where the query asks for what can't be."""
    faults: list[tuple[str, str]] = []
    if not set(request.query) <= {"camera", "kind"}:
        faults.append(("query", "only `camera` and `kind` are known here"))
    kinds = request.query.getall("kind", list(USUAL_KINDS))
    cameras = request.query.getall("camera", [])
    if not set(kinds) <= set(KINDS.values()):
        faults.append(("kind", f"must be one of {', '.join(KINDS.values())}"))
    if not all(CAMERA_ID.fullmatch(camera) for camera in cameras):
        faults.append(("camera", "must be a camera's id: [a-z0-9][a-z0-9_-]{0,62}"))
    if faults:
        raise Problem(422, "invalid", "the query asks for what can't be", errors=faults)
    return _Client(frozenset(kinds), frozenset(cameras))
