"""Results out over ZeroMQ: numbers each message, encodes it once, sends it, and keeps it for those who come late.

Owns the XPUB socket, the history with its replay server (`stream.messaging.replay`) and the last value of every topic.
It runs in one event loop, from `start()` to `stop()`, which handles subscriptions; any thread may call `publish()`.
A lock makes the socket one thread's at a time, as ZeroMQ asks, and topics' numbers the order in which they are sent.
Nothing that a subscriber does, or fails to do, reaches the caller: XPUB drops what a slow one can't take, and
subscriptions are read in small bites.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import zmq

from stream.messaging.curve.gate import CurveGate, open_gate
from stream.messaging.endpoints import bind, check_reach
from stream.messaging.history import History
from stream.messaging.last_value import LastValues
from stream.messaging.replay import ReplayServer, open_router
from stream.results import STATS_TOPIC, Event, Frame, Message, Stats, Status, topic
from stream.settings.engine import PublishConfig
from telemetry.observer import Observer

logger = logging.getLogger(__name__)

stamp = msgspec.structs.force_setattr
"""Messages don't change, but for what the publisher fills in before anybody has seen them."""

# Plain numbers: combining pyzmq's flags anew for each message costs as much as sending it.
_WITH_MORE = int(zmq.SNDMORE | zmq.NOBLOCK)
_AT_ONCE = int(zmq.NOBLOCK)

AnyMessage = TypeVar("AnyMessage", Frame, Event, Status, Stats)
Tap = Callable[[str, Message], None]

LINGER_MS = 400
"""How long `stop()` lets the sockets deliver what they hold; a subscriber that hangs can't hold the engine longer."""
TERMINATE_WITHIN_S = 1.2
"""What is delivered takes `LINGER_MS`. Whoever checks clients' keys may hang longer, on a disk that doesn't answer."""
SUBSCRIPTION_BYTES = 1024
"""A peer that sends a larger frame than this is no subscriber: ZeroMQ disconnects it."""
BITE = 64
"""Subscriptions read, or last values sent again, in one go …"""
LOOK_NS = 50_000_000
"""ZeroMQ's file descriptor is edge-triggered, and every message sent may use up the edge: so after sending one it is
asked whether somebody subscribed. After frames only this often, for to ask costs as much as to send."""
PAUSE_S = 0.005
"""… and the rest between two goes: a flood of subscriptions costs the loop a few per cent, not its time."""


@dataclass(slots=True)
class _Route:
    """Where the messages of one kind and camera go, and how many went there."""

    topic: str
    topic_bytes: bytes
    camera: str
    published: int = 0


