"""The message format: every message that partstream publishes, as msgspec structs.

Times named `*_us` are integer microseconds, UTC. Within version 1 optional fields may be added; readers ignore unknown
fields. The field `schema` gives the kind of message. `seq` counts from 0 without gaps for each (run, topic, epoch).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

FRAME_SCHEMA = "partstream.frame/1"
EVENT_SCHEMA = "partstream.event/1"
STATUS_SCHEMA = "partstream.status/1"
STATS_SCHEMA = "partstream.stats/1"
ALERT_SCHEMA = "partstream.alert/1"
CLIP_READY_SCHEMA = "partstream.clip-ready/1"


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
        "Number of the epoch, from 1. A reconnect or a jump in time starts a new epoch, with new tracks and states. "
        "Before the first frame: 0 or, for a camera that was added again, its last epoch.",
        minimum=0,
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
EndReason = Literal["complete", "longest", "epoch", "format", "camera", "behind", "budget", "low_disk"]
Privacy = Annotated[
    Literal["masked", "skeleton"],
    about(
        "What is hidden of the camera's pictures: parts of them (`masked`), or all (`skeleton`), so that pictures are "
        "drawn from results. Absent: nothing."
    ),
]

Crossing = Annotated[
    tuple[str, Literal["left", "right"]],
    about("A line, and its side that the person is on now, as seen when looking from its start to its end."),
]


class ModelRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """The model of a result. `trained` is false for random weights, whose labels have no meaning."""

    profile: Annotated[str, about("The model's profile, for example `edge`.")]
    weights: Annotated[str, about("`sha256:` and the digest of the checkpoint.")]
    trained: Annotated[bool, about("False for random weights, whose labels have no meaning.")]
    experimental: Annotated[list[str], about("Actions that are too often wrong on real video. Absent: none.")] = []


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person's action. `since_us` is when the unbroken run of `label` began; `top` is best first."""

    label: Annotated[str, about("The action.")]
    score: Score
    since_us: Annotated[int, about("When the unbroken run of `label` began, microseconds since 1970, UTC.")]
    top: Annotated[list[Labelled], about("The most likely actions with their scores, best first.")]
    experimental: Annotated[bool, about("Whether `label` is an experimental action. Absent: false.")] = False


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """A visible body part: its box, its relevance to the action (0 … 1), and its states, best first."""

    part: Annotated[str, about("The part, for example `right_hand`, from the person's point of view.")]
    box: Box
    score: Score
    relevance: Annotated[float, about("Relevance of the part to the action, 0 … 1.", minimum=0, maximum=1)]
    states: Annotated[list[Labelled], about("The part's states, best first.")]
    holds: Annotated[str | None, about("Of a hand: the label of the object in or at it. Absent: none.")] = None


