"""Results out over ZeroMQ: numbers each message, encodes it once, sends it, and keeps it for those who come late.

Owns the XPUB socket, the history with its replay server (`stream.replay`) and the last value of every topic. Lives from
`start()` to `stop()` in one event loop; `publish()` is called in that loop's thread. Nothing that a subscriber does, or
fails to do, reaches the caller: XPUB drops what a slow one can't take, and subscriptions are read in small bites.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec
import zmq

from stream.config import ConfigError, PublishConfig
from stream.history import History
from stream.last_value import LastValues
from stream.replay import ReplayServer, open_router
from stream.results import STATS_TOPIC, Event, Frame, Message, Stats, Status, topic
from telemetry.observer import Observer

logger = logging.getLogger(__name__)

AnyMessage = TypeVar("AnyMessage", Frame, Event, Status, Stats)
Tap = Callable[[str, Message], None]

LINGER_MS = 400
"""How long `stop()` lets the sockets deliver what they hold; a subscriber that hangs can't hold the engine longer."""
SUBSCRIPTION_BYTES = 1024
"""A peer that sends a larger frame than this is no subscriber: ZeroMQ disconnects it."""
BITE = 64
"""Subscriptions read, or last values sent again, in one go …"""
PAUSE_S = 0.005
"""… and the rest between two goes: a flood of subscriptions costs the loop a few per cent, not its time."""


