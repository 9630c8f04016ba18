"""Models of the controller's HTTP responses, for JSON and OpenAPI."""

from __future__ import annotations

import time
from collections import Counter
from typing import Annotated, Literal, get_args

import msgspec
from pydantic import BaseModel, Field

from fleet.controller import Controller, suffers
from fleet.engines import Engine
from fleet.placement import Camera
from fleet.settings import FleetCamera
from stream.membership.messages import EngineReport
from stream.results import CameraState, EngineAddress, about
from stream.settings.privacy import PrivacyMode

CameraPlacement = Literal["placed", "moving", "unplaced", "disabled"]
PLACEMENTS: tuple[CameraPlacement, ...] = get_args(CameraPlacement)
EngineState = Literal["waiting", "starting", "running", "draining", "stopping", "lost"]
ENGINE_STATES: tuple[EngineState, ...] = get_args(EngineState)
FleetCameraState = Literal[CameraState, "unplaced", "disabled"]
COUNTED = ("live", "connecting", "reconnecting", "stalled", "ended", "failed", "unplaced", "disabled")


class FleetCameraStatusView(BaseModel):
    """The state of a camera of a fleet."""

    state: FleetCameraState = Field(
        description="As its engine reports it; `unplaced` if no engine has it, `disabled` if it is not to be read."
    )
    reason: str | None = Field(
        description="Short code of what ended it, so that its engine does not try again; null if nothing did."
    )
    message: str = Field(
        description="What ended it, with what to do; otherwise why its engine has it, or why no engine has it."
    )
    fps_out: float = Field(ge=0, description="Results published per second, recently.")
    megapixels_per_s: float = Field(ge=0, description="Decoded megapixels per second: measured, else expected.")


class FleetPlaceView(BaseModel):
    """The placement of a camera."""

    state: CameraPlacement = Field(description="`moving`: `previous` goes on until the camera is live at `engine`.")
    generation: int = Field(description="Generation of the placement; 0 before the first.")
    engine: str | None = Field(description="The engine that has it.")
    node: str | None = Field(description="The engine's node.")
    previous: str | None = Field(description="While it moves, the engine that had it before.")


class FleetCameraView(BaseModel):
    """A camera of a fleet."""

    id: str = Field(description="The camera's id.")
    settings: FleetCamera = Field(description="All settings; the source without secrets.")
    status: FleetCameraStatusView
    privacy: PrivacyMode = Field(
        description="What is hidden of its pictures: nothing (`off`), parts (`masked`), or all (`skeleton`)."
    )
    place: FleetPlaceView


class FleetCameraListView(BaseModel):
    """All cameras."""

    cameras: list[FleetCameraView]


class FleetEngineView(msgspec.Struct, frozen=True):
    """An engine of a fleet."""

    engine: Annotated[str, about("Its name.")]
    node: Annotated[str, about("The name of its node; empty while it waits for one.")]
    state: Annotated[
        EngineState,
        about(
            "`waiting`: no node has room for it. `starting`: it loads its model. `running`: it takes cameras. "
            "`draining` and `stopping`: its cameras are moved away. `lost`: it has ended, and another one is not there "
            "yet."
        ),
    ]
    since_s: Annotated[float, about("Seconds since it waits, starts, runs or was lost.")]
    message: Annotated[str, about("Why it is lost, or which camera can't leave it, and why; empty if neither is so.")]
    cameras: Annotated[int, about("Cameras that it has.")]
    load: Annotated[float, about("Megapixels per second of its cameras.")]
    suffers: Annotated[bool, about("Whether it has too much to do: it drops frames, is late, or reports overload.")]
    heard_s: Annotated[float, about("Seconds since its last answer.")]
    address: Annotated[EngineAddress | None, about("Where it is reached; null before it has joined.")]
    report: Annotated[EngineReport | None, about("What it measures of itself; null unless it runs.")]


class FleetStatusView(msgspec.Struct, frozen=True):
    """The fleet as a whole."""

    run: Annotated[str, about("The controller's run: 32 hexadecimal digits, new at each start.")]
    at_us: Annotated[int, about("Time of this response, microseconds since 1970, UTC.")]
    ready: Annotated[bool, about("As in `/readyz`.")]
    reasons: Annotated[list[str], about("Why not; empty if it is.")]
    cameras: Annotated[
        dict[str, int], about("Cameras by state. `failed`: their engines cannot read them, and do not try again.")
    ]
    engines: list[FleetEngineView]
    wanted_engines: Annotated[int, about("How many engines the cameras need, with the reserve.")]
    drains: Annotated[list[str], about("Engines that are drained.")]


