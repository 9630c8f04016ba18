"""The wire schema: every message that partstream publishes, as msgspec structs. The one place for wire types.

Times named `*_us` are integer microseconds, UTC. Within version 1 optional fields may be added; readers ignore unknown
ones. The field `schema` tells a message's kind. `seq` counts from 0 without gaps for each (run, topic, epoch).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

FRAME_SCHEMA = "partstream.frame/1"
EVENT_SCHEMA = "partstream.event/1"
STATUS_SCHEMA = "partstream.status/1"
STATS_SCHEMA = "partstream.stats/1"


def about(description: str, **rules: object) -> Meta:
    """A field's description and rules for the JSON Schema. Reading a message doesn't check them: it costs nothing."""
    return Meta(description=description, extra_json_schema=dict(rules) or None)


Box = Annotated[
    tuple[float, float, float, float],
    about("x1, y1, x2, y2 (left, top, right, bottom) in pixels of the message's `size`."),
]
Score = Annotated[float, about("How sure, 0 … 1.", minimum=0, maximum=1)]
Labelled = Annotated[tuple[str, Score], about("A label and its score.")]
Micros = Annotated[int, about("Microseconds since 1970, UTC.")]
Count = Annotated[int, about("A number of things, never negative.", minimum=0)]
Size = Annotated[tuple[int, int], about("Width and height in pixels of the first picture of the epoch.")]
Run = Annotated[str, about("The engine's run: 32 hexadecimal digits, new each time an engine starts.")]
Seq = Annotated[int, about("Counts from 0 without gaps for each (run, topic, epoch).", minimum=0)]
CameraId = Annotated[str, about("The camera's id.", pattern="^[a-z0-9][a-z0-9_-]{0,62}$")]
Epoch = Annotated[
    int,
    about(
        "Counts the camera's unbroken stretches from 1; a reconnect or a jump in time begins another, in which tracks "
        "and states start anew. Before the first picture 0 or, of a camera added again, its last one.",
        minimum=0,
    ),
]
FrameNumber = Annotated[int, about("Counts the epoch's decoded frames from 0, dropped ones too.", minimum=0)]
Clock = Annotated[
    Literal["rtcp", "arrival", "media"],
    about(
        "Where capture times come from: the camera's RTCP sender reports, the arrival here, or the file's own times "
        "counted from when the epoch began."
    ),
]
CameraState = Literal["connecting", "live", "stalled", "reconnecting", "ended", "removed"]


class ModelRef(msgspec.Struct, frozen=True):
    """Which model made this result; `trained` is false for random weights: such labels mean nothing."""

    profile: Annotated[str, about("The model's profile, for example `edge`.")]
    weights: Annotated[str, about("`sha256:` and the checkpoint's digest.")]
    trained: Annotated[bool, about("False for random weights: their labels mean nothing.")]


class Action(msgspec.Struct, frozen=True):
    """What the person is doing; `since_us` is when the unbroken run of `label` began; `top` is best first."""

    label: Annotated[str, about("The action.")]
    score: Score
    since_us: Annotated[int, about("When the unbroken run of `label` began, microseconds since 1970, UTC.")]
    top: Annotated[list[Labelled], about("The likeliest actions and their scores, best first.")]


class Part(msgspec.Struct, frozen=True):
    """One visible body part: where, how relevant to the action (0 … 1), and the states that it is in, best first."""

    part: Annotated[str, about("The part, for example `right_hand`: the person's own right.")]
    box: Box
    score: Score
    relevance: Annotated[float, about("How much the part tells about the action, 0 … 1.", minimum=0, maximum=1)]
    states: Annotated[list[Labelled], about("The states that the part is in, best first.")]


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tracked person. `action` is null before the track's first step of the action model."""

    track: Annotated[int, about("Names the person; never used again within the epoch.")]
    box: Box
    score: Score
    action: Action | None
    parts: Annotated[list[Part], about("The visible parts.")]
    detected: Annotated[bool, about("False where the box is interpolated between detections. Absent: true.")] = True


class DetectedObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """One object that is not a person."""

    label: Annotated[str, about("What it is.")]
    box: Box
    score: Score
    detected: Annotated[bool, about("False where it is the last detection's, of an earlier frame. Absent: true.")] = (
        True
    )


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=FRAME_SCHEMA):
    """Topic `results/v1/<camera>/`: one processed frame, also when nobody is in it."""

    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    frame: FrameNumber
    capture_us: Annotated[int, about("When the picture was taken, microseconds since 1970, UTC, as `clock` says.")]
    clock: Clock
    media_time_us: Annotated[int, about("The stream's own time; only differences within an epoch mean something.")]
    published_us: Annotated[int, about("When the result was handed to ZeroMQ, microseconds since 1970, UTC.")]
    size: Size
    model: ModelRef
    people: Annotated[list[Person], about("The people detected in this frame.")]
    objects: Annotated[list[DetectedObject], about("Other objects; always empty where a profile doesn't look for any.")]
    trace_id: Annotated[
        str | None,
        about("The frame's trace, 32 hexadecimal digits. Absent: it isn't traced.", pattern="^[0-9a-f]{32}$"),
    ] = None


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=EVENT_SCHEMA):
    """Topic `events/v1/<camera>/`: a person's smoothed action started, changed or ended."""

    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    frame: FrameNumber
    track: Annotated[int, about("The person, as in the results of the same epoch.")]
    kind: Literal["started", "changed", "ended"]
    label: Annotated[str, about("The action that goes on from here or, for `ended`, the one that ended.")]
    previous: Annotated[str | None, about("For `changed`: the action before.")]
    score: Score
    capture_us: Annotated[int, about("When the picture was taken that showed it, microseconds since 1970, UTC.")]
    since_us: Annotated[int, about("When the action named by `label` began, microseconds since 1970, UTC.")]
    box: Box | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=STATUS_SCHEMA):
    """Topic `status/v1/<camera>/`: a camera changed its state."""

    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    state: CameraState
    reason: Annotated[
        str | None,
        about("A short code, e.g. `refused`, `not_found`, `unauthorised`, `silent`, `stalled`; null when all is well."),
    ]
    message: Annotated[str, about("The same for people, with what to do.")]
    at_us: Micros
    clock: Clock | None
    size: Size | None
    source: Annotated[str, about("The source's address with every secret taken out.")]


class CameraStats(msgspec.Struct, frozen=True):
    """One camera's counts since the engine started, and its rates over the last interval."""

    camera: CameraId
    state: CameraState
    epoch: Epoch
    decoded: Count
    processed: Count
    dropped: Annotated[dict[str, Count], about("Frames dropped, by reason.")]
    fps_in: Annotated[float, about("Frames decoded a second.", minimum=0)]
    fps_out: Annotated[float, about("Results published a second.", minimum=0)]
    tracks: Annotated[int, about("People followed now.", minimum=0)]


class Stats(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=STATS_SCHEMA):
    """Topic `stats/v1/`: the engine as a whole, at a fixed interval. `epoch` is always 0."""

    run: Run
    seq: Seq
    epoch: Annotated[int, about("Always 0.", const=0)] = 0
    at_us: Micros
    uptime_s: Annotated[float, about("Seconds since the engine started.", minimum=0)]
    ready: Annotated[bool, about("Whether the engine analyses frames as it should.")]
    ready_reason: Annotated[str, about("Why it isn't ready; empty when it is.")]
    model: ModelRef
    cameras: Annotated[list[CameraStats], about("Every camera.")]
    state_slots_used: Annotated[int, about("Tracked people whose state is kept.", minimum=0)]
    state_slots: Annotated[int, about("Tracked people whose state can be kept.", minimum=0)]
    subscriptions: Annotated[int, about("Subscriptions that connected subscribers hold.", minimum=0)]


Message = Frame | Event | Status | Stats

_from_json = msgspec.json.Decoder(Message)
_from_msgpack = msgspec.msgpack.Decoder(Message)


def decode(body: bytes) -> Message:
    """A message from its body, JSON or MessagePack as the first byte tells; unknown fields are ignored.

    Raises `msgspec.DecodeError` (or its subclass `msgspec.ValidationError`) where the body isn't a version 1 message.
    """
    try:
        return _from_json.decode(body) if body[:1] == b"{" else _from_msgpack.decode(body)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"text that isn't UTF-8: {error.reason}") from None
    except RecursionError:
        raise msgspec.DecodeError("nested too deep") from None


def topic(kind: Literal["results", "events", "status"], camera: str) -> str:
    """The topic of a camera's messages. It ends in a slash, so that subscribing to it as a prefix is exact."""
    return f"{kind}/v1/{camera}/"


STATS_TOPIC = "stats/v1/"