class EndpointError(ConfigError):
    """An endpoint of the configuration can't be bound; the message names the field and says what to do."""


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
        self._routes: dict[tuple[type[Message], str], tuple[str, bytes]] = {}
        self._taps: list[Tap] = []
        self._subscriptions = 0
        self._high_water_mark = 0
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._replay: ReplayServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._pausing = False

    async def start(self) -> None:
        """Bind both sockets and begin to watch for subscribers.

        Raises `EndpointError`, naming the field, where an endpoint is in use or can't be bound.
        """
        context = zmq.Context[zmq.Socket[bytes]]()
        try:
            xpub = context.socket(zmq.XPUB)
            xpub.setsockopt(zmq.XPUB_VERBOSER, 1)  # every subscription and every end of one, also repeated ones
            xpub.setsockopt(zmq.MAXMSGSIZE, SUBSCRIPTION_BYTES)
            self._high_water_mark = self._config.high_water_mark
            xpub.setsockopt(zmq.SNDHWM, self._high_water_mark)
            self.endpoint = bind(xpub, self._config.endpoint, "publish.endpoint")
            router = open_router(context)
            self.replay_endpoint = bind(router, self._config.replay, "publish.replay")
        except BaseException:
            context.destroy(linger=0)
            raise
        self._context, self._socket = context, xpub
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
        self._socket.close(linger=LINGER_MS)
        self._socket = None
        await asyncio.to_thread(self._replay.stop)
        await asyncio.to_thread(context.term)

    def publish(self, message: AnyMessage) -> AnyMessage:
        """Number, encode and send one message; returns it as it was sent.

        `run`, `seq` and, for frames, `published_us` are filled in here, whatever they were. Only the thread of the loop
        in which `start()` ran may call. Never blocks, whatever subscribers do.
        """
        socket = self._socket
        if socket is None:
            raise RuntimeError("the publisher isn't started, or has stopped")
        camera = "" if isinstance(message, Stats) else message.camera
        route = self._routes.get((type(message), camera))
        name, name_bytes = route if route is not None else self._add_route(message, camera)
        seq = self._history.next_seq(name, message.epoch)
        if isinstance(message, Frame):
            sent = msgspec.structs.replace(message, run=self.run, seq=seq, published_us=time.time_ns() // 1000)
        else:
            sent = msgspec.structs.replace(message, run=self.run, seq=seq)
        body = self._encode(sent)
        # Kept before it is sent: who sees a gap after this message can be sure to find it.
        evicted = self._history.append(name, message.epoch, body)
        self._last.published(name_bytes, body)
        socket.send(name_bytes, zmq.SNDMORE | zmq.NOBLOCK)
        socket.send(body, zmq.NOBLOCK)
        self._observer.message_published(camera, name.partition("/")[0])
        if evicted:
            self._observer.history_evicted(evicted)
        for tap in self._taps:
            try:
                tap(name, sent)
            except Exception:
                logger.exception("a listener to published messages failed and is no longer called")
                self._taps = [other for other in self._taps if other is not tap]
        # ZeroMQ's file descriptor is edge-triggered, and sending may have used up the edge.
        if not self._pausing and _readable(socket):
            self._attend()
        return sent

    def on_message(self, tap: Tap) -> Callable[[], None]:
        """Call `tap(topic, message)` for each message published from now on; returns what ends it.

        It runs inside `publish()`, so it must be quick. One that raises is logged and not called again.
        """
        self._taps = [*self._taps, tap]

        def end() -> None:
            self._taps = [other for other in self._taps if other is not tap]

        return end

    @property
    def subscriptions(self) -> int:
        """Subscriptions held by connected subscribers now (one subscriber may hold several)."""
        return self._subscriptions

    def forget(self, camera: str) -> None:
        """Drop the camera's last values: it was removed. Its history goes by age, its numbering stays."""
        routes = {key: route for key, route in self._routes.items() if key[1] == camera}
        for key in routes:
            del self._routes[key]
        self._last.forget({name_bytes for _, name_bytes in routes.values()})

    def _add_route(self, message: Message, camera: str) -> tuple[str, bytes]:
        match message:
            case Frame():
                name = topic("results", camera)
            case Event():
                name = topic("events", camera)
            case Status():
                name = topic("status", camera)
            case Stats():
                name = STATS_TOPIC
        route = self._routes[type(message), camera] = (name, name.encode())
        # All last values at once must fit into a late joiner's queue, beside the messages of the moment.
        if self._socket is not None and 2 * len(self._routes) > self._high_water_mark:
            self._high_water_mark = 4 * len(self._routes)
            self._socket.setsockopt(zmq.SNDHWM, self._high_water_mark)
        return route

    def _attend(self) -> None:
        """Read subscriptions and send last values that are due: a bite of each, the rest after a pause."""
        socket, loop = self._socket, self._loop
        if socket is None or loop is None or self._pausing:
            return
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        now = time.monotonic()
        more = self._read_subscriptions(socket, now)
        due = self._last.take_due(now, BITE)
        for name, body in due:
            socket.send(name, zmq.SNDMORE | zmq.NOBLOCK)
            socket.send(body, zmq.NOBLOCK)
        if more or len(due) == BITE or _readable(socket):  # sending may have let in further subscriptions
            self._pausing = True
            loop.remove_reader(socket.fileno())
            self._wake = loop.call_later(PAUSE_S, self._resume)
        elif (next_due := self._last.next_due()) is not None:
            self._wake = loop.call_later(next_due - now, self._attend)

    def _resume(self) -> None:
        self._pausing = False
        if self._socket is not None and self._loop is not None:
            self._loop.add_reader(self._socket.fileno(), self._attend)
            self._attend()

    def _read_subscriptions(self, socket: zmq.Socket[bytes], now: float) -> bool:
        """Read up to `BITE` of them; true if more wait."""
        before = self._subscriptions
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
        if self._subscriptions != before:
            self._observer.subscriptions(self._subscriptions)
        return left == 0


def _readable(socket: zmq.Socket[bytes]) -> bool:
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)


def bind(socket: zmq.Socket[bytes], endpoint: str, field: str) -> str:
    """Bind and return the real address (port 0 has become one). Raises `EndpointError` naming `field`."""
    if "[" in endpoint:
        socket.setsockopt(zmq.IPV6, 1)
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            raise EndpointError(
                f"{field}: {endpoint} is in use by another program (another engine?): "
                "choose another port, or 0 to have a free one picked"
            ) from None
        raise EndpointError(
            f"{field}: can't listen on {endpoint!r} ({error.strerror}): "
            "use tcp://ADDRESS:PORT with an address of this machine, for example tcp://127.0.0.1:5555"
        ) from None
    return str(socket.getsockopt_string(zmq.LAST_ENDPOINT))
