"""An engine around a model that costs nothing, and a client of its control API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from stages.free_model import FreeModel
from stream.config import Config
from stream.engine import Engine
from telemetry.observer import Observer

READ, CONTROL = "reads-0123456789", "controls-0123456789"
OFF_LOOPBACK = {"bind": "0.0.0.0:0", "read_token": READ, "control_token": CONTROL}
PATTERN = "pattern:128x96@50"


def configured(*cameras: dict[str, Any], http: dict[str, Any] | None = None, **settings: Any) -> Config:
    return Config.model_validate(
        {
            "cameras": list(cameras),
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0", "stats_interval_s": 0.2},
            "http": {"bind": "127.0.0.1:0", "requests_per_second": 1e5, **(http or {})},
            **settings,
        }
    )


class Client:
    """Asks one engine; an answer is (status, JSON or text, headers)."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.session = session
        self.address = address

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        async with self.session.request(method, self.address + path, **options) as answer:
            typed = answer.content_type.endswith("json") and answer.status != 204
            return answer.status, await answer.json(content_type=None) if typed else await answer.text(), answer.headers

    async def get(self, path: str) -> Any:
        status, body, _ = await self.ask("GET", path)
        assert status == 200, (path, status, body)
        return body


@asynccontextmanager
async def running(
    config: Config, token: str | None = None, observers: Sequence[Observer] = ()
) -> AsyncGenerator[tuple[Engine, Client]]:
    """The engine and a client, with the token if one is given."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        Engine(config, model=FreeModel(), observers=observers) as engine,
        aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(total=None), cookie_jar=aiohttp.CookieJar(unsafe=True)
        ) as session,
    ):
        assert engine.http_address is not None
        yield engine, Client(session, engine.http_address.replace("0.0.0.0", "127.0.0.1"))


def descriptors() -> int:
    """Open files of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))
