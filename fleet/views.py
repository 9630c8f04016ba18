"""Models of the controller's HTTP responses, for JSON and OpenAPI."""

from __future__ import annotations

import time
from collections import Counter
from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from fleet.controller import Controller, suffers
from fleet.engines import Engine
from fleet.placement import Camera
from fleet.settings import FleetCamera
from stream.membership.messages import CameraReport, LeastPrivacy
from stream.results import Place
from stream.settings.privacy import PrivacyMode

CameraPlacement = Literal["placed", "moving", "unplaced", "disabled"]
PLACEMENTS: tuple[CameraPlacement, ...] = ("placed", "moving", "unplaced", "disabled")
CameraCount = Literal["placed", "moving", "ended", "failed", "unplaced", "disabled"]
COUNTS: tuple[CameraCount, ...] = ("placed", "moving", "ended", "failed", "unplaced", "disabled")
EngineState = Literal["waiting", "starting", "running", "draining", "stopping", "lost"]
ENGINE_STATES: tuple[EngineState, ...] = ("waiting", "starting", "running", "draining", "stopping", "lost")
MOST_REASONS = 100


class View(BaseModel):
    """A response or a part of it."""

    model_config = ConfigDict(frozen=True)


class FleetCameraStatusView(View):
    """The state of a camera of a fleet."""

    state: Literal["connecting", "live", "stalled", "reconnecting", "ended", "removed", "unplaced", "disabled"] = Field(
        description="As its engine reports it; `unplaced` if no engine has it, `disabled` if it is not to be read."
    )
    message: str = Field(description="Why it is there, or why no engine has it.")
    reason: str | None = Field(
        description="Short code of what ended it, so that its engine does not try again; null if nothing did."
    )
    problem: str = Field(description="The same as a sentence, with what to do; empty if nothing did.")
    fps_out: float = Field(ge=0, description="Results published per second, recently.")
    megapixels_per_s: float = Field(ge=0, description="Decoded megapixels per second: measured, else expected.")
    ease_level: int = Field(ge=0, description="How much detail its engine gives up to drop no frames; 0: none.")
    max_ease_level: int = Field(ge=0, description="The engine's highest level; 0 if it has none.")


class FleetPlaceView(View):
    """Where a camera is."""

    state: CameraPlacement = Field(description="`moving`: `previous` goes on until the camera is live at `engine`.")
    generation: int = Field(description="Generation of the placement; 0 before the first.")
    engine: str | None = Field(description="The engine that has it.")
    node: str | None = Field(description="The engine's node.")
    endpoint: str | None = Field(description="The ZeroMQ address of the engine's results.")
    http: str | None = Field(description="The address of the engine's HTTP server.")
    previous: str | None = Field(description="While it moves, the engine that had it before.")


class FleetCameraView(View):
    """A camera of a fleet."""

    id: str = Field(description="The camera's id.")
    settings: FleetCamera = Field(description="All settings; the source without secrets.")
    status: FleetCameraStatusView
    privacy: PrivacyMode = Field(
        description="What is hidden of its pictures: nothing (`off`), parts (`masked`), or all (`skeleton`)."
    )
    place: FleetPlaceView


class FleetCameraListView(View):
    """All cameras."""

    cameras: list[FleetCameraView]


