"""Which engine is to have which camera. Every change of it is a command.

A move starts the new engine before the old one stops: the camera is assigned to the new engine and announced there at
once, with its previous place. Readers follow both until the first message of the new generation, so that they see no
silence; the old engine is told to release it when the new one reports it live. A camera that takes one connection only,
or any under the strict fence, is released first, and assigned when its engine reports that it has given it up, or when
that engine's lease is over for certain.
"""

from __future__ import annotations

from fleet.placement.commands import Announce, Assign, Command, Release
from fleet.placement.records import CameraRecord, EngineRecord, Hold, Last, Leaving
from fleet.placement.room import Room
from fleet.placement.settings import PlacementSettings

MEASURE_WEIGHT = 0.2
"""Weight of a new measurement in the average of a camera's cost."""
MOST_MPX = 1e6
"""Larger measurements of costs and capacities, megapixels per second, count as this."""


class Ledger:
    """Engines, cameras and their places."""

    def __init__(self, settings: PlacementSettings, generation_floor: int) -> None:
        self.settings = settings
        self.room = Room(settings.headroom)
        self.floor = generation_floor
        self.engines: dict[str, EngineRecord] = {}
        """In the order in which they were last heard."""
        self.by_node: dict[str, dict[str, EngineRecord]] = {}
        self.cameras: dict[str, CameraRecord] = {}
        self.due: dict[str, str] = {}
        """Cameras to be placed now, and why."""
        self.awaited: dict[str, float] = {}
        """Cameras that are to be live where they were assigned, and until when; the earliest first."""
        self.leaving: dict[str, float] = {}
        """Cameras whose last engine has to give them up, and when it has for certain; the earliest first."""
        self.commands: list[Command] = []

    def heard(self, engine: EngineRecord) -> None:
        """Note that the engine is there, and is the last one heard."""
        self.engines.pop(engine.name, None)
        self.engines[engine.name] = engine
        self.by_node.setdefault(engine.address.node, {})[engine.name] = engine

    def gone(self, engine: EngineRecord) -> None:
        """Note that the engine is not there any more. The caller takes its cameras from it."""
        engine.known = False
        self.room.gone(engine)
        del self.engines[engine.name]
        node = self.by_node[engine.address.node]
        del node[engine.name]
        if not node:
            del self.by_node[engine.address.node]

    def named(self, name: str) -> list[EngineRecord]:
        """Return the engines of a node, or the engine, of this name."""
        engine = self.engines.get(name)
        return [*self.by_node.get(name, {}).values(), *([engine] if engine is not None else [])]

    def breaks_first(self, camera: CameraRecord) -> bool:
        """Return whether no engine may get the camera while another has it."""
        return self.settings.fence == "strict" or (camera.wish is not None and camera.wish.exclusive)

    def assign(self, camera: CameraRecord, engine: EngineRecord, why: str, now_s: float) -> None:
        """Give the camera to the engine, with a new generation."""
        assert camera.at is None and camera.leaving is None
        if camera.kept is not None and camera.kept.engine is engine:
            self._take_out(camera, camera.kept)
        camera.generation = max(camera.generation + 1, self.floor)
        self._put(camera, Hold(engine, camera.generation), why)
        camera.placed_s = now_s
        self.await_live(camera, now_s)

    def adopt(self, camera: CameraRecord, engine: EngineRecord, generation: int) -> Hold:
        """Leave the camera with an engine that has it already."""
        hold = Hold(engine, generation)
        self._put(camera, hold, "its engine has it")
        return hold

    def _put(self, camera: CameraRecord, hold: Hold, why: str) -> None:
        engine = hold.engine
        camera.at = hold
        engine.held[camera.name] = camera
        self._add_load(engine, camera.cost)
        self.due.pop(camera.name, None)
        run = engine.address.run
        self.commands.append(Assign(engine.name, run, camera.name, hold.generation))
        last = camera.last
        if last is not None and last.engine == engine.name and last.generation == hold.generation:
            last = None
        self.announce(
            camera,
            Announce(
                camera.name,
                "placed",
                hold.generation,
                engine.name,
                run,
                last.engine if last else None,
                last.generation if last else None,
                why,
            ),
        )
        camera.last = Last(engine.name, run, hold.generation)

    def keep(self, camera: CameraRecord) -> None:
        """Let the camera's engine go on with it until it is live where it will be."""
        assert camera.at is not None and camera.kept is None
        camera.at.engine.outgoing += 1
        camera.at, camera.kept = None, camera.at

    def go_on(self, camera: CameraRecord, engine: EngineRecord, generation: int, now_s: float) -> Hold:
        """Let an engine that has an earlier generation go on with it until the camera is live where it will be."""
        assert camera.kept is None
        camera.kept = hold = Hold(engine, generation)
        engine.outgoing += 1
        engine.held[camera.name] = camera
        self._add_load(engine, camera.cost)
        if camera.at is None:
            self.due.setdefault(camera.name, f"{engine.name} has it, with an earlier generation")
        else:
            self.await_live(camera, now_s)
        return hold

    def await_live(self, camera: CameraRecord, now_s: float) -> None:
        """Expect the camera to be live soon."""
        self.awaited.pop(camera.name, None)
        self.awaited[camera.name] = now_s + self.settings.live_within_s

    def release(self, camera: CameraRecord, hold: Hold, now_s: float) -> None:
        """Tell an engine to give the camera up."""
        self._take_out(camera, hold)
        self.tell_release(hold.engine, camera.name, hold.generation)
        if self.breaks_first(camera):
            self.await_leaving(camera, hold.engine, hold.seen, now_s)

    def tell_release(self, engine: EngineRecord, camera: str, generation: int) -> None:
        self.commands.append(Release(engine.name, engine.address.run, camera, generation))

    def await_again(self, now_s: float) -> None:
        """Give all cameras that are to be live soon the whole time again."""
        for name in list(self.awaited):
            self.await_live(self.cameras[name], now_s)

    def await_leaving(self, camera: CameraRecord, engine: EngineRecord, seen: bool, now_s: float) -> None:
        """Place the camera only when the engine has given it up."""
        if camera.leaving is None:
            camera.leaving = Leaving(engine, seen)
            engine.leaving[camera.name] = camera
        elif camera.leaving.engine is not engine:
            if camera.leaving.engine is not None:
                camera.leaving.engine.leaving.pop(camera.name, None)
            camera.leaving = Leaving(None, False)
        self.leaving.pop(camera.name, None)
        self.leaving[camera.name] = now_s + self.settings.ttl_s

    def left(self, camera: CameraRecord, why: str) -> None:
        """Note that no engine has the camera any more which was told to give it up."""
        assert camera.leaving is not None
        if camera.leaving.engine is not None:
            camera.leaving.engine.leaving.pop(camera.name, None)
        camera.leaving = None
        self.leaving.pop(camera.name, None)
        if camera.wish is None:
            del self.cameras[camera.name]
        elif camera.wanted and camera.at is None:
            self.due.setdefault(camera.name, why)

    def lose(self, camera: CameraRecord, hold: Hold) -> None:
        """Note that an engine that is lost does not have the camera any more."""
        self._take_out(camera, hold)

    def stop(self, camera: CameraRecord, now_s: float) -> None:
        """Take the camera from all engines."""
        for hold in (camera.at, camera.kept):
            if hold is not None:
                self.release(camera, hold, now_s)
        self.due.pop(camera.name, None)
        self.awaited.pop(camera.name, None)

    def forget(self, camera: CameraRecord, now_s: float) -> None:
        """Remove the camera. A later one of the same name begins above its generation."""
        self.stop(camera, now_s)
        self.floor = max(self.floor, camera.generation + 1)
        self.announce(camera, Announce(camera.name, "removed", camera.generation))
        if camera.leaving is None:
            del self.cameras[camera.name]
        camera.wish = None

    def measure(self, camera: CameraRecord, engine: EngineRecord, pixels: float) -> None:
        """Take over the cost of a camera that is live on `engine`, measured in megapixels per second.

        It is at most what placing may use of the engine, which carries it: a camera always fits an engine like it.
        """
        pixels = min(pixels, self.room.usable(engine) or MOST_MPX)
        cost = camera.cost + MEASURE_WEIGHT * (pixels - camera.cost) if camera.measured else pixels
        camera.measured = True
        self.set_cost(camera, cost)

    def set_cost(self, camera: CameraRecord, cost: float) -> None:
        """Change a camera's cost. The caller tells `room` of the engines."""
        for hold in (camera.at, camera.kept):
            if hold is not None:
                hold.engine.load += cost - camera.cost
        camera.cost = cost

    def announce(self, camera: CameraRecord, announcement: Announce, kind: str = "") -> None:
        """Tell readers, unless the last announcement was of the same kind."""
        camera.reason = announcement.reason
        told = kind or f"{announcement.state} {announcement.generation}"
        if told != camera.told:
            camera.told = told
            self.commands.append(announcement)

    def _take_out(self, camera: CameraRecord, hold: Hold) -> None:
        if camera.at is hold:
            camera.at = None
            self.awaited.pop(camera.name, None)
        else:
            camera.kept = None
            hold.engine.outgoing -= 1
        del hold.engine.held[camera.name]
        self._add_load(hold.engine, -camera.cost)

    def _add_load(self, engine: EngineRecord, cost: float) -> None:
        engine.load += cost
        self.room.changed(engine)
