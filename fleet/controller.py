"""The controller of a fleet: which cameras there are, which engine has each, and how many engines there are.

It lives in one event loop. What the placement decides is written to the store, sent to the engines and published in
the directory, in this order. Engines know placements, too, so one that could not be written is tried again while
everything goes on; a change of a camera is answered only when it is written.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable

from fleet.cameras import Cameras
from fleet.directory import Directory
from fleet.engines import Engine, Engines
from fleet.placement import EngineState, Placement, Seen
from fleet.settings import FleetConfig, naming_settings
from fleet.store import Kept, Statement, Store, StoreError, drained, placed
from stream.membership.messages import Assigned, Assignment, EngineReport
from stream.membership.passes import PassOffice
from stream.results import EngineAddress

logger = logging.getLogger(__name__)
_now = time.monotonic

TICK_S = 1.0
POLL_S = 0.05
HEARD_WITHIN_S = 3.0
"""Time for the engines of an earlier controller to report, before cameras are placed."""
RUNNING = ("live", "ended")
"""States of a camera that its engine reads, or has read to the end."""
LATE_MS = 1000.0
"""An engine whose results are as late as this has too much to do."""
DROPPED = 1.0
"""So has one that drops this many frames per second."""
TOGETHER_S = 5.0
"""Longest time for which an engine that has loaded its model waits for others that are loading theirs, so that waiting
cameras are spread over all of them. Engines that are made together are ready within seconds of each other on equal
machines; a slower one is not worth a longer wait of cameras that no other engine has room for."""
REPLACED_WITHIN_S = 30.0
"""Longest time for which an engine that is to be replaced is waited for, until other engines have its cameras."""
NEEDED_FOR_S = 10.0
"""Time for which further engines must be needed before one is made, because costs are averages."""


class Controller:
    """The controller, without its HTTP server. `open` and then `start` begin in the running event loop."""

    def __init__(self, config: FleetConfig) -> None:
        self.config = config
        self.run = secrets.token_hex(16)
        """32 hexadecimal digits, new at each start."""
        self.directory = Directory(config.controller, self.run, self.address_of)
        self.engines = Engines(config, self._engine_reported, self._engine_ended)
        self.placement = Placement(config.placement, now_ms=_wall_ms)
        self.drains: set[str] = set()
        """Engines that a user drains."""
        self.office = PassOffice()
        self.http = ""
        """The address of the HTTP server; empty if there is none."""
        self.unwritten = ""
        """Why placements can't be written now; empty if they can."""
        self._store = Store(config.controller.store)
        self.cameras = Cameras(config, self._store, self._camera_changed)
        self._rows: dict[str, Statement] = {}
        """By camera, what of its placement is to be written."""
        self._work = asyncio.Event()
        self._number = 0
        """Number of the last assignment."""
        self._needed_s: float | None = None
        """Since when further engines are needed."""
        self._replacing: dict[str, float] = {}
        """Engines to be replaced, and until when they are waited for."""
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Read the store, and bind the directory.

        Raises `ConfigError` naming the setting if the store is in use or cannot be read, or a socket cannot be bound.
        """
        kept = await asyncio.to_thread(self._store.open)
        self.cameras.restore(kept)
        self._restore(kept)
        with naming_settings():
            await self.directory.publisher.start()

    def start(self) -> None:
        """Take over the engines that are there, and begin to make engines, to poll them and to assign cameras."""
        self.engines.adopt()
        for name in self.placement.engines.keys() - self.engines.all.keys():
            self.placement.gone(name, "it ended while the controller was away", _now())
        self._tasks = [
            asyncio.create_task(self._tell(), name="fleet places"),
            asyncio.create_task(self._tick(), name="fleet ticks"),
        ]

    async def stop(self) -> None:
        """Stop. The engines go on with their cameras. May be called again."""
        await self._rest()
        await self.engines.close()
        await self.directory.publisher.stop()
        await asyncio.to_thread(self._store.close)

    async def end(self) -> None:
        """Stop all engines in order, and make no others."""
        await self._rest()
        await asyncio.gather(*map(self.engines.stop, list(self.engines.all)), return_exceptions=True)

    async def _rest(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def wait(self) -> None:
        """Wait until a part of the controller fails, and raise what it raised."""
        await asyncio.gather(*self._tasks)

    @property
    def problems(self) -> list[str]:
        """Why it is not ready; empty if it is."""
        if not self._tasks:
            return ["the controller is starting or stopping"]
        return [f"controller.store can't be written: {self.unwritten}"] if self.unwritten else []

    # -- what is asked of it ------------------------------------------------------------------------------------
    async def drain(self, engine: str, draining: bool) -> None:
        """Move the cameras of an engine away and give it no more, or end this. Raises `NotSavedError`."""
        if draining != (engine in self.drains):
            await self.cameras.write([drained(engine, draining)])
            (self.drains.add if draining else self.drains.discard)(engine)
            logger.info("engine %s is %s", engine, "being drained" if draining else "no longer drained")
            self._empty_or_not(engine)

    def replace(self, engine: str) -> None:
        """Drain an engine, end it when it is empty or after `REPLACED_WITHIN_S`, and make another one of its name."""
        if engine not in self._replacing:
            self._replacing[engine] = _now() + REPLACED_WITHIN_S
            self._empty_or_not(engine)

    def _empty_or_not(self, engine: str) -> None:
        """Drain an engine while a user wants this or it is to be replaced; otherwise end the drain."""
        empty = engine in self.drains or engine in self._replacing
        (self.placement.drain if empty else self.placement.undrain)(engine)
        self._work.set()

    def _camera_changed(self, name: str) -> None:
        camera = self.cameras.all.get(name)
        if camera is None:
            self.placement.unwant(name, _now())
        else:
            self.placement.want(name, camera.wish, _now())
            self.placement.changed.add(name)  # its engine gets the settings, also if it stays
        self._work.set()

    # -- engines ------------------------------------------------------------------------------------------------
    def _engine_reported(self, engine: Engine) -> None:
        """Take what an engine has reported. New ones join together: the first alone would get all waiting cameras."""
        assert engine.status is not None
        if engine.leaving:
            return
        if engine.name in self.placement.engines or engine.status.cameras:
            self._take(engine)
            return
        engines, joined = self.engines.all.values(), self.placement.engines.keys()
        new = [one for one in engines if one.state == "running" and not one.leaving and one.name not in joined]
        starting = any(one.state == "starting" for one in engines)
        if not starting or _now() >= min(one.since_s for one in new) + TOGETHER_S:
            for one in new:
                self._take(one)

    def _take(self, engine: Engine) -> None:
        """Take what an engine has reported; the first time, it joins."""
        status = engine.status
        assert status is not None
        joins = self.placement.engines.get(engine.name) is None or self.placement.engines[engine.name].state is None
        seen = {
            name: Seen(one.generation, one.state in RUNNING, one.pixels, one.refused)
            for name, one in status.cameras.items()
        }
        report = status.report
        state = EngineState(engine.tags, report.capacity, report.max_cameras, suffers(report))
        self.placement.report(engine.name, state, seen, _now())
        if joins:
            self._number = max(self._number, status.assignment)  # of an earlier controller
            self.placement.changed.update(self.placement.engines[engine.name].cameras)
            self._push([engine.name])
        self._work.set()

    def _engine_ended(self, engine: Engine) -> None:
        """Note that an engine has ended, and place its cameras elsewhere."""
        if engine.leaving:
            logger.info("engine %s has ended", engine.name)
        else:
            logger.warning("engine %s is lost: %s", engine.name, engine.why)
        self.placement.gone(engine.name, engine.why, _now())
        if self._replacing.pop(engine.name, None) is not None and self._tasks:  # it is not the end of the fleet
            self._empty_or_not(engine.name)
            self.engines.make(engine.pin, engine.name)
        self._work.set()

    async def _tick(self) -> None:
        """Do what is due, after the engines of an earlier controller have reported: the store may be older."""
        begin_s = _now() + HEARD_WITHIN_S
        while any(engine.status is None for engine in self.engines.all.values()) and _now() < begin_s:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        while True:
            self.placement.tick(_now())
            self._work.set()
            self._fit_engines()
            for name, until_s in list(self._replacing.items()):
                if self.placement.empty_since(name) is not None or _now() >= until_s:
                    self._stop(name)
            await asyncio.sleep(TICK_S)

    def _fit_engines(self) -> None:
        """Make the engines that the cameras need, and end one that is not needed and has been empty for long."""
        given, engines = self.config.engines, self.engines.all
        need, wanted = self.placement.missing(), self.wanted_engines()
        replacing = self._replacing.keys()
        coming = [one for one in engines.values() if one.state in ("waiting", "starting") or one.name in replacing]
        pending = {engine.pin for engine in coming}
        staying = [one for one in engines.values() if not one.leaving or one.name in replacing]
        usable = sum(engine.pin is None or engine.state != "waiting" for engine in staying)
        short = max(wanted - usable, 1 if None in need and None not in pending else 0)
        if short <= 0:
            self._needed_s = None
        elif self._needed_s is None and usable:
            self._needed_s = _now()
        elif not usable or _now() >= (self._needed_s or 0) + NEEDED_FOR_S:
            for _ in range(min(short, given.most - len(engines))):
                self.engines.make()
        if not any(engine.pin is None and engine.state == "waiting" for engine in engines.values()):
            tags = {tag for engine in coming for tag in engine.tags}
            for pin in need - {None} - pending - tags:
                if len(engines) < given.most:
                    self.engines.make(pin)
        for engine in staying:
            if engine.state == "waiting":
                empty_s, after_s = engine.since_s, NEEDED_FOR_S
            else:
                empty_s, after_s = self.placement.empty_since(engine.name), given.empty_s
            of_pin = engine.pin is not None and engine.state == "waiting"
            needed = engine.pin in need if of_pin else usable <= wanted or None in need
            if not needed and empty_s is not None and _now() >= empty_s + after_s:
                self._stop(engine.name)
                return

    def _stop(self, engine: str) -> None:
        """Begin to stop an engine, which gets no camera from now on."""
        self.placement.gone(engine, "it is stopped", _now())
        self.engines.stop(engine)

    def wanted_engines(self) -> int:
        """Return how many engines the cameras need, with the reserve."""
        given, placement = self.config.engines, self.placement
        states = [engine.state for engine in placement.engines.values() if engine.state is not None]
        capacity = sum(state.capacity for state in states) / len(states) if states else given.capacity
        usable = max(capacity * (1 - self.config.placement.headroom), 1e-9)
        # One camera never needs two engines, whatever is expected of it.
        cost = sum(min(camera.cost, usable) for camera in placement.cameras.values() if camera.wish.enabled)
        return min(max(math.ceil(cost / usable) + given.reserve, given.least), given.most)

    # -- what was decided ---------------------------------------------------------------------------------------
    def _restore(self, kept: Kept) -> None:
        self.drains |= kept.drains
        self.placement.drains |= kept.drains
        for name, camera in self.cameras.all.items():
            self.placement.restore(name, camera.wish, *kept.places.get(name, (0, None)))
        self._rows = {name: placed(name, None) for name in kept.places.keys() - self.cameras.all.keys()}
        self.placement.changed.update(self.cameras.all)

    async def _tell(self) -> None:
        """Write, publish and assign what has changed, each time that something has."""
        engines_had: defaultdict[str, set[str]] = defaultdict(set)
        while True:
            await self._work.wait()
            self._work.clear()
            changed = set(self.placement.changed)
            self.placement.changed.clear()
            for name in changed:
                camera = self.placement.cameras.get(name)
                self._rows[name] = placed(name, (camera.generation, camera.engine) if camera is not None else None)
            await self._write()
            touched: set[str] = set()
            for name in changed:
                camera = self.placement.cameras.get(name)
                self.directory.announce(name, camera)
                now = camera.engines if camera is not None else set[str]()
                touched |= now | engines_had.pop(name, set())
                if now:
                    engines_had[name] = now
            self._push(touched)

    async def _write(self) -> None:
        """Write the placements that are not written yet. After a failure, they are tried again with the next ones."""
        rows = dict(self._rows)
        if not rows:
            return
        try:
            await asyncio.to_thread(self._store.write, rows.values())
        except StoreError as error:
            if not self.unwritten:
                logger.warning("controller.store: placements can't be written: %s; they are tried again", error)
            self.unwritten = str(error)
            return
        self.unwritten = ""
        for name, row in rows.items():
            if self._rows.get(name) is row:
                del self._rows[name]

    def _push(self, names: Iterable[str]) -> None:
        """Tell engines which cameras they are to have."""
        for name in names:
            engine, own = self.engines.all.get(name), self.placement.engines.get(name)
            if engine is None or own is None or engine.address is None:
                continue
            cameras = {camera: one.generation for camera, one in own.cameras.items()}
            cameras |= {camera: one.old[1] for camera, one in own.leaving.items() if one.old is not None}
            self._number = max(self._number + 1, _wall_ms())  # also above those of earlier controllers
            assigned = {
                camera: Assigned(generation, self.cameras.all[camera].for_engine())
                for camera, generation in cameras.items()
            }
            key = self.office.key(name, engine.address.run).hex()
            self.engines.assign(name, Assignment(self._number, assigned, self.http, key, self.office.origins))

    def address_of(self, engine: str | None) -> EngineAddress | None:
        """Return where an engine's results are; None if it is not there or has not joined."""
        found = self.engines.all.get(engine or "")
        return found.address if found is not None else None


def suffers(report: EngineReport) -> bool:
    """Return whether an engine itself reports that it has too much to do."""
    return report.overloaded or report.dropped >= DROPPED or report.age_ms >= LATE_MS


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