class FleetEngineView(View):
    """An engine of a fleet."""

    engine: str = Field(description="Its name.")
    node: str = Field(description="The name of its node; empty while it waits for one.")
    run: str = Field(description="Its run; empty before it has joined.")
    state: EngineState = Field(
        description="`waiting`: no node has room for it. `starting`: it loads its model. `running`: it may have "
        "cameras. `draining` and `stopping`: its cameras are moved away. `lost`: it has ended, and another one is not "
        "there yet."
    )
    since_s: float = Field(ge=0, description="Seconds since it waits, starts, runs or was lost.")
    message: str = Field(description="Why it is lost; empty if it is not.")
    cameras: int = Field(ge=0, description="Cameras that it has.")
    load: float = Field(ge=0, description="Megapixels per second of its cameras.")
    capacity: float = Field(ge=0, description="Megapixels per second that it can take.")
    max_cameras: int = Field(ge=0, description="Cameras that it can take.")
    age_ms: float = Field(ge=0, description="95th percentile of the age of results, the worst camera's.")
    dropped: float = Field(ge=0, description="Frames dropped per second because the engine was too slow.")
    overloaded: bool = Field(description="Whether it has too much to do: it drops frames, is late, or says so.")
    ease_level: int = Field(ge=0, description="How much detail it gives up to drop no frames; 0: none.")
    max_ease_level: int = Field(ge=0, description="Its highest level; 0 if it has none.")
    privacy: LeastPrivacy = Field(description="`skeleton`: all its cameras are in skeleton mode.")
    endpoint: str | None = Field(description="The ZeroMQ address of its results.")
    http: str | None = Field(description="The address of its HTTP server.")
    heard_s: float = Field(ge=0, description="Seconds since it was heard last.")


class FleetEngineListView(View):
    """All engines."""

    engines: list[FleetEngineView]


class FailedCameraView(View):
    """A camera that its engine cannot read, and does not try again."""

    engine: str = Field(description="The engine that has it.")
    reason: str = Field(description="Why, as a short code, for example `bad_address`.")
    message: str = Field(description="The same as a sentence, with what to do.")


class FleetStatusView(View):
    """The fleet as a whole."""

    run: str = Field(description="The controller's run: 32 hexadecimal digits, new at each start.")
    at_us: int = Field(description="Time of this response, microseconds since 1970, UTC.")
    ready: bool = Field(description="As in `/readyz`.")
    reasons: list[str] = Field(description="Why not; empty if it is.")
    cameras: dict[CameraCount, int] = Field(
        description="Cameras by where they are. Those that an engine has, and that were read to their end (`ended`) or "
        "cannot be read (`failed`), count only there."
    )
    unplaced: dict[str, str] = Field(description="Why no engine has them, of up to 100 cameras.")
    failed: dict[str, FailedCameraView] = Field(
        description="Cameras that their engines cannot read, and do not try again: up to 100."
    )
    engines: list[FleetEngineView]
    wanted_engines: int = Field(ge=0, description="How many engines the cameras need, with the reserve.")
    drains: list[str] = Field(description="Engines that are drained.")


class DirectoryView(msgspec.Struct, frozen=True):
    """Where each camera is."""

    places: list[Place]


def camera_view(controller: Controller, camera_id: str) -> FleetCameraView:
    """Return the view of a camera. Raises KeyError if it does not exist."""
    settings, placed = controller.cameras.all[camera_id], controller.placement.cameras[camera_id]
    engine = controller.engines.all.get(placed.engine) if placed.engine is not None else None
    address = engine.address if engine is not None else None
    report, status = _report_of(controller, placed), engine.status if engine is not None else None
    state, failure = placement_of(placed), _failure_of(placed, report)
    return FleetCameraView(
        id=camera_id,
        settings=settings,
        status=FleetCameraStatusView(
            state=state if state in ("unplaced", "disabled") else "connecting" if report is None else report.state,
            message=placed.reason,
            reason=failure.reason if failure is not None else None,
            problem=failure.message if failure is not None else "",
            fps_out=report.fps if report is not None else 0.0,
            megapixels_per_s=placed.cost,
            ease_level=status.report.ease_level if status is not None else 0,
            max_ease_level=status.report.max_ease_level if status is not None else 0,
        ),
        privacy=settings.privacy_mode,
        place=FleetPlaceView(
            state=state,
            generation=placed.generation,
            engine=placed.engine,
            node=engine.node if engine is not None else None,
            endpoint=address.endpoint if address is not None else None,
            http=address.http if address is not None else None,
            previous=placed.old[0] if placed.old is not None else None,
        ),
    )


def placement_of(camera: Camera) -> CameraPlacement:
    """Return where a camera is, as a word."""
    if not camera.wish.enabled:
        return "disabled"
    return "unplaced" if camera.engine is None else "moving" if camera.old is not None else "placed"


