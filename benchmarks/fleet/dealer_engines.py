"""Engines that only renew their leases: as members of a fleet they behave as real ones, without cameras or a model."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import zmq
import zmq.asyncio

from stream.membership.protocol import (
    PROTOCOL,
    CameraReport,
    EngineReport,
    Grant,
    LeastPrivacy,
    RefusedEngine,
    Renewal,
    decode_grant,
    encode,
)
from stream.messaging.curve.keys import ClientKeys
from stream.results import CameraState, EngineAddress

RENEW_S = 0.5
"""A quarter of the default lease."""


@dataclass
class DealerEngine:
    """An engine of a fleet, which takes every camera that it is granted. `begin` and `end` it in an event loop."""

    coordinator: str
    name: str
    node: str = "node-1"
    capacity: float = 1000.0
    max_cameras: int = 64
    privacy: LeastPrivacy = "off"
    load: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further fields of its report."""
    run: str = field(default_factory=lambda: secrets.token_hex(16))
    state: CameraState = "live"
    """Of all its cameras."""
    reason: str = ""
    message: str = ""
    """What ended them, if `state` is `ended`; empty: nothing."""
    pixels: float = 20.0
    refuses: str = ""
    """Why it refuses every camera that it does not have; empty: it takes them."""
    renew_s: float = RENEW_S
    keys: ClientKeys | None = None
    generations: dict[str, int] = field(default_factory=dict[str, int])
    settings: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    refused: dict[str, int] = field(default_factory=dict[str, int])
    version: int = 0
    grants: list[Grant] = field(default_factory=list[Grant])
    """The latest, at most `keep`."""
    keep: int = 1000
    refusals: list[str] = field(default_factory=list[str])
    leased_ns: int = 0
    """End of the lease, CLOCK_BOOTTIME."""
    stopping: bool = False
    _task: asyncio.Task[None] | None = None
    at_once: int = 4096
    """Most settings in a renewal; the next ones have the rest."""
    _to_send: list[str] = field(default_factory=list[str])

    def begin(self) -> DealerEngine:
        """Connect and renew."""
        self._task = asyncio.create_task(self._renew(), name=self.name)
        return self

    async def end(self) -> None:
        """Disappear without a word, as a process that is killed."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait([task])

    @property
    def leased(self) -> bool:
        """Whether its lease holds."""
        return boot_ns() < self.leased_ns

    @property
    def address(self) -> EngineAddress:
        """Where it would serve its results."""
        return EngineAddress(
            self.name,
            self.node,
            self.run,
            f"tcp://{self.node}:5555",
            f"tcp://{self.node}:5556",
            f"http://{self.node}:9090",
        )

    def renewal(self) -> Renewal:
        """Return its next message."""
        cameras = {
            camera: CameraReport(generation, self.state, self.pixels, 25.0, reason=self.reason, message=self.message)
            for camera, generation in self.generations.items()
        }
        cameras |= {
            camera: CameraReport(generation, "ended", refused=self.refuses)
            for camera, generation in self.refused.items()
        }
        part, self._to_send = self._to_send[: self.at_once], self._to_send[self.at_once :]
        settings = {camera: dict(self.settings[camera]) for camera in part if camera in self.settings} or None
        report = EngineReport(self.capacity, self.max_cameras, privacy=self.privacy, **self.load)
        return Renewal(
            PROTOCOL,
            self.address,
            boot_ns(),
            self.version,
            report,
            cameras,
            settings,
            more=bool(self._to_send),
            stopping=self.stopping,
        )

    async def _renew(self) -> None:
        context = zmq.asyncio.Context.instance()
        socket = context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        if self.keys is not None:
            self.keys.protect(socket)
        socket.connect(self.coordinator)
        try:
            while True:
                await socket.send(encode(self.renewal()))
                due = time.monotonic() + self.renew_s
                while (left := due - time.monotonic()) > 0 and await socket.poll(round(left * 1000) + 1):
                    if self._take(decode_grant(await socket.recv())):
                        break
        finally:
            socket.close(linger=0)

    def _take(self, message: Grant | RefusedEngine) -> bool:
        """Take a message; return whether it is to be answered at once."""
        if isinstance(message, RefusedEngine):
            self.refusals.append(message.reason)
            return False
        self.grants.append(message)
        del self.grants[: -self.keep]
        changed = False
        if message.generations is not None:
            for camera, assigned in (message.cameras or {}).items():
                self.settings[camera] = assigned.settings
            wanted = message.generations
            if self.refuses:
                self.refused = {name: number for name, number in wanted.items() if name not in self.generations}
                wanted = {name: number for name, number in wanted.items() if name in self.generations}
            changed = self.generations != wanted
            self.generations = dict(wanted)
            self.settings = {camera: self.settings[camera] for camera in wanted if camera in self.settings}
            self.version = message.version
        if message.ttl_ms:
            self.leased_ns = max(self.leased_ns, message.asked_ns + message.ttl_ms * 1_000_000)
        if message.wants_settings and not self._to_send:
            self._to_send = list(self.settings)
        return changed or message.wants_settings or message.wants_cameras


def boot_ns() -> int:
    """Return CLOCK_BOOTTIME, nanoseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
