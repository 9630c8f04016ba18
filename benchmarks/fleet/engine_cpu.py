"""CPU time of an engine that belongs to a fleet, beside one that does not, with the same cameras at the same time."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from benchmarks import stats
from benchmarks.fleet.local_fleet import FPS, LocalFleet, Plan, local_fleet, sources
from benchmarks.fleet.nodes import session
from benchmarks.fleet.ports import reserved_port
from benchmarks.fleet.readers import WireReader
from benchmarks.machine import process_cpu_seconds
from benchmarks.rounds import Goal
from benchmarks.run_once import REPOSITORY, RunFailedError

MOST_ADDED = 0.03
"""Goal: cores that belonging to a fleet adds to an engine."""
MOST_PER_FRAME_US = 20.0
"""Goal for "nothing a frame": what is measured has to be within it."""
LEAST_RUNS = 9


@dataclass(frozen=True, slots=True)
class Cores:
    """CPU time per second of each process, in cores, with `cameras` cameras."""

    cameras: int
    fleet_engine: float
    bare_engine: float
    coordinator: float
    ray: float
    """Of all processes of Ray on the node, which is the head."""
    fleet_results_per_s: float
    bare_results_per_s: float

    @property
    def added(self) -> float:
        """What the fleet adds to the engine."""
        return self.fleet_engine - self.bare_engine


@dataclass(frozen=True, slots=True)
class CpuRun:
    """One run: with a few cameras, and with all."""

    few: Cores
    all: Cores

    @property
    def per_frame_us(self) -> float:
        """CPU time that the fleet adds to a frame."""
        frames = (self.all.cameras - self.few.cameras) * FPS
        return (self.all.added - self.few.added) / frames * 1e6 if frames else 0.0


def measured_cpu(plan: Plan, seconds: float) -> CpuRun:
    """Measure one run. Raises `RunFailedError`."""
    few = max(1, plan.cameras // 4)
    return CpuRun(
        *(asyncio.run(_measured(replace(plan, nodes=1, cameras=count), seconds)) for count in (few, plan.cameras))
    )


def cpu_goals(runs: Sequence[CpuRun], cameras: int) -> list[Goal]:
    """Return the goals with what was measured."""
    added = stats.estimate([100 * one.all.added for one in runs])
    each = stats.estimate([one.per_frame_us for one in runs])
    resolved = len(runs) >= LEAST_RUNS
    return [
        Goal(
            f"at most {100 * MOST_ADDED:g} % of a core more, {cameras} cameras",
            f"{added} %",
            stats.at_most(added, 100 * MOST_ADDED) if resolved else "not resolved",
        ),
        Goal(
            f"nothing a frame: at most {MOST_PER_FRAME_US:g} µs",
            f"{each} µs",
            stats.at_most(each, MOST_PER_FRAME_US) if resolved else "not resolved",
        ),
    ]


async def _measured(plan: Plan, seconds: float) -> Cores:
    with (
        tempfile.TemporaryDirectory(prefix="partstream-bench-", ignore_cleanup_errors=True) as folder,
        sources(plan.source, plan.cameras) as urls,
    ):
        async with local_fleet(Path(folder), plan, urls) as fleet, _bare(Path(folder), urls) as (pid, wire):
            await fleet.until(lambda: len({row.camera for row in wire.rows}) == plan.cameras, "results of all cameras")
            await fleet.steady(3.0)
            return await _cores(fleet, pid, wire, seconds)


async def _cores(fleet: LocalFleet, bare: int, wire: WireReader, seconds: float) -> Cores:
    engine, coordinator = fleet.head.engine, fleet.head.pid("coordinator")
    if engine is None or coordinator is None:
        raise RunFailedError("the engine or the coordinator has ended")
    groups = {"fleet": [engine], "bare": [bare], "coordinator": [coordinator], "ray": session(fleet.head.pid("ray"))}
    before = {name: sum(map(process_cpu_seconds, pids)) for name, pids in groups.items()}
    results = len(fleet.wire.rows), len(wire.rows)
    began = time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    cores = {name: (sum(map(process_cpu_seconds, pids)) - before[name]) / took for name, pids in groups.items()}
    rates = (len(fleet.wire.rows) - results[0]) / took, (len(wire.rows) - results[1]) / took
    return Cores(len(fleet.names), cores["fleet"], cores["bare"], cores["coordinator"], cores["ray"], *rates)


@asynccontextmanager
async def _bare(folder: Path, urls: Mapping[str, str]) -> AsyncGenerator[tuple[int, WireReader]]:
    """Run an engine of its own with these cameras, and as many readers as the fleet's has, within the block."""
    endpoint = f"tcp://127.0.0.1:{reserved_port()}"
    settings = {
        "model": {"profile": "free", "device": "cpu"},
        "http": {"bind": None},
        "publish": {"endpoint": endpoint, "replay": f"tcp://127.0.0.1:{reserved_port()}"},
        "cameras": [{"id": name, "source": url} for name, url in urls.items()],
    }
    (folder / "bare.yaml").write_text(str(yaml.safe_dump(settings)))
    with WireReader([endpoint]) as wire, WireReader([endpoint]), (folder / "bare.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(REPOSITORY / "run_stream.py"),
            *("run", "--config", "bare.yaml", "--json"),
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process.pid, wire
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()
