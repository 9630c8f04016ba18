"""Types of the fields that several messages have, with their descriptions for the JSON Schemas."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


def about(description: str, **rules: object) -> Meta:
    """Return a field's description and rules for the JSON Schema. They are not checked when a message is read."""
    return Meta(description=description, extra_json_schema=dict(rules) or None)


Box = Annotated[
    tuple[float, float, float, float],
    about("x1, y1, x2, y2 (left, top, right, bottom) in pixels of the message's `size`."),
]
Score = Annotated[float, about("Confidence, 0 … 1.", minimum=0, maximum=1)]
Labelled = Annotated[tuple[str, Score], about("A label and its score.")]
Micros = Annotated[int, about("Microseconds since 1970, UTC.")]
Count = Annotated[int, about("A number, never negative.", minimum=0)]
Size = Annotated[tuple[int, int], about("Width and height of the epoch's first picture, pixels.")]
Run = Annotated[str, about("The engine's run: 32 hexadecimal digits, new at each start of an engine.")]
Seq = Annotated[int, about("Counts from 0 without gaps for each (run, topic, epoch).", minimum=0)]
CameraId = Annotated[str, about("The camera's id.", pattern="^[a-z0-9][a-z0-9_-]{0,62}$")]
Epoch = Annotated[
    int,
    about(
        "Number of the epoch, from 1. A reconnect, a jump in time or a clock that was set starts a new epoch, with new "
        "tracks and states. "
        "Before the first frame: 0 or, for a camera that was added again, its last epoch.",
        minimum=0,
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
FrameNumber = Annotated[int, about("Number of the decoded frame in the epoch, from 0, with dropped ones.", minimum=0)]
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
    int | None,
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
    experimental: Annotated[list[str], about("Actions that are too often wrong on real video. Absent: none.")] = []
