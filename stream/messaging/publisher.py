"""The publisher: numbers each message, encodes it once, sends it over ZeroMQ, and keeps it for replay.

It has the socket with the last value of each topic (`stream.messaging.topic_socket`), and the history with its
replay server (`stream.messaging.replay`). From `start()` to `stop()` one event loop handles subscriptions; any thread
may call `publish()`. The socket's lock also keeps each topic's numbers in the order of sending.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar
from weakref import WeakSet

import msgspec
import zmq

from stream.messaging.curve.authenticator import CurveAuthenticator, make_authenticator
from stream.messaging.endpoints import bind, check_reach
from stream.messaging.feed import Feed
from stream.messaging.history import History
from stream.messaging.replay import EarlierMessages, ReplayServer, open_router
from stream.messaging.topic_socket import TopicSocket, open_xpub
from stream.results import Alert, ClipReady, Event, Frame, Message, Place, Stats, Status, decode, topic, topic_of
from stream.settings.engine import PublishConfig
from stream.zeromq_context import terminated
from telemetry.observer import Observer

logger = logging.getLogger(__name__)

stamp = msgspec.structs.force_setattr
"""Sets a field of a frozen message; the publisher fills some in before any reader has the message."""

AnyMessage = TypeVar("AnyMessage", Frame, Event, Status, Stats, Alert, ClipReady, Place)
MessageListener = Callable[[str, Message], None]
"""Receives the topic and the message."""

LINGER_MS = 400
"""Time for the sockets to deliver queued messages in `stop()`; a hanging subscriber cannot delay it further."""


class MessageStore(Protocol):
    """Keeps messages for the next run of the engine."""

    @property
    def earlier(self) -> EarlierMessages:
        """What is kept."""
        ...

    def take(self, topic: str, message: Message) -> None:
        """Take a published message; never blocks."""
        ...


@dataclass(slots=True)
class _Route:
    """The topic of one kind of message of one camera, and the number of messages published on it."""

    topic: str
    topic_bytes: bytes
    camera: str
    published: int = 0


class Publisher:
    """Publishes messages of one engine run on XPUB, with last values for late joiners and replay for those with gaps.

    `run` identifies the engine's run in every message. After `start()`, `endpoint` and `replay_endpoint` are the bound
    addresses, with real ports in place of a configured port 0. `generation`, of an engine of a fleet, returns the
    generation under which a camera's messages are published.
    """

    def __init__(
        self, config: PublishConfig, run: str, observer: Observer, generation: Callable[[str], int | None] | None = None
    ) -> None:
        self.run = run
        self.endpoint = config.endpoint
        self.replay_endpoint = config.replay
        self._config = config
        self._observer = observer
        self._generation = generation
        self._history = History(config.history_messages, config.history_bytes)
        self._topics = TopicSocket(config.high_water_mark)
        self._encode = (msgspec.json.Encoder() if config.encoding == "json" else msgspec.msgpack.Encoder()).encode
        self._routes: dict[tuple[type[Message], str], _Route] = {}
        self._listeners: list[MessageListener] = []
        self._feeds: WeakSet[Feed[Message]] = WeakSet()
        """Those whose readers have not dropped them."""
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._authenticator: CurveAuthenticator | None = None
        self._store: MessageStore | None = None
        self._earlier: EarlierMessages | None = None
        self._lock = self._topics.lock
        """Guards also appending to the history, and the routes."""

    async def start(self) -> None:
        """Bind both sockets and start to serve subscribers.

        Raises `ConfigError`, naming the field, if an endpoint cannot or must not be bound, or a key is unusable.
        """
        context = zmq.Context[zmq.Socket[bytes]]()
        try:
            authenticator = make_authenticator(context, self._config)
            xpub = open_xpub(context, self._config.high_water_mark, encrypted=authenticator is not None)
            router = open_router(context)
            if authenticator is not None:
                authenticator.protect(xpub)
                authenticator.protect(router)
            self.endpoint = bind(xpub, self._config.endpoint, "publish.endpoint")
            self.replay_endpoint = bind(router, self._config.replay, "publish.replay")
            if authenticator is None:
                for address, field in ((self.endpoint, "publish.endpoint"), (self.replay_endpoint, "publish.replay")):
                    check_reach(address, field, allow_plaintext=self._config.allow_plaintext)
        except BaseException:
            context.destroy(linger=0)
            raise
        self._context, self._authenticator = context, authenticator
        if authenticator is not None:
            authenticator.start()
        ReplayServer(router, self._history, self.run, self._observer, self._earlier).start()
        self._topics.serve(xpub)

    async def stop(self) -> None:
        """Deliver queued messages, for at most `LINGER_MS`, and close. May be called again.

        Takes at most a second, and little more if a disk does not answer.
        """
        if self._context is None:
            return
        context, self._context = self._context, None
        self._topics.close(LINGER_MS)
        if not await asyncio.to_thread(terminated, context):
            logger.warning(
                "stopped without waiting longer for ZeroMQ; is incidents.directory or publish.curve_allowed_keys slow?"
            )

    def publish(self, message: AnyMessage) -> AnyMessage:
        """Number, encode and send a message, and return it. The publisher takes it over.

        `run`, `seq`, for frames `published_us` and, in a fleet, `generation` are overwritten. Any thread may call this;
        it never blocks. Raises RuntimeError before `start()` and after `stop()`.
        """
        with self._lock:
            if not self._topics.is_open:
                raise RuntimeError("the publisher has not started, or has stopped")
            camera = "" if isinstance(message, Stats) else message.camera
            if self._generation is not None and camera and not isinstance(message, Place):
                stamp(message, "generation", self._generation(camera))
            route = self._routes.get((type(message), camera)) or self._add_route(message, camera)
            stamp(message, "run", self.run)
            stamp(message, "seq", self._history.next_seq(route.topic, message.epoch))
            if isinstance(message, Frame):
                stamp(message, "published_us", time.time_ns() // 1000)
            body = self._encode(message)
            # Kept before it is sent, so that a subscriber who notices a gap finds the message.
            self._history.append(route.topic, message.epoch, body)
            self._topics.send(route.topic_bytes, body, frequent=isinstance(message, Frame))
            route.published += 1
            for listener in self._listeners:
                self._call(listener, route.topic, message)
            for feed in self._feeds if self._feeds else ():
                feed.put(message)
        return message

    def feed(self, size: int) -> Feed[Message]:
        """Return a new feed of every message published from now on, until `close_feeds`."""
        feed: Feed[Message] = Feed(size)
        with self._lock:
            self._feeds.add(feed)
        return feed

    def close_feeds(self) -> None:
        """End every feed."""
        with self._lock:
            for feed in self._feeds:
                feed.close()

    def on_message(self, listener: MessageListener) -> Callable[[], None]:
        """Call `listener(topic, message)` for each message from now on. Return a function that stops this.

        It is called inside `publish()`, in the publishing thread, so it must be fast. A listener that raises is logged
        and removed.
        """
        with self._lock:
            self._listeners = [*self._listeners, listener]
        return lambda: self._remove_listener(listener)

    def keep_in(self, store: MessageStore) -> None:
        """Give each message to `store`, which is open, and answer requests for those of earlier runs from it.

        To be called before `start()`: requests would be answered as if nothing were kept.
        """
        self.on_message(store.take)
        self._store, self._earlier = store, store.earlier

    @property
    def subscriptions(self) -> int:
        """Subscriptions of all connected subscribers; one subscriber may have several."""
        return self._topics.subscriptions

    @property
    def evicted(self) -> int:
        """Messages dropped from the history to make room."""
        return self._history.evicted

    @property
    def refused(self) -> int:
        """Connections refused because the client's key is not listed."""
        return self._authenticator.refused if self._authenticator is not None else 0

    @property
    def public_key(self) -> str | None:
        """The public key with which clients identify the engine; None without CURVE."""
        return self._authenticator.public_key if self._authenticator is not None else None

    def published(self) -> list[tuple[str, str, int]]:
        """Return (camera, kind of topic, number of messages); the camera is empty for the engine's own `stats`."""
        return [(route.camera, route.topic.partition("/")[0], route.published) for route in list(self._routes.values())]

    def last(self, topic: str) -> bytes | None:
        """Return the last body published on this topic, as encoded; None if there is none. Any thread may call this."""
        return self._topics.last(topic.encode())

    def last_json(self, kind: Literal["results", "status"], camera: str) -> bytes | None:
        """Return the last result or status of a camera as JSON; None if there is none. Any thread may call this."""
        body = self.last(topic(kind, camera))
        if body is None or self._config.encoding == "json":
            return body
        return msgspec.json.encode(decode(body))

    def number_topics(self, most: int) -> None:
        """Keep the numbering of up to this many topics, instead of `TOPICS_NUMBERED`. To be called before `start()`."""
        self._history.topics_numbered = most

    def withdraw(self, message: ClipReady) -> None:
        """Stop sending this message to new subscribers: the clip was deleted. Replay still has it."""
        with self._lock:
            route = self._routes.pop((ClipReady, message.camera), None)
            if route is not None:
                self._topics.forget({route.topic_bytes})

    def forget(self, camera: str) -> None:
        """Drop the last values of a removed camera. Its history ages out; its numbering stays."""
        with self._lock:
            routes = {key: route for key, route in self._routes.items() if key[1] == camera}
            for key in routes:
                del self._routes[key]
            self._topics.forget({route.topic_bytes for route in routes.values()})

    def _call(self, listener: MessageListener, topic: str, sent: Message) -> None:
        try:
            listener(topic, sent)
        except Exception:
            logger.exception("a listener to published messages failed and was removed")
            self._remove_listener(listener)

    def _remove_listener(self, listener: MessageListener) -> None:
        with self._lock:
            self._listeners = [other for other in self._listeners if other is not listener]

    def _add_route(self, message: Message, camera: str) -> _Route:
        name = topic_of(message)
        route = self._routes[type(message), camera] = _Route(name, name.encode(), camera)
        return route
