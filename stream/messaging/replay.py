"""The replay server: sends missed messages on request, from a ROUTER socket to DEALER clients, in its own thread.

Large answers are sent in chunks, one client after another, so that neither the engine's event loop nor another client
waits. A client that does not read its answer is dropped. Alerts of earlier runs are read from a store, if there is one;
while it cannot be read, requests for them get no answer, so that clients ask again.
Thread and socket end when the context is terminated.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol

import msgspec
import zmq
from msgspec import Meta

from stream.messaging.history import History
from telemetry.observer import Observer

logger = logging.getLogger(__name__)

Status = Literal["ok", "too_old", "unknown_run", "bad_request"]

ALERTS = "alerts/v1/"
"""The prefix of the topics whose messages of earlier runs may be kept. As a topic, with an earlier run, it asks for all
of them that were kept of this run and later ones, in their order."""

MAX_LIMIT = 10_000
"""Most messages in one answer; a request for more gets this many, and `next_seq` is where to continue."""
REQUEST_BYTES = 4096
"""Largest frame of a request; ZeroMQ disconnects peers that send larger ones."""
CHUNK = 32
"""Messages sent to one client before the next client's turn."""
EPOCHS_TOLD = 100
"""Later epochs of the present run in an answer."""
REQUESTS_PER_CLIENT = 64
"""Open answers of one client; further requests get `bad_request`."""
CLIENTS = 256
"""Clients served at once; requests of further ones get `bad_request`."""
GIVE_UP_S = 5.0
"""Time after which a client that takes nothing loses its answers."""
PACE_MS = 1
"""Pause between two rounds of chunks, which leaves the GIL to the engine's event loop. (Without it, 5000 messages
delayed the loop by up to 27 ms.)"""
QUEUED_PER_CLIENT = 256
"""Messages queued in ZeroMQ for each client."""
LINGER_MS = 200
PAUSE_S = 1.0
"""Pause after a failure, which may last."""

MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that JavaScript represents exactly."""
Natural = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]
Id = Annotated[str, Meta(max_length=128)] | Natural
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Exceptions from decoding invalid bytes; RecursionError for JSON nested too deep."""


class ReplayRequest(msgspec.Struct, frozen=True):
    """A request for up to `limit` messages of (run, topic, epoch) from `from_seq` on. The answer repeats `id`."""

    id: Id
    topic: str
    run: str
    epoch: Natural
    from_seq: Natural
    limit: Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]


class ReplayEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """The end of an answer.

    `next_seq`: the number to request next. `oldest_seq`: the oldest message still held, or if none is, the next one to
    be published. `status`: `too_old` if messages from `from_seq` on are no longer held; the answer then began with
    `oldest_seq`.

    `later_epochs` of the topic and run of which messages are held.
    """

    next_seq: int
    oldest_seq: int
    status: Status
    later_epochs: list[int] = []


class _Id(msgspec.Struct, frozen=True):
    id: Id


class EarlierUnavailableError(Exception):
    """The store of earlier runs cannot be read at the moment. The argument says why."""


