"""A coordinator with its live page, and two engines, whose HTTP servers need tokens or passes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

import support.fleet.coordinators as coordinators
from fleet.coordinator.coordinator import Coordinator
from fleet.coordinator.service import CoordinatorService
from stream.engine import Engine
from support.engines.bar_model import BarModel
from support.engines.controlled_engine import OFF_LOOPBACK, UNHURRIED, Client, configured
from support.listed_tokens import listed, write_tokens
from support.ports import reserved_port
from support.waiting import until

CAMERAS = ("dock", "gate", "hall", "yard")
UNPLACED = "roof"
"""A camera that no engine can have."""
SPARE = 60
"""Further cameras, which are disabled."""
PATIENT_TTL_S = 60.0
"""Length of a lease with which no engine is lost because the machine is busy."""
TOKENS = (listed("wall"), listed("guard", cameras=["hall"]), listed("admin", "control"))


@dataclass(frozen=True, slots=True)
class WatchedFleet:
    """`service`: the coordinator with its HTTP server. `page`: where browsers have the live page from. `client` asks
    the coordinator, without a token."""

    service: CoordinatorService
    engines: dict[str, Engine]
    page: str
    client: Client

    @property
    def coordinator(self) -> Coordinator:
        """The coordinator itself."""
        return self.service.coordinator

    def of(self, engine: str) -> set[str]:
        """Return the cameras that are placed and live on an engine, and do not move."""
        cameras = {name: self.coordinator.placement.cameras[name] for name in CAMERAS}
        return {name for name, one in cameras.items() if one.engine == engine and one.state == "placed" and one.live}

    def streams(self, engine: str) -> int:
        """Return the number of open streams of an engine's HTTP server."""
        server = self.engines[engine]._http
        assert server is not None
        return server.streams

    def address(self, engine: str) -> str:
        """Return the address of an engine's HTTP server."""
        return (self.engines[engine].http_address or "").replace("0.0.0.0", "127.0.0.1")


@asynccontextmanager
async def watched_fleet(folder: Path, **http: Any) -> AsyncGenerator[WatchedFleet]:
    """Run the fleet, and yield it when all cameras are live. `http`: settings of the coordinator's HTTP server."""
    async with AsyncExitStack() as stack:
        port = reserved_port()
        page = f"http://127.0.0.1:{port}"
        source = {"source": "pattern:320x180@10", **UNHURRIED}
        tokens = write_tokens(folder / "tokens.yaml", *TOKENS)
        own = {"bind": f"0.0.0.0:{port}", "tokens_file": tokens, "page_origins": [page], "requests_per_second": 1e5}
        service = CoordinatorService(
            coordinators.configured(
                folder,
                coordinator={"http": own | http},
                placement={"ttl_s": PATIENT_TTL_S, "settle_s": 0},
                cameras=[
                    *({"id": name, **source, "expected_mpx": 1.0} for name in CAMERAS),
                    {"id": UNPLACED, **source, "pin": "nowhere", "privacy": "skeleton"},
                    *({"id": f"spare{number}", **source, "enabled": False} for number in range(SPARE)),
                ],
            )
        )
        await service.start()
        stack.push_async_callback(service.stop)
        engines: dict[str, Engine] = {}
        for name in ("a", "b"):
            fleet = {"coordinator": service.coordinator.renewals.address, "engine": name, "node": f"node-{name}"}
            config = configured(http=OFF_LOOPBACK, fleet={**fleet, "public_host": "127.0.0.1"})
            engines[name] = await stack.enter_async_context(Engine(config, model=BarModel()))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None))
        )
        fleet = WatchedFleet(service, engines, page, Client(session, page))
        await until(lambda: fleet.of("a") and fleet.of("b") and fleet.of("a") | fleet.of("b") == set(CAMERAS))
        yield fleet
