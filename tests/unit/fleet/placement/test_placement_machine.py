"""The placement in a fleet where everything may happen: Hypothesis looks for events that break a promise."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fleet.placement.commands import Announce, Assign, Command, EngineLost, Release
from fleet.placement.events import (
    CameraUnwanted,
    CameraWanted,
    DrainBegun,
    DrainEnded,
    EngineEnded,
    EngineRenewed,
    Event,
    Tick,
    Wish,
)
from fleet.placement.levelling import LESS_TO_DO
from fleet.placement.placement import Placement
from fleet.placement.records import CameraRecord, EngineRecord, Remembered
from fleet.placement.settings import PlacementSettings
from fleet.simulation.assignments import Assignments
from fleet.simulation.engines import Asked, SimulatedEngine, SimulatedGrant
from stream.membership.protocol import EngineReport, Fence
from stream.results import EngineAddress
from support.examples import examples

STEP_S = 0.25
CAMERAS = ("c0", "c1", "c2", "c3", "c4")
ENGINES = ("e0", "e1", "e2", "e3")
NODES = {"e0": "n0", "e1": "n1", "e2": "n2", "e3": "n2"}
MOST_COST = 20.0
QUIET_STEPS, QUIET_TRIES = 100, 6
MOVED_WITHIN_S = 1.5
"""Of a move that only levels the load, with engines that answer at once; the next one begins at least 2 s later."""
PLACES = (*ENGINES, *sorted(set(NODES.values())))

engines = st.sampled_from(ENGINES)
cameras = st.sampled_from(CAMERAS)
wishes = st.builds(
    Wish,
    enabled=st.integers(0, 5).map(bool),
    pinned=st.one_of(st.none(), st.none(), st.none(), st.none(), st.sampled_from(PLACES)),
    exclusive=st.integers(0, 3).map(lambda number: number == 3),
    pixels=st.sampled_from((1.0, 2.0, 5.0, MOST_COST)),
)


@dataclass
class Link:
    """The connection between an engine and the coordinator. Messages wait in it while it is cut."""

    up: deque[tuple[Asked, EngineRenewed]] = field(default_factory=deque)
    down: deque[SimulatedGrant] = field(default_factory=deque)
    cut: bool = False


@dataclass
class Stored:
    """A camera in the coordinator's store."""

    wish: Wish
    generation: int = 0
    engine: str | None = None
    run: str | None = None


