"""Settings of the verdicts of people on alerts and events."""

from __future__ import annotations

from pathlib import Path

from pydantic import ByteSize, Field

from stages.settings import MOST_BYTES, Section


class VerdictsConfig(Section):
    """What people said of alerts and events, kept for training with the clips (docs/review.md)."""

    directory: Path | None = Field(
        None,
        description="Directory of the verdicts and their clips. Unset: `verdicts` in `incidents.directory`.",
    )
    budget: ByteSize = Field(
        ByteSize(20 * 10**9),
        ge=1 << 20,
        le=MOST_BYTES,
        description="Space for verdicts and their clips, in bytes or as `20GB`. Nothing is deleted to make room: when "
        "it is used up, verdicts on further alerts and events are refused.",
    )
    least_free: ByteSize = Field(
        ByteSize(10**9),
        ge=0,
        le=MOST_BYTES,
        description="No clip is copied for a verdict if that would leave less free space on the disk than this.",
    )