def camera_view(controller: Controller, camera_id: str) -> FleetCameraView:
    """Return the view of a camera. Raises KeyError if it does not exist."""
    settings, placed = controller.cameras.all[camera_id], controller.placement.cameras[camera_id]
    engine = controller.engines.all.get(placed.engine or "")
    return FleetCameraView(
        id=camera_id,
        settings=settings,
        status=_status_of(controller, placed),
        privacy=settings.privacy_mode,
        place=FleetPlaceView(
            state=placement_of(placed),
            generation=placed.generation,
            engine=placed.engine,
            node=engine.node if engine is not None else None,
            previous=placed.old[0] if placed.old is not None else None,
        ),
    )


def _status_of(controller: Controller, camera: Camera) -> FleetCameraStatusView:
    """Return the state of a camera, by what its engine reports of this placement, if it does."""
    engine, place = controller.engines.all.get(camera.engine or ""), placement_of(camera)
    report = engine.status.cameras.get(camera.name) if engine is not None and engine.status is not None else None
    state: FleetCameraState = place if place in ("unplaced", "disabled") else "connecting"
    reason, message, fps = None, camera.reason, 0.0
    if report is not None and report.generation == camera.generation and not report.refused:
        state, fps = report.state, report.fps
        if report.state == "ended" and report.reason:  # its engine does not try again
            reason, message = report.reason, report.message.removeprefix(f"camera {camera.name}: ")
    return FleetCameraStatusView(state=state, reason=reason, message=message, fps_out=fps, megapixels_per_s=camera.cost)


def placement_of(camera: Camera) -> CameraPlacement:
    """Return the state of a camera's placement."""
    if not camera.wish.enabled:
        return "disabled"
    return "unplaced" if camera.engine is None else "moving" if camera.old is not None else "placed"


def engine_state(controller: Controller, engine: Engine) -> EngineState:
    """Return the state of an engine."""
    if engine.state == "ended":
        return "lost"
    if engine.leaving:
        return "stopping"
    return "draining" if engine.name in controller.placement.drains else engine.state


def status_view(controller: Controller) -> FleetStatusView:
    """Return the view of the fleet, with its engines by name, and those that have ended and were not replaced."""
    problems, counts = controller.problems, Counter[str]()
    for camera in controller.placement.cameras.values():
        status = _status_of(controller, camera)
        counts["failed" if status.reason else status.state] += 1
    here, ended = controller.engines.all, controller.engines.ended
    engines = sorted(here.values(), key=lambda one: (len(one.name), one.name))
    engines += [engine for name, engine in ended.items() if name not in here]
    return FleetStatusView(
        run=controller.run,
        at_us=time.time_ns() // 1000,
        ready=not problems,
        reasons=problems,
        cameras={state: counts[state] for state in COUNTED},
        engines=[_engine_view(controller, engine) for engine in engines],
        wanted_engines=controller.wanted_engines(),
        drains=sorted(controller.drains),
    )


def _engine_view(controller: Controller, engine: Engine) -> FleetEngineView:
    now_s, placed = time.monotonic(), controller.placement.engines.get(engine.name)
    report = engine.status.report if engine.status is not None and engine.state == "running" else None
    stay = [f"{one.name}: {one.reason}" for one in placed.cameras.values() if one.code] if placed is not None else []
    return FleetEngineView(
        engine=engine.name,
        node=engine.node,
        state=engine_state(controller, engine),
        since_s=max(now_s - engine.since_s, 0.0),
        message=engine.why or "".join(stay[:1]),
        cameras=len(placed.cameras) + len(placed.leaving) if placed is not None else 0,
        load=max(placed.load, 0.0) if placed is not None else 0.0,
        suffers=report is not None and suffers(report),
        heard_s=max(now_s - engine.heard_s, 0.0) if engine.status is not None else 0.0,
        address=engine.address,
        report=report,
    )
