"""Which engine of a fleet has which camera: a state machine without input, output or clock.

Times are arguments, in seconds of a clock that does not jump. What is decided stands in `cameras`, and `changed` names
what the caller has still to write and to send. A camera goes to the engine with the most free capacity. It moves when
that engine is lost or drained, refuses it, does not get it live, or has too much to do; never only to make the load
even. The old engine goes on until the new one has it live, for `hand_over_s` at most. Generations only grow.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic import Field

from stages.settings import Section

MEASURE_WEIGHT = 0.2
"""Weight of a new measurement in the average of a camera's cost."""
CHEAPER = 0.8
"""Factor by which an expected cost above the usual one falls each second, while no engine has room for it."""
USUAL_MPX = 1.0  # before any was measured
MOST_TRIES = 20
BALANCE_ABOVE = 1.1
"""A camera leaves an engine only for one that will use less of its capacity, by this factor, even with the camera."""
REST_S = 60.0
"""How long a placed camera stays, although its engine has too much to do."""
REFUSED_S = 60.0
"""How long an engine that refused a camera, or did not get it live, is not given it again."""
RELIEVED_AT_ONCE = 2000
"""Cameras of a fleet for each of which, beyond the first, one more leaves engines with too much to do in a second."""
DRAINED_AT_ONCE = 8
"""Cameras of a drained engine that move at the same time."""
SUFFERS_S = 5.0
"""Time of overload before an engine gives a camera away: 1.3 times the least moves in a simulation, not 1.8."""
Code = Literal["", "no_room", "no_engine", "refused", "pin_absent", "pin_drained"]
"""Why no engine has a camera, or why it has not left one that is drained."""
Cause = Literal["new", "kept", "lost", "refused", "not_live", "drain", "overload", "pin"]
"""Why an engine was given a camera; `kept`: it had the camera already, which the store did not say."""


class PlacementSettings(Section):
    """How cameras are placed on engines, and when they move."""

    headroom: float = Field(
        default=0.1, ge=0, le=0.9, description="Share of each engine's capacity that is left free, because costs vary."
    )
    live_within_s: float = Field(
        default=10.0, ge=1, le=600, description="Time to get a camera live, twice as long for each further engine."
    )
    hand_over_s: float = Field(
        default=5.0, ge=0, le=60, description="How long its old engine goes on, if the new one does not get it live."
    )


class Wish(NamedTuple):
    """What is asked for a camera. `pin`: a tag of the engines that can read it. `cost`: expected Mpx/s."""

    enabled: bool = True
    pin: str | None = None
    cost: float = 20.0


class Seen(NamedTuple):
    """A camera as an engine reports it. `cost`: measured Mpx/s. `refused`: why the engine does not take it."""

    generation: int
    live: bool
    cost: float = 0.0
    refused: str = ""


class EngineState(NamedTuple):
    """What an engine reports of itself. `capacity`: Mpx/s. `suffers`: it has too much to do."""

    tags: frozenset[str]
    capacity: float
    max_cameras: int
    suffers: bool = False


@dataclass(slots=True, eq=False)
class Camera:
    """A camera and its placement: `engine`, with the highest `generation` ever given, since `placed_s`.

    `old`: engine and generation that go on until it is live. `cost`: Mpx/s, expected until it is `measured`. `reason`:
    why it is there, or nowhere. `tries`: how often in a row it was `refused`, or not live in time. `refusals`: until
    when which engines do not get it; `retry_s`: until when none does.
    """

    name: str
    wish: Wish
    cost: float
    generation: int = 0
    engine: str | None = None
    old: tuple[str, int] | None = None
    live: bool = False
    code: Code = ""
    reason: str = "it was added"
    cause: Cause = "new"
    placed_s: float = -math.inf
    measured: bool = False
    tries: int = 0
    retry_s: float = -math.inf
    refusals: dict[str, float] = field(default_factory=dict[str, float])
    refused: str = ""

    @property
    def engines(self) -> set[str]:
        """The engines that are to have it: while it moves, two."""
        return {name for name in (self.engine, self.old and self.old[0]) if name is not None}