class World:
    """Engines, links, a coordinator and its store, on one clock. Checks what must hold at every moment."""

    def __init__(self, fence: Fence) -> None:
        self.settings = PlacementSettings(
            fence=fence, live_within_s=3, refused_s=5, drain_at_once=2, rest_s=10, level_above=0
        )
        self.now_s = 1000.0
        self.engines: dict[str, SimulatedEngine] = {}
        self.links: dict[str, Link] = {}
        self.paused: set[str] = set()
        self.refusing: set[tuple[str, str]] = set()
        self.dark: set[str] = set()
        """Cameras that give no pictures when they are opened."""
        self.runs = 0
        self.store: dict[str, Stored] = {}
        self.drains: set[str] = set()
        self.floor = self.created()
        self.placement: Placement | None = None
        self.assignments = Assignments()
        self.full = False
        """Whether nothing can be written."""
        self.unwritten: deque[Command] = deque()
        self.safe: set[str] = set()
        """Cameras that ran when the disk got full. Nothing has happened to them since."""
        self.wild: dict[str, float] = {}
        """What engines measure of a camera that costs something else."""
        self.given: dict[tuple[str, int], tuple[str, str]] = {}
        """Which engine and run was given each generation of a camera."""
        self.announced: dict[str, Announce] = {}
        """The last announcement with a generation."""
        self.state_told: dict[str, str] = {}
        self.placed_s: dict[str, float] = {}
        """When this coordinator gave each camera to an engine."""
        self.levelled_s: list[float] = []
        """When it moved cameras to level the load."""
        self.start()

    def created(self) -> int:
        """Return the wall clock in ms: the floor of a store that is created now."""
        return round(self.now_s * 1000)

    # The coordinator

    def start(self) -> None:
        """Start a coordinator with what its store has."""
        self.assignments = Assignments()
        self.unwritten.clear()
        self.placed_s.clear()
        self.levelled_s.clear()
        remembered = [
            Remembered(name, one.wish, one.generation, one.engine, one.run) for name, one in self.store.items()
        ]
        self.placement = Placement(self.settings, remembered, generation_floor=self.floor, now_s=self.now_s)
        for name in sorted(self.drains):
            self.step(DrainBegun(name))

    def lose_store(self) -> None:
        """Let a new store know the configured cameras, and nothing else."""
        self.store = {name: Stored(one.wish) for name, one in self.store.items()}
        self.floor = self.created()

    def step(self, event: Event) -> None:
        """Take an event, write its commands, and send each engine whose cameras changed a grant."""
        if self.placement is None:
            return
        joins = self.begin(event) if isinstance(event, EngineRenewed) else None
        commands = self.placement.step(event, self.now_s)
        self.check_levelling(commands)
        self.unwritten.extend(commands)
        at_once = [command for command in commands if isinstance(command, Release | EngineLost)]
        if joins is not None and any(isinstance(command, EngineLost) for command in at_once):
            self.assignments.begin(*joins)  # it was started again
            at_once = [command for command in at_once if not isinstance(command, EngineLost)]
        changed = self.assignments.take(at_once) | self.deliver()
        if isinstance(event, EngineRenewed):
            changed.discard(event.address.engine)
        for name in sorted(changed):
            self.grant(name, Asked(0, float("-inf")))
        self.check_places()

    def begin(self, event: EngineRenewed) -> tuple[str, dict[str, int]] | None:
        """Begin a session with the cameras that the engine has."""
        assert self.placement is not None
        name = event.address.engine
        view = self.placement.engines.get(name)
        if event.cameras is None or (view is not None and view.known and view.address.run == event.address.run):
            return None
        has = {camera: measured.generation for camera, measured in event.cameras.items() if not measured.refused}
        self.assignments.begin(name, has)
        return name, has

    def deliver(self) -> set[str]:
        """Write decisions, unless the disk is full, and do them. Return the engines whose cameras changed."""
        assert self.placement is not None
        changed: set[str] = set()
        if self.full:
            return changed
        self.floor = self.placement.generation_floor
        while self.unwritten:
            command = self.unwritten.popleft()
            if isinstance(command, Assign):
                camera = self.placement.cameras.get(command.camera)
                self.keep(command)
                if (
                    camera is None
                    or camera.generation != command.generation
                    or camera.state not in ("placed", "moving")
                    or self.run_of(command.engine) != command.run
                ):
                    continue
                changed |= self.assignments.take([command])
            self.write(command)
        return changed

    def run_of(self, engine: str) -> str | None:
        assert self.placement is not None
        view = self.placement.engines.get(engine)
        return view.address.run if view is not None else None

    def write(self, command: Command) -> None:
        if isinstance(command, Assign):
            key, place = (command.camera, command.generation), (command.engine, command.run)
            assert self.given.setdefault(key, place) == place, f"two engines have {key}"
        elif isinstance(command, Announce):
            before = self.announced.get(command.camera, command)
            unknown = command.generation == 0 and command.state != "placed"
            assert unknown or command.generation >= before.generation, f"{command} after {before}"
            self.announced[command.camera] = before if unknown else command
            self.state_told[command.camera] = command.state

    def keep(self, assign: Assign) -> None:
        if (stored := self.store.get(assign.camera)) is not None:
            assert assign.generation >= stored.generation
            stored.generation, stored.engine, stored.run = assign.generation, assign.engine, assign.run

    def grant(self, name: str, answers: Asked) -> None:
        """Send a grant. It prolongs no lease without an answered renewal, or of cameras that are not known."""
        assert self.placement is not None
        view = self.placement.engines.get(name)
        if view is not None and name in self.links:
            known = dict(self.assignments[name]) if view.known else None
            ttl_s = self.settings.ttl_s if view.known else 0.0
            self.links[name].down.append(SimulatedGrant(answers, ttl_s, known, not view.known))

    # Engines

    def join(self, name: str, capacity: float, max_cameras: int) -> None:
        self.runs += 1
        self.links[name] = Link()
        self.engines[name] = SimulatedEngine(
            EngineAddress(name, NODES[name], f"{self.runs:032x}", f"tcp://{name}:1", f"tcp://{name}:2"),
            EngineReport(capacity, max_cameras),
            starts_in_s=lambda camera: 1e9 if camera in self.dark else 0.4,
            pixels=self.pixels,
            refuses=lambda camera: "it cannot" if (name, camera) in self.refusing else "",
            fence=self.settings.fence,
        )

    def pixels(self, camera: str) -> float:
        """Return what an engine measures of a camera."""
        real = self.store[camera].wish.pixels if camera in self.store else 1.0
        return self.wild.get(camera, real)

    def running(self) -> set[str]:
        return {camera for engine in self.engines.values() for camera in engine.published(self.now_s)}

    def owners(self, cameras: list[str]) -> dict[str, str]:
        """Return the engines that have what they were given last, and can be heard."""
        owners: dict[str, str] = {}
        for camera in cameras:
            stored = self.store.get(camera)
            engine = self.engines.get(stored.engine or "") if stored is not None else None
            if stored is None or engine is None or not is_free(stored.wish):
                continue
            name = engine.address.engine
            heard = name not in self.paused and not self.links[name].cut and not self.is_drained(name)
            if heard and engine.published(self.now_s).get(camera) == stored.generation:
                owners[camera] = name
        return owners

    def end(self, name: str, told: bool) -> None:
        """End an engine's process."""
        engine = self.engines.pop(name)
        del self.links[name]
        self.paused.discard(name)
        if told:
            self.step(EngineEnded(name, engine.address.run))

    def elapse(self, steps: int) -> None:
        for _ in range(steps):
            self.now_s += STEP_S
            for name, engine in self.engines.items():
                link = self.links[name]
                if name in self.paused:
                    continue
                while link.down and not link.cut:
                    engine.take(link.down.popleft(), self.now_s)
                link.up.append(engine.renew(self.now_s))
                self.check_leases()
            if self.placement is None:
                continue
            for name, link in self.links.items():
                while link.up and not link.cut:
                    asked, renewal = link.up.popleft()
                    self.step(renewal)
                    self.grant(name, asked)
            self.step(Tick(held=self.full))
            if self.settings.fence == "soft":
                assert self.safe <= self.running(), f"a full disk stopped {self.safe - self.running()}"

    def calm(self) -> None:
        """Repair everything, and give the fleet the time to come to rest."""
        if self.placement is None:
            self.start()
        self.paused.clear()
        self.full = False
        self.safe.clear()
        for link in self.links.values():
            link.cut = False
        if self.wild:
            self.wild.clear()
            for engine in self.engines.values():
                engine.tell_again()
            self.elapse(160)
        self.elapse(60)
        while self.levelled_s and self.now_s - self.levelled_s[-1] < MOVED_WITHIN_S:
            self.elapse(1)

    # What must hold

    def check_leases(self) -> None:
        for camera in CAMERAS:
            holding = [name for name, engine in self.engines.items() if engine.holds(camera, self.now_s)]
            assert self.settings.fence == "soft" or len(holding) <= 1, f"{camera} is held by {holding}"

    def check_levelling(self, commands: list[Command]) -> None:
        """Check the moves that only level the load: their number, and of which cameras they are."""
        for command in commands:
            if not isinstance(command, Announce) or command.state != "placed" or command.reason == "its engine has it":
                continue
            placed_s = self.placed_s.get(command.camera, float("-inf"))
            self.placed_s[command.camera] = self.now_s
            if not command.reason.endswith(LESS_TO_DO):
                continue
            wish = self.store[command.camera].wish
            assert is_plain(wish) and self.settings.fence == "soft"
            assert self.now_s - placed_s >= self.settings.rest_s, f"{command.camera} was moved again"
            last_s = self.levelled_s[-1] if self.levelled_s else float("-inf")
            assert self.now_s - last_s >= 60 / self.settings.moves_per_minute
            self.levelled_s.append(self.now_s)

    def check_level(self) -> None:
        """Check that the fleet comes to an end with moving cameras if nothing happens."""
        self.refusing.clear()
        self.dark.clear()
        before = -1
        for _ in range(QUIET_TRIES):
            if len(self.levelled_s) == before:
                return
            before = len(self.levelled_s)
            self.elapse(QUIET_STEPS)
        raise AssertionError("cameras still move, to level the load")

    def check_places(self) -> None:
        assert self.placement is not None
        for name, camera in self.placement.cameras.items():
            assert camera.state != "unplaced" or camera.reason, f"{name} is nowhere, without a reason"
        emptied = Counter(
            camera.previous
            for camera in self.placement.cameras.values()
            if camera.state == "moving" and camera.reason == f"{camera.previous} is being drained"
        )
        assert all(count <= self.settings.drain_at_once for count in emptied.values())
        audit(self.placement)

    def check_rest(self) -> None:
        """Check that every camera is on one engine, with the generation that readers were told, or has a reason."""
        assert self.placement is not None
        seen = {name: engine.published(self.now_s) for name, engine in self.engines.items()}
        for name in CAMERAS:
            where = [engine for engine, one in self.engines.items() if name in one.running]
            if name not in self.store or not self.store[name].wish.enabled:
                assert not where, f"{name} is not wanted, but on {where}"
                continue
            camera = self.placement.cameras[name]
            opened_dark = any(self.engines[engine].running[name].live_s > self.now_s + 1e6 for engine in where)
            asked = camera.engine is not None and (camera.engine, name) in self.refusing
            if opened_dark or (camera.state == "moving" and (asked or name in self.dark)):
                continue  # it never gets live at the new engine, is given back, and tried again later
            assert camera.state in ("placed", "unplaced"), f"{name} is {camera}"
            if camera.engine is None:
                assert not where
                assert self.state_told[name] == "unplaced"
                assert camera.cost <= 1.02 * MOST_COST, f"{name} is nowhere: {camera}"
                assert not self.takers(name), f"{name} is nowhere ({camera.reason}), but fits {self.takers(name)}"
                continue
            if (camera.engine, name) in self.refusing and not where:
                continue  # it is asked again, and has not answered yet
            assert where == [camera.engine], f"{name} is on {where}: {camera}"
            assert self.announced[name].generation == camera.generation
            assert self.announced[name].engine == camera.engine
            pinned = self.store[name].wish.pinned
            assert pinned is None or pinned in (camera.engine, NODES[camera.engine])
            if self.engines[camera.engine].running[name].live_s < self.now_s:
                assert seen[camera.engine][name] == camera.generation
            if (
                self.is_drained(camera.engine) and name not in self.dark
            ):  # a dark one was given back, and is tried later
                assert not self.takers(name), f"{name} stays, but fits {self.takers(name)}"

    def is_drained(self, engine: str) -> bool:
        return bool({engine, NODES[engine]} & self.drains) or self.engines[engine].stopping

    def takers(self, camera: str) -> list[str]:
        """Return the engines that could have the camera and have not refused it lately."""
        assert self.placement is not None
        wish = self.store[camera].wish
        record = self.placement._ledger.cameras[camera]
        refused = record.refused_by(self.now_s)
        return [
            name
            for name, view in self.placement.engines.items()
            if not self.is_drained(name)
            and name not in refused
            and (name, camera) not in self.refusing
            and (wish.pinned is None or wish.pinned in (name, NODES[name]))
            and view.cameras < view.report.max_cameras
            and (
                view.report.capacity * (1 - self.settings.headroom) - view.load >= record.cost
                or (not record.measured and record.at is None and self.is_idle(name))
            )
        ]

    def is_idle(self, engine: str) -> bool:
        """Return whether the engine has room for several cameras like those that it has, and none is being measured."""
        assert self.placement is not None
        record = self.placement._ledger.engines[engine]
        held = record.held.values()
        measuring = [one for one in held if not one.measured and (one.at is None or one.at.live or not one.at.seen)]
        waits = any(one.name in self.placement._ledger.awaited for one in held)
        load = sum(one.cost for one in held if one.measured)
        most = record.report.capacity * (1 - self.settings.headroom)
        return not waits and not measuring and load <= most / 2 / max(1, sum(one.measured for one in held))


