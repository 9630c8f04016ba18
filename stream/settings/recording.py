"""Settings of what is kept of alerts and events: clips, pictures and the verdicts of people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import ByteSize, Field, model_validator

from stages.settings import LEAST, MOST_BYTES, Section
from stream.settings.values import CameraId

LATE_S = 2.0
"""Longest delay from a frame to the recording of its event, by the model and the recorder: packets are held this much
longer."""


class RecordingConfig(Section):
    """Clips of the seconds around events and alerts (docs/recording.md)."""

    directory: Path | None = Field(None, description="Directory of the clips. Unset: no recording.")
    actions: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = Field(
        None,
        description="Actions that start a clip, with their minimum scores: `{fall: 0.6, kick: 0.5}`. Unset: "
        "all except stand, walk, sit, lie, carry and other, from 0.5.",
    )
    alerts: bool = Field(True, description="Whether alerts of rules start clips, too.")
    cameras: list[CameraId] = Field(default_factory=list[str], description="Ids of the cameras to record. Empty: all.")
    seconds_before: float = Field(5.0, ge=0, le=120, description="Minimum time in a clip before its event.")
    seconds_after: float = Field(5.0, ge=0, le=600, description="Time in a clip after the end of its last event.")
    max_clip_s: float = Field(60.0, ge=1, le=3600, description="Longest clip; longer events are cut.")
    budget: ByteSize = Field(
        ByteSize(10 * 10**9),
        ge=1 << 20,
        le=MOST_BYTES,
        description="Space for all clips, in bytes or as `20GB`, `500MB`; the oldest are deleted first.",
    )
    least_free: ByteSize = Field(
        ByteSize(10**9),
        ge=0,
        le=MOST_BYTES,
        description="No clip is written while the disk has less free space than this.",
    )
    packet_bytes: ByteSize = Field(
        ByteSize(32 << 20),
        ge=1 << 16,
        le=1 << 40,
        description="Memory per camera for encoded video; the default is 32 s at 8 Mbit/s. If it is too "
        "small, clips start later.",
    )
    packet_seconds: float = Field(
        30.0,
        ge=3,
        le=600,
        description="The same limit in seconds. Cameras with keyframes further apart give no clips.",
    )

    @model_validator(mode="after")
    def _lengths_go_together(self) -> RecordingConfig:
        if self.max_clip_s <= self.seconds_before:
            raise ValueError("max_clip_s must be more than seconds_before: clips would end before their events")
        if self.packet_seconds < self.seconds_before + LATE_S:
            raise ValueError(f"packet_seconds must be at least seconds_before plus {LATE_S:g} s")
        return self


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
