"""The messages between the engines of a fleet and their coordinator, as JSON.

Each engine has a DEALER socket, which is connected to the coordinator's ROUTER socket. It sends a `Renewal` several
times in the time of a lease, and at once when something has changed. The coordinator answers each with a `Grant`, and
sends a further one at once when the engine's cameras change. Both are complete states, so that a lost message costs
only the time until the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from stream.results import CameraState, EngineAddress

PROTOCOL = 1
"""Version of these messages. Within a version, optional fields may be added, and unknown ones are ignored."""
MOST_BYTES = 4 << 20
"""Largest message of either direction: the settings of a thousand cameras with zones."""
MOST_SETTINGS_BYTES = MOST_BYTES - (512 << 10)
"""Settings in one renewal. It leaves room for what else the renewal has."""

Fence = Literal["soft", "strict"]
"""What an engine does when its lease ends: go on until it learns of a higher generation (`soft`), or publish nothing of
its cameras (`strict`)."""
LeastPrivacy = Literal["off", "skeleton"]
Natural = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Nanoseconds = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Of CLOCK_BOOTTIME, which exceeds the integers of a float after 104 days. Only Python reads it."""
Rate = Annotated[float, Meta(ge=0)]
Name = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_.-]{0,62}$")]
"""Name of an engine or a node."""


class CameraReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """A camera as its engine sees it."""

    generation: Natural
    state: CameraState
    pixels: Rate = 0.0
    """Decoded megapixels per second: the camera's cost before the model."""
    fps: Rate = 0.0
    """Results published per second."""
    refused: str = ""
    """Why the engine could not take the camera, as a sentence; empty if it has it."""
    reason: str = ""
    """Short code of what ended it, so that the engine does not try again; empty if nothing did."""
    message: str = ""
    """The same as a sentence without secrets."""


class EngineReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an engine measures of itself."""

    capacity: Rate
    """Megapixels per second that it can take, as measured; configured before anything was measured."""
    max_cameras: Natural
    age_ms: Rate = 0.0
    """95th percentile of the time from a frame's arrival to its result over the last seconds, the worst camera's."""
    dropped: Rate = 0.0
    """Frames of live cameras dropped per second because the engine was too slow."""
    batch_ms: Rate = 0.0
    """Median time of a batch."""
    overloaded: bool = False
    ease_level: Natural = 0
    """How much detail it gives up so that it drops no frames; 0: none."""
    max_ease_level: Natural = 0
    privacy: LeastPrivacy = "off"
    """Least privacy of its cameras: `skeleton` if its own configuration wants that for all, whatever theirs is."""


class Renewal(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="renewal"):
    """An engine to the coordinator: it lives, and wants its lease prolonged."""

    protocol: Natural
    address: EngineAddress
    asked_ns: Nanoseconds
    """The engine's CLOCK_BOOTTIME before it sent this; the grant repeats it, and the lease counts from it."""
    version: Natural
    """Version of the assignment that the engine has taken over; 0 for none."""
    report: EngineReport
    cameras: dict[str, CameraReport] | None = None
    """All its cameras; None: as in the last renewal that had them."""
    settings: dict[str, dict[str, Any]] | None = None
    """The settings of its cameras, secrets included, of all or of those that fit (`more`); only if a grant
    `wants_settings`. Cameras whose settings are too large for any renewal are left out."""
    stopping: bool = False
    """It is being stopped in order: its cameras are to be moved at once."""
    more: bool = False
    """`settings` lacks cameras, which the next renewals have."""


class Assigned(msgspec.Struct, frozen=True, omit_defaults=True):
    """A camera that an engine is to have."""

    generation: Natural
    settings: dict[str, Any]
    """As in the `cameras` of a configuration, without `id`."""


class Viewing(msgspec.Struct, frozen=True):
    """What an engine has to know to serve viewers of the fleet's live page (`stream.membership.passes`)."""

    key: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    """With which passes for this run of the engine are signed."""
    now_ms: Natural
    """The coordinator's CLOCK_BOOTTIME when it sent this."""
    origins: list[str]
    """Where browsers have the page from."""


class Grant(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="grant"):
    """The coordinator to an engine: its lease, and the cameras that it is to have."""

    protocol: Natural
    coordinator: str
    """The coordinator's run."""
    asked_ns: Nanoseconds
    """Of the last renewal."""
    ttl_ms: Natural
    """Length of the lease, counted from `asked_ns`. 0: the lease is not prolonged."""
    fence: Fence
    version: Natural
    """Version of the assignment, which only grows in one run of the coordinator."""
    generations: dict[str, Natural] | None = None
    """The generation of every camera that the engine is to have; None: as in the version that it has."""
    cameras: dict[str, Assigned] | None = None
    """The cameras whose generation or settings the engine's version lacks."""
    wants_cameras: bool = False
    """The next renewal is to contain `cameras`."""
    wants_settings: bool = False
    """The next renewal is to contain `settings`: the coordinator has lost them."""
    http: str = ""
    """The address of the coordinator's HTTP server, where cameras are changed; empty if it has none."""
    viewing: Viewing | None = None
    """None: as before, or the coordinator has no live page."""


class RefusedEngine(msgspec.Struct, frozen=True, tag_field="kind", tag="refused"):
    """The coordinator to an engine that it cannot have: a name in use, or another version of the protocol."""

    reason: str


_engine_messages = msgspec.json.Decoder(Renewal)
_coordinator_messages = msgspec.json.Decoder(Grant | RefusedEngine)
encode = msgspec.json.Encoder().encode


def decode_renewal(body: bytes) -> Renewal:
    """Decode an engine's message. Raises `ValueError` (`msgspec.ValidationError` is one) if it is invalid."""
    return _decoded(_engine_messages, body)


def decode_grant(body: bytes) -> Grant | RefusedEngine:
    """Decode a coordinator's message. Raises `ValueError` if it is invalid."""
    return _decoded(_coordinator_messages, body)


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except (UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a message between engine and coordinator: {error}") from None


def generations_of(cameras: Mapping[str, CameraReport]) -> dict[str, int]:
    """Return the generation of each camera that the engine has."""
    return {camera: report.generation for camera, report in cameras.items() if not report.refused}