def audit(placement: Placement) -> None:
    """Check that the placement's records agree with each other, and that nothing is left of what is gone."""
    ledger = placement._ledger
    expected: dict[str, list[CameraRecord]] = {name: [] for name in ledger.engines}
    for camera in ledger.cameras.values():
        assert camera.wish is not None or camera.leaving is not None
        assert camera.kept is None or not ledger.breaks_first(camera) or camera.wish is None or camera.wish.exclusive
        holds: list[EngineRecord] = [hold.engine for hold in (camera.at, camera.kept) if hold is not None]
        assert len(set(map(id, holds))) == len(holds)
        for engine in holds:
            assert ledger.engines.get(engine.name) is engine
            expected[engine.name].append(camera)
        if camera.leaving is not None and camera.leaving.engine is not None:
            assert ledger.engines.get(camera.leaving.engine.name) is camera.leaving.engine
            assert camera.leaving.engine.leaving[camera.name] is camera
        assert (camera.leaving is not None) == (camera.name in ledger.leaving)
        if placement.settled and camera.wanted and camera.at is None:
            waits = camera.leaving is not None or camera.name in ledger.due or camera.name in placement._unplaced
            assert waits, f"{camera.name} is forgotten"
    for name, engine in ledger.engines.items():
        assert set(engine.held) == {camera.name for camera in expected[name]}
        assert abs(engine.load - sum(camera.cost for camera in engine.held.values())) < 1e-6
        assert engine.outgoing == sum(
            camera.kept is not None and camera.kept.engine is engine for camera in engine.held.values()
        )
        assert set(engine.leaving) <= set(ledger.leaving)
    for names in (ledger.due, ledger.awaited, ledger.leaving, placement._unplaced):
        assert set(names) <= set(ledger.cameras)
    assert sum(map(len, ledger.by_node.values())) == len(ledger.engines)
    assert len(ledger.room._heap) <= 2 * len(ENGINES) + 64


