"""The wire schema: every message that partstream publishes, as msgspec structs. The one place for wire types.

Times named `*_us` are integer microseconds, UTC. Within version 1 optional fields may be added; readers ignore unknown
ones. The field `schema` tells a message's kind. `seq` counts from 0 without gaps for each (run, topic, epoch).
"""

from __future__ import annotations

from typing import Literal

import msgspec

FRAME_SCHEMA = "partstream.frame/1"
EVENT_SCHEMA = "partstream.event/1"
STATUS_SCHEMA = "partstream.status/1"
STATS_SCHEMA = "partstream.stats/1"

Box = tuple[float, float, float, float]
CameraState = Literal["connecting", "live", "stalled", "reconnecting", "ended", "removed"]


class ModelRef(msgspec.Struct, frozen=True):
    """Which model made this result; `trained` is false for random weights: such labels mean nothing."""

    profile: str
    weights: str
    trained: bool


class Action(msgspec.Struct, frozen=True):
    """What the person is doing; `since_us` is when the unbroken run of `label` began; `top` is best first."""

    label: str
    score: float
    since_us: int
    top: list[tuple[str, float]]


class Part(msgspec.Struct, frozen=True):
    """One visible body part: where, how relevant to the action (0 … 1), and the states that it is in, best first."""

    part: str
    box: Box
    score: float
    relevance: float
    states: list[tuple[str, float]]


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tracked person. `action` is null before the track's first step of the action model."""

    track: int
    box: Box
    score: float
    action: Action | None
    parts: list[Part]
    detected: bool = True


class DetectedObject(msgspec.Struct, frozen=True):
    """One object that is not a person."""

    label: str
    box: Box
    score: float


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=FRAME_SCHEMA):
    """Topic `results/v1/<camera>/`: one processed frame, also when nobody is in it."""

    run: str
    seq: int
    camera: str
    epoch: int
    frame: int
    capture_us: int
    clock: Literal["rtcp", "arrival", "media"]
    media_time_us: int
    published_us: int
    size: tuple[int, int]
    model: ModelRef
    people: list[Person]
    objects: list[DetectedObject]
    trace_id: str | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=EVENT_SCHEMA):
    """Topic `events/v1/<camera>/`: a person's smoothed action started, changed or ended."""

    run: str
    seq: int
    camera: str
    epoch: int
    frame: int
    track: int
    kind: Literal["started", "changed", "ended"]
    label: str
    previous: str | None
    score: float
    capture_us: int
    since_us: int
    """When the action named by `label` (for `ended`: the one that ended) began."""
    box: Box | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=STATUS_SCHEMA):
    """Topic `status/v1/<camera>/`: a camera changed its state."""

    run: str
    seq: int
    camera: str
    epoch: int
    state: CameraState
    reason: str | None
    """A short code, e.g. `refused`, `not_found`, `unauthorised`, `silent`, `stalled`; null when all is well."""
    message: str
    at_us: int
    clock: Literal["rtcp", "arrival", "media"] | None
    size: tuple[int, int] | None
    source: str
    """The source's address with every secret taken out."""


class CameraStats(msgspec.Struct, frozen=True):
    """One camera's counts since the engine started, and its rates over the last interval."""

    camera: str
    state: CameraState
    epoch: int
    decoded: int
    processed: int
    dropped: dict[str, int]
    fps_in: float
    fps_out: float
    tracks: int


class Stats(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=STATS_SCHEMA):
    """Topic `stats/v1/`: the engine as a whole, at a fixed interval. `epoch` is always 0."""

    run: str
    seq: int
    epoch: int = 0
    at_us: int
    uptime_s: float
    ready: bool
    ready_reason: str
    model: ModelRef
    cameras: list[CameraStats]
    state_slots_used: int
    state_slots: int
    subscriptions: int


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


def topic(kind: Literal["results", "events", "status"], camera: str) -> str:
    """The topic of a camera's messages. It ends in a slash, so that subscribing to it as a prefix is exact."""
    return f"{kind}/v1/{camera}/"


STATS_TOPIC = "stats/v1/"
