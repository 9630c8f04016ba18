"""The membership of an engine in a fleet: it renews its lease with the coordinator, and takes over what it is granted.

One task sends renewals and another receives grants, in the engine's event loop. A coordinator that does not answer
costs a timer: nothing waits for it, and the cameras go on as the fence says (`stream.membership.lease`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import zmq
import zmq.asyncio

from stream.membership.contact import Contact
from stream.membership.lease import Leases, boottime_ns
from stream.membership.passes import Passes
from stream.membership.protocol import (
    MOST_BYTES,
    MOST_SETTINGS_BYTES,
    PROTOCOL,
    Assigned,
    CameraReport,
    EngineReport,
    Grant,
    RefusedEngine,
    Renewal,
    decode_grant,
    encode,
)
from stream.messaging.curve.keys import ClientKeys, KeyFileError, client_keys
from stream.results import EngineAddress
from stream.settings.config_error import ConfigError
from stream.settings.fleet import FleetSettings, is_address
from stream.zeromq_context import terminated
from telemetry.redaction import redact
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

TTL_S, LONGEST_TTL_S = 2.0, 60.0
"""Length of a lease until the coordinator has told it, and the longest by which the times of renewals go."""
RENEWALS_PER_LEASE = 4
LEAST_INTERVAL_S = 0.05
"""Least time between two renewals, however often something changes."""
QUEUED = 8
"""Messages that either side queues. More are of no use: each is a complete state."""
LINGER_MS = 200
UNSENT_S = 0.15
"""Time after which a renewal that had no connection is tried again."""
RECONNECT_MS = 100
"""Between attempts to connect again, and up to 200 ms more: a coordinator that was started again has to hear soon."""
LOGGED_PER_S = 60.0
MOST_LOGGED = 500
MOST_FILE_BYTES = 1024

Apply = Callable[[Mapping[str, Assigned]], Awaitable[object]]


class Member:
    """Membership of one engine. `start` and `run` it in the event loop; `changed` may be called often.

    `address` and `report` return the engine's address and its reports. `apply` makes the engine have the given cameras
    and no others; it may be called again before it has returned.
    """

    def __init__(
        self,
        settings: FleetSettings,
        leases: Leases,
        *,
        address: Callable[[], EngineAddress],
        report: Callable[[], tuple[EngineReport, dict[str, CameraReport]]],
        apply: Apply,
        now_ns: Callable[[], int] = boottime_ns,
    ) -> None:
        self.control_address = ""
        """Where the fleet's cameras are changed; empty if that is not known."""
        self.passes = Passes(now_ns)
        """Verifies the passes of the fleet's viewers."""
        self.contact = Contact(settings)
        self._settings = settings
        self._leases = leases
        self._address = address
        self._report = report
        self._apply = apply
        self._now_ns = now_ns
        self._ttl_s = TTL_S
        self._coordinator: str | None = None
        self._keys: ClientKeys | None = None
        self._context: zmq.asyncio.Context | None = None
        self._socket: zmq.asyncio.Socket | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._looked_up_s = 0.0
        self._wake = asyncio.Event()
        self._answered = asyncio.Event()
        self._assigned: dict[str, Assigned] = {}
        self._applying: set[asyncio.Task[object]] = set()
        """Held until they end: a change is not broken off in the middle."""
        self._sent: dict[str, CameraReport] | None = None
        """The cameras in the last renewal that had them, if the coordinator has it."""
        self._sent_ns = 0
        self._settings_left: list[str] | None = None
        """Cameras whose settings the coordinator wants, and has not been sent; None: it wants none."""
        self._stopping = False
        self._unsent = False
        """Whether the last renewal had no connection."""
        self._limiter = RepeatLimiter(1, LOGGED_PER_S)

    def start(self) -> None:
        """Read the keys. Raises `ConfigError` if they are unusable."""
        try:
            self._keys = client_keys(self._settings.server_key, self._settings.key_file)
        except KeyFileError as error:
            raise ConfigError(f"fleet.server_key, fleet.key_file: {error}") from None

    async def run(self) -> None:
        """Renew the lease and take over what is granted, until cancelled."""
        self._context = zmq.asyncio.Context()
        try:
            while True:
                try:
                    await self._look_up()
                    await self._renew()
                except Exception:
                    self._log_bug("fleet: the lease could not be renewed")
                await self._pause()
        finally:
            self._close_socket()
            if not await asyncio.to_thread(terminated, self._context):
                logger.warning("fleet: stopped without waiting longer for ZeroMQ")

    def changed(self) -> None:
        """Renew soon, because the cameras have changed."""
        self._wake.set()

    async def leave(self, within_s: float) -> None:
        """Tell the coordinator that the engine stops, and wait until it has moved the cameras, for a limited time.

        Does not wait for a coordinator that is away.
        """
        self._stopping = True
        self.changed()
        deadline = time.monotonic() + within_s
        while self._assigned and self.in_touch and (left := deadline - time.monotonic()) > 0:
            self._answered.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, self._ttl_s)):
                    await self._answered.wait()
        if self._applying:
            await asyncio.wait(self._applying, timeout=max(0.0, deadline - time.monotonic()))
        try:
            await self._renew()
        except Exception:
            self._log_bug("fleet: the coordinator could not be told of the engine's end")

    @property
    def in_touch(self) -> bool:
        """Whether the coordinator answered within the time of a lease."""
        return self._now_ns() - self._leases.answered_ns < self._ttl_s * 1e9

    # -- the connection -----------------------------------------------------------------------------------------
    async def _look_up(self) -> None:
        """Connect; with `coordinator_file`, read the address again while the coordinator does not answer."""
        now_s = time.monotonic()
        if self._receiving is not None and self._receiving.done():
            error = None if self._receiving.cancelled() else self._receiving.exception()
            self._log("receiving", "fleet: grants can't be received, so the connection is made again: %r", error)
            self._close_socket()
        if self._socket is not None and (self.in_touch or now_s - self._looked_up_s < self._ttl_s):
            return
        self._looked_up_s = now_s
        address = self._settings.coordinator or await self._read_address()
        if address is None or (self._socket is not None and address == self._coordinator):
            return
        self._close_socket()
        try:
            self._open_socket(address)
        except zmq.ZMQError as error:
            self._log("address", "fleet: can't connect to the coordinator at %s: %s", address, error.strerror)
            return
        if address != self._coordinator:
            logger.info("fleet: connecting to the coordinator at %s", address)
        self._coordinator = address

    async def _read_address(self) -> str | None:
        path = self._settings.coordinator_file
        assert path is not None
        try:
            text = await asyncio.to_thread(_first_bytes, path)
        except (OSError, UnicodeDecodeError) as error:
            self._log("file", "fleet.coordinator_file: %s can't be read: %s", path, error)
            return None
        if not is_address(text):
            self._log("file", "fleet.coordinator_file: %s must contain tcp://host:port", path)
            return None
        return text

    def _open_socket(self, address: str) -> None:
        assert self._context is not None
        socket = self._context.socket(zmq.DEALER)
        try:
            socket.setsockopt(zmq.LINGER, LINGER_MS)
            socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing is queued for a coordinator that is away
            socket.setsockopt(zmq.SNDHWM, QUEUED)
            socket.setsockopt(zmq.RCVHWM, QUEUED)
            socket.setsockopt(zmq.MAXMSGSIZE, MOST_BYTES)
            socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
            socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2 * RECONNECT_MS)
            # Detects a host that vanished; with the TTL, the coordinator does too.
            socket.setsockopt(zmq.HEARTBEAT_IVL, 1000)
            socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3000)
            socket.setsockopt(zmq.HEARTBEAT_TTL, 15000)
            if self._keys is not None:
                self._keys.protect(socket)
            if "[" in address:
                socket.setsockopt(zmq.IPV6, 1)
            socket.connect(address)
        except zmq.ZMQError:
            socket.close()
            raise
        self._socket, self._sent, self._settings_left = socket, None, None
        self._leases.connected()
        self._receiving = asyncio.create_task(self._receive(socket), name="grants")

    def _close_socket(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()
        if self._socket is not None:
            self._socket.close()
        self._receiving = self._socket = None

    # -- renewals -----------------------------------------------------------------------------------------------
    async def _pause(self) -> None:
        """Wait until the next renewal is due, or something has changed."""
        await asyncio.sleep(LEAST_INTERVAL_S)
        left_s = self._ttl_s / RENEWALS_PER_LEASE - LEAST_INTERVAL_S
        if self._unsent:
            left_s = min(left_s, UNSENT_S)
        with contextlib.suppress(TimeoutError):
            # Not `wait_for`, which before Python 3.12 loses a cancellation that comes with the event.
            async with asyncio.timeout(left_s):
                await self._wake.wait()
        self._wake.clear()

    async def _renew(self) -> None:
        if self._socket is None:
            return
        try:
            engine, cameras = self._report()
        except Exception:
            self._log_bug("fleet: the engine could not be measured")
            return
        known = cameras == self._sent and self._leases.answered_ns >= self._sent_ns
        settings = self._next_settings()
        self.contact.asked(self._coordinator, time.monotonic())
        now_ns = self._now_ns()
        renewal, body = self._that_fits(
            Renewal(
                protocol=PROTOCOL,
                address=self._address(),
                asked_ns=now_ns,
                version=self._leases.version,
                report=engine,
                cameras=None if known else cameras,
                settings=settings,
                stopping=self._stopping,
                more=len(settings or ()) < len(self._settings_left or ()),
            )
        )
        self._leases.asked(now_ns)
        self._unsent = True
        try:
            await self._socket.send(body, zmq.NOBLOCK)
        except zmq.ZMQError:
            return  # not connected: the next renewal says the same
        self._unsent = False
        if renewal.more:
            self.changed()
        if self._settings_left is not None:
            self._settings_left = self._settings_left[len(settings or ()) :] or None
        if renewal.cameras is not None:
            self._sent, self._sent_ns = cameras, now_ns

    def _that_fits(self, renewal: Renewal) -> tuple[Renewal, bytes]:
        """Return the renewal without what makes it larger than the coordinator reads, and its bytes.

        Cameras are left for the next one. Settings that are too large even without them can never be sent. The answer
        lacks them, so that the coordinator does not wait for them.
        """
        body = encode(renewal)
        for left_out in ({"cameras": None}, {"settings": None if renewal.settings is None else {}}):
            if len(body) > MOST_BYTES:
                self._log("size", "fleet: a renewal has %d bytes, more than the coordinator reads", len(body))
                renewal = msgspec.structs.replace(renewal, **left_out)
                body = encode(renewal)
        return renewal, body

    def _next_settings(self) -> dict[str, dict[str, Any]] | None:
        """Return the settings that the next renewal is to have: all that are left, if they fit, or the first ones."""
        if self._settings_left is None:
            return None
        self._settings_left = [name for name in self._settings_left if name in self._assigned]
        settings: dict[str, dict[str, Any]] = {}
        left = MOST_SETTINGS_BYTES
        for name in self._settings_left:
            left -= len(encode({name: self._assigned[name].settings}))
            if settings and left < 0:
                break
            settings[name] = self._assigned[name].settings
        return settings

    # -- grants -------------------------------------------------------------------------------------------------
    async def _receive(self, socket: zmq.asyncio.Socket) -> None:
        while True:
            parts = await socket.recv_multipart()
            try:
                self._take(parts[-1])
            except Exception:
                self._log_bug("fleet: a grant could not be taken over")

    def _take(self, body: bytes) -> None:
        try:
            message = decode_grant(body)
        except ValueError as error:
            self._log("invalid", "fleet: a message of the coordinator is invalid and ignored: %s", error)
            return
        refused = isinstance(message, RefusedEngine) or message.protocol != PROTOCOL
        self.contact.answered(self._coordinator, refused=refused)
        if isinstance(message, RefusedEngine):
            self._log("refused", "fleet: the coordinator refuses this engine: %s", message.reason[:MOST_LOGGED])
            return
        if message.protocol != PROTOCOL:
            self._log("protocol", "fleet: the coordinator speaks version %d of the protocol", message.protocol)
            return
        before = self._leases.coordinator
        taken = self._leases.granted(message)
        if self._leases.coordinator != before:
            logger.info("fleet: joined as engine %s", self._settings.engine_name)
            self.passes.forget()
            # What was sent went to another one: this one is sent everything that it wants, from the beginning.
            self._sent = self._settings_left = None
        if message.wants_cameras:
            self._sent = None
        if message.wants_settings and self._settings_left is None:
            self._settings_left = list(self._assigned)
        if taken == "ignored":
            if not self._leases.version:
                self.changed()
            return
        self.control_address = message.http or self.control_address
        if message.viewing is not None:
            self.passes.learn(message.viewing, message.asked_ns)
        if message.ttl_ms:
            self._ttl_s = min(max(message.ttl_ms / 1000, 2 * RENEWALS_PER_LEASE * LEAST_INTERVAL_S), LONGEST_TTL_S)
        if taken == "assignment":
            self._assign(message)
        if message.wants_cameras or message.wants_settings:
            self.changed()
        self._answered.set()

    def _assign(self, grant: Grant) -> None:
        """Have the cameras of a grant, whose other cameras the leases have barred."""
        assert grant.generations is not None
        given = grant.cameras or {}
        assigned: dict[str, Assigned] = {}
        for camera, generation in grant.generations.items():
            one = given.get(camera) or self._assigned.get(camera)
            if one is None or one.generation != generation:
                self._leases.forget_version()  # so that the next grant has the settings
                self.changed()
            if one is not None:
                assigned[camera] = one
        self._assigned = assigned
        task = asyncio.ensure_future(self._apply(assigned))
        self._applying.add(task)
        task.add_done_callback(self._applied)

    def _applied(self, task: asyncio.Future[object]) -> None:
        self._applying.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("fleet: an assignment could not be applied", exc_info=error)
        self.changed()
        self._answered.set()

    def _log(self, what: str, text: str, *values: object) -> None:
        """Log a warning, each kind at most once in `LOGGED_PER_S`."""
        if self._limiter.admit(what, time.monotonic())[0]:
            logger.warning(text, *(redact(value) if isinstance(value, str) else value for value in values))

    def _log_bug(self, text: str) -> None:
        """Log the exception that is handled, each kind at most once in `LOGGED_PER_S`."""
        if self._limiter.admit(text, time.monotonic())[0]:
            logger.exception(text)


def _first_bytes(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MOST_FILE_BYTES).decode().strip()
