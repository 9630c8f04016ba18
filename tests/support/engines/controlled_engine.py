"""A running engine with the free model, and a client of its HTTP API."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from stages.free_model import FreeModel
from stream.cameras.fleet_member import Identity
from stream.config import Config
from stream.engine import Engine
from support.waiting import PATIENCE_S
from telemetry.observer import Observer

READ, CONTROL = "reads-0123456789", "controls-0123456789"
OFF_LOOPBACK = {"bind": "0.0.0.0:0", "read_token": READ, "control_token": CONTROL}
PATTERN = "pattern:128x96@50"
UNHURRIED: dict[str, Any] = {"start_timeout_s": PATIENCE_S, "stall_timeout_s": PATIENCE_S}
"""Settings of a camera whose source may be slow, as a server of the tests is on a busy machine."""
PATIENT: dict[str, Any] = {"staleness_ms": 3_600_000, "ring_slots": 256, **UNHURRIED}
"""Settings of a camera that loses no frame of an engine as `configured`, however busy the machine is."""


def configured(*cameras: dict[str, Any], http: dict[str, Any] | None = None, **settings: Any) -> Config:
    return Config.model_validate(
        {
            "cameras": [UNHURRIED | camera for camera in cameras],
            "batch": {"max_batch_ms": PATIENT["staleness_ms"]},
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0", "stats_interval_s": 0.2},
            "http": {"bind": "127.0.0.1:0", "requests_per_second": 1e5, **(http or {})},
            **settings,
        }
    )


class Client:
    """Sends requests to one engine."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.session = session
        self.address = address

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        """Return status, body (parsed, if it is JSON) and headers of the response."""
        async with self.session.request(method, self.address + path, **options) as answer:
            typed = answer.content_type.endswith("json") and answer.status != 204
            return answer.status, await answer.json(content_type=None) if typed else await answer.text(), answer.headers

    async def get(self, path: str) -> Any:
        """Return the body of a response that must be a success."""
        status, body, _ = await self.ask("GET", path)
        assert status == 200, (path, status, body)
        return body

    async def silent(self, path: str) -> socket.socket:
        """Return the socket of a client that sends a request and never reads."""
        host, port = self.address.removeprefix("http://").rsplit(":", 1)
        opened = socket.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(opened, (host, int(port)))
        await loop.sock_sendall(opened, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return opened


@asynccontextmanager
async def running(
    config: Config, token: str | None = None, observers: Sequence[Observer] = (), fleet: Identity | None = None
) -> AsyncGenerator[tuple[Engine, Client]]:
    """Run an engine, and yield it with a client that sends `token`, if given. `fleet`: what it is in a fleet."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        Engine(config, model=FreeModel(), observers=observers, fleet=fleet) as engine,
        aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(total=None), cookie_jar=aiohttp.CookieJar(unsafe=True)
        ) as session,
    ):
        assert engine.http_address is not None
        yield engine, Client(session, engine.http_address.replace("0.0.0.0", "127.0.0.1"))


def descriptors() -> int:
    """Return the number of open files of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))