def engine_state(controller: Controller, engine: Engine) -> EngineState:
    """Return the state of an engine as a word."""
    if engine.state == "ended":
        return "lost"
    if engine.leaving:
        return "stopping"
    return "draining" if engine.name in controller.placement.drains else engine.state


def engine_views(controller: Controller) -> list[FleetEngineView]:
    """Return the engines by name, and those that have ended and have not been replaced."""
    lost = [engine for name, engine in controller.engines.ended.items() if name not in controller.engines.all]
    return [
        _engine_view(controller, engine) for engine in (*sorted(controller.engines.all.values(), key=_number), *lost)
    ]


def _number(engine: Engine) -> tuple[int, str]:
    return len(engine.name), engine.name


def _engine_view(controller: Controller, engine: Engine) -> FleetEngineView:
    now_s, address = time.monotonic(), engine.address
    placed = controller.placement.engines.get(engine.name)
    report = engine.status.report if engine.status is not None and engine.state == "running" else None
    return FleetEngineView(
        engine=engine.name,
        node=engine.node,
        run=address.run if address is not None else "",
        state=engine_state(controller, engine),
        since_s=max(now_s - engine.since_s, 0.0),
        message=engine.why,
        cameras=len(placed.cameras) + len(placed.leaving) if placed is not None else 0,
        load=max(placed.load, 0.0) if placed is not None else 0.0,
        capacity=report.capacity if report is not None else 0.0,
        max_cameras=report.max_cameras if report is not None else 0,
        age_ms=report.age_ms if report is not None else 0.0,
        dropped=report.dropped if report is not None else 0.0,
        overloaded=report is not None and suffers(report),
        ease_level=report.ease_level if report is not None else 0,
        max_ease_level=report.max_ease_level if report is not None else 0,
        privacy=report.privacy if report is not None else "off",
        endpoint=address.endpoint if address is not None else None,
        http=address.http if address is not None else None,
        heard_s=max(now_s - engine.heard_s, 0.0) if engine.status is not None else 0.0,
    )


def status_view(controller: Controller) -> FleetStatusView:
    """Return the view of the fleet."""
    problems = controller.problems
    counts: Counter[str] = Counter()
    unplaced: dict[str, str] = {}
    failed: dict[str, FailedCameraView] = {}
    for name, camera in controller.placement.cameras.items():
        report, state = _report_of(controller, camera), placement_of(camera)
        failure = _failure_of(camera, report)
        ended = report is not None and report.state == "ended"
        counts["failed" if failure is not None else "ended" if ended else state] += 1
        if state == "unplaced" and len(unplaced) < MOST_REASONS:
            unplaced[name] = camera.reason
        if failure is not None and len(failed) < MOST_REASONS:
            failed[name] = failure
    return FleetStatusView(
        run=controller.run,
        at_us=time.time_ns() // 1000,
        ready=not problems,
        reasons=problems,
        cameras={state: counts[state] for state in COUNTS},
        unplaced=unplaced,
        failed=failed,
        engines=engine_views(controller),
        wanted_engines=controller.wanted_engines(),
        drains=sorted(controller.placement.drains),
    )


def _report_of(controller: Controller, camera: Camera) -> CameraReport | None:
    """Return what the engine that has a camera reports of this place; None if it has not reported it."""
    engine = controller.engines.all.get(camera.engine) if camera.engine is not None else None
    report = engine.status.cameras.get(camera.name) if engine is not None and engine.status is not None else None
    return report if report is not None and report.generation == camera.generation and not report.refused else None


def _failure_of(camera: Camera, report: CameraReport | None) -> FailedCameraView | None:
    """Return what ended a camera on its engine, which does not try again; None if nothing did."""
    if report is None or report.state != "ended" or not report.reason:
        return None
    message = report.message.removeprefix(f"camera {camera.name}: ")
    return FailedCameraView(engine=camera.engine or "", reason=report.reason, message=message)