@dataclass(slots=True, eq=False)
class Engine:
    """An engine. `state`: None until it has reported. `load`: Mpx/s of `cameras`, and of those that are `leaving`.

    `usable`: capacity without headroom. `free`: what further cameras may use; negative if it may get none. `empty_s`:
    since when it has no cameras, or None; `suffers_s`: since when it has too much to do, or None.
    """

    name: str
    state: EngineState | None = None
    cameras: dict[str, Camera] = field(default_factory=dict[str, Camera])
    leaving: dict[str, Camera] = field(default_factory=dict[str, Camera])
    load: float = 0.0
    usable: float = 0.0
    free: float = -1.0
    empty_s: float | None = None
    suffers_s: float | None = None

    def share(self, more: float = 0.0) -> float:
        """Return the share of its capacity that it uses with `more` Mpx/s."""
        return (self.load + more) / max(self.usable, 1e-9)


class Placement:
    """The placements of a fleet's cameras.

    Nothing is placed before the first `tick`, so that after a restart engines can report first what they have. `now_ms`
    is the wall clock, so that generations are above those of a store that was lost. `changed`: cameras, also removed
    ones, whose wish, placement or code has changed since the caller cleared it. `moves`: number of
    assignments. `drains`: engines that get no cameras, also before they join.
    """

    def __init__(self, settings: PlacementSettings, *, now_ms: Callable[[], int]) -> None:
        self.cameras: dict[str, Camera] = {}
        self.engines: dict[str, Engine] = {}
        self.changed: set[str] = set()
        self.moves: Counter[Cause] = Counter()
        self.drains: set[str] = set()
        self._settings, self._now_ms = settings, now_ms
        self._open = False
        self._removed_generation = 0
        self._unplaced: dict[str, Camera] = {}
        self._moving: dict[str, Camera] = {}
        self._awaited: dict[str, float] = {}
        """Cameras that are to be live, and until when."""
        self._freest: list[tuple[float, str]] = []
        """What engines have free, negated, and their names, in order. They are those that may get cameras."""

    def restore(self, camera: str, wish: Wish, generation: int, engine: str | None) -> None:
        """Take over a camera as written, before the first tick. An engine that does not report has to be `gone`."""
        one = self.cameras[camera] = Camera(camera, wish, wish.cost, generation, reason="as before the restart")
        if wish.enabled and engine is not None:
            self._put(one, self.engines.setdefault(engine, Engine(engine)))
        elif wish.enabled:
            self._unplaced[camera] = one

    def want(self, camera: str, wish: Wish, now_s: float) -> None:
        """Add a camera, or change what is asked for it. Engines that refused it may be given it again."""
        one = self.cameras.setdefault(camera, Camera(camera, wish, wish.cost, self._removed_generation))
        one.wish, one.tries, one.refusals, one.retry_s = wish, 0, {}, now_s
        self.changed.add(camera)
        if not wish.enabled:
            self._drop_old(one, now_s)
            if one.engine is not None:
                self._take(one, self.engines[one.engine], now_s)
            self._unplaced.pop(camera, None)
            one.code, one.reason = "", "it is disabled"
        elif one.engine is not None:
            self._obey_pin(one, now_s)
        else:
            one.cost = one.cost if one.measured else wish.cost
            self._place(one, "new", "it was added", now_s)

    def unwant(self, camera: str, now_s: float) -> None:
        """Remove a camera. One that is added later has higher generations."""
        if camera in self.cameras:
            self.want(camera, Wish(enabled=False), now_s)
            self._removed_generation = max(self._removed_generation, self.cameras.pop(camera).generation)

    def report(self, engine: str, state: EngineState, cameras: Mapping[str, Seen], now_s: float) -> None:
        """Take an engine's report of itself and of all its cameras. With the first one it joins."""
        one = self.engines.setdefault(engine, Engine(engine, empty_s=now_s))
        joins, one.state, one.usable = one.state is None, state, state.capacity * (1 - self._settings.headroom)
        one.suffers_s = one.suffers_s or now_s if state.suffers else None
        own = one.cameras
        for name, seen in cameras.items():
            generation, live, cost, refused = seen
            camera = own.get(name)
            if camera is None or generation != camera.generation or refused:
                self._unexpected(one, name, seen, now_s)
                if (camera := own.get(name)) is None or generation != camera.generation:
                    continue
            if live and not camera.live:
                camera.tries = 0
                self._awaited.pop(name, None)
                self._drop_old(camera, now_s)
            camera.live = live
            if live and cost > 0:
                cost = min(cost, one.usable or cost)  # whatever was measured, the engine carries the camera
                camera.cost += (MEASURE_WEIGHT if camera.measured else 1) * (cost - camera.cost)
                camera.measured = True
        for name in own.keys() - cameras.keys():
            own[name].live = False
            self._awaited.setdefault(name, now_s + self._settings.live_within_s)
        one.load = sum([camera.cost for kept in (own, one.leaving) for camera in kept.values()])
        self._sort(one)
        for camera in list(own.values()) if joins else ():
            self._obey_pin(camera, now_s)

    def gone(self, engine: str, why: str, now_s: float) -> None:
        """Place the cameras of an engine that has ended, or is silent, elsewhere, the most expensive first."""
        one = self.engines.get(engine) or Engine(engine)
        one.state = None
        self._sort(one)
        for camera in list(one.leaving.values()):
            self._drop_old(camera, now_s)
        for camera in sorted(one.cameras.values(), key=lambda camera: -camera.cost):
            self._take(camera, one, now_s)
            self._place(camera, "lost", f"{engine} is lost: {why}", now_s)
        self.engines.pop(engine, None)

    def drain(self, engine: str) -> None:
        """Move the cameras of an engine to others, and assign none to it; also for one that is to stop."""
        self.drains.add(engine)
        if (one := self.engines.get(engine)) is not None:
            self._sort(one)

    def undrain(self, engine: str) -> None:
        """End the drain of an engine."""
        self.drains.discard(engine)
        if (one := self.engines.get(engine)) is not None:
            self._sort(one)
            for camera in filter(lambda camera: camera.code, one.cameras.values()):
                self._explain(camera, "", f"{engine} is not drained any more")

    def empty_since(self, engine: str) -> float | None:
        """Return since when an engine has no cameras; None if it has some, or is not there."""
        return self.engines[engine].empty_s if engine in self.engines else None

    def missing(self) -> set[str | None]:
        """Return the pins of cameras that lack an engine with room, also to leave a drained one."""
        drained = [self.engines[name].cameras for name in self.drains & self.engines.keys()]
        cameras = [camera for some in (self._unplaced, *drained) for camera in some.values()]
        return {camera.wish.pin for camera in cameras if camera.code in ("no_room", "no_engine", "pin_absent")}

    def tick(self, now_s: float) -> None:
        """Do what is due. Needed once a second."""
        self._open = True
        for camera in [one for one in self._moving.values() if now_s >= one.placed_s + self._settings.hand_over_s]:
            self._drop_old(camera, now_s)
        for name in [name for name, until_s in self._awaited.items() if now_s >= until_s]:
            self._late(self.cameras[name], now_s)
        self._retry(now_s)
        self._balance(now_s)
        for name in sorted(self.drains & self.engines.keys()):
            self._empty(self.engines[name], now_s)

    def _late(self, camera: Camera, now_s: float) -> None:
        """Give a camera that was not live in time to another engine, if there is one, which gets twice the time."""
        engine = self.engines[camera.engine or ""]
        self._fail(camera, engine, f"it was not live on {engine.name} in time", now_s)
        if not camera.measured:  # so that a camera that gives no pictures keeps no room from others
            camera.cost /= 2
            engine.load -= camera.cost
            self._sort(engine)
        if not self._move(camera, "not_live", camera.refused, now_s):
            self._awaited[camera.name] = now_s + self._settings.live_within_s * 2**camera.tries

    def _fail(self, camera: Camera, engine: Engine, why: str, now_s: float) -> None:
        camera.tries, camera.refused = min(camera.tries + 1, MOST_TRIES), why
        camera.refusals[engine.name] = now_s + REFUSED_S

    def _retry(self, now_s: float) -> None:
        """Place cameras without an engine. Costs that fit nowhere may be wrong: they count less until measured."""
        costs = [camera.cost for camera in self.cameras.values() if camera.measured] if self._unplaced else []
        usual = sum(costs) / len(costs) if costs else USUAL_MPX
        for camera in list(self._unplaced.values()):
            self._place(camera, camera.cause, camera.reason if not camera.code else "an engine has room for it", now_s)
            if camera.code == "no_room" and not camera.measured:
                camera.cost = max(CHEAPER * camera.cost, min(camera.cost, usual))
            elif camera.code == "no_room" and now_s >= camera.placed_s + REFUSED_S:
                camera.measured, camera.cost = False, min(camera.cost, camera.wish.cost)

    def _balance(self, now_s: float) -> None:
        """Let engines that suffer each give a camera to one that has clearly less to do even then: this ends."""
        suffering = {name: one for name, one in self.engines.items() if one.suffers_s is not None}
        last = self.moves["overload"] + len(self.cameras) // RELIEVED_AT_ONCE
        for engine in sorted(suffering.values(), key=lambda one: (-one.share(), one.name)):
            if self.moves["overload"] > last:
                return
            since_s, most = now_s - REST_S, engine.share() / BALANCE_ABOVE
            rested = [one for one in engine.cameras.values() if one.live and one.placed_s <= since_s]
            waits = engine.leaving or now_s < (engine.suffers_s or now_s) + SUFFERS_S
            for camera in () if waits else sorted(rested, key=lambda one: -one.cost):
                other = self._best(camera, now_s, suffering)
                if other is not None and other.share(camera.cost) < most:
                    self._assign(camera, other, "overload", f"{engine.name} has too much to do", now_s)
                    break

    def _empty(self, engine: Engine, now_s: float) -> None:
        """Move the cameras of an engine that is drained, a few at a time."""
        for camera in list(engine.cameras.values()):
            if len(engine.leaving) >= DRAINED_AT_ONCE:
                return
            if not self._move(camera, "drain", f"{engine.name} is being drained", now_s):
                code, why = self._why(camera, now_s)
                self._explain(camera, code, f"{engine.name} is being drained, but {why}")
                if code == "pin_drained":
                    self._take(camera, engine, now_s)
                    self._place(camera, "drain", why, now_s)

    def _obey_pin(self, camera: Camera, now_s: float) -> None:
        """Take a camera from an engine that does not have its pin."""
        engine = self.engines[camera.engine or ""]
        if engine.state is not None and not _fits(camera, engine):
            self._take(camera, engine, now_s)
            self._place(camera, "pin", f"it is pinned to {camera.wish.pin}", now_s)

    def _unexpected(self, engine: Engine, name: str, seen: Seen, now_s: float) -> None:
        """Take the report of a camera that an engine refuses, or has and is not to have."""
        camera = self.cameras.get(name)
        if camera is None or not camera.wish.enabled:
            return
        if not seen.refused and seen.generation > camera.generation and _fits(camera, engine):
            self._assign(camera, engine, "kept", "its engine has it", now_s)  # the store is older, or was lost
            camera.generation = seen.generation
        elif seen.refused and camera.engine == engine.name and camera.generation == seen.generation:
            self._fail(camera, engine, f"{engine.name} refused it: {seen.refused}", now_s)
            camera.retry_s = now_s + min(2**camera.tries - 2, REFUSED_S)  # perhaps no engine takes it
            self._take(camera, engine, now_s)
            self._place(camera, "refused", camera.refused, now_s)

    def _place(self, camera: Camera, cause: Cause, reason: str, now_s: float) -> None:
        """Give a camera that has no engine to the best one, else to its old one; if there is none, say why."""
        engine = self._best(camera, now_s) if self._open else None
        if engine is None and self._open and camera.old is not None and _fits(camera, self.engines[camera.old[0]]):
            engine = self.engines[camera.old[0]]
        if engine is not None:
            self._assign(camera, engine, cause, reason, now_s)
            return
        self._drop_old(camera, now_s)
        self._unplaced[camera.name], camera.cause = camera, cause
        self._explain(camera, *(self._why(camera, now_s) if self._open else ("", reason)))

    def _move(self, camera: Camera, cause: Cause, reason: str, now_s: float) -> bool:
        """Give a camera to another engine than its own. Return whether there is one."""
        if (other := self._best(camera, now_s, {camera.engine})) is not None:
            self._assign(camera, other, cause, reason, now_s)
        return other is not None

    def _assign(self, camera: Camera, engine: Engine, cause: Cause, reason: str, now_s: float) -> None:
        """Give a camera to an engine. Its own engine becomes the old one if it has the camera live."""
        if camera.old is not None and camera.old[0] == engine.name:
            self._drop_old(camera, now_s)
        if camera.engine is not None:
            own = self.engines[camera.engine]
            if camera.live and own is not engine:
                own.leaving[camera.name] = self._moving[camera.name] = own.cameras.pop(camera.name)
                camera.old = own.name, camera.generation
            else:
                self._take(camera, own, now_s)
        self._unplaced.pop(camera.name, None)
        camera.generation = max(camera.generation + 1, self._now_ms())
        camera.live, camera.placed_s, camera.cause, camera.code, camera.reason = False, now_s, cause, "", reason
        self._put(camera, engine)
        self._awaited[camera.name] = now_s + self._settings.live_within_s * 2**camera.tries
        self.moves[cause] += 1
        self.changed.add(camera.name)

    def _put(self, camera: Camera, engine: Engine) -> None:
        camera.engine, engine.empty_s, engine.cameras[camera.name] = engine.name, None, camera
        engine.load += camera.cost
        self._sort(engine)

    def _take(self, camera: Camera, engine: Engine, now_s: float) -> None:
        """Take a camera from its engine, or from its old one, and note that it has changed."""
        if engine.cameras.pop(camera.name, None) is not None:
            camera.engine, camera.live, camera.placed_s = None, False, now_s
            self._awaited.pop(camera.name, None)
        else:
            camera.old = None
            del engine.leaving[camera.name], self._moving[camera.name]
        engine.load -= camera.cost
        if not engine.cameras and not engine.leaving:
            engine.load, engine.empty_s = 0.0, now_s
        self._sort(engine)
        self.changed.add(camera.name)

    def _drop_old(self, camera: Camera, now_s: float) -> None:
        if camera.old is not None:
            self._take(camera, self.engines[camera.old[0]], now_s)

    def _explain(self, camera: Camera, code: Code, reason: str) -> None:
        if code != camera.code:
            self.changed.add(camera.name)
        camera.code, camera.reason = code, reason

    def _why(self, camera: Camera, now_s: float) -> tuple[Code, str]:
        """Return a code and a sentence without full stop that say why no engine is found for a camera."""
        pin, fitting = camera.wish.pin, {one.name for one in self.engines.values() if _fits(camera, one)}
        if fitting <= self.drains:
            if pin is None:
                return "no_engine", "all engines are being drained" if fitting else "no engine has started yet"
            code: Code = "pin_drained" if fitting else "pin_absent"
            return code, f"it is pinned to {pin}, which {'is being drained' if fitting else 'no engine has'}"
        if now_s < camera.retry_s or self._best(camera, math.inf) is not None:
            return "refused", camera.refused
        which = "no engine" if pin is None else f"no engine that has {pin}"
        cost, kind = (camera.cost, "") if camera.measured else (camera.wish.cost, "expected ")
        return "no_room", f"{which} has room for {kind}{max(cost, 0.1):.1f} Mpx/s: add a node, or raise engines.most"

    def _best(self, camera: Camera, now_s: float, but: Collection[str | None] = ()) -> Engine | None:
        """Return the freest engine that may have a camera; None if none has room for its cost."""
        for free, name in self._freest if now_s >= camera.retry_s else ():
            if -free < camera.cost:
                break
            engine = self.engines[name]
            if name not in but and _fits(camera, engine) and camera.refusals.get(name, now_s) <= now_s:
                return engine
        return None

    def _sort(self, engine: Engine) -> None:
        """Note that the load, the number of cameras or the state of an engine has changed."""
        if engine.free > 0:
            del self._freest[bisect_left(self._freest, (-engine.free, engine.name))]
        state, number = engine.state, len(engine.cameras) + len(engine.leaving)
        closed = state is None or engine.name in self.drains or number >= state.max_cameras
        engine.free = -1.0 if closed else engine.usable - engine.load
        if engine.free > 0:
            insort(self._freest, (-engine.free, engine.name))


def _fits(camera: Camera, engine: Engine) -> bool:
    """Return whether an engine has the tag that a camera is pinned to."""
    return engine.state is not None and (camera.wish.pin is None or camera.wish.pin in engine.state.tags)
