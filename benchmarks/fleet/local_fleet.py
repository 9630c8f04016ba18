"""A fleet on this machine with its cameras, and readers of its results, for one run of the benchmark."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.cameras.camera_client import Cameras
from benchmarks.cameras.clip import Recipe, prepared
from benchmarks.fleet.cut import Cut
from benchmarks.fleet.figures import Received, generations
from benchmarks.fleet.nodes import Addresses, Node
from benchmarks.fleet.ports import reserved_port
from benchmarks.fleet.readers import FleetReader, WireReader
from benchmarks.run_once import RunFailedError

SIZE, FPS = (320, 180), 10
INTERVAL_S = 1 / FPS
CLIP = Recipe(*SIZE, fps=FPS, frames=100, bits_per_second=400_000)
"""One keyframe a second."""
POLL_S = 0.02
LIMIT_S = 180.0
TTL_S = 2.0
STEADY_S = 3.0
"""Time for which every camera has results before the fault."""
AFTER_S = 3.0
"""Time for which the fleet is watched after everything is as it should be again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What every run has. `away_s`: for how long the GCS is away; `paused_s`: an engine, or its connection."""

    nodes: int = 3
    cameras: int = 12
    source: str = "pattern"
    runs: int = 9
    away_s: float = 120.0
    paused_s: float = 6.0


@contextmanager
def sources(kind: str, count: int) -> Iterator[dict[str, str]]:
    """Give the addresses of `count` cameras, which send within the block. Raises `CameraServerError`."""
    names = [f"c{number:02}" for number in range(count)]
    if kind == "pattern":
        width, height = SIZE
        yield dict.fromkeys(names, f"pattern:{width}x{height}@{FPS}")
        return
    with Cameras(prepared(CLIP), count) as cameras:
        yield dict(zip(names, cameras.urls, strict=True))


class LocalFleet:
    """Nodes `n1`, the head, `n2` and so on, the last of which is `late` if one is to join, and a spare head."""

    def __init__(self, folder: Path, plan: Plan, urls: Mapping[str, str], fence: str = "soft") -> None:
        self.plan = plan
        self.addresses = Addresses()
        mpx = SIZE[0] * SIZE[1] * FPS / 1e6
        self.cameras = [{"id": name, "source": url, "expected_mpx": mpx} for name, url in urls.items()]
        self.names = list(urls)
        further: dict[str, Any] = {"placement": {"fence": fence, "ttl_s": TTL_S}}
        self.head = Node("n1", folder / "n1", self.addresses, further=further)
        through = reserved_port()
        self.link = Cut(through, self.addresses.coordinator)
        """The way from the second node to the coordinator."""
        state = self.head.state
        self.nodes = [self.head]
        for number in range(2, plan.nodes + 1):
            name, way = f"n{number}", through if number == 2 else None
            self.nodes.append(Node(name, folder / name, self.addresses, token=state, through=way, further=further))
        self.spare = Node(
            "spare",
            folder / "spare",
            self.addresses,
            token=state,
            is_head=True,
            cameras=self.cameras,
            further=further,
        )
        """A node that can take the place of the head, with the same configuration file as an operator has it."""
        everywhere = [*self.nodes, self.spare]
        self.wire = WireReader([f"tcp://127.0.0.1:{node.results}" for node in everywhere])
        self.reader = FleetReader(f"127.0.0.1:{self.addresses.directory}")

    @property
    def everywhere(self) -> list[Node]:
        """All nodes, also those that were not started."""
        return [*self.nodes, self.spare]

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """Return the coordinator's answer; None if it gives none within a second, or refuses."""
        url = f"{self.head.url}/api/v1/{path}"
        try:
            timeout = aiohttp.ClientTimeout(total=1.0)
            async with (
                aiohttp.ClientSession(timeout=timeout) as client,
                client.request(method, url, json=body) as answer,
            ):
                if answer.status >= 400:
                    return None
                return {} if answer.status == 204 else await answer.json()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None

    async def change(self, method: str, path: str, body: object = None) -> None:
        """Ask for a change until it is done."""

        async def done() -> bool:
            return await self.ask(method, path, body) is not None

        await self.until(done, f"{method} {path}")

    async def leased(self, nodes: Collection[Node]) -> bool:
        """Whether the coordinator answers, and the engines of these nodes hold their leases."""
        engines = ((await self.ask("GET", "status")) or {"engines": []})["engines"]
        held = {one["engine"] for one in engines if one["state"] in ("leased", "draining")}
        return {node.name for node in nodes} <= held

    async def places(self) -> dict[str, str]:
        """Return the engine of each camera that is live."""
        cameras = ((await self.ask("GET", "cameras")) or {"cameras": []})["cameras"]
        return {
            one["id"]: one["place"]["engine"]
            for one in cameras
            if one["status"]["state"] == "live" and one["place"]["state"] == "placed"
        }

    async def live(self) -> bool:
        """Whether every camera is live and placed."""
        return len(await self.places()) == len(self.names)

    def generations(self) -> Mapping[str, int]:
        """Return the highest generation of each camera on the wire."""
        return generations(self.wire.rows)

    async def moved(self, cameras: Collection[str], before: Mapping[str, int]) -> None:
        """Wait until these cameras have results with higher generations."""

        def all_higher() -> bool:
            now = self.generations()
            return all(now[camera] > before[camera] for camera in cameras)

        await self.until(all_higher, "results of the new placements")

    async def until(
        self,
        condition: Callable[[], bool] | Callable[[], Awaitable[bool]],
        what: str,
        within_s: float = LIMIT_S,
        every_s: float = POLL_S,
    ) -> float:
        """Wait for a condition, and return the monotonic time. Raises `RunFailedError` after `within_s`."""
        deadline = time.monotonic() + within_s
        while True:
            value = condition()
            if value if isinstance(value, bool) else await value:
                return time.monotonic()
            if time.monotonic() > deadline:
                raise RunFailedError(f"not within {within_s:g} s: {what}\n{self.logs()}")
            await asyncio.sleep(every_s)

    def received(self) -> Received:
        """Return what the readers have received so far. Raises `RunFailedError` if our subscriber has failed."""
        if self.reader.error is not None:
            raise RunFailedError(f"the subscriber failed: {self.reader.error!r}")
        rows = list(self.wire.rows), list(self.reader.rows)
        return Received(self.names, *rows, list(self.reader.moves), time.monotonic_ns())

    def logs(self) -> str:
        """Return the ends of all logs."""
        return "\n".join(node.logs() for node in self.everywhere)

    async def start(self, nodes: Sequence[Node]) -> None:
        """Start these nodes, then add the cameras, so that they are spread over all."""
        await asyncio.gather(*(node.up() for node in nodes))
        await self.until(lambda: self.leased(nodes), "engines with leases")
        for camera in self.cameras:
            settings = {name: value for name, value in camera.items() if name != "id"}
            await self.change("PUT", f"cameras/{camera['id']}", settings)
        await self.until(self.live, "all cameras live")
        await self.steady(STEADY_S)

    async def steady(self, seconds: float) -> None:
        """Wait until our subscriber has handed out results of every camera for `seconds`."""
        first = time.monotonic_ns()

        def all_read() -> bool:
            return len({row.camera for row in list(self.reader.rows) if row.at_ns > first}) == len(self.names)

        await self.until(all_read, "results of all cameras")
        await asyncio.sleep(seconds)

    async def stop(self) -> None:
        """Stop all nodes, in order if they can, and what is left of them."""
        await asyncio.gather(*(node.down() for node in self.everywhere), return_exceptions=True)
        for node in self.everywhere:
            node.kill()


@asynccontextmanager
async def local_fleet(
    folder: Path, plan: Plan, urls: Mapping[str, str], *, fence: str = "soft", late: bool = False
) -> AsyncGenerator[LocalFleet]:
    """Run a fleet within the block, with readers. `late`: the last node is not started."""
    fleet = LocalFleet(folder, plan, urls, fence)
    async with AsyncExitStack() as stack:
        stack.enter_context(fleet.wire)
        stack.enter_context(fleet.reader)
        await stack.enter_async_context(fleet.link)
        stack.push_async_callback(fleet.stop)
        await fleet.start(fleet.nodes[:-1] if late else fleet.nodes)
        yield fleet
