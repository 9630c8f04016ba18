"""What is known of an incident, an alert or an action that an event has reported, and what the store writes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from stream.results import CameraId, Count, Epoch, Frame, FrameNumber, ModelRef, Run, about

Kind = Literal["alert", "event"]
Verdict = Literal["right", "wrong", "really", "skip"]
Missing = Literal["unknown", "waiting", "none", "gone", "private"]
"""Why there is no picture: no such incident; it is being encoded; none was taken; it is no longer kept; or it was taken
when less of the camera was hidden than now."""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """An alert, or an action that began."""

    id: Annotated[str, about("The id: `alert` of an alert, `event` of an event.")]
    kind: Annotated[Kind, about("What it is.")]
    camera: CameraId
    run: Run
    epoch: Epoch
    frame: FrameNumber
    track: Annotated[int | None, about("The person; null for rules about a number of people.")]
    rule: Annotated[str | None, about("The rule's name; null for events.")]
    action: Annotated[str | None, about("The action; null for rules without one.")]
    severity: Annotated[Literal["info", "warning", "critical"] | None, about("Of alerts; null for events.")]
    reason: Annotated[str, about("Why it began, as a sentence.")]
    score: Annotated[float | None, about("The action's score when it began; null without an action.")]
    began_us: Annotated[int, about("Capture time of the frame that began it, microseconds since 1970, UTC.")]
    ended_us: Annotated[
        int | None,
        about(
            "When it ended, microseconds since 1970, UTC; null while it goes on, or if the engine crashed meanwhile."
        ),
    ]
    media_time_us: Annotated[int | None, about("Media time of `frame`, as in the results of the same epoch.")]
    acknowledged_us: Annotated[int | None, about("When a user acknowledged the alert while it was on; else null.")]
    picture: Annotated[bool, about("Whether there is a picture of `frame`.")]
    clip: Annotated[str | None, about("The name of a clip that shows it; null if there is none, or no longer.")]
    model: Annotated[ModelRef | None, about("The model that saw it.")]
    verdict: Annotated[Verdict | None, about("What a person said of it; null if nothing yet.")]
    truth: Annotated[str | None, about("The true action, if the verdict gives one.")]
    by: Annotated[str | None, about("Who gave the verdict.")]
    at_us: Annotated[int | None, about("When, microseconds since 1970, UTC.")]


class Bucket(msgspec.Struct, frozen=True):
    """The numbers of incidents that began in a part of a time range."""

    from_us: Annotated[int, about("Begin of the part, microseconds since 1970, UTC.")]
    alerts: Count
    events: Count


class IncidentList(msgspec.Struct, frozen=True):
    """Incidents of one engine, and the state of keeping them."""

    state: Annotated[
        Literal["off", "ready", "low_disk", "unwritable"],
        about(
            "`off`: not configured. `low_disk`, `unwritable`: incidents or pictures cannot be written at the moment."
        ),
    ]
    message: Annotated[str, about("Why they cannot be kept, and what to do; empty if they can.")]
    bytes: Annotated[
        int, about("Size of the kept pictures and their results; 0 with a token for some cameras.", minimum=0)
    ]
    budget: Count
    incidents: Annotated[list[Incident], about("The latest first.")]
    before: Annotated[str | None, about("The parameter `before` of the next page; null if this is the last one.")]


class Timeline(msgspec.Struct, frozen=True):
    """How many incidents began when."""

    buckets: Annotated[list[Bucket], about("Parts of equal length, in order of time.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentQuery:
    """Which incidents are wanted. None means all. Times are in µs since 1970, `to_us` exclusive."""

    cameras: tuple[str, ...] | None = None
    kind: Kind | None = None
    rule: str | None = None
    action: str | None = None
    verdict: Verdict | Literal["none"] | None = None
    from_us: int | None = None
    to_us: int | None = None
    before: tuple[int, str] | None = None
    """Only what comes after the incident that began at this time and has this id, in the order of the list."""
    limit: int = 50


class Picture(NamedTuple):
    """A JPEG of a frame, and the frame's result; None if that was lost in a crash."""

    jpeg: bytes
    result: Frame | None


class Statement(NamedTuple):
    """A statement with its values."""

    sql: str
    values: Any


class Change(NamedTuple):
    """What a message changes, all of it or nothing, and of what kind that is; None for no incident."""

    kind: Kind | None
    statements: list[Statement]
