"""The ROUTER socket on which engines renew their leases.

It runs in the event loop. Engines cannot delay it for long: messages are bounded, also in number, they are read for a
short time, and a grant that an engine does not take is dropped, because the answer to its next renewal says the same.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable

import zmq

from fleet.settings import CoordinatorConfig
from stream.membership.protocol import MOST_BYTES, Grant, RefusedEngine, Renewal, decode_renewal, encode
from stream.messaging.curve.authenticator import CurveAuthenticator, make_authenticator
from stream.messaging.endpoints import EndpointError, bind, check_reach
from stream.settings.config_error import ConfigError
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

CHUNK = 64
"""Messages read at a time."""
CHUNK_S = 0.02
"""Time after which no more are read at a time; one message of the largest size takes longer."""
PAUSE_S = 0.002
"""Pause after a full chunk, so that a flood leaves the event loop to others."""
MOST_PER_S = 64
"""Messages of one engine taken in a second. Engines send up to 20, if something changes all the time."""
MOST_CAMERAS = 4096
"""Cameras in a renewal, or settings."""
QUEUED = 8
"""Grants that wait for one engine."""
LINGER_MS = 200

Received = Callable[[bytes, Renewal], None]
"""Takes the sender's identity and its message."""


class Renewals:
    """The socket. `received` is called for each valid message. `clock`: in seconds."""

    def __init__(
        self, config: CoordinatorConfig, received: Received, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.address = config.bind
        self.counts: Counter[str] = Counter()
        """Messages by what became of them: `taken`, `invalid`, `limited`, `unsent`."""
        self._config = config
        self._received = received
        self._clock = clock
        self._second = 0
        self._in_second: Counter[bytes] = Counter()
        """Messages of each engine in this second."""
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._authenticator: CurveAuthenticator | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due: asyncio.Handle | None = None
        self._logged = RepeatLimiter(limit=3, per_s=60.0)

    @property
    def refused(self) -> int:
        """Connections refused because the key is not listed."""
        return self._authenticator.refused if self._authenticator is not None else 0

    async def start(self) -> None:
        """Bind. Raises `ConfigError` naming the field."""
        context = zmq.Context[zmq.Socket[bytes]]()
        try:
            authenticator = make_authenticator(
                context,
                self._config.publishing.model_copy(update={"curve_allowed_keys": self._config.curve_engine_keys}),
            )
            socket = context.socket(zmq.ROUTER)
            socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # an engine that is gone is an error, not a silent loss
            socket.setsockopt(zmq.ROUTER_HANDOVER, 1)  # an engine that connects again may keep its identity
            socket.setsockopt(zmq.MAXMSGSIZE, MOST_BYTES)
            socket.setsockopt(zmq.SNDHWM, QUEUED)
            if authenticator is not None:
                authenticator.protect(socket)
            self.address = bind(socket, self._config.bind, "coordinator.bind")
            if authenticator is None:
                _check_reach(self.address, allow_plaintext=self._config.allow_plaintext)
        except ConfigError as error:
            context.destroy(linger=0)
            text = str(error).replace("publish.curve_allowed_keys", "coordinator.curve_engine_keys")
            raise ConfigError(text.replace("publish.", "coordinator.")) from None
        except BaseException:
            context.destroy(linger=0)
            raise
        self._context, self._socket, self._authenticator = context, socket, authenticator
        if authenticator is not None:
            authenticator.start()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(socket.fileno(), self.poll)

    async def stop(self) -> None:
        """Close. May be called again."""
        if self._socket is None or self._context is None or self._loop is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        if self._due is not None:
            self._due.cancel()
        self._socket.close(linger=LINGER_MS)
        self._socket = None
        await asyncio.to_thread(self._context.term)

    def send(
        self, identity: bytes, message: Grant | RefusedEngine, if_too_long: Grant | RefusedEngine | None = None
    ) -> bool:
        """Send an engine a message, or drop it if too many wait. Return whether it is connected; never blocks."""
        if self._socket is None:
            return False
        body = encode(message)
        if len(body) > MOST_BYTES:
            self._log("the cameras of an engine take %d bytes, more than a message may have", len(body))
            return if_too_long is not None and self.send(identity, if_too_long)
        try:
            self._socket.send_multipart((identity, body), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            self.counts["unsent"] += 1
            return error.errno != zmq.EHOSTUNREACH
        finally:
            self._poll_soon()  # sending may have consumed the edge of the descriptor
        return True

    def poll(self) -> None:
        """Read what waits, a chunk of it."""
        socket, loop = self._socket, self._loop
        if socket is None or loop is None:
            return
        if self._due is not None:
            self._due.cancel()
            self._due = None
        until_s = self._clock() + CHUNK_S
        for _ in range(CHUNK):
            try:
                identity, *frames = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._take(identity, frames)
            if self._clock() >= until_s:
                break
        if self._due is not None:
            self._due.cancel()
        self._due = loop.call_later(PAUSE_S, self.poll)

    def _take(self, identity: bytes, frames: list[bytes]) -> None:
        if self._is_too_often(identity):
            self.counts["limited"] += 1
            self._log("an engine sends more than %d messages a second; further ones are ignored", MOST_PER_S)
            return
        try:
            if len(frames) != 1:
                raise ValueError(f"{len(frames)} frames instead of one")
            renewal = decode_renewal(frames[0])
            if max(len(renewal.cameras or ()), len(renewal.settings or ())) > MOST_CAMERAS:
                raise ValueError(f"it has more than {MOST_CAMERAS} cameras")
        except ValueError as error:
            self.counts["invalid"] += 1
            self._log("a message to the coordinator is invalid, and ignored: %s", str(error)[:200])
            return
        self.counts["taken"] += 1
        try:
            self._received(identity, renewal)
        except Exception:
            if self._logged.admit("bug", self._clock())[0]:
                logger.exception("a renewal could not be taken")

    def _is_too_often(self, identity: bytes) -> bool:
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._in_second.clear()
        self._in_second[identity] += 1
        return self._in_second[identity] > MOST_PER_S

    def _poll_soon(self) -> None:
        if self._due is None and self._loop is not None and self._socket is not None:
            self._due = self._loop.call_soon(self.poll)

    def _log(self, text: str, *values: object) -> None:
        if self._logged.admit(text, self._clock())[0]:
            logger.warning(text, *values)


def _check_reach(address: str, *, allow_plaintext: bool) -> None:
    try:
        check_reach(address, "coordinator.bind", allow_plaintext=allow_plaintext)
    except EndpointError:
        raise ConfigError(
            f"coordinator.bind: anyone who can reach {address} could take the place of an engine, and get the cameras' "
            "passwords: make keys with `partstream keys new` and set coordinator.curve_secret_key_file, "
            "curve_engine_keys and curve_allowed_keys, or set coordinator.allow_plaintext: true on a trusted network"
        ) from None
