"""Why a frame was dropped or an access unit discarded: the `reason` label of metrics, spelled once."""

from __future__ import annotations

from enum import StrEnum


class DropReason(StrEnum):
    """Why a decoded frame was not processed."""

    OVERWRITTEN = "overwritten"
    """A newer frame took its slot before the engine came to it."""
    ALL_LEASED = "all_leased"
    """The engine held every slot of the ring."""
    STALE = "stale"
    """It waited too long, or gave way to a newer frame of its camera."""
    RATE_LIMITED = "rate_limited"
    """It came sooner than the camera's `max_fps` allows."""
    EPOCH_ENDED = "epoch_ended"
    """The camera's next epoch began first."""
    STAGE_ERROR = "stage_error"
    """The model failed."""
    SHUTDOWN = "shutdown"
    """The camera or the engine was stopped."""


class DiscardReason(StrEnum):
    """Why an access unit was not decoded into a frame."""

    INCOMPLETE = "incomplete"
    """Packets of it were lost, or it is unusually large."""
    AWAITING_KEYFRAME = "awaiting_keyframe"
    """It came after a loss or the start, before the next point at which decoding can begin."""
    LEADING = "leading"
    """It follows that point and refers to pictures before it."""
    CORRUPT = "corrupt"
    """The decoder rejected it."""
    RECOVERING = "recovering"
    """The stream refreshes gradually and its picture is not complete yet."""
    OVERRUN = "overrun"
    """It was received and not decoded in time."""
