"""A fleet of simulated engines on a virtual clock: all join, nodes fail one after another, further engines join.

Messages take no time. What is measured varies. Engines renew four times in a lease, and report what changes within a
tenth of a second. A node that fails is silent; a minute later it is back with a new run. What the placement itself
costs is measured as the CPU time of its steps.
"""

from __future__ import annotations

import heapq
import math
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

from fleet.placement.commands import Announce, Assign, Command
from fleet.placement.events import CameraWanted, Event, Tick
from fleet.placement.levelling import LESS_TO_DO
from fleet.placement.placement import Placement
from fleet.placement.settings import PlacementSettings
from fleet.simulation.assignments import Assignments
from fleet.simulation.engines import SimulatedEngine, SimulatedGrant
from stream.membership.protocol import EngineReport
from stream.results import EngineAddress

JOIN_S = 2.0
"""All engines join within this time."""
REMEASURED_S = 5.0
"""How often an engine tells all its cameras because their measured costs are new."""
TOLD_AFTER_S = 0.1
"""Within this time an engine reports that cameras are live."""
AWAY_S = 60.0
"""How long a failed node is away."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is simulated. A camera costs 1 to 4 Mpx/s; an engine can take `spare` times the mean load."""

    cameras: int
    engines: int
    failing_per_minute: float = 0.05
    """Part of the nodes that fail in a minute."""
    minutes: float = 5.0
    """Of failures, after all cameras were placed."""
    joining: int = 0
    """Engines that join after the failures."""
    levelling_minutes: float = 0.0
    """How long the fleet goes on after that."""
    noise: float = 0.1
    """Measured costs and capacities differ from the real ones by up to this part."""
    spare: float = 1.5
    starts_s: tuple[float, float] = (0.05, 1.5)
    """Shortest and longest time until a camera is live on an engine."""
    seed: int = 1


@dataclass(slots=True)
class Outcome:
    """The outcome of a simulation. Times named `virtual` are those of the simulated clock."""

    all_live_virtual_s: float = 0.0
    """From the first engine's joining until every camera was live."""
    placing_cpu_s: float = 0.0
    """CPU time of the placement until then."""
    longest_step_s: float = 0.0
    """CPU time of its longest step."""
    failing_virtual_s: float = 0.0
    failing_cpu_s: float = 0.0
    """CPU time of the placement during the failures."""
    failed_nodes: int = 0
    failed_cameras: int = 0
    """Cameras that were on nodes when they failed."""
    moves: int = 0
    """Cameras that were given to another engine or run since all were placed, until the further engines joined."""
    levelled: int = 0
    """Those of them that were moved to engines with less to do."""
    joined_moves: int = 0
    """Cameras that were given to another engine since."""
    level_virtual_s: float = 0.0
    """How long after that the last one was."""
    least_share: float = 0.0
    """Load of the engine that has least at the end, as part of the mean."""
    unplaced: int = 0
    """Cameras that no engine has at the end."""
    away_virtual_s: list[float] = field(default_factory=list[float])
    """For each of the cameras of failed nodes, how long it was not live."""


