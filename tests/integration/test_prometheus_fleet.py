"""A real coordinator with two real engines, and Prometheus, which finds the engines through the coordinator.

Every query of the fleet's dashboard returns data, and alerts fire for a camera without an engine and a lost engine.
The rules' minutes are shortened to seconds; promtool tests them with their real durations.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream.engine import Engine
from support.engines import controlled_engine
from support.engines.controlled_engine import OFF_LOOPBACK, PATTERN, READ, Client, running
from support.fleet.coordinators import configured, joined, serving
from support.monitoring.dashboard_queries import panel_queries
from support.monitoring.prometheus import FleetPrometheusServer, hurried
from support.waiting import until
from tools.monitoring import rule_file
from tools.monitoring.fleet_alerts import FLEET_ALERTS

RATE_INTERVAL = "5s"
SELECTOR = re.compile(r"\b(?:partstream_\w+|up)(?:\{[^}]*\})?")


@dataclass
class ScrapedFleet:
    """A fleet with the engines `gpu-1` and `gpu-2`, four cameras, and one that is pinned to an absent node."""

    client: Client
    address: str
    """Of the engines' socket at the coordinator."""
    engines: list[Engine]
    prometheus: FleetPrometheusServer

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression."""
        return await asyncio.to_thread(self.prometheus.query, expression)

    async def all_have_data(self, expressions: set[str]) -> None:
        """Wait until each of the expressions has returned data."""
        waiting = set(expressions)

        async def answered() -> bool:
            for expression in sorted(waiting):
                if await self.query(expression):
                    waiting.discard(expression)
            return not waiting

        await until(answered)


@asynccontextmanager
async def scraped_fleet(folder: Path) -> AsyncIterator[ScrapedFleet]:
    cameras = [{"id": f"c{number}", "source": PATTERN, "expected_mpx": 1} for number in range(4)]
    config = configured(
        folder,
        cameras=[*cameras, {"id": "dock", "source": PATTERN, "pin": "absent"}],
        coordinator={"http": OFF_LOOPBACK},
        nodes={"gpu-1": {"labels": {"gpu": "l4"}}, "gpu-2": {"labels": {"gpu": "a10"}}},
    )
    async with AsyncExitStack() as stack:
        coordinator, client = await stack.enter_async_context(serving(config, OFF_LOOPBACK["control_token"]))
        engines: list[Engine] = []
        for name in ("gpu-1", "gpu-2"):
            member = {"coordinator": coordinator.renewals.address, "engine": name, "node": name}
            settings = controlled_engine.configured(http=OFF_LOOPBACK, fleet=member | {"public_host": "127.0.0.1"})
            engine, _ = await stack.enter_async_context(running(settings))
            engines.append(engine)
        rules = hurried(rule_file.FILE.read_text(encoding="utf-8"))
        prometheus = FleetPrometheusServer(client.address.removeprefix("http://"), READ, rules)
        await asyncio.to_thread(prometheus.__enter__)
        stack.push_async_callback(asyncio.to_thread, prometheus.__exit__, None, None, None)
        await until(lambda: coordinator.moves.counts["placed"] == 4)
        yield ScrapedFleet(client, coordinator.renewals.address, engines, prometheus)


async def drained(client: Client, name: str) -> None:
    """Drain a node, and end the drain when it is empty."""
    assert (await client.ask("POST", f"/api/v1/fleet/drain/{name}"))[0] == 204

    async def empty() -> bool:
        return (await client.get("/api/v1/status"))["drains"][name]

    await until(empty)
    assert (await client.ask("DELETE", f"/api/v1/fleet/drain/{name}"))[0] == 204


async def test_prometheus_finds_the_engines_and_every_query_of_the_fleets_dashboard_returns_data(
    tmp_path: Path,
) -> None:
    async with scraped_fleet(tmp_path) as fleet:
        for name in ("gpu-1", "gpu-2"):  # so that cameras move twice
            await drained(fleet.client, name)
        fleet.engines[0].publisher.withheld["c0"] = 1

        async def found() -> bool:
            up = await fleet.query('up{job="partstream"} == 1')
            return {(one["metric"]["engine"], one["metric"]["gpu"]) for one in up} == {
                ("gpu-1", "l4"),
                ("gpu-2", "a10"),
            }

        await until(found)
        queries = {query.expression for query in panel_queries("c0", RATE_INTERVAL, fleet=True)}
        queries = {query for query in queries if "ray_" not in query}  # Ray does not run here
        assert len(queries) > 30
        await fleet.all_have_data(queries)
        series = {name for alert in FLEET_ALERTS for name in SELECTOR.findall(alert.expression)}
        await fleet.all_have_data({name for name in series if "_proxy_" not in name})  # no proxy is scraped here


async def test_alerts_fire_for_a_camera_without_an_engine_and_for_a_lost_engine(tmp_path: Path) -> None:
    async with scraped_fleet(tmp_path) as fleet:

        async def firing(name: str) -> bool:
            return name in {alert for alert, _ in await asyncio.to_thread(fleet.prometheus.firing)}

        await until(lambda: firing("PartstreamFleetCamerasUnplaced"))
        assert not await firing("PartstreamFleetEngineLost")
        async with joined(fleet.address, "lost"):
            await until(lambda: fleet.query('partstream_fleet_engine_capacity_mpx{engine="lost"}'))
        await until(lambda: firing("PartstreamFleetEngineLost"))
