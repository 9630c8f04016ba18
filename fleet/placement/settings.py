"""Settings of the placement."""

from __future__ import annotations

from pydantic import Field

from stages.settings import Section
from stream.membership.protocol import Fence


class PlacementSettings(Section):
    """When an engine counts as lost, and how cameras are placed and moved."""

    ttl_s: float = Field(
        default=2.0,
        ge=0.5,
        le=60,
        description="Length of an engine's lease. An engine that is silent for longer is lost.",
    )
    fence: Fence = Field(
        default="soft",
        description="`soft`: a camera that moves is read by both engines until the new one has it live. `strict`: at "
        "no time do two engines hold the lease of a camera; every move ends the old place first.",
    )
    settle_s: float | None = Field(
        default=None,
        ge=0,
        le=600,
        description="How long a new coordinator waits for engines to report the cameras that they have, before it "
        "places the others. Unset: 1.5 × `ttl_s` + 1 s. With `strict`, at least until the leases of the coordinator "
        "before are over.",
    )
    headroom: float = Field(
        default=0.1,
        ge=0,
        le=0.9,
        description="Share of each engine's capacity that is left free when cameras are placed, because costs vary.",
    )
    live_within_s: float = Field(
        default=10.0,
        ge=1,
        le=600,
        description="Time in which a camera must have a first result on its new engine; otherwise it is placed again.",
    )
    refused_s: float = Field(
        default=60.0,
        ge=1,
        le=3600,
        description="How long an engine that refused a camera is not asked again to take it.",
    )
    drain_at_once: int = Field(
        default=8,
        ge=1,
        le=1000,
        description="Largest number of cameras of a drained engine that are moved at the same time.",
    )
    moves_per_minute: int = Field(
        default=30, ge=0, le=10_000, description="Most moves a minute that only balance the load; 0 for none."
    )
    balance_above: float = Field(
        default=1.25,
        ge=1,
        le=10,
        description="Cameras leave an engine that drops frames, or is late, if its load is above this multiple of the "
        "mean load.",
    )
    level_above: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="An engine that has less than half of the mean load gets cameras of the fullest ones, but only of "
        "engines that use more than this share of their capacity: 1 for none.",
    )
    rest_s: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description="Time for which a camera that was placed is not moved to balance the load, and for which an engine "
        "that joined, or whose drain ended, gets no cameras of engines that do not suffer.",
    )

    @property
    def settling_s(self) -> float:
        """Seconds for which a new coordinator listens before it places cameras."""
        return 1.5 * self.ttl_s + 1 if self.settle_s is None else self.settle_s
