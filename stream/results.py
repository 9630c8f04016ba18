"""The message format: every message that partstream publishes, as msgspec structs.

Times named `*_us` are integer microseconds, UTC. Within version 1 optional fields may be added; readers ignore unknown
fields. The field `schema` gives the kind of message. `seq` counts from 0 without gaps for each (run, topic, epoch).
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

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


# -- people and objects, parts of a frame ---------------------------------------------------------------------------
MOST_PARTS = 10_000
"""As many as a vocabulary may have."""

Crossing = Annotated[
    tuple[Name, Literal["left", "right"]],
    about("A line, and its side that the person is on now, as seen when looking from its start to its end."),
]


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person's action. `since_us` is when the unbroken run of `label` began; `top` is best first."""

    label: Annotated[Name, about("The action.")]
    score: Score
    since_us: Annotated[Micros, about("When the unbroken run of `label` began, microseconds since 1970, UTC.")]
    top: Annotated[list[Labelled], about("The most likely actions with their scores, best first.")]
    experimental: Annotated[bool, about("Whether `label` is an experimental action. Absent: false.")] = False


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """A visible body part: its box, its relevance to the action (0 … 1), and its states, best first."""

    part: Annotated[Name, about("The part, for example `right_hand`, from the person's point of view.")]
    box: Box
    score: Score
    relevance: Annotated[Score, about("Relevance of the part to the action, 0 … 1.")]
    states: Annotated[list[Labelled], about("The part's states, best first.")]
    holds: Annotated[Name | None, about("Of a hand: the label of the object in or at it. Absent: none.")] = None


class RuleAction(msgspec.Struct, frozen=True):
    """An action written in the rules file that a person does now, beside the model's."""

    label: Annotated[Name, about("The action's name in the rules file.")]
    score: Score
    since_us: Annotated[Micros, about("When it began to hold without a break, microseconds since 1970, UTC.")]
    source: Annotated[Literal["rule"], about("Always `rule`: written, not learnt.")]
    parts: Annotated[list[Name], about("The body parts whose conditions hold.")]


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tracked person. `action` is null before the track's first step of the action model."""

    track: Track
    box: Box
    score: Score
    action: Action | None
    parts: Annotated[list[Part], Meta(max_length=MOST_PARTS), about("The visible parts.")]
    detected: Annotated[bool, about("False if the box is extrapolated from detections before. Absent: true.")] = True
    foot: Annotated[
        tuple[Coordinate, Coordinate] | None,
        about(
            "Where the person stands: x, y in pixels of the message's `size`, inside the picture. "
            "Absent: published by an older version."
        ),
    ] = None
    zones: Annotated[
        list[Name], about("The camera's zones that the person is in, in alphabetical order. Absent: none.")
    ] = []
    stature: Annotated[
        Measure | None,
        about("The person's estimated standing height in pixels, whatever the posture. Absent: as for `foot`."),
    ] = None
    trunk: Annotated[
        Annotated[int, Meta(ge=0, le=180)] | None,
        about(
            "Degrees between upright and the line from the hips to the head: 0 upright, 90 level, 180 head down. "
            "Absent: hips or head are not visible."
        ),
    ] = None
    hips: Annotated[
        Coordinate | None, about("Height of the hips above `foot` in the picture, in statures. Absent: not visible.")
    ] = None
    speed: Annotated[
        Measure | None,
        about(
            "Speed of `foot` in the picture over the last second of media time, in statures per second. Absent for the "
            "first half second of a track."
        ),
    ] = None
    crossed: Annotated[
        list[Crossing], about("The camera's lines that the person crossed since the camera's last frame. Absent: none.")
    ] = []
    rule_actions: Annotated[
        list[RuleAction], about("Actions of the rules file that the person does, in alphabetical order. Absent: none.")
    ] = []


class DetectedObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """A detected object other than a person."""

    label: Annotated[Name, about("The kind of object.")]
    box: Box
    score: Score
    detected: Annotated[bool, about("False if it was found in an earlier frame. Absent: true.")] = True


