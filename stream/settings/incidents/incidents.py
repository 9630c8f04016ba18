"""Settings of the alerts and events that are kept, with pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import ByteSize, Field

from stages.settings import LEAST, MOST_BYTES, Section


class IncidentsConfig(Section):
    """Alerts and events that are kept on disk, each with a picture of its frame (docs/incidents.md)."""

    directory: Path | None = Field(
        None, description="Directory of the kept alerts and events. Unset: only the latest alerts, in memory."
    )
    actions: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = Field(
        None,
        description="Actions that are kept, with their minimum scores: `{fall: 0.6, kick: 0.5}`. Unset: as "
        "`recording.actions`.",
    )
    budget: ByteSize = Field(
        ByteSize(2 * 10**9),
        ge=1 << 20,
        le=MOST_BYTES,
        description="Space for all pictures, in bytes or as `2GB`, `500MB`; the oldest are deleted first.",
    )
    keep_days: float = Field(
        30.0, ge=LEAST, le=36_500, description="Time after which alerts and events are deleted, days."
    )
    least_free: ByteSize = Field(
        ByteSize(10**9),
        ge=0,
        le=MOST_BYTES,
        description="No picture is written while the disk has less free space than this.",
    )
    width: int = Field(960, ge=160, le=1920, description="Maximum width of pictures in pixels.")
