"""The faults of the benchmark: each happens to a fleet that runs, and waits until it is over."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from benchmarks.fleet.figures import Injected
from benchmarks.fleet.local_fleet import LocalFleet
from benchmarks.fleet.nodes import Node
from benchmarks.run_once import RunFailedError

LOOK_EVERY_S = 0.25
"""Between looks at the machine's processes, which take CPU time beside the engines."""

Happens = Callable[[LocalFleet], Awaitable[Injected]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault. `strict`: the fleet's fence; `late`: the last node is not there at first."""

    name: str
    happens: Happens
    text: str
    strict: bool = False
    late: bool = False

    @property
    def fence(self) -> str:
        """The fleet's fence."""
        return "strict" if self.strict else "soft"


async def engine_killed(fleet: LocalFleet) -> Injected:
    """Kill the engine of the second node."""
    node, cameras, before = await _victim(fleet)
    ended = node.engine
    at_ns = _kill(ended)
    await fleet.moved(cameras, before)
    await fleet.until(lambda: node.engine not in (None, ended), "another engine on the node")
    return await _over(fleet, at_ns, cameras, fleet.nodes)


async def node_killed(fleet: LocalFleet) -> Injected:
    """Kill everything of the second node."""
    node, cameras, before = await _victim(fleet)
    at_ns = time.monotonic_ns()
    node.kill()
    await fleet.moved(cameras, before)
    return await _over(fleet, at_ns, cameras, [one for one in fleet.nodes if one is not node])


async def raylet_killed(fleet: LocalFleet) -> Injected:
    """Kill Ray's own process on the second node."""
    node, ended = fleet.nodes[1], fleet.nodes[1].actors()
    at_ns = _kill(node.raylet)
    control = await fleet.until(lambda: fleet.leased(fleet.nodes), "engines with leases")
    back = await _agents(fleet, [node], ended)
    return Injected(at_ns, (), control - at_ns / 1e9, back - at_ns / 1e9)


async def gcs_away(fleet: LocalFleet) -> Injected:
    """Kill the head's GCS, and keep it from being started again for a while."""
    head, ended = fleet.head, _actors(fleet.nodes)
    head.signal_supervisor(signal.SIGSTOP)
    try:
        at_ns = _kill(head.gcs)
        await asyncio.sleep(fleet.plan.away_s)
        head.kill_ray()
    finally:
        head.signal_supervisor(signal.SIGCONT)
    since = time.monotonic()
    control = await fleet.until(lambda: fleet.leased(fleet.nodes), "engines with leases")
    back = await _agents(fleet, fleet.nodes, ended)
    return Injected(at_ns, (), control - since, back - since)


async def head_lost(fleet: LocalFleet) -> Injected:
    """Kill everything of the head, and start another head at once, without what the first one knew."""
    places, before = await fleet.places(), fleet.generations()
    cameras = [camera for camera, engine in places.items() if engine == fleet.head.name]
    others, ended = [*fleet.nodes[1:], fleet.spare], _actors(fleet.nodes)
    at_ns = time.monotonic_ns()
    fleet.head.kill()
    await fleet.spare.up()
    control = await fleet.until(lambda: fleet.leased(fleet.nodes[1:]), "engines with leases")
    await fleet.moved(cameras, before)
    back = await _agents(fleet, others, ended)
    await fleet.until(lambda: fleet.leased(others), "engines with leases")
    await fleet.until(fleet.live, "all cameras live")
    return Injected(at_ns, cameras, control - at_ns / 1e9, back - at_ns / 1e9)


async def coordinator_killed(fleet: LocalFleet) -> Injected:
    """Kill the coordinator."""
    ended = fleet.head.pid("coordinator")
    at_ns = _kill(ended)

    async def answers() -> bool:
        return await fleet.ask("GET", "status") is not None

    control = await fleet.until(answers, "answers of the coordinator")
    await fleet.until(lambda: fleet.leased(fleet.nodes), "engines with leases")
    await fleet.until(fleet.live, "all cameras live")
    return Injected(at_ns, (), control - at_ns / 1e9)


async def engine_paused(fleet: LocalFleet) -> Injected:
    """Stop the engine of the second node for a while, and let it go on."""
    node, cameras, before = await _victim(fleet)
    pid = node.engine
    if pid is None:
        raise RunFailedError("the node has no engine")
    at_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(fleet.plan.paused_s)
    finally:
        os.kill(pid, signal.SIGCONT)
    await fleet.moved(cameras, before)
    return await _over(fleet, at_ns, cameras, fleet.nodes)


async def partitioned(fleet: LocalFleet) -> Injected:
    """Cut the engine of the second node off the coordinator for a while."""
    _, cameras, before = await _victim(fleet)
    at_ns = time.monotonic_ns()
    fleet.link.cut()
    try:
        await asyncio.sleep(fleet.plan.paused_s)
    finally:
        fleet.link.mend()
    await fleet.moved(cameras, before)
    return await _over(fleet, at_ns, cameras, fleet.nodes)


async def drained(fleet: LocalFleet) -> Injected:
    """Drain the second node."""
    node, cameras, before = await _victim(fleet)
    at_ns = time.monotonic_ns()
    await fleet.change("POST", f"fleet/drain/{node.name}")
    await fleet.moved(cameras, before)

    async def empty() -> bool:
        return bool(((await fleet.ask("GET", "status")) or {"drains": {}})["drains"].get(node.name))

    await fleet.until(empty, "a drained node")
    return await _over(fleet, at_ns, cameras, fleet.nodes)


async def joined(fleet: LocalFleet) -> Injected:
    """Let the last node join, and move its share of the cameras there by pinning them.

    The placement itself moves cameras to a node that joins only when others have too many.
    """
    node, before = fleet.nodes[-1], fleet.generations()
    cameras = fleet.names[:: len(fleet.nodes)]
    at_ns = time.monotonic_ns()
    await node.up()
    control = await fleet.until(lambda: fleet.leased([node]), "the lease of the node that joins")
    for camera in cameras:
        await fleet.change("PATCH", f"cameras/{camera}", {"pin": node.name})
    await fleet.moved(cameras, before)
    await fleet.until(fleet.live, "all cameras live")
    return Injected(at_ns, cameras, control - at_ns / 1e9)


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("engine-killed", engine_killed, "an engine is killed"),
        Fault("node-killed", node_killed, "a node is killed"),
        Fault("raylet-killed", raylet_killed, "Ray's process on a node is killed"),
        Fault("gcs-away", gcs_away, "the head's GCS is away for a while"),
        Fault("head-lost", head_lost, "the head is lost, and another one is started"),
        Fault("coordinator-killed", coordinator_killed, "the coordinator is killed"),
        Fault("engine-paused-soft", engine_paused, "an engine is paused, soft fence"),
        Fault("engine-paused-strict", engine_paused, "an engine is paused, strict fence", strict=True),
        Fault("partitioned-soft", partitioned, "an engine is cut off the coordinator, soft fence"),
        Fault("partitioned-strict", partitioned, "an engine is cut off the coordinator, strict fence", strict=True),
        Fault("drain", drained, "a node is drained"),
        Fault("join", joined, "a node joins", late=True),
    )
}


