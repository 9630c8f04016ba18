"""Clip metadata, which is stored beside each clip, and clip names."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from stream.results import CameraId, Count, EndReason, Epoch, MediaTime, Micros, Run, Score, about

CLIP_SCHEMA = "partstream.clip/1"

NAME = re.compile(r"[0-9]{8}T[0-9]{9}Z_[a-z0-9][a-z0-9_-]{0,62}_[a-z0-9_-]{1,48}")
"""A clip's name: UTC time of its first event or alert to the millisecond, camera, and action or rule. Names sort by
time."""

MAX_ACTION_LENGTH = 40


class ClipEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """An action that caused the clip."""

    track: Annotated[Count, about("The person, as in the results of the same epoch.")]
    action: Annotated[str, about("The action that began.")]
    score: Score
    capture_us: Annotated[Micros, about("Begin of the action, microseconds since 1970, UTC.")]
    media_time_us: Annotated[MediaTime, about("Begin of the action in media time, as in the results.")]
    end_media_time_us: Annotated[
        MediaTime | None, about("End of the action in media time; null if it continued after the clip.")
    ]
    experimental: Annotated[bool, about("Whether `action` is an experimental action. Absent: false.")] = False
    event: Annotated[str, about("The id of the action, as in the events. Absent: recorded by an older version.")] = ""


class ClipAlert(msgspec.Struct, frozen=True):
    """An alert that caused the clip."""

    alert: Annotated[str, about("The alert's id.")]
    rule: Annotated[str, about("The rule's name.")]
    severity: Literal["info", "warning", "critical"]
    reason: Annotated[str, about("Why it began, as a sentence.")]
    capture_us: Annotated[Micros, about("Begin of the alert, microseconds since 1970, UTC.")]
    media_time_us: Annotated[MediaTime, about("Begin of the alert in media time, as in the results.")]
    end_media_time_us: Annotated[
        MediaTime | None, about("Media time at which it was cleared; null if it was still on after the clip.")
    ]


class Clip(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=CLIP_SCHEMA):
    """The file `NAME.json`. A clip is complete once this file exists."""

    name: Annotated[str, about("The common name of the clip's files.", pattern=f"^{NAME.pattern}$")]
    run: Run
    camera: CameraId
    epoch: Epoch
    events: Annotated[list[ClipEvent], about("The actions that caused the clip, in order of time.")]
    alerts: Annotated[list[ClipAlert], about("The alerts that caused the clip, in order of time.")] = []
    start_us: Annotated[Micros, about("Capture time of the first frame, microseconds since 1970, UTC.")]
    end_us: Annotated[Micros, about("Capture time of the last frame, microseconds since 1970, UTC.")]
    start_media_time_us: Annotated[
        MediaTime,
        about("Media time of the first frame. A result's `media_time_us` minus this is its time in the clip."),
    ]
    end_media_time_us: Annotated[MediaTime, about("Media time of the last frame.")]
    codec: Annotated[str, about("The video's codec, by FFmpeg's name.")]
    reencoded: Annotated[
        bool, about("Whether the video was re-encoded, because MP4 or players do not support the source's codec.")
    ]
    frames: Count
    results: Annotated[Count, about("Number of results: lines in `NAME.jsonl`.")]
    ended: Annotated[
        EndReason,
        about(
            "Why the clip ended: `complete`, `longest` (recording.max_clip_s), `epoch` (the stream was interrupted), "
            "`format` (codec or size changed), `camera` (the camera ended or changed, or the engine stopped), `behind` "
            "(the disk was too slow), `budget`, `low_disk`."
        ),
    ]
    privacy: Annotated[
        Literal["masked", "skeleton"] | None,
        about("What is hidden in the video: parts of it (`masked`), or all pixels (`skeleton`). Null: nothing."),
    ] = None
    video_bytes: Count
    written_us: Micros


class ClipList(msgspec.Struct, frozen=True):
    """Clips of one engine, and the state of recording."""

    state: Annotated[
        Literal["off", "ready", "low_disk", "unwritable"],
        about("`off`: not configured. `low_disk`, `unwritable`: no clips can be written at the moment."),
    ]
    message: Annotated[str, about("Why recording is not ready, and what to do; empty if it is.")]
    bytes: Count
    budget: Count
    clips: Annotated[list[Clip], about("Newest first.")]


def clip_name(capture_us: int, camera: str, action: str, number: int = 1) -> str:
    """Return the name of a clip for an event. `number` distinguishes clips that would have the same name."""
    at = datetime.fromtimestamp(capture_us // 1_000_000, UTC)
    plain = re.sub(r"[^a-z0-9_-]+", "-", action.lower()).strip("-")[:MAX_ACTION_LENGTH] or "action"
    name = f"{at:%Y%m%dT%H%M%S}{capture_us // 1000 % 1000:03d}Z_{camera}_{plain}"
    return name if number == 1 else f"{name}-{number}"
