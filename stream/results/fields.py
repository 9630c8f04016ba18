"""Types of the fields that several messages have, with their descriptions for the JSON Schemas."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

LARGEST = 2**53 - 1
"""Largest whole number. JavaScript has all up to it; as a time, it is in the year 2255."""
FARTHEST = 1e9
"""Largest number of pixels, and largest absolute value of a coordinate or a measure."""
LONGEST_NAME = 500
"""Characters of names, labels and ids."""


def about(description: str, **rules: object) -> Meta:
    """Return a field's description and rules for the JSON Schema, which are not checked when a message is read.

    Readers check bounds: they refuse what no engine publishes, so that all else can be shown, computed with and stored.
    """
    return Meta(description=description, extra_json_schema=dict(rules) or None)


Count = Annotated[int, Meta(ge=0, le=LARGEST), about("A number, never negative.")]
Micros = Annotated[int, Meta(ge=0, le=LARGEST), about("Microseconds since 1970, UTC.")]
MediaTime = Annotated[int, Meta(ge=-LARGEST, le=LARGEST), about("Media time, microseconds.")]
Pixels = Annotated[int, Meta(ge=1, le=int(FARTHEST))]
Coordinate = Annotated[float, Meta(ge=-FARTHEST, le=FARTHEST)]
Measure = Annotated[float, Meta(ge=0, le=FARTHEST)]
Name = Annotated[str, Meta(max_length=LONGEST_NAME)]
Box = Annotated[
    tuple[Coordinate, Coordinate, Coordinate, Coordinate],
    about("x1, y1, x2, y2 (left, top, right, bottom) in pixels of the message's `size`."),
]
Score = Annotated[float, Meta(ge=0, le=1), about("Confidence, 0 … 1.")]
Labelled = Annotated[tuple[Name, Score], about("A label and its score.")]
Size = Annotated[tuple[Pixels, Pixels], about("Width and height of the epoch's first picture, pixels.")]
Run = Annotated[Name, about("The engine's run: 32 hexadecimal digits, new at each start of an engine.")]
Seq = Annotated[Count, about("Counts from 0 without gaps for each (run, topic, epoch).")]
CameraId = Annotated[str, Meta(max_length=63), about("The camera's id.", pattern="^[a-z0-9][a-z0-9_-]{0,62}$")]
Track = Annotated[Count, about("The person's id, never reused within the epoch.")]
Epoch = Annotated[
    Count,
    about(
        "Number of the epoch, from 1. A reconnect, a jump in time or a clock that was set starts a new epoch, with new "
        "tracks and states. "
        "Before the first frame: 0 or, for a camera that was added again, its last epoch.",
    ),
]
EpochBegan = Annotated[
    Literal["connected", "aspect_ratio", "media_jump", "clock_step", "moved"] | None,
    about(
        "Why the epoch began: the source was opened (`connected`), the aspect ratio changed, media time jumped, the "
        "clock of capture times was set by 2 s or more (`clock_step`), or the camera came back to the engine in a "
        "fleet (`moved`). Absent: before the first picture."
    ),
]
FrameNumber = Annotated[Count, about("Number of the decoded frame in the epoch, from 0, with dropped ones.")]
Clock = Annotated[
    Literal["rtcp", "arrival", "media"],
    about(
        "Source of capture times: the camera's RTCP sender reports, the arrival at the engine, or the file's media "
        "time, counted from the start of the epoch."
    ),
]
CameraState = Literal["connecting", "live", "stalled", "reconnecting", "ended", "removed"]
Look = Annotated[
    Literal["whole", "regions", "nothing", "skipped"],
    about(
        "What the detector looked at: the whole picture; the `regions`; nothing, because nothing moved, no person was "
        "tracked and no search was due; or nothing, because the frame was skipped between detections. Absent: whole."
    ),
]
Generation = Annotated[
    Count | None,
    about(
        "In a fleet, the generation of the camera's placement, which grows with each move to another engine or run. "
        "Discard messages below the highest one seen of the camera. Absent: not in a fleet."
    ),
]
EndReason = Literal["complete", "longest", "epoch", "format", "camera", "behind", "budget", "low_disk"]
Privacy = Annotated[
    Literal["masked", "skeleton"],
    about(
        "What is hidden of the camera's pictures: parts of them (`masked`), or all (`skeleton`), so that pictures are "
        "drawn from results. Absent: nothing."
    ),
]


class ModelRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """The model of a result. `trained` is false for random weights, whose labels have no meaning."""

    profile: Annotated[str, about("The model's profile, for example `edge`.")]
    weights: Annotated[str, about("`sha256:` and the digest of the checkpoint.")]
    trained: Annotated[bool, about("False for random weights, whose labels have no meaning.")]
    experimental: Annotated[list[Name], about("Actions that are too often wrong on real video. Absent: none.")] = []
