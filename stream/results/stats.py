"""The statistics of an engine, as a message."""

from __future__ import annotations

from typing import Annotated

import msgspec

from stream.results.fields import CameraId, CameraState, Count, Epoch, Micros, ModelRef, Run, Seq, about

STATS_SCHEMA = "partstream.stats/1"


class CameraStats(msgspec.Struct, frozen=True):
    """A camera's counts since the engine started, and its rates over the last interval."""

    camera: CameraId
    state: CameraState
    epoch: Epoch
    decoded: Count
    processed: Count
    dropped: Annotated[dict[str, Count], about("Frames dropped, by reason.")]
    fps_in: Annotated[float, about("Frames decoded per second.", minimum=0)]
    fps_out: Annotated[float, about("Results published per second.", minimum=0)]
    tracks: Annotated[int, about("People tracked now.", minimum=0)]


class Load(msgspec.Struct, frozen=True):
    """How much quality the model gives up so that live cameras lose no frames (docs/concepts.md, "Overload")."""

    ease_level: Annotated[int, about("0: full quality. Each further level costs less time.", minimum=0)]
    max_ease_level: Annotated[
        int, about("The highest level; 0 with `overload: drop` and for models without levels.", minimum=0)
    ]
    overloaded: Annotated[bool, about("Whether frames are dropped although no level that costs less is left.")]
    detections_per_second: Annotated[
        float | None, about("Detections per second of a live camera, at most; null: not limited by the level.")
    ]
    detector_side: Annotated[
        int | None, about("Longest side of the detector's pictures, pixels, at most; null: not limited by the level.")
    ]


class Stats(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=STATS_SCHEMA):
    """Topic `stats/v1/`, in a fleet `stats/v1/<engine>/`: statistics, at a fixed interval. `epoch` is always 0."""

    run: Run
    seq: Seq
    epoch: Annotated[int, about("Always 0.", const=0)] = 0
    at_us: Micros
    uptime_s: Annotated[float, about("Seconds since the engine started.", minimum=0)]
    ready: Annotated[bool, about("Whether the engine is ready, as in `/readyz`.")]
    ready_reason: Annotated[str, about("Why it is not ready; empty if it is.")]
    model: ModelRef
    cameras: Annotated[list[CameraStats], about("Every camera.")]
    state_slots_used: Annotated[int, about("Slots for hidden states in use.", minimum=0)]
    state_slots: Annotated[int, about("Slots for hidden states of tracked people.", minimum=0)]
    subscriptions: Annotated[int, about("Subscriptions of connected subscribers.", minimum=0)]
    load: Load
    open_alerts: Annotated[
        list[str] | None,
        about(
            "Ids of all alerts that are on, sorted; null if there are more than 1,000, and for tokens for some "
            "cameras. Absent in older versions."
        ),
    ] = None
    engine: Annotated[
        str | None, about("The engine's name in a fleet; null without one. Absent in older versions.")
    ] = None
