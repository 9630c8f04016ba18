"""A coordinator of a fleet with one engine, as small as the protocol allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import zmq
import zmq.asyncio

from stream.membership.protocol import Assigned, CameraReport, Fence, Grant, Renewal, decode_renewal, encode
from stream.messaging.curve.keys import KeyPair

TTL_MS = 2000


class SmallCoordinator:
    """Answers each renewal, unless it is `silent`. `assign` changes what the engine is to have, at once."""

    def __init__(
        self,
        run: str = "c0" * 16,
        fence: Fence = "soft",
        ttl_ms: int = TTL_MS,
        port: int = 0,
        keys: KeyPair | None = None,
    ) -> None:
        self.run = run
        self.fence: Fence = fence
        self.ttl_ms = ttl_ms
        self.silent = False
        self.http = ""
        self.version = 0
        self.assigned: dict[str, Assigned] = {}
        self.wants: dict[str, bool] = {}
        """Further fields of the next grant."""
        self.renewals: list[Renewal] = []
        self.reported: dict[str, CameraReport] = {}
        """The cameras in the latest renewal that had them."""
        self._peer: bytes | None = None
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        if keys is not None:
            self._socket.setsockopt(zmq.CURVE_SERVER, 1)
            self._socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
        self._socket.bind(f"tcp://127.0.0.1:{port}")
        self.address = str(self._socket.getsockopt_string(zmq.LAST_ENDPOINT))
        self._task = asyncio.create_task(self._serve())

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._context.destroy(linger=0)

    def generations(self) -> dict[str, int]:
        """Return the generation of every camera that the engine has, as it reported last."""
        return {name: report.generation for name, report in self.reported.items() if not report.refused}

    def live(self) -> dict[str, int]:
        """Return the generation of every live camera."""
        return {name: report.generation for name, report in self.reported.items() if report.state == "live"}

    async def assign(self, **cameras: tuple[int, dict[str, Any]]) -> None:
        """Have the engine have these cameras and no others: each with its generation and settings."""
        self.assigned = {name: Assigned(generation, settings) for name, (generation, settings) in cameras.items()}
        self.version += 1
        if self.renewals and not self.silent:
            await self.send(self.grant(self.renewals[-1]))

    def grant(self, renewal: Renewal) -> Grant:
        whole = renewal.version != self.version
        wants, self.wants = self.wants, {}
        return Grant(
            protocol=1,
            coordinator=self.run,
            asked_ns=renewal.asked_ns,
            ttl_ms=self.ttl_ms,
            fence=self.fence,
            version=self.version,
            generations={name: one.generation for name, one in self.assigned.items()} if whole else None,
            cameras=self.assigned if whole else None,
            http=self.http,
            **wants,
        )

    async def send(self, message: Any) -> None:
        body = message if isinstance(message, bytes) else encode(message)
        assert self._peer is not None
        await self._socket.send_multipart([self._peer, body])

    async def _serve(self) -> None:
        while True:
            self._peer, body = await self._socket.recv_multipart()
            renewal = decode_renewal(body)
            self.renewals.append(renewal)
            if renewal.cameras is not None:
                self.reported = renewal.cameras
            if not self.silent:
                await self.send(self.grant(renewal))


@asynccontextmanager
async def coordinating(**options: Any) -> AsyncIterator[SmallCoordinator]:
    coordinator = SmallCoordinator(**options)
    try:
        yield coordinator
    finally:
        await coordinator.close()