class RuleAction(msgspec.Struct, frozen=True):
    """An action written in the rules file that a person does now, beside the model's."""

    label: Annotated[str, about("The action's name in the rules file.")]
    score: Score
    since_us: Annotated[int, about("When it began to hold without a break, microseconds since 1970, UTC.")]
    source: Annotated[Literal["rule"], about("Always `rule`: written, not learnt.")]
    parts: Annotated[list[str], about("The body parts whose conditions hold.")]


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tracked person. `action` is null before the track's first step of the action model."""

    track: Annotated[int, about("The person's id, never reused within the epoch.")]
    box: Box
    score: Score
    action: Action | None
    parts: Annotated[list[Part], about("The visible parts.")]
    detected: Annotated[bool, about("False if the box is extrapolated from detections before. Absent: true.")] = True
    foot: Annotated[
        tuple[float, float] | None,
        about(
            "Where the person stands: x, y in pixels of the message's `size`, inside the picture. "
            "Absent: published by an older version."
        ),
    ] = None
    zones: Annotated[
        list[str], about("The camera's zones that the person is in, in alphabetical order. Absent: none.")
    ] = []
    stature: Annotated[
        float | None,
        about("The person's estimated standing height in pixels, whatever the posture. Absent: as for `foot`."),
    ] = None
    trunk: Annotated[
        int | None,
        about(
            "Degrees between upright and the line from the hips to the head: 0 upright, 90 level, 180 head down. "
            "Absent: hips or head are not visible.",
            minimum=0,
            maximum=180,
        ),
    ] = None
    hips: Annotated[
        float | None, about("Height of the hips above `foot` in the picture, in statures. Absent: not visible.")
    ] = None
    speed: Annotated[
        float | None,
        about(
            "Speed of `foot` in the picture over the last second of media time, in statures per second. Absent for the "
            "first half second of a track.",
            minimum=0,
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

    label: Annotated[str, about("The kind of object.")]
    box: Box
    score: Score
    detected: Annotated[bool, about("False if it was found in an earlier frame. Absent: true.")] = True


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=FRAME_SCHEMA):
    """Topic `results/v1/<camera>/`: one processed frame, with or without people."""

    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    frame: FrameNumber
    capture_us: Annotated[int, about("When the frame was captured, microseconds since 1970, UTC, by `clock`.")]
    clock: Clock
    media_time_us: Annotated[int, about("Media time of the stream; only differences within an epoch are meaningful.")]
    published_us: Annotated[int, about("When the result was handed to ZeroMQ, microseconds since 1970, UTC.")]
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


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=EVENT_SCHEMA):
    """Topic `events/v1/<camera>/`: a person's smoothed action, or one of the rules file, started, changed or ended."""

    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    frame: FrameNumber
    track: Annotated[int, about("The person, as in the results of the same epoch.")]
    kind: Literal["started", "changed", "ended"]
    label: Annotated[str, about("The current action or, for `ended`, the one that ended.")]
    previous: Annotated[str | None, about("For `changed`: the previous action.")]
    score: Score
    capture_us: Annotated[int, about("When the frame that showed it was captured, microseconds since 1970, UTC.")]
    since_us: Annotated[int, about("When the action `label` began, microseconds since 1970, UTC.")]
    box: Box | None = None
    experimental: Annotated[bool, about("Whether `label` is an experimental action. Absent: false.")] = False
    source: Annotated[
        Literal["model", "rule"], about("`rule` for an action of the rules file, which never changes. Absent: model.")
    ] = "model"
    event: Annotated[
        str,
        about("The id of the action `label`: the same when it begins and when it ends. Absent: an older version's."),
    ] = ""
    previous_event: Annotated[
        str | None, about("For `changed`: the id of the previous action, which has ended. Absent: none.")
    ] = None
    media_time_us: Annotated[
        int | None, about("Media time of `frame`, as in the results. Absent: published by an older version.")
    ] = None


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=ALERT_SCHEMA):
    """Topic `alerts/v1/<camera>/`: a rule's alert began, was updated, or was cleared."""

    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    frame: FrameNumber
    alert: Annotated[str, about("The alert's id, the same in all its messages.")]
    rule: Annotated[str, about("The rule's name in the rules file.")]
    severity: Literal["info", "warning", "critical"]
    state: Annotated[
        Literal["began", "updated", "cleared"],
        about("`updated`: the conditions still hold, told less often the longer they do; and when acknowledged."),
    ]
    reason: Annotated[str, about("Why, as a sentence.")]
    zone: Annotated[str | None, about("The rule's zone that the alert is about; null without one.")]
    line: Annotated[str | None, about("The line that was crossed; null for other rules.")]
    track: Annotated[
        int | None, about("The person, as in the results of the same epoch; null for rules about a number of people.")
    ]
    people: Annotated[int | None, about("The number of people; null for rules about one person.")]
    action: Annotated[str | None, about("The action of the rule that the person does; null for rules without one.")]
    score: Annotated[float | None, about("The action's score; null without an action.", minimum=0, maximum=1)]
    box: Annotated[
        Box | None, about("The person's box when the conditions last held; null for rules about a number of people.")
    ]
    capture_us: Annotated[
        int, about("When the frame that decided it was captured, microseconds since 1970, UTC.", minimum=0)
    ]
    since_us: Annotated[int, about("When the conditions began to hold, microseconds since 1970, UTC.")]
    began_us: Annotated[int, about("When the alert began: `capture_us` of its first message.")]
    clear_reason: Annotated[
        Literal["over", "left", "epoch", "no_results", "restart", "rules", "camera"] | None,
        about(
            "Of `cleared`: the conditions no longer hold (`over`), the person is no longer seen (`left`), a new epoch "
            "began (`epoch`), no result came (`no_results`), the engine ended or crashed (`restart`), the rule "
            "was changed or removed (`rules`), or the camera was stopped or removed (`camera`). Else null."
        ),
    ]
    acknowledged_us: Annotated[
        int | None, about("When a user acknowledged it, microseconds since 1970, UTC. Absent: not acknowledged.")
    ] = None
    media_time_us: Annotated[
        int | None, about("Media time of `frame`, as in the results. Absent: published by an older version.")
    ] = None


class ClipReady(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=CLIP_READY_SCHEMA
):
    """Topic `clips/v1/<camera>/`: a clip is complete, and all its files are in place."""

    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    clip: Annotated[str, about("The clip's name: `GET /api/v1/clips/{clip}` has the video until it is deleted.")]
    start_us: Annotated[int, about("Capture time of the first frame, microseconds since 1970, UTC.")]
    end_us: Annotated[int, about("Capture time of the last frame, microseconds since 1970, UTC.")]
    start_media_time_us: Annotated[
        int, about("Media time of the first frame. A `media_time_us` minus this is the time in the clip.")
    ]
    end_media_time_us: Annotated[int, about("Media time of the last frame.")]
    ended: Annotated[EndReason, about("Why the clip ended, as in its metadata.")]
    bytes: Annotated[int, about("Size of all its files.", minimum=0)]
    events: Annotated[list[str], about("Ids of the actions that caused it, in order of time.")]
    alerts: Annotated[list[str], about("Ids of the alerts that caused it, in order of time.")]


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
    """Topic `stats/v1/`: statistics of the engine, at a fixed interval. `epoch` is always 0."""

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


Message = Frame | Event | Status | Stats | Alert | ClipReady

_from_json = msgspec.json.Decoder(Message)
_from_msgpack = msgspec.msgpack.Decoder(Message)


def decode(body: bytes) -> Message:
    """Decode a body; its first byte tells JSON from MessagePack. Unknown fields are ignored.

    Raises `msgspec.DecodeError` (or its subclass `msgspec.ValidationError`) if it is not a version 1 message.
    """
    try:
        return _from_json.decode(body) if body[:1] == b"{" else _from_msgpack.decode(body)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"text is not UTF-8: {error.reason}") from None
    except RecursionError:
        raise msgspec.DecodeError("nested too deep") from None


def topic(kind: Literal["results", "events", "status", "alerts", "clips"], camera: str) -> str:
    """Return the topic of a camera's messages. It ends in a slash, so that it matches no other topic as a prefix."""
    return f"{kind}/v1/{camera}/"


STATS_TOPIC = "stats/v1/"