async def _victim(fleet: LocalFleet) -> tuple[Node, list[str], dict[str, int]]:
    """Return the second node, its cameras, and the generation of every camera. Raises `RunFailedError` if none."""
    node = fleet.nodes[1]
    cameras = [camera for camera, engine in (await fleet.places()).items() if engine == node.name]
    if not cameras:
        raise RunFailedError("the second node has no camera: use more cameras")
    return node, cameras, dict(fleet.generations())


async def _over(fleet: LocalFleet, at_ns: int, cameras: Collection[str], nodes: Collection[Node]) -> Injected:
    """Wait until these nodes' engines hold their leases and all cameras are live."""
    control = await fleet.until(lambda: fleet.leased(nodes), "engines with leases")
    await fleet.until(fleet.live, "all cameras live")
    return Injected(at_ns, cameras, control - at_ns / 1e9)


def _kill(pid: int | None) -> int:
    """Kill a process, and return the monotonic ns at which it was done."""
    if pid is None:
        raise RunFailedError("what is to be killed does not run")
    at_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    return at_ns


def _actors(nodes: Collection[Node]) -> frozenset[int]:
    return frozenset[int]().union(*(node.actors() for node in nodes))


async def _agents(fleet: LocalFleet, nodes: Collection[Node], ended: Collection[int]) -> float:
    """Wait until each of these nodes has actors other than those that ended, and return the monotonic time."""
    wanted = {node.name: 2 if node.is_head else 1 for node in nodes}
    return await fleet.until(
        lambda: all(len(node.actors() - set(ended)) >= wanted[node.name] for node in nodes),
        "new agents",
        every_s=LOOK_EVERY_S,
    )
