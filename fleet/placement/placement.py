"""The placement: which engine has which camera.

A state machine without clock, threads or input and output: `step` takes an event and the time, and returns what is to
be done. The caller writes the commands before it sends any. It needs a `Tick` at least every quarter of a lease.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice

import msgspec

from fleet.placement.balancing import camera_to_move, overloaded
from fleet.placement.commands import Announce, Command, Drained, EngineLost
from fleet.placement.events import (
    CameraUnwanted,
    CameraWanted,
    DrainBegun,
    DrainEnded,
    EngineEnded,
    EngineRenewed,
    EngineRestarts,
    Event,
    Tick,
    Wish,
)
from fleet.placement.ledger import MOST_MPX, Ledger
from fleet.placement.levelling import LESS_TO_DO, Levelling
from fleet.placement.records import CameraRecord, EngineRecord, Last, Remembered
from fleet.placement.reports import refuse, take_report
from fleet.placement.settings import PlacementSettings
from fleet.placement.unplaced import Unplaced
from fleet.placement.views import CameraView, EngineView, Views, camera_view, engine_view

AT_ONCE = 5_000
"""Most cameras that one step places, so that it takes a fraction of a second."""
RETRY_S = 1.0
"""How often cameras that found no engine are tried again, beside when one joins."""


class Placement:
    """Which engine has which camera.

    `remembered`: the cameras of the coordinator's store. `generation_floor`: lower generations are never given; the
    store's own `generation_floor` must be kept with every batch of commands, because it grows when cameras are
    removed. `now_s`: seconds of any clock that does not jump. `settle_s`: how long to wait for the engines' reports
    before cameras are placed; None: as in the settings; 0 for a fleet that has none yet.
    """

    def __init__(
        self,
        settings: PlacementSettings,
        remembered: Iterable[Remembered] = (),
        *,
        generation_floor: int,
        now_s: float,
        settle_s: float | None = None,
    ) -> None:
        self._settings = settings
        self._ledger = Ledger(settings, generation_floor)
        self._drains: set[str] = set()
        self._drained: set[str] = set()
        """The names of drains whose end was told."""
        self._unplaced = Unplaced(self._ledger)
        self._levelling = Levelling(self._ledger)
        self._opened = False
        """Whether an engine joined since they were tried."""
        self._retry_s = now_s
        self._balanced_s: deque[float] = deque(maxlen=max(settings.moves_per_minute, 1))
        self._held = False
        """Whether decisions cannot be written."""
        self._settled = False
        self._settled_s = now_s + (settings.settling_s if settle_s is None else settle_s)
        self._now_s = now_s
        self._judge_s = now_s
        """Before, no engine counts as silent and no camera as late: renewals may wait to be read."""
        for camera in remembered:
            record = CameraRecord(camera.camera, camera.wish, camera.wish.pixels, generation=camera.generation)
            if camera.engine is not None:
                record.last = Last(camera.engine, camera.run, camera.generation)
            self._ledger.cameras[camera.camera] = record

    @property
    def generation_floor(self) -> int:
        """No lower generation is given any more."""
        return self._ledger.floor

    @property
    def settled(self) -> bool:
        """Whether cameras are being placed: the engines had the time to report theirs."""
        return self._settled

    @property
    def engines(self) -> Mapping[str, EngineView]:
        """The engines that hold their leases."""
        return Views(self._ledger.engines, engine_view)

    @property
    def cameras(self) -> Mapping[str, CameraView]:
        """The cameras of the fleet."""
        return Views(self._ledger.cameras, camera_view)

    @property
    def drains(self) -> frozenset[str]:
        """The nodes and engines that get no cameras."""
        return frozenset(self._drains)

    @property
    def unplaced_cost(self) -> float:
        """Megapixels per second of the cameras that no engine has."""
        waiting = (self._ledger.cameras[name] for name in {*self._ledger.due, *self._unplaced})
        return sum(camera.cost for camera in waiting if camera.at is None and camera.kept is None)

    @property
    def without_room(self) -> tuple[int, float]:
        """How many of them any further engine could have, and their cost: they are neither pinned nor refused."""
        return self._unplaced.without_room()

    def step(self, event: Event, now_s: float) -> list[Command]:
        """Return what is to be done, in this order, because of an event at `now_s`."""
        ledger = self._ledger
        ledger.commands = commands = []
        if now_s - self._now_s > self._settings.ttl_s / 2:
            self._judge_s = now_s + self._settings.ttl_s / 2
        self._now_s = now_s
        match event:
            case EngineRenewed():
                self._renewed(event, now_s)
            case EngineEnded():
                engine = ledger.engines.get(event.engine)
                if engine is not None and engine.address.run == event.run:
                    self._lost(engine, engine.why_gone("its process has ended"))
            case EngineRestarts():
                engine = ledger.engines.get(event.engine)
                if engine is not None and engine.address.run == event.run:
                    engine.restarts = True
            case CameraWanted():
                self._wanted(event.camera, event.wish, now_s)
            case CameraUnwanted():
                if (camera := ledger.cameras.get(event.camera)) is not None and camera.wish is not None:
                    self._unplaced.discard(event.camera)
                    ledger.forget(camera, now_s)
            case DrainBegun():
                self._drains.add(event.name)
                self._mark_drains(now_s)
            case DrainEnded():
                self._drains.discard(event.name)
                self._drained.discard(event.name)
                self._mark_drains(now_s)
                self._opened = True
            case Tick():
                if self._held and not event.held:
                    ledger.await_again(now_s)
                self._held = event.held
                self._tick(now_s)
        if self._settled and not self._held:
            for name, why in list(islice(ledger.due.items(), AT_ONCE)):
                del ledger.due[name]
                self._place(ledger.cameras[name], why, now_s)
        return commands

    # Engines

    def _renewed(self, event: EngineRenewed, now_s: float) -> None:
        ledger = self._ledger
        address, report = event.address, event.report
        if not report.capacity <= MOST_MPX:
            report = msgspec.structs.replace(report, capacity=MOST_MPX)
        engine = ledger.engines.get(address.engine)
        if engine is not None and (engine.address.run, engine.address.node) != (address.run, address.node):
            self._lost(engine, "it was started again")
            engine = None
        if engine is None:
            engine = EngineRecord(address, report, now_s, level_from_s=now_s + self._settings.rest_s)
            engine.draining = any(engine.has_name(name) for name in self._drains)
        ledger.heard(engine)
        was_known, was = engine.known, (engine.report.capacity, engine.report.max_cameras, engine.stopping)
        engine.address, engine.report, engine.heard_s = address, report, now_s
        engine.stopping = engine.stopping or event.stopping
        if event.cameras is not None:
            take_report(ledger, engine, event.cameras, now_s)
            self._opened = self._opened or not was_known
        elif was != (report.capacity, report.max_cameras, engine.stopping):
            ledger.room.changed(engine)
        if engine.emptying and self._settled and not self._held:
            self._empty(engine, now_s)

    def _lost(self, engine: EngineRecord, reason: str) -> None:
        ledger = self._ledger
        ledger.gone(engine)
        ledger.commands.append(EngineLost(engine.name, engine.address.run, reason))
        why = f"{engine.name} is lost: {reason}"
        for camera in list(engine.held.values()):
            hold = camera.hold_of(engine)
            assert hold is not None
            ledger.lose(camera, hold)
            if camera.at is None:
                ledger.due.setdefault(camera.name, why)
                camera.reason = why
        for camera in list(engine.leaving.values()):
            ledger.left(camera, why)

    def _mark_drains(self, now_s: float) -> None:
        for engine in self._ledger.engines.values():
            draining = any(engine.has_name(name) for name in self._drains)
            if draining != engine.draining:
                engine.draining = draining
                engine.stuck_until_s, engine.stuck = 0.0, None
                engine.level_from_s = now_s + self._settings.rest_s
                self._ledger.room.changed(engine)

    # Cameras

    def _wanted(self, name: str, wish: Wish, now_s: float) -> None:
        ledger = self._ledger
        camera = ledger.cameras.get(name)
        if camera is None:
            camera = ledger.cameras[name] = CameraRecord(name, wish, wish.pixels)
        camera.wish = wish
        self._unplaced.discard(name)
        camera.refusals = None
        if not wish.enabled:
            ledger.stop(camera, now_s)
            if self._settled:
                ledger.announce(camera, Announce(name, "disabled", camera.generation))
            return
        if not camera.measured:
            ledger.set_cost(camera, wish.pixels)
            for hold in (camera.at, camera.kept):
                if hold is not None:
                    ledger.room.changed(hold.engine)
        pinned = wish.pinned
        if pinned is not None and camera.kept is not None and not camera.kept.engine.has_name(pinned):
            ledger.release(camera, camera.kept, now_s)
        if camera.at is None:
            ledger.due[name] = "it was added"
            camera.reason = "waits for the engines' reports"
        elif pinned is not None and not camera.at.engine.has_name(pinned):
            self._move(camera, f"it is pinned to {pinned}", now_s)

    def _place(self, camera: CameraRecord, why: str, now_s: float) -> None:
        if not camera.wanted or camera.at is not None:
            return
        if camera.leaving is not None:
            camera.reason = "waits until the engine that had it last has given it up"
            return
        kept = camera.kept.engine if camera.kept is not None else None
        barred = camera.refused_by(now_s)
        if kept is None and self._unplaced.is_hopeless(camera):
            self._unplaced.add(camera)
            return
        if kept is not None and not kept.emptying and kept.name not in barred:
            self._ledger.assign(camera, kept, why, now_s)
            return
        engine = self._best(camera, barred if kept is None else {**barred, kept.name: (0.0, "")}) or kept
        if engine is not None:
            self._ledger.assign(camera, engine, why, now_s)
        else:
            self._unplaced.tell(camera, barred)

    def _best(self, camera: CameraRecord, barred: Mapping[str, object]) -> EngineRecord | None:
        assert camera.wish is not None
        if camera.wish.pinned is None:
            return self._ledger.room.best(camera.cost, barred)
        return self._ledger.room.best_of(self._ledger.named(camera.wish.pinned), camera.cost, barred)

    def _move(self, camera: CameraRecord, why: str, now_s: float, to: EngineRecord | None = None) -> bool:
        """Move the camera to another engine; return whether it leaves. A pinned one leaves if it may not stay."""
        assert camera.at is not None and camera.wish is not None
        engine = camera.at.engine
        other = to or self._best(camera, {**camera.refused_by(now_s), engine.name: (0.0, "")})
        if other is None and (camera.wish.pinned is None or camera.kept is not None):
            camera.reason = f"{why}, but no other engine has room"
            return False
        at_once = camera.kept is not None or camera.leaving is not None
        if other is None or at_once or self._ledger.breaks_first(camera):
            self._ledger.release(camera, camera.at, now_s)
            self._ledger.due[camera.name] = why
            return True
        self._ledger.keep(camera)
        self._ledger.assign(camera, other, why, now_s)
        return True

    # Time

    def _tick(self, now_s: float) -> None:
        ledger = self._ledger
        if not self._settled and now_s >= self._settled_s:
            self._settle()
        for name in _over(ledger.leaving, now_s):
            ledger.left(ledger.cameras[name], "its last engine's lease is over")
        if now_s >= self._judge_s:
            for engine in list(self._silent(now_s - self._settings.ttl_s)):
                self._lost(engine, engine.why_gone(f"silent for {now_s - engine.heard_s:.1f} s"))
            for name in _over(ledger.awaited, now_s) if not self._held else ():
                del ledger.awaited[name]
                self._not_live(ledger.cameras[name], now_s)
        if not self._settled or self._held:
            return
        for engine in list(ledger.engines.values()):
            if engine.emptying:
                self._empty(engine, now_s)
        self._tell_drained()
        if now_s >= self._retry_s:
            self._retry_s = now_s + RETRY_S
            self._unplaced.cheapen()
            self._unplaced.try_out(now_s)
            self._balance(now_s)  # before cameras are tried again: while any is due, the load is not levelled
            self._opened = True
        if self._opened:
            self._unplaced.try_again()
            self._opened = False

    def _settle(self) -> None:
        """Place the cameras that no engine has reported."""
        self._settled = True
        for camera in self._ledger.cameras.values():
            if not camera.wanted:
                self._ledger.announce(camera, Announce(camera.name, "disabled", camera.generation))
            elif camera.at is None:
                why = "it was added" if camera.last is None else f"{camera.last.engine} has not reported it"
                self._ledger.due.setdefault(camera.name, why)

    def _silent(self, since_s: float) -> Iterable[EngineRecord]:
        for engine in self._ledger.engines.values():
            if engine.heard_s >= since_s:
                return
            yield engine

    def _not_live(self, camera: CameraRecord, now_s: float) -> None:
        """Decide what becomes of a camera that was not live in time where it was assigned."""
        place, kept = camera.at, camera.kept
        if place is None or place.live:
            return
        limit = f"{self._settings.live_within_s:g} s"
        if place.earlier:
            self._ledger.await_live(camera, now_s)
        elif not place.seen:
            refuse(self._ledger, camera, place, f"it has not taken the camera within {limit}", now_s)
        elif kept is not None and kept.live and not kept.engine.stopping:
            refuse(self._ledger, camera, place, f"the camera was not live there within {limit}", now_s)
        elif kept is not None:
            self._ledger.release(camera, kept, now_s)

    def _empty(self, engine: EngineRecord, now_s: float) -> None:
        """Move cameras away from an engine that is drained or stopping, a few at a time when it is drained."""
        if now_s < engine.stuck_until_s:
            return
        engine.stuck = None
        most = len(engine.held) + 1 if engine.stopping else self._settings.drain_at_once
        why = f"{engine.name} is being {'stopped' if engine.stopping else 'drained'}"
        for camera in list(engine.held.values()):
            if engine.outgoing + len(engine.leaving) >= most:
                return
            moving = camera.at is None or camera.at.engine is not engine
            if not moving and not self._move(camera, why, now_s):
                engine.stuck_until_s, engine.stuck = now_s + RETRY_S, engine.stuck or camera

    def _tell_drained(self) -> None:
        for name in sorted(self._drains - self._drained):
            if not any(engine.held or engine.leaving for engine in self._ledger.named(name)):
                self._drained.add(name)
                self._ledger.commands.append(Drained(name))

    def _balance(self, now_s: float) -> None:
        """Move one camera away from each engine that suffers, within the moves of the last minute.

        If there is none, and a move was not long ago, move one to level the load: engines that begin to suffer always
        find a part of the moves left.
        """
        moves, most = self._balanced_s, self._settings.moves_per_minute
        while moves and moves[0] <= now_s - 60:
            moves.popleft()
        for engine in overloaded(self._ledger.engines.values(), self._ledger.room, self._settings):
            if len(moves) >= most:
                return
            camera = camera_to_move(engine, self._ledger.room, self._settings.rest_s, now_s)
            if camera is not None and self._move(camera, f"{engine.name} has too much to do", now_s):
                moves.append(now_s)
        if len(moves) >= most or (moves and moves[-1] > now_s - 60 / most):
            return
        if (level := self._levelling.next_move(now_s)) is not None:
            camera, engine = level
            self._move(camera, f"{engine.name} {LESS_TO_DO}", now_s, engine)
            moves.append(now_s)


def _over(deadlines: Mapping[str, float], now_s: float) -> list[str]:
    """Return the names whose time is over, of deadlines in their order."""
    over: list[str] = []
    for name, deadline_s in deadlines.items():
        if deadline_s > now_s:
            break
        over.append(name)
    return over
