"""What the control API answers, as models: the shapes of its JSON and of its OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from stream.cameras.registry import CameraRegistry
from stream.results import ModelRef, Stats
from stream.settings.engine import CameraConfig

State = Literal["connecting", "live", "stalled", "reconnecting", "ended", "removed"]


class View(BaseModel):
    """An answer, or part of one."""

    model_config = ConfigDict(frozen=True)


class CameraStatusView(View):
    """How a camera is."""

    state: State = Field(description="`ended` with reason `disabled` for a camera that isn't enabled.")
    reason: str | None = Field(description="A short code, for example `refused`; null when all is well.")
    message: str = Field(description="The same for people, with what to do.")
    at_us: int = Field(description="Since when, microseconds since 1970, UTC.")
    epoch: int = Field(ge=0, description="The latest epoch; 0 before the first.")
    clock: Literal["rtcp", "arrival", "media"] | None = Field(description="Where capture times come from.")
    size: tuple[int, int] | None = Field(description="Width and height of the epoch's first picture.")
    decoded: int = Field(ge=0, description="Frames decoded since the camera was started.")
    processed: int = Field(ge=0, description="Frames whose result was published since.")
    dropped: dict[str, int] = Field(description="Frames dropped since, by reason.")
    fps_in: float = Field(ge=0, description="Frames decoded a second, lately.")
    fps_out: float = Field(ge=0, description="Results published a second, lately.")
    tracks: int = Field(ge=0, description="People followed now.")


class CameraView(View):
    """One camera."""

    id: str = Field(description="Its id.")
    settings: CameraConfig = Field(description="All its settings; the source without its secrets.")
    status: CameraStatusView
    no_video: str | None = Field(
        description="Why its own pictures can't be sent as video (WHEP), as the end of a sentence; null if they can."
    )


class CameraListView(View):
    """Every camera, in the order in which they came."""

    cameras: list[CameraView]


class ModelView(View):
    """The model that answers."""

    profile: str
    weights: str = Field(description="`sha256:` and the checkpoint's digest.")
    trained: bool = Field(description="False for random weights: their labels mean nothing.")


class EngineView(View):
    """The engine as a whole."""

    run: str = Field(description="32 hexadecimal digits, new each time an engine starts.")
    at_us: int = Field(description="Now, microseconds since 1970, UTC.")
    uptime_s: float = Field(ge=0, description="Seconds since it started.")
    ready: bool = Field(description="Whether it analyses frames as it should.")
    ready_reason: str = Field(description="Why not; empty when it does.")
    model: ModelView
    state_slots_used: int = Field(ge=0, description="Tracked people whose state is kept.")
    state_slots: int = Field(ge=0, description="Tracked people whose state can be kept.")
    subscriptions: int = Field(ge=0, description="Subscriptions over ZeroMQ.")
    streams: int = Field(ge=0, description="Answers that go on, this server's event streams among them.")
    cameras: list[CameraView]


def camera_view(cameras: CameraRegistry, camera_id: str) -> CameraView:
    """One camera as it is now. Raises KeyError if there is none of this id."""
    config = cameras.configs[camera_id]
    status = cameras.status(camera_id)
    camera = cameras.running.get(camera_id)
    stats = camera.stats() if camera is not None else None
    return CameraView(
        id=camera_id,
        settings=config,
        status=CameraStatusView(
            state=status.state,
            reason=status.reason,
            message=status.message,
            at_us=status.at_us,
            epoch=status.epoch,
            clock=status.clock,
            size=status.size,
            decoded=stats.decoded if stats else 0,
            processed=stats.processed if stats else 0,
            dropped=stats.dropped if stats else {},
            fps_in=stats.fps_in if stats else 0.0,
            fps_out=stats.fps_out if stats else 0.0,
            tracks=stats.tracks if stats else 0,
        ),
        no_video=camera.video_refusal() if camera is not None else "it isn't read",
    )


def engine_view(stats: Stats, streams: int, cameras: list[CameraView]) -> EngineView:
    """The engine as its stats and cameras tell."""
    return EngineView(
        run=stats.run,
        at_us=stats.at_us,
        uptime_s=stats.uptime_s,
        ready=stats.ready,
        ready_reason=stats.ready_reason,
        model=_model_view(stats.model),
        state_slots_used=stats.state_slots_used,
        state_slots=stats.state_slots,
        subscriptions=stats.subscriptions,
        streams=streams,
        cameras=cameras,
    )


def _model_view(model: ModelRef) -> ModelView:
    return ModelView(profile=model.profile, weights=model.weights, trained=model.trained)
