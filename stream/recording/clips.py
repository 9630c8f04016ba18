"""What is said of a clip in the file beside it, and what clips are called."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from stream.results import CameraId, Count, Epoch, Micros, Run, Score, about

CLIP_SCHEMA = "partstream.clip/1"

NAME = re.compile(r"[0-9]{8}T[0-9]{9}Z_[a-z0-9][a-z0-9_-]{0,62}_[a-z0-9_-]{1,48}")
"""A clip's name: UTC time of its first event to the millisecond, camera, action. Sorted by name is sorted by time."""

LONGEST_ACTION = 40

EndReason = Literal["complete", "longest", "epoch", "format", "camera", "behind", "budget", "low_disk"]


class ClipEvent(msgspec.Struct, frozen=True):
    """One action that the clip was made for."""

    track: Annotated[int, about("The person, as in the results of the same epoch.")]
    action: Annotated[str, about("The action that began.")]
    score: Score
    capture_us: Annotated[int, about("When it began, microseconds since 1970, UTC.")]
    media_time_us: Annotated[int, about("The same by the stream's own time, as in the results.")]
    end_media_time_us: Annotated[int | None, about("When it ended; null if it outlasted the clip.")]


class Clip(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=CLIP_SCHEMA):
    """The file `NAME.json`; a clip is whole once it is there."""

    name: Annotated[str, about("The name that its files share.", pattern=f"^{NAME.pattern}$")]
    run: Run
    camera: CameraId
    epoch: Epoch
    events: Annotated[list[ClipEvent], about("What it was made for, in order of time.")]
    start_us: Annotated[int, about("When its first picture was taken, microseconds since 1970, UTC.")]
    end_us: Annotated[int, about("When its last picture was taken, microseconds since 1970, UTC.")]
    start_media_time_us: Annotated[
        int, about("Media time of its first picture: a result's `media_time_us` minus this is its time in the clip.")
    ]
    end_media_time_us: Annotated[int, about("Media time of its last picture.")]
    codec: Annotated[str, about("The video's coding, as libav calls it.")]
    reencoded: Annotated[bool, about("Whether the source's coding could not be kept.")]
    frames: Count
    results: Annotated[int, about("Results beside it: lines in `NAME.jsonl`.", minimum=0)]
    ended: Annotated[
        EndReason,
        about(
            "Why it ends where it does: `complete`, `longest` (recording.max_clip_s), `epoch` (the stream broke), "
            "`format` (its coding or size changed), `camera` (ended or changed, or the engine stopped), `behind` (the "
            "disk was too slow), `budget`, `low_disk`."
        ),
    ]
    video_bytes: Count
    written_us: Micros


class ClipList(msgspec.Struct, frozen=True):
    """Clips of one engine, and how recording is."""

    state: Annotated[
        Literal["off", "ready", "low_disk", "unwritable"],
        about("`off`: not configured. `low_disk`, `unwritable`: no clip can be written now."),
    ]
    message: Annotated[str, about("Why it isn't ready, and what to do; empty when it is.")]
    bytes: Count
    budget: Count
    clips: Annotated[list[Clip], about("Newest first.")]


def clip_name(capture_us: int, camera: str, action: str, number: int = 1) -> str:
    """The name of a clip of this event; `number` tells apart what would have the same."""
    at = datetime.fromtimestamp(capture_us // 1_000_000, UTC)
    plain = re.sub(r"[^a-z0-9_-]+", "-", action.lower()).strip("-")[:LONGEST_ACTION] or "action"
    name = f"{at:%Y%m%dT%H%M%S}{capture_us // 1000 % 1000:03d}Z_{camera}_{plain}"
    return name if number == 1 else f"{name}-{number}"