# -- a camera's messages --------------------------------------------------------------------------------------------
FRAME_SCHEMA = "partstream.frame/1"
EVENT_SCHEMA = "partstream.event/1"
STATUS_SCHEMA = "partstream.status/1"
ALERT_SCHEMA = "partstream.alert/1"
CLIP_READY_SCHEMA = "partstream.clip-ready/1"


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=FRAME_SCHEMA):
    """Topic `results/v1/<camera>/`: one processed frame, with or without people."""

    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    frame: FrameNumber
    capture_us: Annotated[Micros, about("When the frame was captured, microseconds since 1970, UTC, by `clock`.")]
    clock: Clock
    media_time_us: Annotated[
        MediaTime, about("Media time of the stream; only differences within an epoch are meaningful.")
    ]
    published_us: Annotated[Micros, about("When the result was handed to ZeroMQ, microseconds since 1970, UTC.")]
    size: Size
    model: ModelRef
    people: Annotated[list[Person], about("The people in this frame, detected or, without a detection, extrapolated.")]
    objects: Annotated[list[DetectedObject], about("Objects, best first; empty if the model does not look for any.")]
    trace_id: Annotated[
        str | None,
        about("The frame's trace, 32 hexadecimal digits. Absent: not traced.", pattern="^[0-9a-f]{32}$"),
    ] = None
    look: Look = "whole"
    regions: Annotated[
        list[Box], about("The parts of the picture that the detector looked at. Absent: none, or the whole picture.")
    ] = []
    privacy: Privacy | None = None
    generation: Generation = None


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=EVENT_SCHEMA):
    """Topic `events/v1/<camera>/`: a person's smoothed action, or one of the rules file, started, changed or ended."""

    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    frame: FrameNumber
    track: Annotated[Track, about("The person, as in the results of the same epoch.")]
    kind: Literal["started", "changed", "ended"]
    label: Annotated[Name, about("The current action or, for `ended`, the one that ended.")]
    previous: Annotated[Name | None, about("For `changed`: the previous action.")]
    score: Score
    capture_us: Annotated[Micros, about("When the frame that showed it was captured, microseconds since 1970, UTC.")]
    since_us: Annotated[Micros, about("When the action `label` began, microseconds since 1970, UTC.")]
    box: Box | None = None
    experimental: Annotated[bool, about("Whether `label` is an experimental action. Absent: false.")] = False
    source: Annotated[
        Literal["model", "rule"], about("`rule` for an action of the rules file, which never changes. Absent: model.")
    ] = "model"
    event: Annotated[
        Name,
        about("The id of the action `label`: the same when it begins and when it ends. Absent: an older version's."),
    ] = ""
    previous_event: Annotated[
        Name | None, about("For `changed`: the id of the previous action, which has ended. Absent: none.")
    ] = None
    media_time_us: Annotated[
        MediaTime | None, about("Media time of `frame`, as in the results. Absent: published by an older version.")
    ] = None
    generation: Generation = None


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=ALERT_SCHEMA):
    """Topic `alerts/v1/<camera>/`: a rule's alert began, was updated, or was cleared."""

    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    frame: FrameNumber
    alert: Annotated[Name, about("The alert's id, the same in all its messages.")]
    rule: Annotated[Name, about("The rule's name in the rules file.")]
    severity: Literal["info", "warning", "critical"]
    state: Annotated[
        Literal["began", "updated", "cleared"],
        about("`updated`: the conditions still hold, told less often the longer they do; and when acknowledged."),
    ]
    reason: Annotated[str, about("Why, as a sentence.")]
    zone: Annotated[Name | None, about("The rule's zone that the alert is about; null without one.")]
    line: Annotated[Name | None, about("The line that was crossed; null for other rules.")]
    track: Annotated[
        Track | None, about("The person, as in the results of the same epoch; null for rules about a number of people.")
    ]
    people: Annotated[Count | None, about("The number of people; null for rules about one person.")]
    action: Annotated[Name | None, about("The action of the rule that the person does; null for rules without one.")]
    score: Annotated[Score | None, about("The action's score; null without an action.")]
    box: Annotated[
        Box | None, about("The person's box when the conditions last held; null for rules about a number of people.")
    ]
    capture_us: Annotated[Micros, about("When the frame that decided it was captured, microseconds since 1970, UTC.")]
    since_us: Annotated[Micros, about("When the conditions began to hold, microseconds since 1970, UTC.")]
    began_us: Annotated[Micros, about("When the alert began: `capture_us` of its first message.")]
    clear_reason: Annotated[
        Literal["over", "left", "epoch", "no_results", "restart", "rules", "camera"] | None,
        about(
            "Of `cleared`: the conditions no longer hold (`over`), the person is no longer seen (`left`), a new epoch "
            "began (`epoch`), no result came (`no_results`), the engine ended or crashed (`restart`), the rule "
            "was changed or removed (`rules`), or the camera was stopped or removed (`camera`). Else null."
        ),
    ]
    acknowledged_us: Annotated[
        Micros | None, about("When a user acknowledged it, microseconds since 1970, UTC. Absent: not acknowledged.")
    ] = None
    media_time_us: Annotated[
        MediaTime | None, about("Media time of `frame`, as in the results. Absent: published by an older version.")
    ] = None
    generation: Generation = None


