"""A fleet on two nodes with Ray, while parts of it are killed: order, generations and loss."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import zmq
import zmq.asyncio

from benchmarks.fleet.nodes import Node
from support.fleet.nodes import CAMERAS, asked, two_nodes
from support.waiting import until

pytestmark = pytest.mark.soak


class Result(msgspec.Struct):
    """What is needed of a result."""

    camera: str
    run: str
    epoch: int
    seq: int
    generation: int


class Results:
    """The results of both engines, as a reader sees them that discards old generations."""

    def __init__(self) -> None:
        self.generations: dict[str, list[int]] = defaultdict(list)
        """The generations of each camera, in the order in which they began."""
        self.handed = dict.fromkeys(CAMERAS, 0)
        self.missing = 0
        """Results that are missing between two of the same run and epoch."""
        self._last: dict[tuple[str, str, int], int] = {}

    def add(self, result: Result) -> None:
        known = self.generations[result.camera]
        if known and result.generation < known[-1]:
            return
        if not known or result.generation > known[-1]:
            known.append(result.generation)
        of = (result.camera, result.run, result.epoch)
        self.missing += result.seq - self._last.get(of, result.seq - 1) - 1
        self._last[of] = result.seq
        self.handed[result.camera] += 1

    async def more(self, count: int = 5) -> None:
        """Wait until every camera has handed out more results."""
        before = dict(self.handed)
        await until(lambda: all(self.handed[camera] >= before[camera] + count for camera in CAMERAS))

    async def moved(self, before: dict[str, int]) -> None:
        """Wait until every camera has a higher generation than before."""
        await until(lambda: all(number > before[camera] for camera, number in self.now().items()))

    def now(self) -> dict[str, int]:
        """Return the generation of each camera."""
        return {camera: known[-1] for camera, known in self.generations.items()}


@asynccontextmanager
async def reading(*nodes: Node) -> AsyncGenerator[Results]:
    results, decoder = Results(), msgspec.json.Decoder(Result)
    with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as reader:
        reader.setsockopt(zmq.RECONNECT_IVL, 20)
        reader.setsockopt(zmq.RECONNECT_IVL_MAX, 100)
        reader.subscribe("results/v1/")
        for node in nodes:
            reader.connect(f"tcp://127.0.0.1:{node.results}")

        async def read() -> None:
            while True:
                results.add(decoder.decode((await reader.recv_multipart())[-1]))

        task = asyncio.create_task(read())
        try:
            yield results
        finally:
            task.cancel()


async def placed(head: Node) -> dict[str, str]:
    """Wait until every camera is live on an engine, and return which."""

    async def where() -> dict[str, str]:
        cameras = ((await asked(head, "cameras")) or {"cameras": []})["cameras"]
        live = {one["id"]: one["place"]["engine"] for one in cameras if one["status"]["state"] == "live"}
        return live if len(live) == len(CAMERAS) and all(live.values()) else {}

    return await until(where)


async def joined(head: Node, *names: str) -> None:
    """Wait until these engines hold their leases."""

    async def leased() -> bool:
        engines = ((await asked(head, "status")) or {"engines": []})["engines"]
        return set(names) <= {one["engine"] for one in engines if one["state"] == "leased"}

    await until(leased)


def niceness(pid: int | None) -> int:
    assert pid is not None
    return os.getpriority(os.PRIO_PROCESS, pid)


async def test_no_fault_of_a_part_stops_a_camera(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as (head, other), reading(head, other) as results:
        await joined(head, "n1", "n2")
        await placed(head)
        await results.more()
        assert {niceness(one.engine) for one in (head, other)} == {niceness(os.getpid())}
        assert niceness(head.pid("coordinator")) == niceness(os.getpid())

        # An engine: the agent tells of it, its cameras move, and it is started again.
        moved = {camera for camera, engine in (await placed(head)).items() if engine == "n1"}
        before, ended = results.now(), head.engine
        assert ended is not None
        os.kill(ended, signal.SIGKILL)
        await until(lambda: all(results.now()[camera] > before[camera] for camera in moved))
        await until(lambda: head.engine not in (None, ended))
        await results.more()
        assert {camera for camera in CAMERAS if results.now()[camera] > before[camera]} == moved
        await joined(head, "n1", "n2")

        # The coordinator: nothing moves, and it takes over what the engines report.
        before, ended = results.now(), head.pid("coordinator")
        assert ended is not None
        os.kill(ended, signal.SIGKILL)
        await until(lambda: head.pid("coordinator") not in (None, ended))
        await joined(head, "n1", "n2")
        await placed(head)
        await results.more()
        assert (results.now(), results.missing) == (before, 0)

        # Ray on one node: its engine goes on, and is found by the next agent.
        engine, ended, rays = other.engine, other.pid("ray"), other.raylet
        assert engine is not None and rays is not None
        os.kill(rays, signal.SIGKILL)
        await until(lambda: other.pid("ray") not in (None, ended))
        await results.more()
        assert (results.now(), results.missing, other.engine) == (before, 0, engine)

        # A whole node: its cameras move when its lease is over.
        await joined(head, "n1", "n2")
        moved = {camera for camera, engine in (await placed(head)).items() if engine == "n2"}
        before = results.now()
        other.kill()
        await until(lambda: all(results.now()[camera] > before[camera] for camera in moved))
        await results.more()
        assert set((await placed(head)).values()) == {"n1"}
        assert {camera for camera in CAMERAS if results.now()[camera] > before[camera]} == moved

        # It returns, and no generation ever went back.
        await other.up()
        await joined(head, "n1", "n2")
        for known in results.generations.values():
            assert known == sorted(set(known))
        assert results.missing == 0
    assert (head.processes(), other.processes()) == ([], [])