class Source(Protocol):
    """The messages of one topic, run and epoch. For one thread. Its methods may raise `EarlierUnavailableError`."""

    def oldest_seq(self) -> int:
        """Return the number of the oldest message held; if none is, of the next one to be published, as far as known.

        An epoch without messages has 0.
        """
        ...

    def read(self, from_seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Return (seq, body) of up to `limit` messages in order, from `from_seq` or the oldest held after it."""
        ...

    def later_epochs(self) -> list[int]:
        """Return later epochs of which messages are held, ascending, perhaps only the first ones."""
        ...


EarlierMessages = Callable[[str, str, int], Source | None]
"""Returns the messages of a topic, an earlier run and an epoch; None if the run is unknown, or the topic is none of
alerts. For the topic `ALERTS`, `seq` numbers what is kept, with omissions. Raises `EarlierUnavailableError`; blocks."""


@dataclass(frozen=True, slots=True)
class _Published:
    """The messages that this run published on one topic in one epoch."""

    history: History
    topic: str
    epoch: int

    def oldest_seq(self) -> int:
        return self.history.span(self.topic, self.epoch).oldest_seq

    def read(self, from_seq: int, limit: int) -> list[tuple[int, bytes]]:
        return self.history.read(self.topic, self.epoch, from_seq, limit)

    def later_epochs(self) -> list[int]:
        return self.history.later_epochs(self.topic, self.epoch, EPOCHS_TOLD)


@dataclass(slots=True)
class ReplayAnswer:
    """The state of an answer that is being sent by `run`. Methods raise `EarlierUnavailableError` if `source` does."""

    request: ReplayRequest
    source: Source
    next_seq: int
    left: int
    status: Status = "ok"
    sent: int = 0

    def chunk(self, size: int) -> list[tuple[int, bytes]]:
        """Return the next (seq, body) to send, empty when complete. Sets `too_old` if messages are missing."""
        oldest = self.source.oldest_seq()
        if self.left and self.next_seq < oldest:
            self.status = "too_old"
            self.next_seq = oldest
        return self.source.read(self.next_seq, min(size, self.left))

    def sent_message(self, seq: int) -> None:
        """Record that the message `seq` was sent."""
        # The oldest ones were dropped between `oldest_seq` and `read`, or some are missing.
        if seq > self.next_seq and self.request.topic != ALERTS:
            self.status = "too_old"
        self.next_seq = seq + 1
        self.left -= 1
        self.sent += 1

    def end(self) -> ReplayEnd:
        """Return the end of the answer."""
        return ReplayEnd(self.next_seq, self.source.oldest_seq(), self.status, self.source.later_epochs())


def read_request(
    frame: bytes, run: str, history: History, earlier: EarlierMessages | None = None
) -> tuple[bytes, ReplayAnswer | ReplayEnd]:
    """Return the request's id, and the answer to start or the end to send at once.

    `earlier` has the messages of other runs than this one, `run`. Raises `EarlierUnavailableError` if they cannot be
    read at the moment.
    """
    try:
        request = msgspec.json.decode(frame, type=ReplayRequest)
    except UNREADABLE:
        return _id_of(frame), ReplayEnd(0, 0, "bad_request")
    name = str(request.id).encode()
    if request.run == run:
        if history.span(request.topic, request.epoch).forgotten:
            return name, ReplayEnd(request.from_seq, 0, "too_old")
        source: Source | None = _Published(history, request.topic, request.epoch)
    else:
        source = earlier(request.topic, request.run, request.epoch) if earlier is not None else None
    if source is None:
        return name, ReplayEnd(0, 0, "unknown_run")
    return name, ReplayAnswer(request, source, request.from_seq, min(request.limit, MAX_LIMIT))


def _warn_unavailable(error: EarlierUnavailableError) -> None:
    logger.warning("replay: alerts of an earlier run cannot be read: %s", error)


def _id_of(frame: bytes) -> bytes:
    """Return the id of an invalid request, for its sender; empty if there is none."""
    try:
        return str(msgspec.json.decode(frame, type=_Id).id).encode()
    except UNREADABLE:
        return b""


@dataclass(slots=True)
class _Client:
    """One peer with open answers. `moved_at` is when it last took a message (monotonic seconds)."""

    moved_at: float
    open: deque[tuple[bytes, ReplayAnswer | ReplayEnd]] = field(
        default_factory=deque[tuple[bytes, "ReplayAnswer | ReplayEnd"]]
    )


def open_router(context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    """Return the socket for a `ReplayServer`, not yet bound: its options apply to later connections."""
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)  # a full or vanished client raises, instead of a silent loss
    router.setsockopt(zmq.MAXMSGSIZE, REQUEST_BYTES)
    router.setsockopt(zmq.SNDHWM, QUEUED_PER_CLIENT)
    router.setsockopt(zmq.LINGER, LINGER_MS)
    return router


class ReplayServer:
    """Answers replay requests from `history` on a bound ROUTER socket, which it closes.

    `earlier` has the messages of earlier runs. It is read in this server's thread, a chunk at a time.
    """

    def __init__(
        self, router: zmq.Socket[bytes], history: History, run: str, observer: Observer, earlier: EarlierMessages | None
    ) -> None:
        self._router = router
        self._history = history
        self._run = run
        self._observer = observer
        self._earlier = earlier
        self._encode = msgspec.json.Encoder().encode
        self._clients: dict[bytes, _Client] = {}
        self._thread = threading.Thread(target=self._serve, name="replay", daemon=True)

    def start(self) -> None:
        """Start to answer."""
        self._thread.start()

    def _serve(self) -> None:
        try:
            while True:
                try:
                    if self._router.poll(PACE_MS if self._clients else None):
                        self._receive(time.monotonic())
                    self._take_turns(time.monotonic())
                except zmq.ContextTerminated:
                    return
                except Exception:
                    logger.exception("replay failed; the open answers are dropped, later requests are served")
                    self._clients.clear()
                    time.sleep(PAUSE_S)
        finally:
            self._router.close()

    def _receive(self, now: float) -> None:
        """Read up to a chunk of waiting requests."""
        for _ in range(CHUNK):
            try:
                identity, *frames = self._router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            client = self._clients.get(identity) or _Client(moved_at=now)
            if len(frames) != 1:
                name, answer = b"", ReplayEnd(0, 0, "bad_request")
            else:
                try:
                    name, answer = read_request(frames[0], self._run, self._history, self._earlier)
                except EarlierUnavailableError as error:
                    _warn_unavailable(error)
                    continue
            if len(self._clients) >= CLIENTS or len(client.open) >= REQUESTS_PER_CLIENT:
                self._refuse(identity, name)
                continue
            self._clients[identity] = client
            client.open.append((name, answer))

    def _refuse(self, identity: bytes, name: bytes) -> None:
        """Send `bad_request` at once, if the client can take it."""
        self._observer.replay_requested("bad_request", 0)
        try:
            self._send(identity, name, b"end", self._encode(ReplayEnd(0, 0, "bad_request")))
        except zmq.ZMQError as error:
            logger.debug("a replay client could not be sent bad_request: %s", error)

    def _take_turns(self, now: float) -> None:
        """Send every client its next chunk; drop those that have gone or take nothing."""
        for identity, client in list(self._clients.items()):
            try:
                self._advance(identity, client)
                client.moved_at = now
            except zmq.Again:
                if now - client.moved_at > GIVE_UP_S:
                    logger.warning("a replay client took nothing for %.0f s; its answers are dropped", GIVE_UP_S)
                    del self._clients[identity]
                    continue
            except zmq.ZMQError as error:
                if error.errno != zmq.EHOSTUNREACH:
                    raise
                del self._clients[identity]  # it has disconnected
                continue
            if not client.open:
                del self._clients[identity]

    def _advance(self, identity: bytes, client: _Client) -> None:
        """Send the next chunk of the client's first answer, or its end. Raises zmq.Again when its queue is full."""
        name, answer = client.open[0]
        end, sent = answer, 0
        if isinstance(answer, ReplayAnswer):
            try:
                if self._send_chunk(identity, name, answer):
                    return
                end, sent = answer.end(), answer.sent
            except EarlierUnavailableError as error:
                _warn_unavailable(error)
                client.open.popleft()  # without its end, what was sent counts as no answer
                return
        self._send(identity, name, b"end", self._encode(end))
        client.open.popleft()
        self._observer.replay_requested(end.status, sent)

    def _send_chunk(self, identity: bytes, name: bytes, answer: ReplayAnswer) -> bool:
        """Send the next chunk. Return whether there is more."""
        topic = answer.request.topic.encode()
        found = answer.chunk(CHUNK + 1)
        for seq, body in found[:CHUNK]:
            self._send(identity, name, b"msg", topic, body)
            answer.sent_message(seq)
        return len(found) > CHUNK

    def _send(self, *frames: bytes) -> None:
        self._router.send_multipart(frames, zmq.NOBLOCK)
