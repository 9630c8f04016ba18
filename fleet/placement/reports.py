"""What an engine reports, against what it is to have.

Of two engines that report one camera, the highest generation keeps it; the other goes on until the camera is live
there, unless the old engine must release the camera first. What an engine has had since before the coordinator started
is left with it; if the coordinator does not know which generations were given, with a new one.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleet.placement.events import Measured
from fleet.placement.ledger import Ledger
from fleet.placement.records import CameraRecord, EngineRecord, Hold


def take_report(ledger: Ledger, engine: EngineRecord, cameras: Mapping[str, Measured], now_s: float) -> None:
    """Compare all cameras that an engine has with those that it is to have."""
    engine.known = True
    for camera in [camera for name, camera in engine.held.items() if name not in cameras]:
        hold = camera.hold_of(engine)
        if hold is not None:
            hold.earlier = False
        if hold is not None and hold.seen:
            hold.seen = hold.live = False
            if hold is camera.at:
                ledger.await_live(camera, now_s)
    for name, camera in list(engine.leaving.items()):
        if name not in cameras and camera.leaving is not None and camera.leaving.seen:
            ledger.left(camera, f"{engine.name} has given it up")
    for name, measured in cameras.items():
        camera = ledger.cameras.get(name)
        if camera is None:
            if not measured.refused:
                ledger.tell_release(engine, name, measured.generation)
        elif measured.refused:
            _refused(ledger, engine, camera, measured, now_s)
        elif name in engine.leaving:
            _leaving(camera)
        elif not camera.wanted:
            _unwanted(ledger, engine, camera, measured, now_s)
        else:
            _reported(ledger, engine, camera, measured, now_s)
    ledger.room.changed(engine)


def refuse(ledger: Ledger, camera: CameraRecord, hold: Hold, reason: str, now_s: float) -> None:
    """Take the camera from the engine where it was to be, and place it elsewhere or where it was before."""
    until_s = now_s + ledger.settings.refused_s
    camera.refusals = {**(camera.refusals or {}), hold.engine.name: (until_s, reason)}
    ledger.release(camera, hold, now_s)
    ledger.due[camera.name] = f"{hold.engine.name}: {reason}"


def _leaving(camera: CameraRecord) -> None:
    if camera.leaving is not None:
        camera.leaving.seen = True


def _unwanted(ledger: Ledger, engine: EngineRecord, camera: CameraRecord, measured: Measured, now_s: float) -> None:
    ledger.tell_release(engine, camera.name, measured.generation)
    if ledger.breaks_first(camera):
        ledger.await_leaving(camera, engine, True, now_s)


def _refused(ledger: Ledger, engine: EngineRecord, camera: CameraRecord, measured: Measured, now_s: float) -> None:
    if name_leaves := camera.name in engine.leaving:
        ledger.left(camera, f"{engine.name} has given it up")
    hold = camera.hold_of(engine)
    if name_leaves or hold is None or measured.generation != hold.generation:
        return
    if hold is camera.kept:
        ledger.release(camera, hold, now_s)
    else:
        hold.seen = True
        refuse(ledger, camera, hold, measured.refused, now_s)


def _reported(ledger: Ledger, engine: EngineRecord, camera: CameraRecord, measured: Measured, now_s: float) -> None:
    hold = camera.hold_of(engine)
    if hold is None or measured.generation > camera.generation:
        hold = _taken(ledger, engine, camera, measured, now_s)
    if hold is None:
        return
    hold.earlier = measured.generation < hold.generation and measured.live
    if measured.generation != hold.generation:
        return
    hold.seen, hold.live = True, measured.live
    if not measured.live:
        return
    if measured.pixels > 0:
        ledger.measure(camera, engine, measured.pixels)
    if hold is camera.at:
        ledger.awaited.pop(camera.name, None)
        if camera.kept is not None:
            ledger.release(camera, camera.kept, now_s)


def _taken(ledger: Ledger, engine: EngineRecord, camera: CameraRecord, measured: Measured, now_s: float) -> Hold | None:
    """Decide about a camera that an engine has and is not to have; return its place if it may go on."""
    pinned = camera.wish.pinned if camera.wish else None
    allowed = pinned is None or engine.has_name(pinned)
    free = camera.at is None and camera.leaving is None
    if camera.generation == 0 and allowed and free:
        # What was given before is not known, and readers may have seen more than this engine was given.
        camera.generation = measured.generation
        ledger.assign(camera, engine, "its engine has it, of a coordinator that is gone", now_s)
        return None
    if measured.generation > camera.generation:
        for other in (camera.at, camera.kept):
            if other is not None and other.engine is not engine:
                ledger.release(camera, other, now_s)
            elif other is not None:
                ledger.lose(camera, other)
        camera.generation, camera.last = measured.generation, None
        ledger.due.setdefault(camera.name, f"{engine.name} had a generation that was not known")
        free = camera.leaving is None
    # While an earlier engine still gives it up, only the one that is known to be the last may go on.
    free = free or (camera.at is None and camera.last is not None)
    if allowed and free and measured.generation == camera.generation and camera.was_given_to(engine):
        return ledger.adopt(camera, engine, measured.generation)
    if allowed and measured.live and measured.generation < camera.generation and _may_go_on(ledger, camera):
        return ledger.go_on(camera, engine, measured.generation, now_s)
    ledger.tell_release(engine, camera.name, measured.generation)
    if ledger.breaks_first(camera):
        ledger.await_leaving(camera, engine, True, now_s)
    return None


def _may_go_on(ledger: Ledger, camera: CameraRecord) -> bool:
    """Return whether an engine with an earlier generation is needed until the camera is live elsewhere."""
    live = camera.at is not None and camera.at.live
    return not live and camera.kept is None and camera.leaving is None and not ledger.breaks_first(camera)