class ClipReady(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=CLIP_READY_SCHEMA
):
    """Topic `clips/v1/<camera>/`: a clip is complete, and all its files are in place."""

    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    clip: Annotated[Name, about("The clip's name: `GET /api/v1/clips/{clip}` has the video until it is deleted.")]
    start_us: Annotated[Micros, about("Capture time of the first frame, microseconds since 1970, UTC.")]
    end_us: Annotated[Micros, about("Capture time of the last frame, microseconds since 1970, UTC.")]
    start_media_time_us: Annotated[
        MediaTime, about("Media time of the first frame. A `media_time_us` minus this is the time in the clip.")
    ]
    end_media_time_us: Annotated[MediaTime, about("Media time of the last frame.")]
    ended: Annotated[EndReason, about("Why the clip ended, as in its metadata.")]
    bytes: Annotated[Count, about("Size of all its files.")]
    events: Annotated[list[Name], about("Ids of the actions that caused it, in order of time.")]
    alerts: Annotated[list[Name], about("Ids of the alerts that caused it, in order of time.")]
    generation: Generation = None


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=STATUS_SCHEMA):
    """Topic `status/v1/<camera>/`: a camera changed its state."""

    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    state: CameraState
    reason: Annotated[
        str | None,
        about("A code such as `refused`, `not_found`, `unauthorised`, `silent`, `stalled`; null without an error."),
    ]
    message: Annotated[str, about("The same as text, with what to do.")]
    at_us: Micros
    clock: Clock | None
    size: Size | None
    source: Annotated[str, about("The source's address without secrets.")]
    privacy: Privacy | None = None
    epoch_reason: EpochBegan = None
    generation: Generation = None


# -- a fleet's directory --------------------------------------------------------------------------------------------
PLACE_SCHEMA = "partstream.place/1"


class EngineAddress(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an engine of a fleet serves its results."""

    engine: Annotated[str, about("The engine's name in the fleet.")]
    node: Annotated[str, about("The name of its machine.")]
    run: Run
    endpoint: Annotated[str, about("The ZeroMQ address of results, as `tcp://host:port`.")]
    replay: Annotated[str, about("The ZeroMQ address of replay.")]
    http: Annotated[str | None, about("The address of its HTTP server, as `http://host:port`. Absent: none.")] = None
    key: Annotated[
        str | None, about("The engine's public CURVE key (docs/security.md). Absent: results are not encrypted.")
    ] = None


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=PLACE_SCHEMA):
    """Topic `directory/v1/<camera>/` of a fleet's controller: a camera was placed, moved or removed."""

    run: Annotated[Run, about("The controller's run: 32 hexadecimal digits, new at each of its starts.")]
    seq: Seq
    epoch: Annotated[Epoch, about("Always 0.")] = 0
    camera: CameraId
    state: Annotated[
        Literal["placed", "unplaced", "disabled", "removed"],
        about(
            "`placed`: an engine has the camera. `unplaced`: none has it, and `reason` says why. `disabled`: it is "
            "not to be read. `removed`: it is no longer in the fleet."
        ),
    ]
    generation: Annotated[Count, about("Generation of the placement, which grows with each; 0 before the first.")]
    at_us: Micros
    address: Annotated[EngineAddress | None, about("The engine that has the camera. Absent: none.")] = None
    previous: Annotated[
        EngineAddress | None, about("The engine that had the camera before. Absent: none, or not known.")
    ] = None
    previous_generation: Annotated[Count | None, about("The generation at `previous`. Absent: as for `previous`.")] = (
        None
    )
    reason: Annotated[str, about("Why the camera is there, or why no engine has it, as a sentence.")] = ""


# -- an engine's statistics -----------------------------------------------------------------------------------------
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


# -- bodies and topics ----------------------------------------------------------------------------------------------
CameraKind = Literal["results", "events", "status", "alerts", "clips", "directory"]
Message = Frame | Event | Status | Stats | Alert | ClipReady | Place

_from_json = msgspec.json.Decoder(Message)
_from_msgpack = msgspec.msgpack.Decoder(Message)


def decode(body: bytes) -> Message:
    """Decode a body; its first byte tells JSON from MessagePack. Unknown fields are ignored.

    Raises `msgspec.DecodeError` (or its subclass `msgspec.ValidationError`) if it is not a version 1 message.
    """
    return _decode_with(_from_json, _from_msgpack, body)


def _decode_with(json: msgspec.json.Decoder[T], msgpack: msgspec.msgpack.Decoder[T], body: bytes) -> T:
    """Decode a body by one of two decoders, as `decode` does."""
    try:
        return json.decode(body) if body[:1] == b"{" else msgpack.decode(body)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"text is not UTF-8: {error.reason}") from None
    except RecursionError:
        raise msgspec.DecodeError("nested too deep") from None


