"""The placement of a large fleet, on a virtual clock: what it costs, and how often cameras move.

All engines report once a second, with costs that vary. What is measured is the CPU time of the placement alone. The
least possible number of moves is that of the cameras on engines that are lost or drained, and, after costs have grown,
of the fewest cameras without which no engine has too much to do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.commands.options import RESULTS, JsonOption, with_header
from benchmarks.report import print_machine, write_json
from fleet.placement import Cause, EngineState, Placement, PlacementSettings, Seen, Wish

NOISE = 0.05
"""Part by which a measurement differs from the real cost or capacity at most."""
LIVE_AFTER_S = 2
SPARE = 1.3
"""Capacity of all engines, as a multiple of the mean load before costs grow."""
MOST = 200
"""Cameras on an engine."""


@dataclass(slots=True)
class Phase:
    """What happened in a part of the simulation. `least_moves`: fewer are impossible."""

    name: str
    seconds: int = 0
    cpu_s: float = 0.0
    longest_s: float = 0.0
    """CPU time of what comes at the same time, for example the reports of a second, at most."""
    moves: int = 0
    least_moves: int = 0
    by_cause: dict[Cause, int] = field(default_factory=dict[Cause, int])
    unplaced: int = 0
    overloaded: int = 0
    """Engines at the end whose cameras really cost more than their capacity."""
    fullest_share: float = 0.0


class Simulation:
    """A fleet of equal engines, whose cameras cost 1 to 4 Mpx/s. `run` simulates it once."""

    def __init__(self, cameras: int, engines: int, minutes: int, settings: PlacementSettings) -> None:
        self._random = random.Random(1)
        self._costs = {f"c{number:06}": self._random.uniform(1, 4) for number in range(cameras)}
        self._capacity = 2.5 * cameras / engines * SPARE
        self._minutes = minutes
        self._placement = Placement(settings, now_ms=lambda: 0)
        self._running: dict[str, dict[str, tuple[int, int]]] = {f"e{number:04}": {} for number in range(engines)}
        """Of each engine the cameras, with their generation and since when."""
        self._now_s = 0
        self._held: dict[str, set[str]] = {}
        """The engines that run each camera."""
        self.phases: list[Phase] = []

    def run(self) -> list[Phase]:
        """Place all cameras, let time pass, lose and drain engines, and let a fifth of the cameras cost twice."""
        names = list(self._running)
        hundredth = max(len(names) // 100, 1)
        self._phase("all cameras are placed", self._place_all, 1, least=len(self._costs))
        self._phase("nothing happens", lambda: None, self._minutes)
        lost = self._random.sample(names, hundredth)
        self._phase("1 % of engines are lost", lambda: self._lose(lost), 1, least=self._number_on(lost))
        drained = self._random.sample(list(self._running), hundredth)
        self._phase("1 % of engines are drained", lambda: self._drain(drained), 1, least=self._number_on(drained))
        self._phase("20 % of cameras cost twice", self._double, 5, least=None)
        return self.phases

    def _phase(self, name: str, begin: Callable[[], None], minutes: int, *, least: int | None = 0) -> None:
        phase = Phase(name)
        self.phases.append(phase)
        before = self._placement.moves.copy()
        begin()
        phase.least_moves = self._least_to_relieve() if least is None else least
        self._apply()
        for _ in range(60 * minutes):
            self._second()
        counts = self._placement.moves - before
        phase.seconds, phase.moves, phase.by_cause = 60 * minutes, counts.total(), dict(counts)
        phase.unplaced = sum(camera.engine is None for camera in self._placement.cameras.values())
        shares = [sum(map(self._costs.__getitem__, own)) / self._capacity for own in self._running.values()]
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
        for name, own in self._running.items():
            seen: dict[str, Seen] = {}
            load = 0.0
            for camera, (generation, since_s) in own.items():
                number += 1
                cost = self._costs[camera] * noises[number % 997] if self._now_s >= since_s + LIVE_AFTER_S else 0.0
                seen[camera] = Seen(generation, cost > 0, cost)
                load += cost
            capacity = self._capacity * noises[number % 997]
            state = EngineState(frozenset((name,)), capacity, MOST, load > self._capacity)
            reports.append(partial(self._placement.report, name, state, seen, self._now_s))
        self._timed(reports)
        self._timed([partial(self._placement.tick, self._now_s)])
        self._apply()

    def _apply(self) -> None:
        """Let engines have what has changed."""
        for name in self._placement.changed:
            camera = self._placement.cameras[name]
            places = dict([camera.old] if camera.old is not None else [])
            if camera.engine is not None:
                places[camera.engine] = camera.generation
            for engine in self._held.get(name, set()) - places.keys():
                self._running.get(engine, {}).pop(name, None)
            for engine, generation in places.items():
                own = self._running[engine]
                if name not in own or own[name][0] != generation:
                    own[name] = generation, self._now_s
            self._held[name] = set(places)
        self._placement.changed.clear()

    def _place_all(self) -> None:
        states = {name: EngineState(frozenset((name,)), self._capacity, MOST) for name in self._running}
        self._timed(partial(self._placement.report, name, state, {}, 0) for name, state in states.items())
        self._timed([partial(self._placement.tick, 0)])
        self._timed(partial(self._placement.want, name, Wish(cost=2.0), 0) for name in self._costs)

    def _lose(self, engines: list[str]) -> None:
        for name in engines:
            del self._running[name]
        self._timed(partial(self._placement.gone, name, "its process has ended", self._now_s) for name in engines)

    def _drain(self, engines: list[str]) -> None:
        self._timed(partial(self._placement.drain, name) for name in engines)

    def _double(self) -> None:
        for name in self._random.sample(list(self._costs), len(self._costs) // 5):
            self._costs[name] *= 2

    def _number_on(self, engines: list[str]) -> int:
        return sum(len(self._running[name]) for name in engines)

    def _least_to_relieve(self) -> int:
        least = 0
        for own in self._running.values():
            costs = sorted(map(self._costs.__getitem__, own))
            load = sum(costs)
            while load > self._capacity:
                load -= costs.pop()
                least += 1
        return least


def print_phases(phases: list[Phase], console: Console) -> None:
    """Print a row for each phase."""
    table = Table("phase", "virtual s", "CPU s", "longest ms", "moves", "least", "unplaced", "too full")
    for one in phases:
        times = one.seconds, f"{one.cpu_s:.2f}", f"{1000 * one.longest_s:.1f}"
        counts = one.moves, one.least_moves, one.unplaced, f"{one.overloaded} ({one.fullest_share:.2f})"
        table.add_row(one.name, *map(str, times + counts))
    console.print(table)


def main(
    cameras: Annotated[int, typer.Option(min=1, help="Cameras.")] = 100_000,
    engines: Annotated[int, typer.Option(min=1, help="Engines.")] = 2000,
    minutes: Annotated[int, typer.Option(min=1, help="Virtual minutes in which nothing happens.")] = 2,
    json: JsonOption = None,
) -> None:
    """Cost of placing a fleet's cameras, and moves, with simulated engines on a virtual clock."""
    console, host = Console(width=160), machine.describe()
    phases = Simulation(cameras, engines, minutes, PlacementSettings()).run()
    print_phases(phases, console)
    print_machine(host, console)
    content = {"load": {"cameras": cameras, "engines": engines}, "phases": [asdict(phase) for phase in phases]}
    write_json(json or RESULTS / "placement_simulation.json", with_header("placing-simulation", host, content))


if __name__ == "__main__":
    typer.run(main)
