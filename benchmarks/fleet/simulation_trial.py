"""One simulation in a process of its own, so that its memory can be measured: `… simulation_trial LOAD`, as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict

from fleet.placement.settings import PlacementSettings
from fleet.simulation.simulation import Load, Simulation


def main(load: Load) -> None:
    """Simulate the load, and print the outcome as JSON."""
    outcome = asdict(Simulation(load, PlacementSettings()).run())
    outcome["cpu_s"] = time.process_time()
    outcome["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(outcome))


if __name__ == "__main__":
    main(Load(**json.loads(sys.argv[1])))
