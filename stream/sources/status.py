"""CameraStatus: a camera's current state, reported to the engine at each change. It contains no secrets."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from ring_buffers.frames import Clock
from stream import results
from stream.results import CameraState
from stream.settings.engine import CameraConfig
from telemetry.reasons import EpochReason

MOVED = "moved to another engine, or removed from the fleet"


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """One camera at one moment."""

    camera: str
    state: CameraState
    reason: str | None
    """A short code (`stream.sources.errors`); None without a problem."""
    message: str
    """Human-readable text without secrets."""
    epoch: int
    """Before the first picture, the last epoch of a previous camera with this id, or 0."""
    clock: Clock | None
    size: tuple[int, int] | None
    """(width, height) of the epoch's first picture."""
    at_us: int
    """UTC, µs."""
    source: str
    """The source's address without secrets."""
    privacy: results.Privacy | None = None
    """What is hidden of its pictures."""
    epoch_reason: EpochReason | None = None
    """Why the epoch began; None before the first picture."""

    @classmethod
    def initial(cls, config: CameraConfig, epoch: int = 0) -> CameraStatus:
        """Return the status of a camera before its first opening."""
        shown = str(config.source)
        hidden = stated_privacy(config)
        return cls(config.id, "connecting", None, "connecting", epoch, None, None, _now_us(), shown, hidden)

    def removed(self, *, moved: bool = False) -> CameraStatus:
        """Return the status of the same camera after its removal from the engine. `moved`: by the engine's fleet."""
        reason, message = ("moved", MOVED) if moved else (None, "removed")
        return replace(self, state="removed", reason=reason, message=message, at_us=_now_us())

    def wire(self, run: str, seq: int) -> results.Status:
        """Return this status as a message for publication."""
        return results.Status(
            run=run,
            seq=seq,
            camera=self.camera,
            epoch=self.epoch,
            state=self.state,
            reason=self.reason,
            message=self.message,
            at_us=self.at_us,
            clock=self.clock,
            size=self.size,
            source=self.source,
            privacy=self.privacy,
            epoch_reason=None if self.epoch_reason is None else self.epoch_reason.value,
        )


def stated_privacy(config: CameraConfig) -> results.Privacy | None:
    """Return what is hidden of a camera's pictures, as messages state it."""
    return None if config.privacy_mode == "off" else config.privacy_mode


def _now_us() -> int:
    return time.time_ns() // 1000
