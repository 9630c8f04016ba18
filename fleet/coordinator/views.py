"""Models of the coordinator's HTTP responses, for JSON and OpenAPI."""

from __future__ import annotations

import time
from collections import Counter
from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from fleet.coordinator.coordinator import Coordinator
from fleet.coordinator.engines import failure_of
from fleet.placement.balancing import suffers
from fleet.placement.views import CameraView, EngineView
from fleet.settings import FleetCamera
from stream.membership.protocol import CameraReport, LeastPrivacy
from stream.results import Place
from stream.settings.privacy import PrivacyMode

CameraPlacement = Literal["placed", "moving", "unplaced", "disabled"]
PLACEMENTS: tuple[CameraPlacement, ...] = ("placed", "moving", "unplaced", "disabled")
CameraCount = Literal["placed", "moving", "ended", "failed", "unplaced", "disabled"]
COUNTS: tuple[CameraCount, ...] = ("placed", "moving", "ended", "failed", "unplaced", "disabled")


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
        description="What is hidden of its pictures where it is: nothing (`off`), parts (`masked`), or all "
        "(`skeleton`). Its engine's own configuration may hide more than the settings."
    )
    place: FleetPlaceView


class FleetCameraListView(View):
    """All cameras."""

    cameras: list[FleetCameraView]


class FleetEngineView(View):
    """An engine of a fleet."""

    engine: str = Field(description="Its name.")
    node: str = Field(description="The name of its machine.")
    run: str = Field(description="Its run.")
    state: Literal["leased", "draining", "stopping", "lost"] = Field(
        description="`leased`: it may have cameras. `draining` and `stopping`: its cameras are moved away. `lost`: its "
        "lease or its process has ended."
    )
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
    privacy: LeastPrivacy = Field(
        description="`skeleton`: all its cameras are in skeleton mode, whatever their settings are."
    )
    endpoint: str = Field(description="The ZeroMQ address of its results.")
    http: str | None = Field(description="The address of its HTTP server.")
    heard_s: float = Field(ge=0, description="Seconds since its last renewal.")


class FleetEngineListView(View):
    """All engines, and those that were lost lately."""

    engines: list[FleetEngineView]


class StartingEngineView(View):
    """An engine whose process was started, as its agent has told, and which has not joined yet."""

    engine: str = Field(description="Its name.")
    node: str = Field(description="The name of its machine.")
    run: str = Field(description="Its run.")
    since_s: float = Field(ge=0, description="Seconds since its agent has told.")


class EndedEngineView(View):
    """An engine whose process has ended, other than in order, since it joined last. Its agent starts it again."""

    engine: str = Field(description="Its name.")
    node: str = Field(description="The name of its machine.")
    count: int = Field(ge=1, description="How often it has ended.")
    since_us: int = Field(description="Time of the first of these ends, microseconds since 1970, UTC.")
    how: str = Field(description="How it ended last, for example `exit code 1`.")
    error: str = Field(description="The last error in its log; empty if there is none.")
    log: str = Field(description="The path of its log on its machine.")


class FailedCameraView(View):
    """A camera that its engine cannot read, and does not try again."""

    engine: str = Field(description="The engine that has it.")
    reason: str = Field(description="Why, as a short code, for example `bad_address`.")
    message: str = Field(description="The same as a sentence, with what to do.")


class FleetStatusView(View):
    """The fleet as a whole."""

    run: str = Field(description="The coordinator's run: 32 hexadecimal digits, new at each start.")
    at_us: int = Field(description="Time of this response, microseconds since 1970, UTC.")
    ready: bool = Field(description="Whether cameras are being placed, as in `/readyz`.")
    reasons: list[str] = Field(description="Why not; empty if they are.")
    cameras: dict[CameraCount, int] = Field(
        description="Cameras by where they are. Those that an engine has, and that were read to their end (`ended`) or "
        "cannot be read (`failed`), count only there."
    )
    unplaced_mpx: float = Field(ge=0, description="Megapixels per second of the cameras that no engine has.")
    no_room_cameras: int = Field(
        ge=0, description="How many of them a further engine could have, whichever it is: none has room for them."
    )
    no_room_mpx: float = Field(ge=0, description="Their megapixels per second.")
    unplaced: dict[str, str] = Field(description="Why no engine has them, of up to 100 cameras.")
    failed: dict[str, FailedCameraView] = Field(
        description="Cameras that their engines cannot read, and do not try again: up to 100."
    )
    engines: list[FleetEngineView]
    starting: list[StartingEngineView] = Field(
        description="Engines that were started and have not joined yet: they load their models."
    )
    ended: list[EndedEngineView] = Field(
        description="Engines that have ended in the last 15 minutes and have not joined since."
    )
    drains: dict[str, bool] = Field(description="Nodes and engines that are drained, and whether they are empty.")


class DirectoryView(msgspec.Struct, frozen=True):
    """Where each camera is."""

    places: list[Place]


MOST_REASONS = 100


