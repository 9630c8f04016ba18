"""The messages of a camera: results, events, alerts, clips and status."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stream.results.fields import (
    Box,
    CameraId,
    CameraState,
    Clock,
    Count,
    EndReason,
    Epoch,
    EpochBegan,
    FrameNumber,
    Generation,
    Look,
    MediaTime,
    Micros,
    ModelRef,
    Name,
    Privacy,
    Run,
    Score,
    Seq,
    Size,
    Track,
    about,
)
from stream.results.people import DetectedObject, Person

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
