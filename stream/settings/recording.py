"""Clips of events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import ByteSize, Field, field_validator, model_validator

from stream.settings.section import CAMERA_ID, Section

LATE_S = 2.0
"""How much later than its frame an event may come to be recorded, by the model and by the recorder's sleep: packets are
held so much longer."""


class RecordingConfig(Section):
    """Clips of the seconds around events ([recording.md](recording.md))."""

    directory: Path | None = Field(None, description="Where clips go. Unset: nothing is recorded.")
    actions: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = Field(
        None,
        description="Actions whose begin makes a clip, with the least score: `{fall: 0.6, kick: 0.5}`. Unset: from "
        "0.5 all but stand, walk, sit, lie, carry and other, which people do all day.",
    )
    cameras: list[str] = Field(default_factory=list[str], description="Ids of cameras to record. Empty: all.")
    seconds_before: float = Field(5.0, ge=0, le=120, description="Shown before an event, at least.")
    seconds_after: float = Field(5.0, ge=0, le=600, description="Shown after the last event's end.")
    max_clip_s: float = Field(60.0, ge=1, le=3600, description="A clip's longest length, however long its events are.")
    budget: ByteSize = Field(
        ByteSize(10 * 10**9),
        ge=1 << 20,
        description="Bytes of all clips, or as `20GB`, `500MB`; the oldest go first.",
    )
    least_free: ByteSize = Field(
        ByteSize(10**9), description="Free bytes on the disk below which no clip is written: others need it too."
    )
    packet_bytes: ByteSize = Field(
        ByteSize(32 << 20),
        ge=1 << 16,
        description="Memory a camera for encoded pictures held: 8 Mbit/s for 32 s. Less is shown before an event where "
        "it doesn't suffice.",
    )
    packet_seconds: float = Field(
        30.0, ge=3, le=600, description="The same in seconds: key frames further apart than this give no clips."
    )

    @field_validator("cameras")
    @classmethod
    def _camera_ids(cls, value: list[str]) -> list[str]:
        for camera_id in value:
            if not CAMERA_ID.fullmatch(camera_id):
                raise ValueError(f"{camera_id!r} is no camera's id")
        return value

    @model_validator(mode="after")
    def _lengths_go_together(self) -> RecordingConfig:
        if self.max_clip_s <= self.seconds_before:
            raise ValueError("max_clip_s must be more than seconds_before: no event would be in its clip")
        if self.packet_seconds < self.seconds_before + LATE_S:
            raise ValueError(f"packet_seconds must be at least seconds_before and {LATE_S:g} s more")
        return self
