"""Reasons for dropped frames, discarded access units and epochs, the values of the metrics' label `reason`."""

from __future__ import annotations

from enum import StrEnum


class DropReason(StrEnum):
    """Reason for which a decoded frame was not processed."""

    OVERWRITTEN = "overwritten"
    """A newer frame took its slot before the engine could lease it."""
    ALL_LEASED = "all_leased"
    """All slots of the ring were leased."""
    STALE = "stale"
    """It waited longer than `staleness_ms`, or a newer frame of its camera was preferred."""
    RATE_LIMITED = "rate_limited"
    """It exceeded the camera's `max_fps`."""
    EPOCH_ENDED = "epoch_ended"
    """The camera's next epoch began before it was processed."""
    STAGE_ERROR = "stage_error"
    """A stage of the model failed."""
    SHUTDOWN = "shutdown"
    """The camera or the engine was stopped."""


class EpochReason(StrEnum):
    """Reason for which an epoch began."""

    CONNECTED = "connected"
    """The source was opened: the first time, after a lost connection, or for the next round of a file."""
    ASPECT_RATIO = "aspect_ratio"
    """The picture's width or height changed, and not both by the same factor."""
    MEDIA_JUMP = "media_jump"
    """The stream's times jumped."""
    CLOCK_STEP = "clock_step"
    """The clock that capture times are taken from was set by 2 s or more."""
    MOVED = "moved"
    """In a fleet, the engine got the camera again, in a new generation."""


class DiscardReason(StrEnum):
    """Reason for which an access unit gave no frame."""

    INCOMPLETE = "incomplete"
    """Packets were lost, or the unit is unusually large."""
    AWAITING_KEYFRAME = "awaiting_keyframe"
    """It refers to one that was lost, or that was sent before the connection began."""
    CORRUPT = "corrupt"
    """The decoder rejected it."""
    OVERRUN = "overrun"
    """Too many units were already waiting for the decoder."""
