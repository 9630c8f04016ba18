"""Which camera should go to an engine that has little to do, for example because it has just joined.

An engine whose share of the load is below half of the mean gets cameras of the fullest engines, one at a time, until it
has 0.8 of the mean. In between, neither noise in the measured costs nor a camera more or less begins anything. After a
move, the engine that got the camera never has more to do than the one that gave it, so each move makes the load more
even, and they come to an end.

A move costs what the model remembers of the camera, and some results are computed twice. Engines that are nearly idle
(`level_above`) therefore give no cameras: nothing would get better. Cameras whose old place must end before the new one
begins would be away for a moment, and stay, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from fleet.placement.balancing import suffers
from fleet.placement.ledger import Ledger
from fleet.placement.records import CameraRecord, EngineRecord

LESS_TO_DO = "has less to do"
"""The reason of such a move, after the engine's name."""
BEGINS_BELOW, ENDS_AT = 0.5, 0.8
"""Parts of the mean share."""
LOOK_AGAIN_S = 10.0
"""When to look again for an engine, after no camera could be moved to it. That search looks at all cameras."""
ROUNDING = 1e-9
AFTER_FAILURE_S = 600.0
"""How long an engine that could not take such a camera gets no other."""


class Levelling:
    """Finds the moves that level the load out."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def next_move(self, now_s: float) -> tuple[CameraRecord, EngineRecord] | None:
        """Return a camera and the engine that it should move to; None if the load is even enough."""
        ledger, room = self._ledger, self._ledger.room
        settings = ledger.settings
        if ledger.due or settings.fence == "strict" or settings.level_above >= 1:
            return None
        engines = [one for one in ledger.engines.values() if one.known and not one.emptying and room.usable(one) > 0]
        mean = sum(one.load for one in engines) / max(sum(map(room.usable, engines)), 1e-9)
        for engine in engines:
            share = room.share(engine, 0)
            engine.filling = share < (ENDS_AT if engine.filling else BEGINS_BELOW) * mean
        getting = [one for one in engines if one.filling and self._may_get(one, now_s)]
        if not getting:
            return None
        least = max(mean, settings.level_above)
        giving = [
            one for one in engines if room.share(one, 0) > least and not (one.outgoing or one.leaving or one.filling)
        ]
        giving.sort(key=lambda one: (-room.share(one, 0), one.name))
        engine = min(getting, key=lambda one: (room.share(one, 0), one.name))
        engine.levelled = camera = self._camera_for(engine, giving, mean, now_s)
        if camera is None:
            engine.level_from_s = now_s + LOOK_AGAIN_S
            return None
        return camera, engine

    def _may_get(self, engine: EngineRecord, now_s: float) -> bool:
        """Return whether the engine may get a camera now: the last one that it got is live there."""
        last = engine.levelled
        if last is not None and engine.name in last.refused_by(now_s):
            engine.levelled = None
            engine.level_from_s = now_s + AFTER_FAILURE_S
        waits = last is not None and last.name in self._ledger.awaited
        return now_s >= engine.level_from_s and not waits and not suffers(engine.report)

    def _camera_for(
        self, engine: EngineRecord, giving: Iterable[EngineRecord], mean: float, now_s: float
    ) -> CameraRecord | None:
        """Return the most expensive camera of the fullest engine that keeps enough without it.

        If all cameras are too expensive for that, return the cheapest one that still makes the load more even.
        """
        room = self._ledger.room
        free, usable, share = room.free(engine), room.usable(engine), room.share(engine, 0)
        too_expensive: CameraRecord | None = None
        for giver in giving:
            giver_usable, giver_share = room.usable(giver), room.share(giver, 0)
            spare = (giver_share - ENDS_AT * mean) * giver_usable
            even = (giver_share - share) / (1 / giver_usable + 1 / usable)
            most = min(free, even * (1 + ROUNDING))
            found: CameraRecord | None = None
            for camera in giver.held.values():
                if camera.cost > most or not self._may_go(camera, giver, engine, now_s):
                    continue
                if camera.cost <= spare:
                    if found is None or (camera.cost, camera.name) > (found.cost, found.name):
                        found = camera
                elif too_expensive is None or (camera.cost, camera.name) < (too_expensive.cost, too_expensive.name):
                    too_expensive = camera
            if found is not None:
                return found
        return too_expensive if share < BEGINS_BELOW * mean else None

    def _may_go(self, camera: CameraRecord, giver: EngineRecord, engine: EngineRecord, now_s: float) -> bool:
        place, wish = camera.at, camera.wish
        return (
            place is not None
            and place.engine is giver
            and place.live
            and camera.measured
            and camera.kept is None
            and wish is not None
            and wish.pinned is None
            and not wish.exclusive
            and camera.placed_s <= now_s - self._ledger.settings.rest_s
            and engine.name not in camera.refused_by(now_s)
        )