def is_free(wish: Wish) -> bool:
    return wish.enabled and wish.pinned is None


def is_plain(wish: Wish) -> bool:
    return is_free(wish) and not wish.exclusive


class FleetMachine(RuleBasedStateMachine):
    """What users, networks and machines do to a fleet under a soft fence."""

    fence: Fence = "soft"

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.fence)

    @initialize()
    def begin(self) -> None:
        """Begin with a fleet that works, so that there is something to break."""
        for name in ENGINES[:3]:
            self.world.join(name, capacity=100, max_cameras=64)
        for name in CAMERAS:
            self.want(name, Wish())
        self.world.elapse(24)

    @rule(name=engines, capacity=st.sampled_from((100.0, 8.0)), max_cameras=st.sampled_from((64, 2)))
    def join_or_restart(self, name: str, capacity: float, max_cameras: int) -> None:
        self.world.safe = set()
        if name in self.world.engines:
            self.world.end(name, told=False)
        self.world.join(name, capacity, max_cameras)

    @rule(name=engines, how=st.sampled_from(("told", "silent", "in order")))
    def leave(self, name: str, how: str) -> None:
        self.world.safe = set()
        if name in self.world.engines:
            if how == "in order":
                self.world.engines[name].stopping = True
            else:
                self.world.end(name, told=how == "told")

    @rule(name=engines)
    def pause_or_continue(self, name: str) -> None:
        self.world.safe = set()
        if name in self.world.engines:
            self.world.paused ^= {name}

    @rule(name=engines)
    def cut(self, name: str) -> None:
        self.world.safe = set()
        if name in self.world.engines:
            self.world.links[name].cut = True

    @rule(name=engines, lost=st.booleans())
    def heal(self, name: str, lost: bool) -> None:
        """Connect an engine again. What waited arrives late, or is lost with the connection."""
        if name in self.world.engines:
            link = self.world.links[name]
            link.cut = False
            if lost:
                link.up.clear()
                link.down.clear()

    @rule(lost=st.booleans())
    def end_coordinator(self, lost: bool) -> None:
        self.world.placement = None
        self.world.full, self.world.safe = False, set()
        if lost:
            for link in self.world.links.values():
                link.up.clear()
                link.down.clear()

    @precondition(lambda self: self.world.placement is None)
    @rule(with_store=st.booleans())
    def start_coordinator(self, with_store: bool) -> None:
        if not with_store:
            self.world.lose_store()
        self.world.start()

    @precondition(lambda self: not self.world.full)
    @rule(name=cameras, wish=wishes | st.just(Wish()))
    def want(self, name: str, wish: Wish) -> None:
        self.world.store.setdefault(name, Stored(wish)).wish = wish
        self.world.step(CameraWanted(name, wish))

    @precondition(lambda self: not self.world.full)
    @rule(name=cameras)
    def remove(self, name: str) -> None:
        if name in self.world.store:
            self.world.step(CameraUnwanted(name))
            self.world.floor = max(self.world.floor, self.world.store.pop(name).generation + 1)

    @precondition(lambda self: not self.world.full)
    @rule(name=st.sampled_from(PLACES))
    def drain(self, name: str) -> None:
        self.world.drains.add(name)
        self.world.step(DrainBegun(name))

    @precondition(lambda self: not self.world.full)
    @rule(name=st.sampled_from(PLACES))
    def end_drain(self, name: str) -> None:
        self.world.drains.discard(name)
        self.world.step(DrainEnded(name))

    @precondition(lambda self: self.world.placement is not None)
    @rule()
    def fill_disk_or_make_room(self) -> None:
        """Let nothing be written, or all that waits."""
        world = self.world
        world.full = not world.full
        world.safe = set()
        if world.full and not world.paused and not any(link.cut for link in world.links.values()):
            world.safe = {name for name in world.running() if name in world.store and is_plain(world.store[name].wish)}

    @rule(name=engines)
    def hear_first(self, name: str) -> None:
        """Let the coordinator hear this engine before the others."""
        if name in self.world.links:
            self.world.links = {name: self.world.links.pop(name), **self.world.links}

    @precondition(lambda self: self.world.placement is not None and not self.world.full)
    @rule(name=engines, exclusive=st.booleans(), drained=st.booleans())
    def come_back_stale(self, name: str, exclusive: bool, drained: bool) -> None:
        """Cut an engine until its cameras are elsewhere, and let the next coordinator hear it first."""
        world = self.world
        if name not in world.engines:
            return
        world.safe = set()
        stale = list(world.engines[name].running)
        for camera in stale if exclusive else ():
            if camera in world.store:
                self.want(camera, Wish(exclusive=True))
        world.links[name].cut = True
        world.elapse(16)
        owners = world.owners(stale)
        self.end_coordinator(lost=True)
        world.start()
        world.links[name].cut = False
        self.hear_first(name)
        world.elapse(4)
        lost = {camera for camera, owner in owners.items() if camera not in world.engines[owner].running}
        assert not lost, f"{lost} had to be given up by the engines that were given them last: {owners}"
        for camera, owner in owners.items() if drained else ():
            self.want(camera, Wish())
            self.drain(owner)
            world.elapse(1)

    @rule(name=cameras, pixels=st.sampled_from((5000.0, 1e308, 0.01)))
    def measure_wildly(self, name: str, pixels: float) -> None:
        self.world.wild[name] = pixels
        for engine in self.world.engines.values():
            engine.tell_again()

    @rule(engine=engines, camera=cameras)
    def refuse_or_allow(self, engine: str, camera: str) -> None:
        self.world.safe = set()
        self.world.refusing ^= {(engine, camera)}

    @rule(camera=cameras)
    def darken_or_light(self, camera: str) -> None:
        self.world.dark ^= {camera}

    @rule(steps=st.sampled_from((1, 2, 4)))
    def elapse(self, steps: int) -> None:
        self.world.elapse(steps)

    @rule(steps=st.sampled_from((8, 10, 20)))
    def elapse_longer(self, steps: int) -> None:
        self.world.elapse(steps)

    @rule()
    def come_to_rest(self) -> None:
        self.world.calm()
        self.world.check_rest()

    @invariant()
    def leases_do_not_overlap(self) -> None:
        self.world.check_leases()

    def teardown(self) -> None:
        self.come_to_rest()
        self.world.check_level()


class StrictFleetMachine(FleetMachine):
    """The same under a strict fence."""

    fence: Fence = "strict"


LIMITS = hypothesis_settings(max_examples=examples(25), stateful_step_count=30, deadline=None)
TestSoftFleet = FleetMachine.TestCase
TestSoftFleet.settings = LIMITS
TestStrictFleet = StrictFleetMachine.TestCase
TestStrictFleet.settings = LIMITS
