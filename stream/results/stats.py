"""The statistics of an engine, as a message."""

from __future__ import annotations

from typing import Annotated

import msgspec

from stream.results.fields import CameraId, CameraState, Count, Epoch, Measure, Micros, ModelRef, Name, Run, Seq, about

STATS_SCHEMA = "partstream.stats/1"


class CameraStats(msgspec.Struct, frozen=True):
    """A camera's counts since the engine started, and its rates over the last interval."""

    camera: CameraId
    state: CameraState
    epoch: Epoch
    decoded: Count
    processed: Count
    dropped: Annotated[dict[Name, Count], about("Frames dropped, by reason.")]
    fps_in: Annotated[Measure, about("Frames decoded per second.")]
    fps_out: Annotated[Measure, about("Results published per second.")]
    tracks: Annotated[Count, about("People tracked now.")]


class Load(msgspec.Struct, frozen=True):
    """How much quality the model gives up so that live cameras lose no frames (docs/concepts.md, "Overload")."""

    ease_level: Annotated[Count, about("0: full quality. Each further level costs less time.")]
    max_ease_level: Annotated[Count, about("The highest level; 0 with `overload: drop` and for models without levels.")]
    overloaded: Annotated[bool, about("Whether frames are dropped although no level that costs less is left.")]
    detections_per_second: Annotated[
        Measure | None, about("Detections per second of a live camera, at most; null: not limited by the level.")
    ]
    detector_side: Annotated[
        Count | None, about("Longest side of the detector's pictures, pixels, at most; null: not limited by the level.")
    ]


class Stats(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=STATS_SCHEMA):
    """Topic `stats/v1/`, in a fleet `stats/v1/<engine>/`: statistics, at a fixed interval. `epoch` is always 0."""

    run: Run
    seq: Seq
    epoch: Annotated[Count, about("Always 0.", const=0)] = 0
    at_us: Micros
    uptime_s: Annotated[Measure, about("Seconds since the engine started.")]
    ready: Annotated[bool, about("Whether the engine is ready, as in `/readyz`.")]
    ready_reason: Annotated[str, about("Why it is not ready; empty if it is.")]
    model: ModelRef
    cameras: Annotated[list[CameraStats], about("Every camera.")]
    state_slots_used: Annotated[Count, about("Slots for hidden states in use.")]
    state_slots: Annotated[Count, about("Slots for hidden states of tracked people.")]
    subscriptions: Annotated[Count, about("Subscriptions of connected subscribers.")]
    load: Load
    open_alerts: Annotated[
        list[Name] | None,
        about(
            "Ids of all alerts that are on, sorted; null if there are more than 1,000, and for tokens for some "
            "cameras. Absent in older versions."
        ),
    ] = None
    engine: Annotated[
        str | None, about("The engine's name in a fleet; null without one. Absent in older versions.")
    ] = None
