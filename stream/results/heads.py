"""Messages of which only the head was decoded, with the body as it was received: for readers that pass them on.

A head has what is needed to follow numbers, generations and cameras. For a result with two people, decoding it takes a
third of the time of decoding all of it, and nothing has to be encoded again.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from stream.results import (
    Alert,
    CameraId,
    ClipReady,
    Epoch,
    Event,
    Frame,
    Generation,
    Message,
    Place,
    Run,
    Seq,
    Stats,
    Status,
    decode_with,
    stats_topic,
    topic,
)
from stream.results.camera_messages import ALERT_SCHEMA, CLIP_READY_SCHEMA, EVENT_SCHEMA, FRAME_SCHEMA, STATUS_SCHEMA
from stream.results.places import PLACE_SCHEMA
from stream.results.stats import STATS_SCHEMA

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

_from_json = msgspec.json.Decoder(Head)
_from_msgpack = msgspec.msgpack.Decoder(Head)

CameraKind = Literal["results", "events", "status", "alerts", "clips", "directory"]
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
    head = decode_with(_from_json, _from_msgpack, body)
    msgspec.structs.force_setattr(head, "body", body)
    return head


def kind_of(head: Head) -> str:
    """Return the kind of a message, which begins its topic."""
    return KINDS.get(type(head), "stats")


def topic_of(message: Received) -> str:
    """Return the topic on which the message was published."""
    return stats_topic(message.engine) if isinstance(message, Stats) else topic(KINDS[type(message)], message.camera)