def camera_view(coordinator: Coordinator, camera_id: str) -> FleetCameraView:
    """Return the view of a camera. Raises KeyError if it does not exist."""
    settings = coordinator.cameras.all[camera_id]
    placed = coordinator.placement.cameras[camera_id]
    session = coordinator.engines.sessions.get(placed.engine) if placed.engine is not None else None
    report = _report_of(coordinator, placed, camera_id)
    state = "unplaced" if placed.state == "removed" else placed.state
    failure = failure_of(camera_id, report) if report is not None else None
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
            ease_level=session.report.ease_level if session is not None else 0,
            max_ease_level=session.report.max_ease_level if session is not None else 0,
        ),
        privacy=(settings if session is None else settings.at_least(session.report.privacy)).privacy_mode,
        place=FleetPlaceView(
            state=state,
            generation=placed.generation,
            engine=placed.engine,
            node=session.address.node if session is not None else None,
            endpoint=session.address.endpoint if session is not None else None,
            http=session.address.http if session is not None else None,
            previous=placed.previous,
        ),
    )


def _report_of(coordinator: Coordinator, placed: CameraView, camera_id: str) -> CameraReport | None:
    """Return what the engine that has a camera reports of it; None if none has it, or it has not reported it."""
    session = coordinator.engines.sessions.get(placed.engine) if placed.engine is not None else None
    return session.cameras.get(camera_id) if session is not None else None


def engine_state(engine: EngineView) -> Literal["leased", "draining", "stopping"]:
    """Return the state of an engine that holds its lease."""
    return "stopping" if engine.stopping else "draining" if engine.draining else "leased"


def engine_views(coordinator: Coordinator) -> list[FleetEngineView]:
    """Return the engines by name, those that hold a lease first."""
    now_s = time.monotonic()
    views: list[FleetEngineView] = []
    for name, engine in sorted(coordinator.placement.engines.items()):
        address, report = engine.address, engine.report
        views.append(
            FleetEngineView(
                engine=name,
                node=address.node,
                run=address.run,
                state=engine_state(engine),
                message="",
                cameras=engine.cameras,
                load=max(engine.load, 0.0),
                capacity=report.capacity,
                max_cameras=report.max_cameras,
                age_ms=report.age_ms,
                dropped=report.dropped,
                overloaded=suffers(report),
                ease_level=report.ease_level,
                max_ease_level=report.max_ease_level,
                privacy=report.privacy,
                endpoint=address.endpoint,
                http=address.http,
                heard_s=max(now_s - engine.heard_s, 0.0),
            )
        )
    for name, lost in sorted(coordinator.engines.lost.items()):
        if name in coordinator.engines.sessions:
            continue
        views.append(
            FleetEngineView(
                engine=name,
                node=lost.address.node,
                run=lost.address.run,
                state="lost",
                message=lost.reason,
                cameras=0,
                load=0.0,
                capacity=0.0,
                max_cameras=0,
                age_ms=0.0,
                dropped=0.0,
                overloaded=False,
                ease_level=0,
                max_ease_level=0,
                privacy="off",
                endpoint=lost.address.endpoint,
                http=lost.address.http,
                heard_s=max(time.time() - lost.at_us / 1e6, 0.0),
            )
        )
    return views


def status_view(coordinator: Coordinator) -> FleetStatusView:
    """Return the view of the fleet."""
    now_s = time.monotonic()
    problems = coordinator.problems
    counts: Counter[str] = Counter()
    unplaced: dict[str, str] = {}
    failed: dict[str, FailedCameraView] = {}
    for name, camera in coordinator.placement.cameras.items():
        report = _report_of(coordinator, camera, name)
        failure = failure_of(name, report) if report is not None else None
        ended = report is not None and report.state == "ended" and not report.refused
        counts["failed" if failure is not None else "ended" if ended else camera.state] += 1
        if camera.state == "unplaced" and len(unplaced) < MOST_REASONS:
            unplaced[name] = camera.reason
        if failure is not None and len(failed) < MOST_REASONS:
            failed[name] = FailedCameraView(engine=camera.engine or "", reason=failure.reason, message=failure.message)
    no_room_cameras, no_room_mpx = coordinator.placement.without_room
    return FleetStatusView(
        run=coordinator.run,
        at_us=time.time_ns() // 1000,
        ready=not problems,
        reasons=problems,
        cameras={state: counts[state] for state in COUNTS},
        unplaced_mpx=coordinator.placement.unplaced_cost,
        no_room_cameras=no_room_cameras,
        no_room_mpx=no_room_mpx,
        unplaced=unplaced,
        failed=failed,
        engines=engine_views(coordinator),
        starting=[
            StartingEngineView(engine=one.engine, node=one.node, run=one.run, since_s=max(now_s - one.at_s, 0.0))
            for one in coordinator.engines.starting(now_s)
        ],
        ended=[
            EndedEngineView(
                engine=one.engine,
                node=one.end.node,
                count=one.count,
                since_us=one.since_us,
                how=one.end.how,
                error=one.end.error,
                log=one.end.log,
            )
            for one in coordinator.engines.ended_since_joined(now_s)
        ],
        drains={name: name in coordinator.drained for name in sorted(coordinator.placement.drains)},
    )
