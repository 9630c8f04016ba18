"""Cost of a fleet's coordinator: `python -m benchmarks.fleet.coordinator_bench`.

A coordinator with its store and HTTP server runs in a process of its own; 50 simulated engines renew their leases from
this one, with 1,000 cameras between them. Each round starts the coordinator, waits until all cameras are placed,
measures its CPU time while nothing changes, kills an engine without a word, and measures until its cameras are on
others.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import machine, stats
from benchmarks.engine.result_subscriber import free_endpoint
from benchmarks.fleet.dealer_engines import DealerEngine
from benchmarks.report import print_goals, print_machine, write_json
from benchmarks.rounds import Goal
from benchmarks.run_once import REPOSITORY, RunFailedError

PLACED_S, CPU_SHARE, RSS_MIB = 5.0, 0.10, 150.0
"""Goals: seconds to place all cameras, part of a core while nothing changes, memory."""
POLL_S = 0.01
LIMIT_S = 120.0

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from fleet.coordinator.service import CoordinatorService
from fleet.settings import FleetConfig

async def main():
    service = CoordinatorService(FleetConfig.model_validate(json.loads(Path(sys.argv[1]).read_text())))
    await service.start()
    print("started", flush=True)
    await service.wait()

asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class CoordinatorRun:
    """Figures of one round."""

    placed_s: float
    """From the coordinator's start, after its imports and with all engines waiting, until all cameras are placed."""
    placing_s: float
    """Of these, from the first camera that was placed to the last."""
    placing_cpu_s: float
    cpu_share: float
    """CPU time per second while nothing changed, part of a core."""
    failover_s: float
    """From the end of an engine until all its cameras are on others; the lease is 2 s."""
    rss_mib: float
    """Highest resident memory."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures and write them. Return the exit code."""
    parser = argparse.ArgumentParser(description="Measure the cost of a fleet's coordinator.")
    parser.add_argument("--cameras", type=int, default=1000)
    parser.add_argument("--engines", type=int, default=50)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=20.0, help="Seconds for which nothing changes.")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/fleet_coordinator.json"))
    options = parser.parse_args(arguments)
    host = machine.describe()
    progress = Console(stderr=True)
    runs: list[CoordinatorRun] = []
    for number in range(options.runs):
        runs.append(asyncio.run(run(options.cameras, options.engines, options.seconds)))
        progress.print(f"run {number + 1} of {options.runs}: {runs[-1]}")
    found = goals(runs)
    print_goals(found, Console())
    print_machine(host, Console())
    content: dict[str, Any] = {
        "benchmark": "fleet-coordinator",
        "commit": machine.commit(REPOSITORY),
        "machine": host,
        "plan": {"cameras": options.cameras, "engines": options.engines, "seconds": options.seconds},
        "goals": [asdict(goal) for goal in found],
        "runs": [asdict(run) for run in runs],
    }
    write_json(options.json, content)
    return 0


def goals(runs: Sequence[CoordinatorRun]) -> list[Goal]:
    """Return the goals with what was measured."""
    placed, cpu, rss = (
        stats.estimate(values)
        for values in (
            [run.placed_s for run in runs],
            [100 * run.cpu_share for run in runs],
            [run.rss_mib for run in runs],
        )
    )
    return [
        Goal(f"all cameras placed within {PLACED_S:g} s", f"{placed} s", stats.at_most(placed, PLACED_S)),
        Goal(f"at most {100 * CPU_SHARE:g} % of a core", f"{cpu} %", stats.at_most(cpu, 100 * CPU_SHARE)),
        Goal(f"at most {RSS_MIB:g} MiB", f"{rss} MiB", stats.at_most(rss, RSS_MIB)),
    ]


async def run(cameras: int, engines: int, seconds: float) -> CoordinatorRun:
    """Run one round. Raises `RunFailedError` if the coordinator ends or takes longer than `LIMIT_S`."""
    with tempfile.TemporaryDirectory(prefix="partstream-bench-") as folder:
        address = free_endpoint()
        file = _written(Path(folder), address, cameras)
        members = [
            DealerEngine(address, f"e{number}", f"n{number}", capacity=2_000.0, max_cameras=100, keep=1).begin()
            for number in range(engines)
        ]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAM,
            str(file),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        assert process.stdout is not None
        try:
            if await process.stdout.readline() != b"started\n":
                raise RunFailedError("the coordinator did not start")
            return await _measured(process.pid, members, cameras, seconds)
        finally:
            for member in members:
                await member.end()
            process.kill()
            await process.wait()


async def _measured(pid: int, members: Sequence[DealerEngine], cameras: int, seconds: float) -> CoordinatorRun:
    began, began_cpu_s = time.monotonic(), machine.process_cpu_seconds(pid)
    await _until(lambda: any(member.generations for member in members))
    first = time.monotonic()
    await _until(lambda: _held(members) == cameras)
    placed, placing_cpu_s = time.monotonic(), machine.process_cpu_seconds(pid) - began_cpu_s
    await asyncio.sleep(3.0)  # the first reports of all cameras
    quiet, quiet_cpu_s = time.monotonic(), machine.process_cpu_seconds(pid)
    await asyncio.sleep(seconds)
    share = (machine.process_cpu_seconds(pid) - quiet_cpu_s) / (time.monotonic() - quiet)
    await members[0].end()
    ended = time.monotonic()
    await _until(lambda: _held(members[1:]) == cameras)
    return CoordinatorRun(
        placed - began, placed - first, placing_cpu_s, share, time.monotonic() - ended, _peak_rss_mib(pid)
    )


def _held(members: Sequence[DealerEngine]) -> int:
    return sum(len(member.generations) for member in members)


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(round(LIMIT_S / POLL_S)):
        if condition():
            return
        await asyncio.sleep(POLL_S)
    raise RunFailedError(f"not all cameras were placed within {LIMIT_S:g} s")


def _peak_rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RunFailedError("the coordinator has ended")


def _written(folder: Path, address: str, cameras: int) -> Path:
    """Write the configuration of the fleet, and return its file."""
    zone = {"points": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]}
    content = {
        "coordinator": {
            "bind": address,
            "directory": "tcp://127.0.0.1:0",
            "replay": "tcp://127.0.0.1:0",
            "store": str(folder / "fleet.db"),
            "http": {"bind": "127.0.0.1:0"},
        },
        "cameras": [
            {"id": f"c{number}", "source": f"rtsp://user:password@10.0.0.7/{number}", "zones": {"door": zone}}
            for number in range(cameras)
        ],
    }
    file = folder / "fleet.json"
    file.write_text(json.dumps(content))
    return file


if __name__ == "__main__":
    sys.exit(main())
