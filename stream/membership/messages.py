"""The messages between an engine of a fleet and the fleet's controller, as JSON.

Both sides send complete states, so that a lost or repeated message costs nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from stream.results import CameraState, EngineAddress, about


class CameraReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """A camera as its engine sees it."""

    generation: int
    state: CameraState
    pixels: float = 0.0
    """Decoded megapixels per second: the camera's cost before the model."""
    fps: float = 0.0
    """Results published per second."""
    refused: str = ""
    """Why the engine could not take the camera, as a sentence; empty if it has it."""
    reason: str = ""
    """Short code of what ended it, so that the engine does not try again; empty if nothing did."""
    message: str = ""
    """The same as a sentence without secrets."""


class EngineReport(msgspec.Struct, frozen=True):
    """What an engine measures of itself."""

    capacity: Annotated[
        float, about("Megapixels per second that it can take, as measured; configured before anything was measured.")
    ]
    max_cameras: Annotated[int, about("Cameras that it can take.")]
    age_ms: Annotated[float, about("95th percentile of the age of results, recently, the worst camera's.")] = 0.0
    dropped: Annotated[float, about("Frames of live cameras dropped per second because the engine was too slow.")] = 0.0
    overloaded: Annotated[bool, about("Whether it drops frames at its highest ease level.")] = False
    ease_level: Annotated[int, about("How much detail it gives up so that it drops no frames; 0: none.")] = 0
    max_ease_level: Annotated[int, about("Its highest level; 0 if it has none.")] = 0
    privacy: Annotated[
        Literal["off", "skeleton"],
        about("`skeleton`: its configuration has all cameras in skeleton mode, whatever theirs is."),
    ] = "off"


class EngineStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of an engine to its controller, once a second."""

    address: EngineAddress
    report: EngineReport
    cameras: dict[str, CameraReport]
    assignment: int = 0
    """Number of the assignment that it is taking over; 0 for none."""


class Assigned(msgspec.Struct, frozen=True):
    """A camera that an engine is to have."""

    generation: int
    settings: dict[str, Any]
    """As in the `cameras` of a configuration, without `id`; secrets included."""


class Assignment(msgspec.Struct, frozen=True):
    """All cameras that an engine is to have, and what it has to know to serve viewers of the fleet's live page."""

    number: int
    """Grows with each assignment; a lower one than the last is ignored."""
    cameras: dict[str, Assigned]
    http: str
    """The address of the controller's HTTP server, where cameras are changed; empty if it has none."""
    key: str
    """With which passes for this run of the engine are signed (`stream.membership.passes`), 64 hexadecimal digits."""
    origins: list[str]
    """Origins of the live page."""


encode = msgspec.json.Encoder().encode
decode_assignment = msgspec.json.Decoder(Assignment).decode
decode_status = msgspec.json.Decoder(EngineStatus).decode
