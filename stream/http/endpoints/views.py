"""Models of the control API's responses, for JSON and OpenAPI."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from stages.looks import LookKind
from stream.cameras.look_counts import KINDS, in_words
from stream.cameras.registry import CameraRegistry
from stream.messaging.results_file import ResultsFile
from stream.results import Stats
from stream.settings.engine import CameraConfig
from stream.settings.privacy import PrivacyMode

State = Literal["connecting", "live", "stalled", "reconnecting", "ended", "removed"]


class View(BaseModel):
    """A response or a part of it."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class CameraStatusView(View):
    """The state of a camera."""

    state: State = Field(description="A disabled camera is `ended` with reason `disabled`.")
    reason: str | None = Field(description="A short code, for example `refused`; null if there is no problem.")
    message: str = Field(description="The reason in words, and what to do.")
    at_us: int = Field(description="Time of the last change, microseconds since 1970, UTC.")
    epoch: int = Field(ge=0, description="The current epoch; 0 before the first.")
    epoch_reason: Literal["connected", "aspect_ratio", "media_jump", "clock_step", "moved"] | None = Field(
        description="Why it began, as in status messages; null before the first picture."
    )
    clock: Literal["rtcp", "arrival", "media"] | None = Field(description="Source of the capture times.")
    size: tuple[int, int] | None = Field(description="Width and height of the epoch's first frame.")
    decoded: int = Field(ge=0, description="Frames decoded since the camera was started.")
    processed: int = Field(ge=0, description="Frames with a published result since the camera was started.")
    dropped: dict[str, int] = Field(description="Frames dropped since the camera was started, by reason.")
    fps_in: float = Field(ge=0, description="Frames decoded per second, recently.")
    fps_out: float = Field(ge=0, description="Results published per second, recently.")
    tracks: int = Field(ge=0, description="Tracked people.")
    looks: dict[LookKind, int] = Field(
        description="Frames of at most the last minute with a published result, by what the detector looked at: the "
        "`whole` picture, `regions` around motion and people, `nothing` because nothing moved and no person was "
        "tracked, or nothing because the frame was `skipped` between detections."
    )
    detection: str = Field(description="The same in words; empty if there were no frames.")


class CameraView(View):
    """A camera."""

    id: str = Field(description="The camera's id.")
    settings: CameraConfig = Field(description="All settings; the source without secrets.")
    status: CameraStatusView
    privacy: PrivacyMode = Field(
        description="What is hidden of its pictures: nothing (`off`), parts (`masked`), or all (`skeleton`)."
    )
    no_video: str | None = Field(
        description="Why the camera's own video cannot be forwarded (WHEP), as the end of a sentence; null if it can."
    )


class CameraListView(View):
    """All cameras, in the order in which they were added."""

    cameras: list[CameraView]


class ModelView(View):
    """The model in use."""

    profile: str
    weights: str = Field(description="`sha256:` and the checkpoint's digest.")
    trained: bool = Field(description="False for random weights, whose labels mean nothing.")
    experimental: list[str] = Field(description="Actions that are too often wrong on real video.")


class LoadView(View):
    """How much quality the model gives up so that live cameras lose no frames."""

    ease_level: int = Field(ge=0, description="0: full quality. Each further level costs less time.")
    max_ease_level: int = Field(
        ge=0, description="The highest level; 0 with `overload: drop` and for models without levels."
    )
    overloaded: bool = Field(description="Whether frames are dropped although no level that costs less is left.")
    detections_per_second: float | None = Field(
        description="Detections per second of a live camera, at most; null: not limited by the level."
    )
    detector_side: int | None = Field(
        description="Longest side of the detector's pictures, pixels, at most; null: not limited by the level."
    )


class ResultsFileView(View):
    """The file of all results."""

    missing: int = Field(ge=0, description="Results that could not be written since the engine was started.")
    message: str = Field(description="Why results cannot be written at the moment; empty if they can.")


class EngineView(View):
    """The engine as a whole."""

    run: str = Field(description="32 hexadecimal digits, new at each start of the engine.")
    at_us: int = Field(description="Time of this response, microseconds since 1970, UTC.")
    uptime_s: float = Field(ge=0, description="Seconds since the engine was started.")
    ready: bool = Field(description="Whether the engine is ready, as in `/readyz`.")
    ready_reason: str = Field(description="Why it is not ready; empty if it is.")
    model: ModelView
    state_slots_used: int = Field(ge=0, description="State slots in use: one per tracked person.")
    state_slots: int = Field(ge=0, description="State slots available.")
    subscriptions: int = Field(ge=0, description="ZeroMQ subscriptions.")
    streams: int = Field(ge=0, description="Open HTTP streams, for example of events and pictures.")
    load: LoadView
    results_file: ResultsFileView | None = Field(description="The file `results`; null without one.")
    cameras: list[CameraView]


def camera_view(cameras: CameraRegistry, camera_id: str) -> CameraView:
    """Return the view of a camera. Raises KeyError if it does not exist."""
    config = cameras.configs[camera_id]
    status = cameras.status(camera_id)
    camera = cameras.running.get(camera_id)
    stats = camera.stats() if camera is not None else None
    looks = camera.looks.recent() if camera is not None else dict.fromkeys(KINDS, 0)
    return CameraView(
        id=camera_id,
        settings=config,
        status=CameraStatusView(
            state=status.state,
            reason=status.reason,
            message=status.message,
            at_us=status.at_us,
            epoch=status.epoch,
            epoch_reason=None if status.epoch_reason is None else status.epoch_reason.value,
            clock=status.clock,
            size=status.size,
            decoded=stats.decoded if stats else 0,
            processed=stats.processed if stats else 0,
            dropped=stats.dropped if stats else {},
            fps_in=stats.fps_in if stats else 0.0,
            fps_out=stats.fps_out if stats else 0.0,
            tracks=stats.tracks if stats else 0,
            looks=looks,
            detection=in_words(looks),
        ),
        privacy=config.privacy_mode,
        no_video=camera.video_refusal() if camera is not None else "it is not being read",
    )


def engine_view(stats: Stats, streams: int, results_file: ResultsFile | None, cameras: list[CameraView]) -> EngineView:
    """Return the view of the engine."""
    file = results_file and ResultsFileView(missing=results_file.missing, message=results_file.error)
    of_stats = {name: getattr(stats, name) for name in EngineView.model_fields if hasattr(stats, name)}
    return EngineView(**{**of_stats, "streams": streams, "results_file": file, "cameras": cameras})
