"""The coordinator: takes the engines' renewals, lets the placement decide, writes it, and tells engines and readers.

Everything but the writing runs in one event loop. A camera is given to an engine only when that is written; that it is
taken from one is told at once, because a coordinator that forgets it only tells it again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fleet.coordinator.assignments import Assignments
from fleet.coordinator.changes import Changes
from fleet.coordinator.directory import Directory
from fleet.coordinator.engines import Engines, RefusedRenewalError, RunEnd, Session, reason_of
from fleet.coordinator.outbox import Outbox
from fleet.coordinator.recollection import TICKS, Recollection
from fleet.coordinator.renewals import Renewals
from fleet.coordinator.store import (
    Kept,
    LastPlace,
    Statement,
    Store,
    StoreError,
    placed,
    ttl_kept,
)
from fleet.placement.commands import Announce, Assign, Command, Drained, EngineLost, Release
from fleet.placement.events import (
    CameraUnwanted,
    CameraWanted,
    DrainBegun,
    DrainEnded,
    EngineEnded,
    EngineRenewed,
    EngineRestarts,
    Event,
    Measured,
    Tick,
)
from fleet.placement.moves import Moves, cause_of
from fleet.settings import FleetCamera, FleetConfig
from stream.membership.protocol import CameraReport, RefusedEngine, Renewal, generations_of
from stream.results import EngineAddress
from stream.settings.config_error import ConfigError
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

RUNNING = ("live", "ended")
"""States of a camera that its engine reads, or has read to the end."""


class Coordinator:
    """The coordinator of a fleet. It lives in the event loop that calls `start`."""

    def __init__(self, config: FleetConfig) -> None:
        self.config = config
        self.run = secrets.token_hex(16)
        """32 hexadecimal digits, new at each start."""
        self.engines = Engines(config.placement.ttl_s, config.coordinator.max_engines)
        self.directory = Directory(config.coordinator, self.run, self.engines)
        self.renewals = Renewals(config.coordinator, self._received)
        self.refused = 0
        """Renewals of engines that were refused."""
        self.drained: set[str] = set()
        """Drained nodes and engines that are empty."""
        self.moves = Moves()
        self.assignments = Assignments(
            self.run,
            config.placement.ttl_s,
            config.placement.fence,
            lambda camera: self.cameras.for_engine(camera),
            time.time_ns() // 1_000_000,
        )
        self._store = Store(config.coordinator.store)
        self._outbox = Outbox(self._store, self._deliver, lambda: self._known.whole())
        self.changes = Changes(
            lambda: self.cameras if self._running else None,
            self._outbox.write,
            self._step,
            lambda camera: self._push(self.assignments.settings_changed(camera)),
        )
        self._ttl_ms = round(config.placement.ttl_s * 1000)
        self._tasks: list[asyncio.Task[None]] = []
        self._running = False
        self._logged = RepeatLimiter(limit=1, per_s=60.0)

    async def start(self) -> None:
        """Read the store, bind the sockets and begin to serve.

        Raises `ConfigError` naming the setting if the store is in use or a socket cannot be bound.
        """
        kept = await asyncio.to_thread(self._store.open)
        try:
            if kept.ttl_ms < self._ttl_ms:  # before any engine has a lease of this length
                await self._keep_ttl()
            self._begin(kept)
            await self.directory.start()
            for name, place in self._known.removed.places().items():  # readers may know them from before
                self.directory.announce(Announce(name, "removed", place.generation))
            await self.renewals.start()
        except BaseException:
            await self.directory.stop()
            await self.renewals.stop()
            self._store.close()
            raise
        self._tasks = [
            asyncio.create_task(self._outbox.run(), name="fleet store"),
            asyncio.create_task(self._tick(), name="fleet ticks"),
        ]
        self._running = True
        logger.info(
            "coordinator: engines at %s, directory at %s, %d cameras",
            self.renewals.address,
            self.directory.publisher.endpoint,
            len(self.cameras.all),
        )

    async def _keep_ttl(self) -> None:
        try:
            await asyncio.to_thread(self._store.write, [ttl_kept(self._ttl_ms)])
        except StoreError as error:
            if self.config.placement.fence == "strict":
                raise ConfigError(f"coordinator.store: {self._store.path} can't be written: {error}") from None

    async def stop(self) -> None:
        """Stop serving. The engines go on with their cameras. May be called again."""
        self._running = False
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.renewals.stop()
        await self.directory.stop()
        await asyncio.to_thread(self._store.close)

    async def wait(self) -> None:
        """Wait until a part of the coordinator fails, and raise what it raised."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    # What others ask for

    @property
    def problems(self) -> list[str]:
        """Why it is not ready; empty if it is."""
        found: list[str] = []
        if not self._running:
            return ["the coordinator is starting or stopping"]
        if not self.placement.settled:
            found.append("it waits for the engines to report their cameras")
        if self._outbox.error:
            found.append(f"coordinator.store can't be written: {self._outbox.error}")
        return found

    @property
    def unwritten(self) -> int:
        """Decisions that wait to be written."""
        return self._outbox.waiting

    @property
    def outbox(self) -> Outbox:
        """What is to be written, and whether it can be."""
        return self._outbox

    def engine_ended(self, engine: str, run: str, end: RunEnd | None = None) -> None:
        """Note that the process of this run of an engine is gone, for example because its agent saw it end."""
        self.engines.ended(engine, run, end, _now(), time.time_ns() // 1000)
        if end is not None and self._logged.admit(("ended", engine), _now())[0]:
            told = ": ".join(filter(None, (end.how, end.error)))
            logger.warning("engine %s of node %s has ended: %s; log: %s", engine, end.node, told, end.log)
        self._step(EngineEnded(engine, run))

    def engine_restarts(self, engine: str, run: str) -> None:
        """Note that this run of an engine is about to be stopped, in order to be started again."""
        self._step(EngineRestarts(engine, run))

    def engine_started(self, engine: str, node: str, run: str) -> None:
        """Note that the process of this run of an engine runs, and will join when it has loaded its model."""
        self.engines.started(engine, node, run, _now())

    # Engines

    def _received(self, identity: bytes, renewal: Renewal) -> None:
        address = renewal.address
        self._look_for_its_other_connection(identity, address)
        try:
            session = self.engines.renewed(identity, renewal, _now(), time.time_ns() // 1000, self._generation_of)
        except RefusedRenewalError as refusal:
            self.refused += 1
            if self._logged.admit(str(refusal), _now())[0]:
                logger.warning("an engine is refused: %s", refusal)
            self.renewals.send(identity, RefusedEngine(str(refusal)))
            return
        began = session.began
        if not began:
            if renewal.cameras is None:
                self.renewals.send(identity, self.assignments.ask_for_cameras(renewal.asked_ns, renewal.version))
                return
            self._begin_session(session, renewal.cameras)
        cameras = renewal.cameras
        # Settings in its first message were wanted by an earlier coordinator, which may have got a part of them.
        if began and renewal.settings is not None and session.adoptable:
            self._adopt(session, renewal.settings, more=renewal.more)
            cameras = session.cameras  # this renewal may lack them, because they have not changed
        self._step(
            EngineRenewed(
                address,
                renewal.report,
                None if cameras is None else self._measured(session, cameras),
                renewal.stopping,
            )
        )
        if self.engines.sessions.get(address.engine) is session:
            self._grant(session)

    def _generation_of(self, camera: str) -> int:
        """Return the highest generation of a camera that is known, or the lowest that it could get."""
        found = self.placement.cameras.get(camera)
        return max(self.placement.generation_floor, found.generation if found is not None else 0)

    def _look_for_its_other_connection(self, identity: bytes, address: EngineAddress) -> None:
        """Free the name of an engine that renews on a new connection, if its earlier connection is gone."""
        session = self.engines.sessions.get(address.engine)
        if session is None or session.identity == identity or session.address.run != address.run:
            return
        if not self.renewals.send(session.identity, self.assignments.nothing_new(session.asked_ns, session.version)):
            session.connected = False

    def _begin_session(self, session: Session, cameras: Mapping[str, CameraReport]) -> None:
        """Begin an engine's lease with the cameras that it has."""
        address = session.address
        generations = generations_of(cameras)
        session.began = True
        session.adoptable = {
            camera
            for camera, generation in generations.items()
            if not self.placement.settled
            and self.cameras.may_adopt(camera)
            and self._known.removed.may_return(camera, generation)
        }
        own = session.adoptable | (self.cameras.invalid.keys() & generations.keys())
        self.assignments.begin(address.engine, address.run, generations, own)
        logger.info("engine %s on %s has joined, with %d cameras", address.engine, address.node, len(generations))

    def _adopt(self, session: Session, settings: Mapping[str, Mapping[str, Any]], *, more: bool) -> None:
        """Take over the settings of cameras that a store had which is lost, or older than they are.

        `more`: the engine's next renewals have further settings.
        """
        statements: list[Statement] = []
        adopted: list[FleetCamera] = []
        for name in sorted(session.answered(settings.keys(), more=more)):
            camera = self.cameras.adopted(name, settings.get(name, {}), session.address.node)
            if camera is not None:
                logger.info("camera %s: its settings are those that engine %s has", name, session.address.engine)
                self.cameras.put(camera)
                statements += self.cameras.keeping(camera)
                adopted.append(camera)
            self.assignments.settings_changed(name)
        self._write(statements)
        for camera in adopted:
            self._step(CameraWanted(camera.id, camera.wish))

    def _measured(self, session: Session, cameras: Mapping[str, CameraReport]) -> dict[str, Measured]:
        """Return what the placement has to know, without the cameras whose settings are awaited or not valid."""
        return {
            name: Measured(report.generation, report.state in RUNNING, report.pixels, reason_of(report))
            for name, report in cameras.items()
            if name not in session.adoptable and name not in self.cameras.invalid
        }

    def _grant(self, session: Session) -> None:
        prolong = self.placement.settled or not self._known.rebuilding or self.config.placement.fence == "soft"
        grant = self.assignments.grant(
            session.address.engine,
            session.asked_ns,
            session.version,
            prolong=prolong,
            wants_settings=bool(session.adoptable),
            has=generations_of(session.cameras),
        )
        lease_only = self.assignments.nothing_new(session.asked_ns, session.version, prolong=prolong)
        self.renewals.send(session.identity, grant, lease_only)

    def _push(self, engines: Iterable[str]) -> None:
        for engine in engines:
            session = self.engines.sessions.get(engine)
            if session is not None and session.began:
                self._grant(session)

    # Decisions

    def _begin(self, kept: Kept) -> None:
        """Take over what the store has."""
        self._known = Recollection(self.config, kept, now_s=_now(), now_ms=time.time_ns() // 1_000_000)
        self.cameras, self.placement = self._known.cameras, self._known.placement
        self._write(self._known.floor_to_write())
        for name in kept.drains:
            self._step(DrainBegun(name))

    def _step(self, event: Event) -> None:
        match event:
            case DrainBegun() if event.name not in self.placement.drains:
                self.drained.discard(event.name)
                logger.info("%s is being drained: its cameras are moved away, and it gets no more", event.name)
            case DrainEnded() if event.name in self.placement.drains:
                self.drained.discard(event.name)
                logger.info("%s is not drained any more: it may have cameras", event.name)
            case CameraWanted():
                self._known.removed.forget(event.camera)
            case CameraUnwanted() if event.camera not in self.placement.cameras:  # its settings were not valid
                had = self.assignments.remove(event.camera)
                generation = max([self._known.floor - 1, *had.values()])
                removed = Announce(event.camera, "removed", generation)
                self._outbox.add(self._known.removed.add(event.camera, generation), [removed])
                self._push(had.keys())
            case _:
                pass
        commands = self.placement.step(event, _now())
        if not commands:
            return
        statements: list[Statement] = []
        changed: set[str] = set()
        for command in commands:
            match command:
                case EngineLost():
                    self._lost(command)
                case Release():
                    if self.assignments.release(command.engine, command.run, command.camera, command.generation):
                        changed.add(command.engine)
                case Assign():
                    statements.append(
                        placed(command.camera, LastPlace(command.generation, command.engine, command.run))
                    )
                case Announce(state="removed"):
                    statements += self._known.removed.add(command.camera, command.generation)
        statements += self._known.floor_to_write()
        left = [command for command in commands if not isinstance(command, Release | EngineLost)]  # these are done
        if statements or left:
            self._outbox.add(statements, left)
        self._push(changed)

    def _lost(self, command: EngineLost) -> None:
        self.assignments.end(command.engine, command.run)
        self.engines.lose(command.engine, command.run, command.reason, time.time_ns() // 1000)
        if self.engines.has_stopped(command.engine):
            logger.info("engine %s is gone: %s", command.engine, command.reason)
        else:
            logger.warning("engine %s is lost: %s", command.engine, command.reason)

    def _deliver(self, commands: Sequence[Command]) -> None:
        """Do what is written."""
        changed: set[str] = set()
        given: set[str] = set()
        for command in commands:
            match command:
                case Assign():
                    if self._is_current(command) and self.assignments.assign(
                        command.engine, command.run, command.camera, command.generation
                    ):
                        changed.add(command.engine)
                        given.add(command.camera)
                case Announce():
                    self.directory.announce(command)
                    if command.camera in given:
                        self._note_given(command)
                case Drained():
                    self.drained.add(command.name)
                    logger.info("%s is drained: it has no cameras", command.name)
        self._push(changed)

    def _note_given(self, placed: Announce) -> None:
        settings = self.cameras.all.get(placed.camera)
        pin = settings.pin if settings is not None else None
        self.moves.add(placed.camera, cause_of(placed, self.placement, pin, self.engines.has_stopped), _now())

    def _is_current(self, assign: Assign) -> bool:
        """Return whether this is still so. Writing takes time, and another decision may have followed."""
        camera = self.placement.cameras.get(assign.camera)
        return camera is not None and camera.generation == assign.generation and camera.state in ("placed", "moving")

    def _write(self, statements: Sequence[Statement]) -> None:
        if statements:
            self._outbox.add(statements, ())

    async def _tick(self) -> None:
        interval_s = self.config.placement.ttl_s / TICKS
        while True:
            await asyncio.sleep(interval_s)
            self.renewals.poll()  # what an engine has sent in time counts, also if this loop was late
            self._step(Tick(held=self._outbox.held))
            self._log_stuck_drains()
            self._write(self._known.ttl_to_write())
            self.engines.forget_silent(_now())

    def _log_stuck_drains(self) -> None:
        if self.placement.drains <= self.drained:
            return
        for name, engine in self.placement.engines.items():
            if engine.draining and engine.stuck and self._logged.admit(("drain", name), _now())[0]:
                logger.warning(
                    "engine %s can't be drained; cameras left there: %d; %s", name, engine.cameras, engine.stuck
                )


def _now() -> float:
    return time.monotonic()
