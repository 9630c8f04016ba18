"""The message format: every message that partstream publishes, as msgspec structs.

Times named `*_us` are integer microseconds, UTC. Within version 1 optional fields may be added; readers ignore unknown
fields. The field `schema` gives the kind of message. `seq` counts from 0 without gaps for each (run, topic, epoch).
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from stream.results.camera_messages import (
    ALERT_SCHEMA,
    CLIP_READY_SCHEMA,
    EVENT_SCHEMA,
    FRAME_SCHEMA,
    STATUS_SCHEMA,
    Alert,
    ClipReady,
    Event,
    Frame,
    Status,
)
from stream.results.fields import (
    Box,
    CameraId,
    CameraState,
    Clock,
    Count,
    EndReason,
    Epoch,
    FrameNumber,
    Generation,
    Labelled,
    Look,
    MediaTime,
    Micros,
    ModelRef,
    Privacy,
    Run,
    Score,
    Seq,
    Size,
    about,
)
from stream.results.people import (
    Action,
    Crossing,
    DetectedObject,
    Part,
    Person,
    RuleAction,
)
from stream.results.places import PLACE_SCHEMA, EngineAddress, Place
from stream.results.stats import (
    STATS_SCHEMA,
    CameraStats,
    Load,
    Stats,
)

__all__ = [
    "ALERT_SCHEMA",
    "CLIP_READY_SCHEMA",
    "EVENT_SCHEMA",
    "FRAME_SCHEMA",
    "PLACE_SCHEMA",
    "STATS_SCHEMA",
    "STATS_TOPIC",
    "STATUS_SCHEMA",
    "Action",
    "Alert",
    "Box",
    "CameraId",
    "CameraState",
    "CameraStats",
    "ClipReady",
    "Clock",
    "Count",
    "Crossing",
    "DetectedObject",
    "EndReason",
    "EngineAddress",
    "Epoch",
    "Event",
    "Frame",
    "FrameNumber",
    "Generation",
    "Labelled",
    "Load",
    "Look",
    "MediaTime",
    "Message",
    "Micros",
    "ModelRef",
    "Part",
    "Person",
    "Place",
    "Privacy",
    "RuleAction",
    "Run",
    "Score",
    "Seq",
    "Size",
    "Stats",
    "Status",
    "about",
    "decode",
    "decode_with",
    "stats_topic",
    "topic",
]

T = TypeVar("T")
Message = Frame | Event | Status | Stats | Alert | ClipReady | Place

_from_json = msgspec.json.Decoder(Message)
_from_msgpack = msgspec.msgpack.Decoder(Message)


def decode(body: bytes) -> Message:
    """Decode a body; its first byte tells JSON from MessagePack. Unknown fields are ignored.

    Raises `msgspec.DecodeError` (or its subclass `msgspec.ValidationError`) if it is not a version 1 message.
    """
    return decode_with(_from_json, _from_msgpack, body)


def decode_with(json: msgspec.json.Decoder[T], msgpack: msgspec.msgpack.Decoder[T], body: bytes) -> T:
    """Decode a body by one of two decoders, as `decode` does."""
    try:
        return json.decode(body) if body[:1] == b"{" else msgpack.decode(body)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"text is not UTF-8: {error.reason}") from None
    except RecursionError:
        raise msgspec.DecodeError("nested too deep") from None


TopicKind = Literal["results", "events", "status", "alerts", "clips", "directory"]


def topic(kind: TopicKind, camera: str) -> str:
    """Return the topic of a camera's messages. It ends in a slash, so that it matches no other topic as a prefix."""
    return f"{kind}/v1/{camera}/"


STATS_TOPIC = "stats/v1/"
"""Topic of the statistics of an engine, and the beginning of those of the engines of a fleet."""


def stats_topic(engine: str | None) -> str:
    """Return the topic of an engine's statistics. `engine`: its name in a fleet, None without one."""
    return STATS_TOPIC if engine is None else f"{STATS_TOPIC}{engine}/"