class Simulation:
    """A fleet. `run` simulates it once, and returns the outcome."""

    def __init__(self, load: Load, settings: PlacementSettings) -> None:
        self._load, self._settings = load, settings
        self._random, self._noise = random.Random(load.seed), random.Random(load.seed + 1)
        self._cost = {f"c{number:06}": self._random.uniform(1, 4) for number in range(load.cameras)}
        self._capacity = 2.5 * load.cameras / load.engines * load.spare
        self._most = int(2 * load.cameras / load.engines) + 1
        self._now_s = 0.0
        self._placement = Placement(settings, generation_floor=1, now_s=0.0)
        self._assignments = Assignments()
        self._untold: set[str] = set()
        """Engines whose cameras have changed since their last grant."""
        self._engines: dict[str, SimulatedEngine] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self._runs = count()
        self._cpu_s = 0.0
        self._live: set[str] = set()
        self._lost_s: dict[str, float] = {}
        self._outcome = Outcome()
        self._failing = False
        self._joined_s = math.inf

    def run(self) -> Outcome:
        """Join all engines, wait until all cameras are live, let nodes fail, and wait until all are live again.

        Then let further engines join.
        """
        load, outcome = self._load, self._outcome
        for number in range(load.engines):
            self._after(self._random.uniform(0, JOIN_S), lambda name=f"e{number:04}": self._join(name))
        for camera in self._cost:
            self._step(CameraWanted(camera))
        self._after(0, self._tick)
        self._until(lambda: len(self._live) == load.cameras, 600)
        outcome.all_live_virtual_s, outcome.placing_cpu_s = self._now_s, self._cpu_s
        self._failing = True
        began_s = self._now_s
        failures = round(load.engines * load.failing_per_minute * load.minutes)
        for number in range(failures):
            self._after(number / max(failures, 1) * load.minutes * 60, self._fail)
        ends_s = began_s + load.minutes * 60
        self._until(lambda: self._now_s >= ends_s, load.minutes * 60 + 1)
        outcome.failing_virtual_s = self._now_s - began_s
        outcome.failing_cpu_s = self._cpu_s - outcome.placing_cpu_s
        self._until(lambda: len(self._live) == load.cameras, 600)
        outcome.unplaced = sum(camera.engine is None for camera in self._placement.cameras.values())
        self._joined_s = self._now_s
        for number in range(load.joining):
            self._join(f"e{load.engines + number:04}")
        self._until(
            lambda: self._now_s >= self._joined_s + load.levelling_minutes * 60, 60 * load.levelling_minutes + 1
        )
        costs = [sum(map(self._cost.__getitem__, engine.running)) for engine in self._engines.values()]
        outcome.least_share = min(costs) / (sum(costs) / len(costs))
        return outcome

    def _until(self, done: Callable[[], bool], limit_s: float) -> None:
        """Let virtual time pass until `done`. Raises `TimeoutError` after `limit_s` of it."""
        limit_s += self._now_s
        while not done():
            self._now_s, _, act = heapq.heappop(self._due)
            if self._now_s > limit_s:
                raise TimeoutError(f"{self._load.cameras - len(self._live)} cameras are not live")
            act()

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self._now_s + seconds, next(self._number), act))

    def _step(self, event: Event) -> None:
        began_s = time.thread_time()
        commands = self._placement.step(event, self._now_s)
        took_s = time.thread_time() - began_s
        self._cpu_s += took_s
        self._outcome.longest_step_s = max(self._outcome.longest_step_s, took_s)
        self._count(commands)
        changed = self._assignments.take(commands)
        self._untold |= changed
        for name in sorted(changed):  # a set has another order in each process
            engine = self._engines.get(name)
            if engine is not None:
                self._after(0, lambda engine=engine: self._renew(engine))

    def _count(self, commands: Iterable[Command]) -> None:
        moves = sum(isinstance(command, Assign) for command in commands)
        if self._joined_s < math.inf and moves:
            self._outcome.joined_moves += moves
            self._outcome.level_virtual_s = self._now_s - self._joined_s
        elif self._failing:
            self._outcome.moves += moves
            self._outcome.levelled += sum(
                isinstance(command, Announce) and command.reason.endswith(LESS_TO_DO) for command in commands
            )

    def _tick(self) -> None:
        self._step(Tick())
        self._after(self._settings.ttl_s / 8, self._tick)

    # Engines

    def _join(self, name: str) -> None:
        run = f"{next(self._runs):032x}"
        engine = self._engines[name] = SimulatedEngine(
            EngineAddress(name, f"node-{name}", run, f"tcp://{name}:1", f"tcp://{name}:2"),
            EngineReport(self._capacity, self._most),
            starts_in_s=lambda camera: self._random.uniform(*self._load.starts_s),
            pixels=lambda camera: self._varied(self._cost[camera]),
        )
        self._heartbeat(engine)
        self._after(self._random.uniform(0, REMEASURED_S), lambda: self._remeasure(engine))

    def _varied(self, real: float) -> float:
        """Return what is measured of this."""
        return real * self._noise.uniform(1 - self._load.noise, 1 + self._load.noise)

    def _heartbeat(self, engine: SimulatedEngine) -> None:
        if self._works(engine):
            self._renew(engine)
            self._after(self._settings.ttl_s / 4, lambda: self._heartbeat(engine))

    def _remeasure(self, engine: SimulatedEngine) -> None:
        if self._works(engine):
            engine.report = EngineReport(self._varied(self._capacity), self._most)
            engine.tell_again()
            self._after(REMEASURED_S, lambda: self._remeasure(engine))

    def _renew(self, engine: SimulatedEngine) -> None:
        """Send a renewal and take over the grant that answers it."""
        if not self._works(engine):
            return
        asked, renewal = engine.renew(self._now_s)
        name = engine.address.engine
        for camera, measured in (renewal.cameras or {}).items():
            if measured.live and camera not in self._live:
                self._note_live(camera)
        self._step(renewal)
        generations = self._assignments[name] if name in self._untold else None
        self._untold.discard(name)
        grant = SimulatedGrant(asked, self._settings.ttl_s, generations)
        if engine.take(grant, self._now_s):
            soon_s = [camera.live_s - self._now_s for camera in engine.running.values()]
            for periods in {math.ceil(seconds / TOLD_AFTER_S) for seconds in soon_s if seconds > 0}:
                self._after(periods * TOLD_AFTER_S, lambda: self._renew(engine))

    def _works(self, engine: SimulatedEngine) -> bool:
        return self._engines.get(engine.address.engine) is engine

    def _note_live(self, camera: str) -> None:
        self._live.add(camera)
        lost_s = self._lost_s.pop(camera, None)
        if lost_s is not None:
            self._outcome.away_virtual_s.append(self._now_s - lost_s)

    def _fail(self) -> None:
        """Let a node fail. It comes back later, with a new run."""
        engine = self._engines.pop(self._random.choice(list(self._engines)))
        self._outcome.failed_nodes += 1
        self._outcome.failed_cameras += len(engine.running)
        for camera in engine.running:
            self._live.discard(camera)
            self._lost_s.setdefault(camera, self._now_s)
        self._after(AWAY_S, lambda: self._join(engine.address.engine))
