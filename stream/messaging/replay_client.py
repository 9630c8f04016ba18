"""The client of an engine's replay server: requests missed messages.

Its DEALER socket is opened at the first request and replaced after a failed one, so that a late answer is not taken for
the answer to another request.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec
import zmq
import zmq.asyncio

from stream.messaging.curve.keys import ClientKeys
from stream.messaging.replay import UNREADABLE, ReplayEnd, ReplayRequest

WINDOW = 1000
"""Messages queued here; when the queue is full, the server waits."""
MOST_MESSAGE_BYTES = 16 << 20
"""Largest message that is accepted. Engines send much smaller ones."""


class ReplayUnavailableError(Exception):
    """The replay server did not answer, or its answer is invalid."""


@dataclass(frozen=True, slots=True)
class ReplayPage:
    """One answer: the bodies in order, and its end."""

    bodies: list[bytes]
    end: ReplayEnd


class ReplayClient:
    """Sends one request at a time to `endpoint`; gives up after `timeout_s` without data."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, timeout_s: float, keys: ClientKeys | None
    ) -> None:
        self._context = zmq.asyncio.Context(context)
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._keys = keys
        self._socket: zmq.asyncio.Socket | None = None
        self._requests = 0

    async def fetch(self, topic: str, run: str, epoch: int, from_seq: int, limit: int) -> ReplayPage:
        """Return up to `limit` messages of (run, topic, epoch), from `from_seq` or the oldest held after it.

        Raises `ReplayUnavailableError` if the server sends nothing for `timeout_s`, or its answer is invalid.
        """
        self._requests += 1
        request = ReplayRequest(str(self._requests), topic, run, epoch, from_seq, limit)
        complete = False
        try:
            socket = self._socket or self._open()
            async with asyncio.timeout(self._timeout_s) as silence:
                await socket.send(msgspec.json.encode(request))
                page = await self._receive(socket, str(request.id).encode(), request.limit, silence)
            complete = True
            return page
        except TimeoutError:
            raise ReplayUnavailableError(f"{self._endpoint} sent nothing for {self._timeout_s:g} s") from None
        except (zmq.ZMQError, ValueError, IndexError, *UNREADABLE) as error:
            raise ReplayUnavailableError(f"{self._endpoint} did not answer a replay request: {error}") from None
        finally:
            if not complete:
                self.close()

    def close(self) -> None:
        """Close the socket; the next `fetch` opens another."""
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None

    def _open(self) -> zmq.asyncio.Socket:
        socket = self._socket = self._context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVHWM, WINDOW)
        socket.setsockopt(zmq.MAXMSGSIZE, MOST_MESSAGE_BYTES)
        if self._keys is not None:
            self._keys.protect(socket)
        if "[" in self._endpoint:
            socket.setsockopt(zmq.IPV6, 1)
        socket.connect(self._endpoint)
        return socket

    async def _receive(
        self, socket: zmq.asyncio.Socket, name: bytes, limit: int, silence: asyncio.Timeout
    ) -> ReplayPage:
        bodies: list[bytes] = []
        clock = asyncio.get_running_loop().time
        while True:
            answer, kind, *rest = await socket.recv_multipart()
            silence.reschedule(clock() + self._timeout_s)
            if answer != name:
                continue
            if kind == b"end":
                return ReplayPage(bodies, msgspec.json.decode(rest[0], type=ReplayEnd))
            if len(bodies) == limit:
                raise ValueError(f"it sends more than the {limit} messages requested")
            bodies.append(rest[1])
