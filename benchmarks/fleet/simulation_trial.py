"""One simulation in a process of its own, so that its memory can be measured: `… simulation_trial LOAD`, as JSON."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from fleet.placement.settings import PlacementSettings
from fleet.simulation.simulation import Load, Simulation


def peak_rss_mib() -> float:
    """Return this process's peak memory. That of `resource.getrusage` is at least that of the process that began it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def main(load: Load) -> None:
    """Simulate the load, and print the outcome as JSON."""
    outcome = asdict(Simulation(load, PlacementSettings()).run())
    outcome["cpu_s"] = time.process_time()
    outcome["peak_rss_mib"] = peak_rss_mib()
    print(json.dumps(outcome))


if __name__ == "__main__":
    main(Load(**json.loads(sys.argv[1])))
