"""A controller with its live page, and two engines in this process, whose HTTP servers need tokens or passes."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from fleet.controller import Controller
from stream.engine import Engine
from support.engines.bar_model import BarModel
from support.engines.controlled_engine import OFF_LOOPBACK, UNHURRIED, Client
from support.fleet.local_cluster import LocalCluster, RealEngine, configured, serving
from support.listed_tokens import listed, write_tokens
from support.ports import reserved_port
from support.waiting import until

CAMERAS = ("dock", "gate", "hall", "yard")
FIRST, SECOND = "engine-1", "engine-2"
UNPLACED = "roof"
"""A camera that no engine can have."""
SPARE = 60
"""Further cameras, which are disabled."""
TOKENS = (listed("wall"), listed("guard", cameras=["hall"]), listed("admin", "control"))


@dataclass(frozen=True, slots=True)
class WatchedFleet:
    """`page`: where browsers have the live page from. `client` asks the controller, without a token."""

    controller: Controller
    cluster: LocalCluster
    page: str
    client: Client

    def of(self, engine: str) -> set[str]:
        """Return the cameras that are placed and live on an engine, and do not move."""
        cameras = {name: self.controller.placement.cameras[name] for name in CAMERAS}
        return {name for name, one in cameras.items() if one.engine == engine and one.old is None and one.live}

    def engine(self, name: str) -> Any:
        """Return an engine, which runs."""
        return self.cluster[name]._engine

    def address(self, engine: str) -> str:
        """Return the address of an engine's HTTP server."""
        return self.engine(engine).http_address.replace("0.0.0.0", "127.0.0.1")


@asynccontextmanager
async def watched_fleet(folder: Path) -> AsyncGenerator[WatchedFleet]:
    """Run the fleet, and yield it when all cameras are live."""
    port = reserved_port()
    page = f"http://127.0.0.1:{port}"
    source = {"source": "pattern:320x180@10", **UNHURRIED}
    tokens = write_tokens(folder / "tokens.yaml", *TOKENS)
    publish = {"endpoint": "tcp://0.0.0.0:0", "replay": "tcp://0.0.0.0:0", "allow_plaintext": True}
    config = configured(
        folder,
        http={"bind": f"0.0.0.0:{port}", "tokens_file": tokens, "page_origins": [page]},
        engines={"least": 2, "most": 2, "reserve": 0},
        engine={"http": OFF_LOOPBACK | {"requests_per_second": 1e5}, "publish": publish},
        cameras=[
            *({"id": name, **source, "expected_mpx": 1.0, "enabled": False} for name in CAMERAS),
            {"id": UNPLACED, **source, "pin": "nowhere", "privacy": "skeleton"},
            *({"id": f"spare{number}", **source, "enabled": False} for number in range(SPARE)),
        ],
    )
    with mock.patch("stream.engine.Engine", functools.partial(Engine, model=BarModel())):
        async with serving(config, LocalCluster(RealEngine)) as (controller, client, cluster):
            client.address = page
            fleet = WatchedFleet(controller, cluster, page, client)
            await until(lambda: sum(one.state == "running" for one in controller.engines.all.values()) == 2)
            for name in CAMERAS:  # one after the other, so that both engines get some
                await controller.cameras.patch(name, {"enabled": True})
            await until(lambda: fleet.of(FIRST) and fleet.of(SECOND))
            await until(lambda: fleet.of(FIRST) | fleet.of(SECOND) == set(CAMERAS))
            yield fleet
