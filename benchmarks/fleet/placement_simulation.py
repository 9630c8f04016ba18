"""The placement of a large fleet, on a virtual clock: what it costs, and how often cameras move.

All engines report once a second, with costs that vary. What is measured is the CPU time of the placement alone. The
least possible number of moves is that of the cameras on engines that are lost or drained, and, after costs have grown,
of the fewest cameras without which no engine has too much to do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import machine
from benchmarks.commands.options import RESULTS, JsonOption, with_header
from benchmarks.report import print_machine, write_json
from fleet.placement import EngineState, Placement, PlacementSettings, Seen, Wish

NOISE = 0.05
"""Part by which a measurement differs from the real cost or capacity at most."""
LIVE_AFTER_S = 1
SPARE = 1.3
"""Capacity of all engines, as a multiple of the mean load before costs grow."""
MOST = 200
"""Cameras on an engine."""


@dataclass(slots=True)
class Phase:
    """What happened in a part of the simulation."""

    name: str
    seconds: int = 0
    cpu_s: float = 0.0
    longest_s: float = 0.0
    """CPU time of what comes at the same time, for example the reports of a second, at most."""
    moves: int = 0
    least_moves: int = 0
    unplaced: int = 0
    overloaded: int = 0
    """Engines at the end whose cameras really cost more than their capacity."""
    fullest_share: float = 0.0


class Simulation:
    """A fleet of equal engines, whose cameras cost 1 to 4 Mpx/s. `run` simulates it once."""

    def __init__(self, cameras: int, engines: int) -> None:
        self._random = random.Random(1)
        self._costs = {f"c{number:06}": self._random.uniform(1, 4) for number in range(cameras)}
        self._capacity = 2.5 * cameras / engines * SPARE
        self._placement = Placement(PlacementSettings(), now_ms=lambda: 0)
        self._engines = [f"e{number:04}" for number in range(engines)]
        self._a_hundredth = max(engines // 100, 1)
        self._since_s: dict[tuple[str, int], int] = {}
        """Since when an engine has a camera, by the camera and its generation."""
        self._now_s = 0
        self.phases: list[Phase] = []

    def run(self) -> list[Phase]:
        """Place all cameras, let time pass, lose and drain engines, and let a fifth of the cameras cost twice."""
        self._phase("all cameras are placed", self._place_all, 1)
        self._phase("nothing happens", lambda: 0, 2)
        self._phase("1 % of engines are lost", self._lose, 1)
        self._phase("1 % of engines are drained", self._drain, 1)
        self._phase("20 % of cameras cost twice", self._double, 5)
        return self.phases

    def _phase(self, name: str, begin: Callable[[], int], minutes: int) -> None:
        """Let `begin` happen, which returns the least possible number of moves, and these minutes pass."""
        phase = Phase(name, 60 * minutes)
        self.phases.append(phase)
        before = self._placement.moves.copy()
        phase.least_moves = begin()
        for _ in range(phase.seconds):
            self._second()
        phase.moves = (self._placement.moves - before).total()
        phase.unplaced = sum(camera.engine is None for camera in self._placement.cameras.values())
        shares = [sum(self._costs_on(name)) / self._capacity for name in self._engines]
        phase.overloaded, phase.fullest_share = sum(share > 1 for share in shares), max(shares)

    def _timed(self, calls: Iterable[Callable[[], None]]) -> None:
        """Make calls that come at the same time, and count their CPU time."""
        began_s = time.thread_time()
        for call in calls:
            call()
        took_s = time.thread_time() - began_s
        self.phases[-1].cpu_s += took_s
        self.phases[-1].longest_s = max(self.phases[-1].longest_s, took_s)

    def _second(self) -> None:
        self._now_s += 1
        noises = [self._random.uniform(1 - NOISE, 1 + NOISE) for _ in range(997)]
        number = self._now_s
        reports: list[Callable[[], None]] = []
        for name in self._engines:
            seen: dict[str, Seen] = {}
            load = 0.0
            for camera, generation in self._on(name).items():
                number += 1
                since_s = self._since_s.setdefault((camera, generation), self._now_s)
                cost = self._costs[camera] * noises[number % 997] if self._now_s >= since_s + LIVE_AFTER_S else 0.0
                seen[camera] = Seen(generation, cost > 0, cost)
                load += cost
            capacity = self._capacity * noises[number % 997]
            state = EngineState(frozenset((name,)), capacity, MOST, load > self._capacity)
            reports.append(partial(self._placement.report, name, state, seen, self._now_s))
        self._timed(reports)
        self._timed([partial(self._placement.tick, self._now_s)])

    def _on(self, engine: str) -> dict[str, int]:
        """Return the generations of the cameras that an engine has: it has what it is to have."""
        own = self._placement.engines.get(engine)
        if own is None:
            return {}
        leaving = {name: camera.old[1] for name, camera in own.leaving.items() if camera.old is not None}
        return leaving | {name: camera.generation for name, camera in own.cameras.items()}

    def _costs_on(self, engine: str) -> list[float]:
        return sorted(map(self._costs.__getitem__, self._on(engine)))

    def _place_all(self) -> int:
        self._second()  # the engines report
        self._timed(partial(self._placement.want, name, Wish(cost=2.0), 0) for name in self._costs)
        return len(self._costs)

    def _sample(self) -> list[str]:
        return self._random.sample(self._engines, self._a_hundredth)

    def _lose(self) -> int:
        lost = self._sample()
        number = sum(len(self._on(name)) for name in lost)
        self._engines = [name for name in self._engines if name not in lost]
        self._timed(partial(self._placement.gone, name, "its process has ended", self._now_s) for name in lost)
        return number

    def _drain(self) -> int:
        drained = self._sample()
        self._timed(partial(self._placement.drain, name) for name in drained)
        return sum(len(self._on(name)) for name in drained)

    def _double(self) -> int:
        for name in self._random.sample(list(self._costs), len(self._costs) // 5):
            self._costs[name] *= 2
        least = 0
        for name in self._engines:
            costs = self._costs_on(name)
            while sum(costs) > self._capacity:
                costs.pop()
                least += 1
        return least


def main(
    cameras: Annotated[int, typer.Option(min=1, help="Cameras.")] = 100_000,
    engines: Annotated[int, typer.Option(min=1, help="Engines.")] = 2000,
    json: JsonOption = None,
) -> None:
    """Cost of placing a fleet's cameras, and moves, with simulated engines on a virtual clock."""
    console, host = Console(width=160), machine.describe()
    phases = Simulation(cameras, engines).run()
    for phase in phases:
        console.print(repr(phase), soft_wrap=True)
    print_machine(host, console)
    content = {"load": {"cameras": cameras, "engines": engines}, "phases": [asdict(phase) for phase in phases]}
    write_json(json or RESULTS / "placement_simulation.json", with_header("placing-simulation", host, content))


if __name__ == "__main__":
    typer.run(main)
