"""Replay: messages that a subscriber missed, asked for over DEALER and answered by a ROUTER in a thread of its own.

Owns its thread and the ROUTER socket handed to it; both end with `stop()`. A large answer is sent in small chunks, the
clients taking turns, so that neither the engine's loop nor another client waits for it. A client that doesn't read its
answer is given up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
import zmq
from msgspec import Meta

from stream.messaging.history import History
from telemetry.observer import Observer

logger = logging.getLogger(__name__)

Status = Literal["ok", "too_old", "unknown_run", "bad_request"]

MAX_LIMIT = 10_000
"""Messages in one answer; a request for more gets this many, and `next_seq` says where to go on."""
REQUEST_BYTES = 4096
"""A peer that sends a larger frame is disconnected by ZeroMQ."""
CHUNK = 32
"""Messages sent to one client before the next one's turn."""
REQUESTS_A_CLIENT = 64
"""Answers that one client may have open; requests beyond are answered `bad_request`."""
CLIENTS = 256
"""Clients served at once; requests of others are answered `bad_request` meanwhile."""
GIVE_UP_S = 5.0
"""A client that takes nothing for this long loses its answers."""
PACE_MS = 1
"""The pause between two rounds of chunks: Python runs one thread at a time, and the engine's loop has the first claim.
(5000 messages sent without it held the loop up for as long as 27 ms.)"""
QUEUED_A_CLIENT = 256
"""Messages queued in ZeroMQ for one client; memory is this times the size of a message, for each."""
RETRY_MS = 10
"""How often clients with a full queue are tried again."""
LINGER_MS = 200


LARGEST = 2**53 - 1
"""The largest integer that JavaScript has exactly."""
Natural = Annotated[int, Meta(ge=0, le=LARGEST)]
Id = Annotated[str, Meta(max_length=128)] | Natural
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that aren't what they should be; the last for JSON nested too deep."""


class Request(msgspec.Struct, frozen=True):
    """Please send the messages of (run, topic, epoch) from `from_seq` on, at most `limit`. `id` names the answer."""

    id: Id
    topic: str
    run: str
    epoch: Natural
    from_seq: Natural
    limit: Annotated[int, Meta(ge=1, le=LARGEST)]


class End(msgspec.Struct, frozen=True):
    """The end of an answer.

    `next_seq`: the number to ask for next. `oldest_seq`: the oldest message still held (equal to the next one to be
    published if none is). `status`: `too_old` if messages from `from_seq` on are held no longer; the answer then began
    with `oldest_seq`.
    """

    next_seq: int
    oldest_seq: int
    status: Status


class _Id(msgspec.Struct, frozen=True):
    id: Id


@dataclass(slots=True)
class Answer:
    """An answer on its way: pure bookkeeping, without a socket."""

    request: Request
    next_seq: int
    left: int
    status: Status = "ok"
    sent: int = 0

    def chunk(self, history: History, size: int) -> list[tuple[int, bytes]]:
        """The next (seq, body) to send; empty when the answer is complete. Notes whether any had gone already."""
        request = self.request
        oldest = history.span(request.topic, request.epoch).oldest_seq
        if self.left and self.next_seq < oldest:
            self.status = "too_old"
            self.next_seq = oldest
        return history.read(request.topic, request.epoch, self.next_seq, min(size, self.left))

    def took(self, seq: int) -> None:
        """The message `seq` was handed over."""
        if seq > self.next_seq:  # the oldest went between asking for the span and reading
            self.status = "too_old"
        self.next_seq = seq + 1
        self.left -= 1
        self.sent += 1

    def end(self, history: History) -> End:
        """What closes the answer."""
        return End(self.next_seq, history.span(self.request.topic, self.request.epoch).oldest_seq, self.status)


def read_request(frame: bytes, run: str, history: History) -> tuple[bytes, Answer | End]:
    """The request's id and the answer to begin, or the end to send at once where there is nothing to answer."""
    try:
        request = msgspec.json.decode(frame, type=Request)
    except UNREADABLE:
        return _id_of(frame), End(0, 0, "bad_request")
    name = str(request.id).encode()
    if request.run != run:
        return name, End(0, 0, "unknown_run")
    span = history.span(request.topic, request.epoch)
    if span.forgotten:
        return name, End(request.from_seq, 0, "too_old")
    return name, Answer(request, request.from_seq, min(request.limit, MAX_LIMIT))