class Publisher:
    """Publishes messages of one engine run on XPUB, with last values for late joiners and replay for those with gaps.

    `run` is the engine run's identity, put into every message. `endpoint` and `replay_endpoint` are the addresses that
    were bound, known after `start()`: a configured port 0 has become a real one.
    """

    def __init__(self, config: PublishConfig, run: str, observer: Observer) -> None:
        self.run = run
        self.endpoint = config.endpoint
        self.replay_endpoint = config.replay
        self._config = config
        self._observer = observer
        self._history = History(config.history_messages, config.history_bytes)
        self._last = LastValues()
        self._encode = (msgspec.json.Encoder() if config.encoding == "json" else msgspec.msgpack.Encoder()).encode
        self._routes: dict[tuple[type[Message], str], _Route] = {}
        self._taps: list[Tap] = []
        self._subscriptions = 0
        self._high_water_mark = 0
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._gate: CurveGate | None = None
        self._replay: ReplayServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._pausing = False
        self._looked_ns = 0
        # Held for one message, or one bite of subscriptions, never while something is waited for. Guards the socket,
        # the history's appending side, the last values and the routes.
        self._lock = threading.RLock()

    async def start(self) -> None:
        """Bind both sockets and begin to watch for subscribers.

        Raises `ConfigError`, naming the field, where an endpoint can't or may not be bound, or a key can't be used.
        """
        context = zmq.Context[zmq.Socket[bytes]]()
        try:
            gate = open_gate(context, self._config)
            xpub = context.socket(zmq.XPUB)
            xpub.setsockopt(zmq.XPUB_VERBOSER, 1)  # every subscription and every end of one, also repeated ones
            xpub.setsockopt(zmq.MAXMSGSIZE, SUBSCRIPTION_BYTES)
            self._high_water_mark = self._config.high_water_mark
            xpub.setsockopt(zmq.SNDHWM, self._high_water_mark)
            router = open_router(context)
            if gate is not None:
                gate.protect(xpub)
                gate.protect(router)
            self.endpoint = bind(xpub, self._config.endpoint, "publish.endpoint")
            self.replay_endpoint = bind(router, self._config.replay, "publish.replay")
            if gate is None:
                for address, field in ((self.endpoint, "publish.endpoint"), (self.replay_endpoint, "publish.replay")):
                    check_reach(address, field, allow_plaintext=self._config.allow_plaintext)
        except BaseException:
            context.destroy(linger=0)
            raise
        self._context, self._socket, self._gate = context, xpub, gate
        if gate is not None:
            gate.start()
        self._replay = ReplayServer(router, self._history, self.run, self._observer)
        self._replay.start()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(xpub.fileno(), self._attend)

    async def stop(self) -> None:
        """Deliver what is queued, for at most `LINGER_MS`, and close. Returns within a second; may be called again."""
        if self._context is None or self._socket is None or self._loop is None or self._replay is None:
            return
        context, self._context = self._context, None
        self._loop.remove_reader(self._socket.fileno())
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        with self._lock:
            self._socket.close(linger=LINGER_MS)
            self._socket = None
        await asyncio.to_thread(self._replay.stop)
        if not await asyncio.to_thread(_terminated, context):
            logger.warning(
                "stopped without waiting longer for ZeroMQ; is the folder of publish.curve_allowed_keys slow?"
            )

    def publish(self, message: AnyMessage) -> AnyMessage:
        """Number, encode and send one message, which is the publisher's from now on; returns it as it was sent.

        `run`, `seq` and, for frames, `published_us` are filled in, whatever they were. From any thread; never blocks,
        whatever subscribers do. Raises RuntimeError before `start()` and after `stop()`.
        """
        with self._lock:
            socket = self._socket
            if socket is None:
                raise RuntimeError("the publisher isn't started, or has stopped")
            camera = "" if isinstance(message, Stats) else message.camera
            route = self._routes.get((type(message), camera)) or self._add_route(message, camera)
            stamp(message, "run", self.run)
            stamp(message, "seq", self._history.next_seq(route.topic, message.epoch))
            if isinstance(message, Frame):
                stamp(message, "published_us", time.time_ns() // 1000)
            body = self._encode(message)
            # Kept before it is sent: who sees a gap after this message can be sure to find it.
            self._history.append(route.topic, message.epoch, body)
            self._last.published(route.topic_bytes, body)
            _send(socket, route.topic_bytes, body)
            route.published += 1
            now_ns = time.monotonic_ns()
            if now_ns - self._looked_ns >= LOOK_NS or not isinstance(message, Frame):
                self._look(socket, now_ns)
            for tap in self._taps:
                self._tell(tap, route.topic, message)
        return message

    def on_message(self, tap: Tap) -> Callable[[], None]:
        """Call `tap(topic, message)` for each message published from now on; returns what ends it.

        It runs inside `publish()`, in the publishing thread, so it must be quick. One that raises is logged and not
        called again.
        """
        with self._lock:
            self._taps = [*self._taps, tap]
        return lambda: self._end_tap(tap)

    @property
    def subscriptions(self) -> int:
        """Subscriptions held by connected subscribers now (one subscriber may hold several)."""
        return self._subscriptions

    @property
    def evicted(self) -> int:
        """Messages that left the history to make room, since it began."""
        return self._history.evicted

    @property
    def refused(self) -> int:
        """Attempts to connect that were refused because the client's key isn't listed."""
        return self._gate.refused if self._gate is not None else 0

    def published(self) -> list[tuple[str, str, int]]:
        """(camera, kind of topic, messages) published so far; the camera is empty for the engine's own `stats`."""
        return [(route.camera, route.topic.partition("/")[0], route.published) for route in list(self._routes.values())]

    def last(self, topic: str) -> bytes | None:
        """The body that was last published on this topic, as it was encoded; None if there is none. From any thread."""
        return self._last.last(topic.encode())

    def forget(self, camera: str) -> None:
        """Drop the camera's last values: it was removed. Its history goes by age, its numbering stays."""
        with self._lock:
            routes = {key: route for key, route in self._routes.items() if key[1] == camera}
            for key in routes:
                del self._routes[key]
            self._last.forget({route.topic_bytes for route in routes.values()})

    def _tell(self, tap: Tap, topic: str, sent: Message) -> None:
        try:
            tap(topic, sent)
        except Exception:
            logger.exception("a listener to published messages failed and is no longer called")
            self._end_tap(tap)

    def _end_tap(self, tap: Tap) -> None:
        with self._lock:
            self._taps = [other for other in self._taps if other is not tap]

    def _add_route(self, message: Message, camera: str) -> _Route:
        match message:
            case Frame():
                name = topic("results", camera)
            case Event():
                name = topic("events", camera)
            case Status():
                name = topic("status", camera)
            case Stats():
                name = STATS_TOPIC
        route = self._routes[type(message), camera] = _Route(name, name.encode(), camera)
        # All last values at once must fit into a late joiner's queue, beside the messages of the moment.
        if self._socket is not None and 2 * len(self._routes) > self._high_water_mark:
            self._high_water_mark = 4 * len(self._routes)
            self._socket.setsockopt(zmq.SNDHWM, self._high_water_mark)
        return route

    # -- subscriptions, in the loop -----------------------------------------------------------------------------
    def _look(self, socket: zmq.Socket[bytes], now_ns: int) -> None:
        """Has the loop attend to subscriptions, if any wait; from any thread, with the lock held."""
        self._looked_ns = now_ns
        if self._loop is None or self._pausing or not _readable(socket):
            return
        try:
            self._loop.call_soon_threadsafe(self._attend)
        except RuntimeError:
            return  # the loop is closed: nobody attends to subscriptions any more

    def _attend(self) -> None:
        """Read subscriptions and send last values that are due: a bite of each, the rest after a pause."""
        loop = self._loop
        with self._lock:
            socket = self._socket
            if socket is None or loop is None or self._pausing:
                return
            if self._wake is not None:
                self._wake.cancel()
                self._wake = None
            now = time.monotonic()
            more = self._read_subscriptions(socket, now)
            due = self._last.take_due(now, BITE)
            for name, body in due:
                _send(socket, name, body)
            # Sending may have let in further subscriptions.
            self._pausing = more or len(due) == BITE or _readable(socket)
            next_due = self._last.next_due()
        if self._pausing:
            loop.remove_reader(socket.fileno())
            self._wake = loop.call_later(PAUSE_S, self._resume)
        elif next_due is not None:
            self._wake = loop.call_later(next_due - now, self._attend)

    def _resume(self) -> None:
        self._pausing = False
        if self._socket is not None and self._loop is not None:
            self._loop.add_reader(self._socket.fileno(), self._attend)
            self._attend()

    def _read_subscriptions(self, socket: zmq.Socket[bytes], now: float) -> bool:
        """Read up to `BITE` of them; true if more wait."""
        left = BITE
        while left and _readable(socket):
            left -= 1
            frame = socket.recv(zmq.NOBLOCK)
            match frame[:1]:
                case b"\x01":
                    self._subscriptions += 1
                    self._last.subscribed(frame[1:], now)
                case b"\x00":
                    self._subscriptions = max(0, self._subscriptions - 1)
                case _:
                    pass  # peers may send anything upstream; it means nothing here
        if left < BITE and self._high_water_mark > self._config.high_water_mark:
            # A new connection has the mark that held when the socket was bound; setting it reaches open connections.
            socket.setsockopt(zmq.SNDHWM, self._high_water_mark)
        return left == 0


def _send(socket: zmq.Socket[bytes], topic: bytes, body: bytes) -> None:
    socket.send(topic, _WITH_MORE)
    socket.send(body, _AT_ONCE)


def _terminated(context: zmq.Context[zmq.Socket[bytes]]) -> bool:
    """End the context, which waits for its sockets; false if that takes longer than `TERMINATE_WITHIN_S`."""
    ending = threading.Thread(target=context.term, name="end of ZeroMQ", daemon=True)
    ending.start()
    ending.join(TERMINATE_WITHIN_S)
    return not ending.is_alive()


def _readable(socket: zmq.Socket[bytes]) -> bool:
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)
