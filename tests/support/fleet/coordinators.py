"""A running coordinator, for simulated engines (`benchmarks.fleet.dealer_engines`) and a client of its HTTP API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.fleet.dealer_engines import DealerEngine
from fleet.coordinator.coordinator import Coordinator
from fleet.coordinator.service import CoordinatorService
from fleet.settings import FleetConfig
from support.engines.controlled_engine import Client

TTL_S = 1.0
ANY = "tcp://127.0.0.1:0"


def cameras(count: int, **settings: Any) -> list[dict[str, Any]]:
    """Return the settings of cameras c0, c1 …"""
    return [{"id": f"c{number}", "source": "pattern:", **settings} for number in range(count)]


def configured(
    folder: Path,
    *,
    placement: Mapping[str, Any] | None = None,
    coordinator: Mapping[str, Any] | None = None,
    **more: Any,
) -> FleetConfig:
    """Return the configuration of a fleet whose coordinator keeps its store in this folder."""
    return FleetConfig.model_validate(
        {
            "coordinator": {
                "bind": ANY,
                "directory": ANY,
                "replay": ANY,
                "store": folder / "fleet.db",
                "http": {"bind": "127.0.0.1:0", "requests_per_second": 1e5},
                **(coordinator or {}),
            },
            "placement": {"ttl_s": TTL_S, **(placement or {})},
            **more,
        }
    )


@asynccontextmanager
async def running(config: FleetConfig, at: str = ANY) -> AsyncGenerator[Coordinator]:
    """Run a coordinator without its HTTP server, at this address for engines."""
    own = config.coordinator.model_copy(update={"bind": at})
    coordinator = Coordinator(config.model_copy(update={"coordinator": own}))
    await coordinator.start()
    try:
        yield coordinator
    finally:
        await coordinator.stop()


@asynccontextmanager
async def serving(config: FleetConfig, token: str | None = None) -> AsyncGenerator[tuple[Coordinator, Client]]:
    """Run a coordinator with its HTTP server, and yield a client that sends `token`, if given."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    service = CoordinatorService(config)
    await service.start()
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as session:
            yield service.coordinator, Client(session, service.http_address.replace("0.0.0.0", "127.0.0.1"))
    finally:
        await service.stop()


@asynccontextmanager
async def joined(address: str, *names: str, **settings: Any) -> AsyncGenerator[list[DealerEngine]]:
    """Run engines of these names, each on a node `node-NAME`, and end them."""
    settings = {"renew_s": TTL_S / 4} | settings
    engines = [DealerEngine(address, name, f"node-{name}", **settings).begin() for name in names]
    try:
        yield engines
    finally:
        await asyncio.gather(*(engine.end() for engine in engines))


def held(*engines: DealerEngine) -> dict[str, int]:
    """Return the cameras that the engines have, and their generations. None may be on two."""
    all_of_them = [(camera, number) for engine in engines for camera, number in engine.generations.items()]
    assert len(dict(all_of_them)) == len(all_of_them), all_of_them
    return dict(all_of_them)
