"""Cameras that no engine could take, and when they are tried again.

A camera whose cost is only expected may fit nowhere while engines have little to do. It is then tried out on one that,
as measured, has room for another camera like those that it has: one such camera at a time, until its cost is measured.
What was measured of a camera that fits nowhere counts less and less, so that one wrong measurement cannot stop it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet.placement.commands import Announce
from fleet.placement.ledger import Ledger
from fleet.placement.records import CameraRecord, EngineRecord

NO_ROOM, NO_ENGINE = "no room", "no engine"
"""Kinds of reasons why a camera has no engine, for which any further engine could have it."""
CHEAPER = 0.8
"""Part of the measured cost above the expected one that is left of an unplaced camera's after each `cheapen`."""
NEAR = 1.01
"""A cost below this multiple of the expected one counts as it."""


class Unplaced:
    """The names of such cameras. `ledger` has engines, cameras, and those that are to be placed now."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._names: dict[str, None] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def without_room(self) -> tuple[int, float]:
        """Return how many cameras any further engine could have, and their cost in megapixels per second."""
        found = [camera for camera in map(self._ledger.cameras.__getitem__, self._names) if _needs_room(camera)]
        return len(found), sum(camera.cost for camera in found)

    def add(self, camera: CameraRecord) -> None:
        """Note that no engine could take the camera, for the reason that was told before."""
        self._names[camera.name] = None

    def discard(self, camera: str) -> None:
        """Forget a camera that was removed or is wanted otherwise."""
        self._names.pop(camera, None)

    def tell(self, camera: CameraRecord, barred: Mapping[str, tuple[float, str]]) -> None:
        """Add the camera, and announce why no engine can take it. `barred`: engines that refused it."""
        self.add(camera)
        kind, reason = self._why(camera, barred)
        self._ledger.announce(camera, Announce(camera.name, "unplaced", camera.generation, reason=reason), kind)

    def is_hopeless(self, camera: CameraRecord) -> bool:
        """Return whether the camera was announced to find no room, and this holds."""
        pinned = camera.wish is not None and camera.wish.pinned is not None
        room = self._ledger.room
        return camera.told == NO_ROOM and not pinned and not camera.refusals and not room.may_take(camera.cost)

    def try_again(self) -> None:
        """Let those be placed now which may find an engine."""
        if not self._ledger.engines:
            return
        for name in [name for name in self._names if not self.is_hopeless(self._ledger.cameras[name])]:
            del self._names[name]
            self._ledger.due.setdefault(name, "an engine has room for it")

    def cheapen(self) -> None:
        """Let costs that were measured come closer to the expected ones. Called every second."""
        for name in self._names:
            camera = self._ledger.cameras[name]
            if camera.wish is None or not camera.measured or camera.at is not None or camera.kept is not None:
                continue
            expected = camera.wish.pixels
            cost = expected + CHEAPER * (camera.cost - expected)
            if camera.cost > expected:
                camera.measured = cost > NEAR * expected
                self._ledger.set_cost(camera, cost if camera.measured else expected)

    def try_out(self, now_s: float) -> None:
        """Place cameras whose cost was never measured on engines that have little to do."""
        waiting = [camera for camera in map(self._ledger.cameras.__getitem__, self._names) if _is_to_be_tried(camera)]
        if not waiting:
            return
        room = self._ledger.room
        free = sorted(filter(self._may_try, self._ledger.engines.values()), key=lambda one: (room.share(one), one.name))
        by_name: dict[str | None, list[EngineRecord]] = {None: free}
        for engine in free:
            for name in {engine.name, engine.address.node}:
                by_name.setdefault(name, []).append(engine)
        used: set[str] = set()
        for camera in waiting:
            if len(used) == len(free):
                return
            barred = camera.refused_by(now_s)
            pinned = camera.wish.pinned if camera.wish is not None else None
            engines = (one for one in by_name.get(pinned, ()) if one.name not in used and one.name not in barred)
            if (engine := next(engines, None)) is not None:
                used.add(engine.name)
                self.discard(camera.name)
                self._ledger.assign(camera, engine, "no engine has room for its expected cost: it is measured", now_s)

    def _may_try(self, engine: EngineRecord) -> bool:
        """Return whether an engine has, as measured, room for another camera like those that it has."""
        if not engine.known or engine.emptying or len(engine.held) >= engine.report.max_cameras:
            return False
        measured = 0
        load = 0.0
        for camera in engine.held.values():
            if camera.measured:
                measured += 1
                load += camera.cost
            elif camera.name in self._ledger.awaited or (camera.at is not None and camera.at.live):
                return False  # another is being measured
        left = self._ledger.room.usable(engine) - load
        return left > 0 and left * measured >= load

    def _why(self, camera: CameraRecord, barred: Mapping[str, tuple[float, str]]) -> tuple[str, str]:
        """Return a word for the kind of reason, and the reason as a sentence without full stop."""
        assert camera.wish is not None
        ledger, pinned = self._ledger, camera.wish.pinned
        if barred:
            engine, (_, reason) = next(iter(barred.items()))
            return "refused", f"{engine} refused it: {reason}"
        named = ledger.named(pinned) if pinned is not None else []
        if pinned is not None and not named:
            return "pin absent", f"it is pinned to {pinned}, which is not there"
        if pinned is not None and all(engine.emptying for engine in named):
            drained = any(engine.draining for engine in named)
            return "pin drained", f"it is pinned to {pinned}, which is {'being drained' if drained else 'stopping'}"
        if not ledger.engines:
            return NO_ENGINE, "no engine is there"
        freest = max(map(ledger.room.free, named)) if named else ledger.room.freest
        where = f"{pinned}, to which it is pinned, has no room" if pinned else "no engine has room"
        return NO_ROOM, f"{where}: it needs {camera.cost:.3g} Mpx/s, the freest has {max(freest, 0.0):.3g}"


def _needs_room(camera: CameraRecord) -> bool:
    pinned = camera.wish is not None and camera.wish.pinned is not None
    placed = camera.at is not None or camera.kept is not None or camera.leaving is not None
    return camera.wanted and not pinned and not placed and camera.told in (NO_ROOM, NO_ENGINE)


def _is_to_be_tried(camera: CameraRecord) -> bool:
    placed = camera.at is not None or camera.kept is not None or camera.leaving is not None
    return camera.wanted and not camera.measured and not placed