def _id_of(frame: bytes) -> bytes:
    """The id of a request that is wrong otherwise, so that its sender can tell which; empty if there is none."""
    try:
        return str(msgspec.json.decode(frame, type=_Id).id).encode()
    except UNREADABLE:
        return b""


@dataclass(slots=True)
class _Client:
    """One peer with answers open. `moved_at` is when it last took something (monotonic seconds)."""

    moved_at: float
    open: deque[tuple[bytes, Answer | End]] = field(default_factory=deque[tuple[bytes, "Answer | End"]])
    full: bool = False


def open_router(context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    """The socket for a `ReplayServer`, yet to be bound: what is set here counts only for connections made later."""
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)  # a client that is full or gone is an error, not a silent loss
    router.setsockopt(zmq.MAXMSGSIZE, REQUEST_BYTES)
    router.setsockopt(zmq.SNDHWM, QUEUED_A_CLIENT)
    return router


class ReplayServer:
    """Answers replay requests from `history` on a bound ROUTER socket, which it takes over."""

    def __init__(self, router: zmq.Socket[bytes], history: History, run: str, observer: Observer) -> None:
        self._router = router
        self._history = history
        self._run = run
        self._observer = observer
        self._encode = msgspec.json.Encoder().encode
        self._clients: dict[bytes, _Client] = {}
        self._stop_sender = router.context.socket(zmq.PAIR)
        self._stop_receiver = router.context.socket(zmq.PAIR)
        self._stop_sender.bind("inproc://stop-replay")
        self._stop_receiver.connect("inproc://stop-replay")
        self._thread = threading.Thread(target=self._serve, name="replay", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close its sockets; answers under way are cut off. Returns within `LINGER_MS` or so."""
        self._stop_sender.send(b"", zmq.NOBLOCK)
        self._thread.join()
        self._stop_sender.close(linger=0)

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._stop_receiver, zmq.POLLIN)
        while True:
            if not self._clients:
                wait_ms = None
            else:
                wait_ms = RETRY_MS if all(client.full for client in self._clients.values()) else PACE_MS
            ready = dict(poller.poll(wait_ms))
            if self._stop_receiver in ready:
                break
            try:
                if self._router in ready:
                    self._receive(time.monotonic())
                self._take_turns(time.monotonic())
            except Exception:
                logger.exception("replay failed; the clients being answered are dropped, others go on")
                self._clients.clear()
        self._stop_receiver.close(linger=0)
        self._router.close(linger=LINGER_MS)

    def _receive(self, now: float) -> None:
        """Read the requests that have come, a chunk at most."""
        for _ in range(CHUNK):
            try:
                identity, *frames = self._router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            client = self._clients.get(identity) or _Client(moved_at=now)
            if len(frames) != 1:
                name, answer = b"", End(0, 0, "bad_request")
            else:
                name, answer = read_request(frames[0], self._run, self._history)
            if len(self._clients) >= CLIENTS or len(client.open) >= REQUESTS_A_CLIENT:
                self._refuse(identity, name)
                continue
            self._clients[identity] = client
            client.open.append((name, answer))

    def _refuse(self, identity: bytes, name: bytes) -> None:
        """Say `bad_request` at once, if the client can take it."""
        self._observer.replay_requested("bad_request", 0)
        try:
            self._send(identity, name, b"end", self._encode(End(0, 0, "bad_request")))
        except zmq.ZMQError as error:
            logger.debug("a replay client could not be told that it asks too much: %s", error)

    def _take_turns(self, now: float) -> None:
        """Send every client its next chunk; drop those that are gone or take nothing."""
        for identity, client in list(self._clients.items()):
            try:
                self._advance(identity, client)
                client.full = False
                client.moved_at = now
            except zmq.Again:
                client.full = True
                if now - client.moved_at > GIVE_UP_S:
                    logger.warning("a replay client took nothing for %.0f s: its answers are dropped", GIVE_UP_S)
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
        if isinstance(answer, Answer):
            topic = answer.request.topic.encode()
            for seq, body in answer.chunk(self._history, CHUNK):
                self._send(identity, name, b"msg", topic, body)
                answer.took(seq)
            if answer.chunk(self._history, 1):
                return
            end, sent = answer.end(self._history), answer.sent
        else:
            end, sent = answer, 0
        self._send(identity, name, b"end", self._encode(end))
        client.open.popleft()
        self._observer.replay_requested(end.status, sent)

    def _send(self, *frames: bytes) -> None:
        self._router.send_multipart(frames, zmq.NOBLOCK)
