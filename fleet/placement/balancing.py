"""Which camera should leave an engine that suffers, so that the load is more even."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.placement.records import CameraRecord, EngineRecord
from fleet.placement.room import Room
from fleet.placement.settings import PlacementSettings
from stream.membership.protocol import EngineReport

LATE_MS = 1000.0
"""An engine whose results are as late as this suffers."""
DROPPED = 1.0
"""An engine that drops at least this many frames per second suffers."""


def suffers(report: EngineReport) -> bool:
    """Return whether an engine itself reports that it has too much to do."""
    return report.overloaded or report.dropped >= DROPPED or report.age_ms >= LATE_MS


def overloaded(engines: Iterable[EngineRecord], room: Room, settings: PlacementSettings) -> list[EngineRecord]:
    """Return the engines that suffer and have more than their part of the load, the fullest first."""
    engines = [engine for engine in engines if engine.known and not engine.emptying]
    capacity = sum(engine.report.capacity for engine in engines)
    if capacity <= 0:
        return []
    mean = sum(engine.load for engine in engines) / capacity
    above = [
        engine
        for engine in engines
        if suffers(engine.report)
        and not engine.outgoing
        and not engine.leaving
        and engine.load > settings.balance_above * mean * engine.report.capacity
    ]
    return sorted(above, key=lambda engine: (-room.share(engine, 0), engine.name))


def camera_to_move(engine: EngineRecord, room: Room, rest_s: float, now_s: float) -> CameraRecord | None:
    """Return the most expensive camera whose move leaves the other engine with less load than this one has now.

    Cameras that were placed in the last `rest_s`, are pinned or already moving stay.
    """
    share = room.share(engine, 0)
    for camera in sorted(engine.held.values(), key=lambda camera: (-camera.cost, camera.name)):
        moving = camera.at is None or camera.at.engine is not engine or camera.kept is not None
        if moving or camera.placed_s > now_s - rest_s or (camera.wish and camera.wish.pinned):
            continue
        other = room.best(camera.cost, {engine.name, *camera.refused_by(now_s)})
        if other is not None and room.share(other, camera.cost) < share:
            return camera
    return None
