"""What the placement of a fleet takes, settings, wishes and reports of engines, and its words for what it decides."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from stages.settings import Section

Code = Literal["", "no_room", "no_engine", "refused", "pin_absent", "pin_drained"]
"""Why no engine has a camera, or why it has not left one that is drained."""
Cause = Literal["new", "kept", "lost", "refused", "not_live", "drain", "overload", "pin"]
"""Why an engine was given a camera; `kept`: it had the camera already, which the store did not say."""


class PlacementSettings(Section):
    """How cameras are placed on engines, and when they move."""

    headroom: float = Field(
        default=0.1, ge=0, le=0.9, description="Share of each engine's capacity that is left free, because costs vary."
    )
    live_within_s: float = Field(
        default=10.0,
        ge=1,
        le=600,
        description="A camera that is not live on its new engine within this time goes to another one. Each further "
        "attempt is given twice the time.",
    )
    refused_s: float = Field(
        default=60.0,
        ge=1,
        le=3600,
        description="How long an engine that refused a camera, or did not get it live, is not given it again.",
    )
    hand_over_s: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="How long the old engine of a camera that moves goes on, if the new one does not get it live.",
    )
    drain_at_once: int = Field(
        default=8, ge=1, le=1000, description="Most cameras of a drained engine that move at the same time."
    )
    moves_per_minute: int = Field(
        default=30,
        ge=0,
        le=10_000,
        description="Most cameras a minute that leave engines with too much to do; 0 for none.",
    )
    balance_above: float = Field(
        default=1.1,
        ge=1,
        le=10,
        description="A camera leaves an engine with too much to do only if that engine uses more than this multiple of "
        "the share of its capacity that the other one will use.",
    )
    rest_s: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description="How long a camera that was placed stays, although its engine has too much to do.",
    )


class Wish(NamedTuple):
    """What is asked for a camera. `pin`: a tag of the engines that can read it. `cost`: expected Mpx/s."""

    enabled: bool = True
    pin: str | None = None
    cost: float = 20.0


class Seen(NamedTuple):
    """A camera as an engine reports it. `cost`: measured Mpx/s. `refused`: why the engine does not take it."""

    generation: int
    live: bool
    cost: float = 0.0
    refused: str = ""


class EngineState(NamedTuple):
    """What an engine reports of itself. `capacity`: Mpx/s. `suffers`: it has too much to do."""

    tags: frozenset[str]
    capacity: float
    max_cameras: int
    suffers: bool = False
