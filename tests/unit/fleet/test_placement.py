"""Where cameras go, rule by rule, and a fleet to which everything may happen."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import fleet.placement as placement_module
from fleet.placement import Camera, EngineState, Placement, PlacementSettings, Seen, Wish
from support.examples import examples

Place = tuple[bool, str | None, int, tuple[str, int] | None, str]


class Fleet:
    """A placement with engines that do what it decides, and have cameras live a second later.

    Checks after every step what must always hold.
    """

    def __init__(self, **settings: float) -> None:
        self.settings = PlacementSettings.model_validate({"headroom": 0.0, **settings})
        self.now_s = 1000.0
        self.engines: dict[str, EngineState] = {}
        self.running: dict[str, dict[str, tuple[int, float]]] = {}  # generations on each engine, and since when
        self.silent: set[str] = set()
        self.costs: dict[str, float] = {}  # real ones, which engines measure
        self.refusing: set[tuple[str, str]] = set()
        self.dark: set[str] = set()  # cameras that give no pictures
        self.table: dict[str, Place] = {}  # what was written: it is made of the changes alone
        self.generations: Counter[str] = Counter()
        self.placement = Placement(self.settings, now_ms=lambda: round(self.now_s * 1000))

    def join(self, name: str, capacity: float = 100.0, most: int = 64, tags: str = "") -> None:
        self.engines[name], self.running[name] = EngineState(frozenset(tags.split()), capacity, most), {}
        self.report(name)

    def want(self, name: str, cost: float = 10.0, real: float | None = None, pin: str | None = None) -> Camera:
        self.costs[name] = cost if real is None else real
        self.placement.want(name, Wish(True, pin, cost), self.now_s)
        self.send()
        return self.placement.cameras[name]

    def lose(self, name: str) -> None:
        del self.engines[name]
        self.placement.gone(name, "its process has ended", self.now_s)
        self.send()

    def report(self, name: str) -> None:
        state, seen = self.engines[name], dict[str, Seen]()
        for camera, (generation, since_s) in self.running[name].items():
            refused = "it is too large" if (name, camera) in self.refusing else ""
            live = not refused and camera not in self.dark and self.now_s > since_s
            seen[camera] = Seen(generation, live, self.costs[camera] if live else 0.0, refused)
        suffers = state.suffers or sum(one.cost for one in seen.values()) > state.capacity
        if name not in self.silent:
            self.placement.report(name, state._replace(suffers=suffers), seen, self.now_s)

    def tick(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.now_s += 1
            for name in self.engines:
                self.report(name)
            self.decide()

    def decide(self) -> None:
        self.placement.tick(self.now_s)
        self.send()

    def send(self) -> None:
        """Write what has changed, check it, and let every engine have what it is to have."""
        for name in self.placement.changed:
            before = self.table.pop(name, None)
            if (camera := self.placement.cameras.get(name)) is not None:
                self.table[name] = place(camera)
                moved = camera.engine is not None and (before is None or before[1] != camera.engine)
                assert camera.generation > self.generations[name] or not moved
                self.generations[name] = max(camera.generation, self.generations[name])
        self.placement.changed.clear()
        assert self.table == {name: place(one) for name, one in self.placement.cameras.items()}
        for name, camera in self.placement.cameras.items():
            assert camera.reason, f"{name} is where it is without a reason"
            assert camera.wish.enabled or (camera.engine is None and camera.old is None)
        for engine in self.placement.engines.values():
            number = len(engine.cameras) + len(engine.leaving)
            assert engine.state is None or number <= engine.state.max_cameras
            assert (engine.empty_s is None) == bool(number)
        for name in self.engines:
            given = {camera: one[2] for camera, one in self.table.items() if one[1] == name}
            given |= {camera: one[3][1] for camera, one in self.table.items() if one[3] and one[3][0] == name}
            kept = {one: was for one, was in self.running[name].items() if given.get(one) == was[0]}
            self.running[name] = {one: kept.get(one, (number, self.now_s)) for one, number in given.items()}

    def drain(self, name: str) -> None:
        self.placement.drain(name)
        self.decide()

    def used(self) -> set[str | None]:
        return {camera.engine for camera in self.placement.cameras.values()}

    def restart(self, *, stored: bool) -> None:
        """Start another controller, which asks the engines before it places cameras."""
        self.now_s += 1
        before, self.placement = self.placement, Placement(self.settings, now_ms=lambda: round(self.now_s * 1000))
        for name, camera in before.cameras.items():
            if stored:
                self.placement.restore(name, camera.wish, self.table[name][2], self.table[name][1])
            else:
                self.placement.want(name, camera.wish, self.now_s)
                self.generations[name] -= 1  # its engine goes on with it
        self.placement.drains |= before.drains
        self.table = {name: place(one) for name, one in self.placement.cameras.items()}
        self.silent.clear()
        for name in self.engines:
            self.report(name)
        self.decide()


def place(camera: Camera) -> Place:
    return camera.wish.enabled, camera.engine, camera.generation, camera.old, camera.code


def fleet_of(engines: dict[str, float], cameras: int = 0, **settings: float) -> Fleet:
    """Return a fleet of engines with these capacities whose cameras, of 10 Mpx/s each, are live."""
    fleet = Fleet(**settings)
    for name, capacity in engines.items():
        fleet.join(name, capacity)
    for number in range(cameras):
        fleet.want(f"c{number}")
    assert fleet.used() <= {None}, "cameras are placed before the first tick"
    fleet.tick(2)
    return fleet


def test_a_camera_goes_to_the_engine_with_the_most_free_capacity_and_of_equal_ones_to_the_first() -> None:
    fleet = fleet_of({"b": 50, "a": 50, "c": 65}, cameras=4)
    assert [camera.engine for camera in fleet.placement.cameras.values()] == ["c", "c", "a", "b"]


def test_a_camera_without_room_says_what_it_needs_and_is_placed_when_an_engine_joins() -> None:
    fleet = fleet_of({})
    camera = fleet.want("large", 12)
    assert camera.code == "no_engine"
    fleet.join("a", 3)
    fleet.decide()
    for _ in range(4):  # it counts less each second, because it may be wrong
        assert camera.code == "no_room" and camera.reason.startswith("no engine has room for expected 12.0 Mpx/s: ")
        fleet.tick()
    assert fleet.placement.missing() == {None}
    fleet.join("b")
    fleet.decide()
    assert (camera.engine, camera.cause, camera.code, fleet.placement.missing()) == ("b", "new", "", set())


def test_a_pinned_camera_goes_only_to_engines_with_the_tag_and_its_reason_names_a_missing_one() -> None:
    fleet = fleet_of({"a": 100})
    camera = fleet.want("usb", pin="gate")
    assert camera.code == "pin_absent"
    assert fleet.placement.missing() == {"gate"}
    fleet.join("b", 20, tags="gate usb=2")
    fleet.tick()
    assert camera.engine == "b"
    fleet.drain("b")
    assert (camera.engine, camera.code) == (None, "pin_drained")
    assert fleet.want("usb").engine == "a"
    fleet.want("usb", pin="usb=2")
    fleet.placement.undrain("b")
    fleet.tick()
    assert (camera.engine, camera.cause) == ("b", "pin")


def test_a_camera_moves_without_a_gap_and_its_old_engine_goes_on_for_five_seconds_at_most() -> None:
    fleet = fleet_of({"a": 100, "b": 50}, cameras=2)
    one, dark = fleet.placement.cameras.values()
    before = {camera: camera.generation for camera in (one, dark)}
    fleet.drain("a")
    fleet.dark.add("c1")
    for camera, generation in before.items():
        assert (camera.engine, camera.old, camera.cause) == ("b", ("a", generation), "drain")
        assert camera.generation > generation
    fleet.tick(2)
    assert one.live and one.old is None
    fleet.tick(2)
    assert dark.old is not None
    fleet.tick()
    assert dark.old is None and dark.engine == "b"


def test_an_engine_that_refuses_a_camera_is_not_given_it_for_a_minute_unless_its_settings_are_changed() -> None:
    fleet = fleet_of({"a": 100})
    fleet.refusing.add(("a", "c0"))
    camera = fleet.want("c0")
    fleet.tick(55)
    assert (camera.engine, camera.code, fleet.placement.moves["new"]) == (None, "refused", 1)
    fleet.join("b", 50)
    fleet.tick()
    assert (camera.engine, camera.cause) == ("b", "refused")
    fleet.drain("b")
    fleet.tick()
    assert camera.engine == "b", "it does not stay on the drained engine, although the only other one refused it"
    fleet.want("c0")
    fleet.decide()
    assert camera.engine == "a"


def test_a_camera_that_is_not_live_in_time_goes_elsewhere_and_comes_to_rest() -> None:
    fleet = fleet_of({"a": 100, "b": 99, "c": 98})
    fleet.dark.add("c0")
    camera = fleet.want("c0")
    fleet.tick(29)
    assert (camera.engine, camera.cause) == ("b", "not_live")
    fleet.tick()
    assert camera.engine == "c"
    fleet.tick(24 * 60)
    assert fleet.placement.moves["not_live"] < 9 and camera.cost < 1, "it keeps room from others"
    fleet.dark.clear()
    fleet.tick()
    assert camera.live and camera.cost == 10


def test_an_engine_that_suffers_gives_rested_cameras_one_by_one_until_the_other_would_have_as_much_to_do() -> None:
    fleet = fleet_of({"a": 100}, cameras=6)
    fleet.join("b")
    fleet.tick(10)
    fleet.join("c", 300)
    for name in ("a", "c"):
        fleet.engines[name] = fleet.engines[name]._replace(suffers=True)
    fleet.tick(5)
    assert fleet.used() == {"a"}, "cameras move that were placed just now, or to level the load"
    for _ in range(680):
        fleet.tick()
        assert len(fleet.placement.engines["a"].leaving) <= 1
    assert len(fleet.placement.engines["b"].cameras) == fleet.placement.moves["overload"] == 3


def test_the_larger_a_fleet_the_more_cameras_leave_engines_that_suffer_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement_module, "RELIEVED_AT_ONCE", 5)
    fleet = fleet_of(dict.fromkeys("abcde", 100), cameras=10)
    fleet.join("z", 1000)
    for name in "abcde":
        fleet.engines[name] = fleet.engines[name]._replace(suffers=True)
    while not fleet.placement.moves["overload"]:
        fleet.tick()
    assert fleet.placement.moves["overload"] == 3


def test_a_cost_that_fits_nowhere_keeps_a_camera_from_engines_only_for_a_while() -> None:
    fleet = fleet_of({"a": 1000})
    camera = fleet.want("c0", 10, real=900)
    fleet.tick(2)
    fleet.lose("a")
    fleet.join("b", 100)
    fleet.tick(50)
    assert (camera.engine, camera.code) == (None, "no_room")
    fleet.tick(15)
    assert (camera.engine, camera.cost) == ("b", 100)


def test_a_drain_moves_eight_cameras_at_a_time_and_says_what_has_no_room() -> None:
    fleet = fleet_of({"a": 200}, cameras=20)
    fleet.join("b", 185)
    fleet.drain("a")
    assert len(fleet.placement.engines["a"].leaving) == 8
    fleet.tick(20)
    left = list(fleet.placement.engines["a"].cameras.values())
    assert [camera.code for camera in left] == ["no_room", "no_room"]
    assert fleet.placement.missing() == {None} and fleet.placement.empty_since("a") is None
    fleet.join("c", 20)
    fleet.tick(9)
    assert fleet.placement.empty_since("a") is not None and fleet.placement.missing() == set()


CAMERAS, ENGINES = ("c0", "c1", "c2", "c3", "c4", "c5"), ("e0", "e1", "e2", "e3")
cameras, engines = st.sampled_from(CAMERAS), st.sampled_from(ENGINES)
wishes = st.builds(
    Wish, st.integers(0, 5).map(bool), st.sampled_from((None, None, "t0", "t1")), st.sampled_from((1.0, 5.0, 20.0))
)


class FleetMachine(RuleBasedStateMachine):
    """What users, networks and machines do to a fleet. In the end it must come to rest."""

    @initialize()
    def begin(self) -> None:
        self.fleet = Fleet(headroom=0.1, live_within_s=3, hand_over_s=2)
        for name in ENGINES[:3]:
            self.fleet.join(name, 40, most=3, tags="t0")
        for name in CAMERAS:
            self.fleet.want(name)
        self.fleet.tick(3)

    @rule(name=engines, capacity=st.sampled_from((40.0, 8.0)), most=st.sampled_from((64, 2)), tag=st.integers(0, 1))
    def join_or_lose(self, name: str, capacity: float, most: int, tag: int) -> None:
        if name in self.fleet.engines:
            self.fleet.lose(name)
            assert name not in self.fleet.used()
        else:
            self.fleet.join(name, capacity, most, f"t{tag}")

    @rule(engine=engines, camera=cameras, what=st.sampled_from(("silent", "dark", "refusing", "slow")))
    def begin_or_end_trouble(self, engine: str, camera: str, what: str) -> None:
        if what == "dark":
            self.fleet.dark ^= {camera}
        elif what == "refusing":
            self.fleet.refusing ^= {(engine, camera)}
        elif engine in self.fleet.engines:
            state = self.fleet.engines[engine]
            self.fleet.silent ^= {engine} if what == "silent" else set()
            self.fleet.engines[engine] = state._replace(suffers=state.suffers ^ (what == "slow"))

    @rule(name=cameras, wish=wishes | st.none(), real=st.sampled_from((1.0, 5.0, 15.0, 900.0)))
    def want_or_not(self, name: str, wish: Wish | None, real: float) -> None:
        self.fleet.costs[name] = real
        if wish is not None:
            self.fleet.placement.want(name, wish, self.fleet.now_s)
        else:
            self.fleet.placement.unwant(name, self.fleet.now_s)
        self.fleet.send()

    @rule(name=engines, drains=st.booleans())
    def drain_or_not(self, name: str, drains: bool) -> None:
        (self.fleet.placement.drain if drains else self.fleet.placement.undrain)(name)
        self.fleet.send()

    @rule(seconds=st.sampled_from((1, 1, 2, 5, 20)))
    def tick(self, seconds: int) -> None:
        self.fleet.tick(seconds)

    @rule()
    def rest(self) -> None:
        """Let nothing happen any more: moves come to an end, and cameras are where they may be."""
        fleet = self.fleet
        fleet.refusing, fleet.dark, fleet.silent = set(), set(), set()
        fleet.tick(300)
        moves = fleet.placement.moves.total()
        fleet.tick(100)
        assert fleet.placement.moves.total() == moves, "cameras still move"
        for name, camera in fleet.placement.cameras.items():
            where = [engine for engine in fleet.engines if name in fleet.running[engine]]
            assert where == ([] if camera.engine is None else [camera.engine])
            if camera.wish.enabled and (camera.engine is None or camera.engine in fleet.placement.drains):
                assert camera.code and not self.takers(camera), f"{name} could be on {self.takers(camera)}"
            if camera.engine is not None:
                assert camera.live and camera.wish.pin in (None, *fleet.engines[camera.engine].tags)

    def takers(self, camera: Camera) -> list[str]:
        """Return the engines that have room for the camera."""
        found: list[str] = []
        for name, state in self.fleet.engines.items():
            held = [one.cost for one in self.fleet.placement.cameras.values() if one.engine == name]
            may = name not in self.fleet.placement.drains and camera.wish.pin in (None, *state.tags)
            if may and len(held) < state.max_cameras and state.capacity * 0.9 - sum(held) > camera.cost:
                found.append(name)
        return found

    @rule(stored=st.booleans(), rested=st.booleans(), name=cameras, pin=st.sampled_from((None, "t0", "t1")))
    def restart(self, stored: bool, rested: bool, name: str, pin: str | None) -> None:
        """A controller leaves cameras that rest where they are, as its store or the engines say."""
        if rested:
            self.rest()
        elif (camera := self.fleet.placement.cameras.get(name)) is not None:
            camera.wish = camera.wish._replace(pin=pin)  # as if the configuration had changed
        before = {name: one[1:3] for name, one in self.fleet.table.items() if one[1] is not None}
        self.fleet.restart(stored=stored)
        if rested:
            assert {name: self.fleet.table[name][1:3] for name in before} == before
            moves = self.fleet.placement.moves
            assert moves.total() - moves["kept"] <= len(self.fleet.table) - len(before)

    def teardown(self) -> None:
        self.rest()


TestFleet = FleetMachine.TestCase
TestFleet.settings = hypothesis_settings(max_examples=examples(25), stateful_step_count=30, deadline=None)