def topic(kind: CameraKind, camera: str) -> str:
    """Return the topic of a camera's messages. It ends in a slash, so that it matches no other topic as a prefix."""
    return f"{kind}/v1/{camera}/"


STATS_TOPIC = "stats/v1/"
"""Topic of the statistics of an engine, and the beginning of those of the engines of a fleet."""


def stats_topic(engine: str | None) -> str:
    """Return the topic of an engine's statistics. `engine`: its name in a fleet, None without one."""
    return STATS_TOPIC if engine is None else f"{STATS_TOPIC}{engine}/"


# -- heads: messages of which only a part was decoded, with the body as it was received -----------------------------
# For readers that pass them on: what is needed to follow numbers, generations and cameras. For a result with two
# people, decoding it takes a third of the time of decoding all of it, and nothing has to be encoded again.
_NOT_ON_THE_WIRE = ""
"""Name of the field `body` in a body: none has it."""


class _CameraHead(msgspec.Struct, frozen=True, kw_only=True):
    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    generation: Generation = None
    body: bytes = msgspec.field(default=b"", name=_NOT_ON_THE_WIRE)


class FrameHead(_CameraHead, frozen=True, kw_only=True, tag_field="schema", tag=FRAME_SCHEMA):
    """Of a result."""


class EventHead(_CameraHead, frozen=True, kw_only=True, tag_field="schema", tag=EVENT_SCHEMA):
    """Of an event."""


class AlertHead(_CameraHead, frozen=True, kw_only=True, tag_field="schema", tag=ALERT_SCHEMA):
    """Of an alert."""


class ClipReadyHead(_CameraHead, frozen=True, kw_only=True, tag_field="schema", tag=CLIP_READY_SCHEMA):
    """Of a complete clip."""


class StatusHead(Status, frozen=True, kw_only=True, tag_field="schema", tag=STATUS_SCHEMA):
    """A whole status, with its body."""

    body: bytes = msgspec.field(default=b"", name=_NOT_ON_THE_WIRE)


class StatsHead(Stats, frozen=True, kw_only=True, tag_field="schema", tag=STATS_SCHEMA):
    """Whole statistics, with their body."""

    body: bytes = msgspec.field(default=b"", name=_NOT_ON_THE_WIRE)


class PlaceHead(Place, frozen=True, kw_only=True, tag_field="schema", tag=PLACE_SCHEMA):
    """A whole place, with its body."""

    body: bytes = msgspec.field(default=b"", name=_NOT_ON_THE_WIRE)


Head = FrameHead | EventHead | AlertHead | ClipReadyHead | StatusHead | StatsHead | PlaceHead
Received = Message | Head
"""What a subscription follows: messages, or their heads."""

_head_from_json = msgspec.json.Decoder(Head)
_head_from_msgpack = msgspec.msgpack.Decoder(Head)

KINDS: dict[type[Received], CameraKind] = {
    Frame: "results",
    FrameHead: "results",
    Event: "events",
    EventHead: "events",
    Status: "status",
    StatusHead: "status",
    Alert: "alerts",
    AlertHead: "alerts",
    ClipReady: "clips",
    ClipReadyHead: "clips",
    Place: "directory",
    PlaceHead: "directory",
}
"""The kinds of messages about a camera, which begin their topics."""


def decode_head(body: bytes) -> Head:
    """Return the head of a body, with the body. The rest is only checked to be JSON or MessagePack.

    Raises `msgspec.DecodeError` as `decode` does.
    """
    head = _decode_with(_head_from_json, _head_from_msgpack, body)
    msgspec.structs.force_setattr(head, "body", body)
    return head


def kind_of(message: Received) -> str:
    """Return the kind of a message, which begins its topic."""
    return KINDS.get(type(message), "stats")


def topic_of(message: Received) -> str:
    """Return the topic on which the message was published."""
    return stats_topic(message.engine) if isinstance(message, Stats) else topic(KINDS[type(message)], message.camera)
